// Containers, their keys, and filters resolved over them against the reference: matches().
#include "collection/field_index.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/filter/compare.hpp"
#include "anear/filter/parser.hpp"
#include "collection/field_container.hpp"
#include "collection/field_keys.hpp"
#include "filter/random_expressions.hpp"

namespace field_index_test {

using namespace anear;

namespace {

const FieldTypes kDynamic{.declared = {}, .dynamic = true};
constexpr std::uint32_t kCollection = 7;

std::set<std::uint16_t> slots_in(std::string_view container) {
  ContainerBits bits{};
  REQUIRE(unite_container(container, bits));
  std::set<std::uint16_t> slots;
  for (std::size_t slot = 0; slot < kContainerSlots; ++slot) {
    if (((bits[slot >> 6] >> (slot & 63)) & 1) != 0) slots.insert(static_cast<std::uint16_t>(slot));
  }
  return slots;
}

std::string change_of(const std::set<std::uint16_t>& added,
                      const std::set<std::uint16_t>& removed) {
  const std::vector<std::uint16_t> ordered_added(added.begin(), added.end());
  std::vector<std::uint16_t> ordered_removed;
  std::set_difference(removed.begin(), removed.end(), added.begin(), added.end(),
                      std::back_inserter(ordered_removed));
  return encode_change(ordered_added, ordered_removed);
}

/// A few slots, or so many that a bitmap holds them.
std::set<std::uint16_t> any_slots() {
  std::set<std::uint16_t> slots;
  for (const auto slot :
       *rc::gen::container<std::vector<std::uint16_t>>(rc::gen::inRange<std::uint16_t>(0, 50))) {
    slots.insert(slot);
  }
  if (testing::any_number(4) == 0) {
    const int first = testing::any_number(60'000);
    for (int i = 0; i < 5'000; ++i) slots.insert(static_cast<std::uint16_t>(first + i));
  }
  return slots;
}

/// A collection as far as fields go: records by slot, and their containers in a store.
class Records : public FieldSource {
 public:
  Records() : store_(storage::make_memory_store(merge_containers)) {}

  /// Gives `slot` these fields, or none at all. Takes effect with commit().
  void set(Slot slot, std::optional<Fields> fields) {
    const auto before = records_.find(slot);
    const bool had = before != records_.end();
    changes_.change(kCollection, slot, had ? &before->second : nullptr,
                    fields ? &*fields : nullptr);
    if (had) live_.remove(slot);
    if (had) records_.erase(before);
    if (!fields) return;
    live_.insert(slot);
    records_.emplace(slot, std::move(*fields));
  }
  void commit() {
    storage::WriteBatch batch;
    changes_.write_to(batch);
    REQUIRE(store_->write(batch, false));
    changes_.touch(cache_, ++sequence_);
    changes_ = {};
  }
  Result<SlotSet> resolved(const BoundFilter& filter, bool cached = false) {
    return resolve(filter, {.store = *store_,
                            .snapshot = nullptr,
                            .collection = kCollection,
                            .sequence = sequence_,
                            .live = live_,
                            .records = *this,
                            .cache = cached ? &cache_ : nullptr});
  }
  std::set<Slot> expected(const BoundFilter& filter) const {
    std::set<Slot> slots;
    for (const auto& [slot, fields] : records_) {
      if (matches(filter, fields)) slots.insert(slot);
    }
    return slots;
  }
  Result<Fields> fields_of(Slot slot) const override {
    ++fetched;
    return records_.at(slot);
  }

  storage::ByteStore& store() { return *store_; }
  FilterCache& cache() { return cache_; }
  const SlotSet& live() const { return live_; }

  mutable std::size_t fetched = 0;

 private:
  std::unique_ptr<storage::ByteStore> store_;
  std::map<Slot, Fields> records_;
  SlotSet live_;
  ContainerChanges changes_;
  FilterCache cache_;
  Sequence sequence_ = 0;
};

BoundFilter bound(std::string_view text) {
  auto parsed = parse_filter(text);
  INFO(text);
  REQUIRE(parsed);
  auto filter = bind(*parsed, kDynamic);
  REQUIRE(filter);
  return *filter;
}

std::set<Slot> as_set(const SlotSet& slots) {
  std::set<Slot> out;
  slots.for_each([&out](Slot slot) { out.insert(slot); });
  return out;
}

std::set<Slot> found(Records& records, std::string_view text) {
  const auto slots = records.resolved(bound(text));
  INFO(text);
  REQUIRE(slots);
  CHECK(as_set(*slots) == records.expected(bound(text)));
  CHECK(slots->count() == as_set(*slots).size());
  return as_set(*slots);
}

}  // namespace

TEST_CASE("Containers merge associatively") {
  CHECK(rc::check("whatever is merged first", [] {
    const auto one = [] { return change_of(any_slots(), any_slots()); };
    const std::string a = one();
    const std::string b = one();
    const std::string c = one();
    std::optional<std::string> base;
    if (testing::any_number(2) == 0) base = merge_containers(std::nullopt, one());
    const std::string a_b = *merge_containers(a, b);
    const std::string b_c = *merge_containers(b, c);
    RC_ASSERT(*merge_containers(a_b, c) == *merge_containers(a, b_c));
    const auto one_by_one = merge_containers(merge_containers(merge_containers(base, a), b), c);
    RC_ASSERT(one_by_one == merge_containers(base, *merge_containers(a_b, c)));
    RC_ASSERT(one_by_one == merge_containers(merge_containers(base, a), b_c));
    const std::array<std::string_view, 3> all = {a, b, c};
    RC_ASSERT(one_by_one == merge_containers(base, all));
    RC_ASSERT(*merge_containers(a, std::span(all).subspan(1)) == *merge_containers(a_b, c));
    RC_ASSERT(one_by_one->size() <= 8'195u);
  }));
}

TEST_CASE("Containers hold what was added and not removed since") {
  CHECK(rc::check("like a set", [] {
    std::set<std::uint16_t> model;
    std::optional<std::string> container;
    for (int i = 0; i < 5; ++i) {
      const std::set<std::uint16_t> added = any_slots();
      const std::set<std::uint16_t> removed = any_slots();
      for (const std::uint16_t slot : removed) model.erase(slot);
      model.insert(added.begin(), added.end());
      container = merge_containers(container, change_of(added, removed));
      RC_ASSERT(container.has_value());
      RC_ASSERT(slots_in(*container) == model);
    }
  }));
}

TEST_CASE("A container of 4,096 slots is a list, one more makes it a bitmap, 65,536 fit") {
  std::vector<std::uint16_t> slots;
  for (std::size_t i = 0; i < 65'536; ++i) slots.push_back(static_cast<std::uint16_t>(i));
  const auto whole = [&slots](std::size_t count) {
    return *merge_containers(std::nullopt, encode_change(std::span(slots).first(count), {}));
  };
  CHECK(whole(4'096).size() == 3 + 8'192);
  CHECK(whole(4'097).size() == 3 + 8'192);
  CHECK(slots_in(whole(4'096)).size() == 4'096);
  CHECK(slots_in(whole(4'097)).size() == 4'097);
  CHECK(slots_in(whole(65'536)).size() == 65'536);
  CHECK(slots_in(*merge_containers(whole(4'097), encode_change({}, std::span(slots).first(1))))
            .size() == 4'096);
}

TEST_CASE("Damaged containers are refused and never crash") {
  const std::string list = *merge_containers(std::nullopt, change_of({1, 2, 3}, {}));
  const std::string change = change_of({1, 2, 3}, {4});
  CHECK_FALSE(merge_containers(std::nullopt, ""));
  CHECK_FALSE(merge_containers(list, ""));
  CHECK_FALSE(merge_containers("", change));
  CHECK_FALSE(merge_containers(list, change + "x"));
  for (std::size_t size = 0; size < change.size(); ++size) {
    CHECK_FALSE(merge_containers(list, std::string_view(change).substr(0, size)));
  }
  const std::string both("\x02\x01\x00\x05\x00\x01\x00\x05\x00", 9);  // 5 added and removed.
  CHECK_FALSE(merge_containers(std::nullopt, both));
  const std::string unordered("\x01\x02\x00\x05\x00\x05\x00", 7);
  CHECK_FALSE(merge_containers(std::nullopt, unordered));
  const std::string sparse = std::string("\x01\xFF\xFF", 3) + std::string(8'192, '\x01');
  ContainerBits bits{};
  CHECK(unite_container(sparse, bits));  // 8,192 bits: a bitmap is right.
  CHECK_FALSE(unite_container(std::string("\x01\xFF\xFF", 3) + std::string(8'192, '\0'), bits));
  CHECK(rc::check("any bytes", [&](const std::string& older, const std::string& newer) {
    (void)merge_containers(older, newer);
    ContainerBits scratch{};
    (void)unite_container(newer, scratch);
  }));
  CHECK(rc::check("flipped bits", [&] {
    std::string bytes = change_of(any_slots(), any_slots());
    const auto at = static_cast<std::size_t>(testing::any_number(static_cast<int>(bytes.size())));
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << testing::any_number(8)));
    (void)merge_containers(list, bytes);
    (void)merge_containers(bytes, change);
  }));
}

TEST_CASE("Keys are in the order of their values") {
  const std::string prefix = field_prefix(kCollection, "a");
  CHECK(rc::check("as total_order() says", [&prefix] {
    const Value a = testing::any_scalar();
    const Value b = testing::any_scalar();
    const std::string key_a = value_key(prefix, a, Place::kScalar);
    const std::string key_b = value_key(prefix, b, Place::kScalar);
    RC_ASSERT((key_a == key_b) == (total_order(a, b) == 0));
    RC_ASSERT(!key_b.starts_with(key_a) || key_a == key_b);
    // The order of strings that share their first 128 bytes is not in the keys.
    if (class_of(a) == class_of(b) && !(has_cut_key(a) && has_cut_key(b))) {
      RC_ASSERT((key_a < key_b) == (total_order(a, b) < 0));
    }
  }));
  CHECK(rc::check("for any numbers", [&prefix](std::int64_t a, std::int64_t b, double c) {
    const auto key = [&prefix](Value value) { return value_key(prefix, value, Place::kScalar); };
    RC_ASSERT((key(a) < key(b)) == (a < b));
    RC_ASSERT((key(a) < key(c)) == (compare_numbers(a, c) < 0));
    const auto near = static_cast<double>(a);
    RC_ASSERT((key(a) < key(near)) == (compare_numbers(a, near) < 0));
    RC_ASSERT((key(a) == key(near)) == (compare_numbers(a, near) == 0));
  }));
  CHECK(rc::check("for any strings", [&prefix](const std::string& a, const std::string& b) {
    const auto key = [&prefix](Value value) { return value_key(prefix, value, Place::kScalar); };
    RC_ASSERT((key(a) < key(b)) == (a < b));
  }));
}

TEST_CASE("Keys of different fields, collections and groups stay apart") {
  const Value value = std::string("b");
  const auto key = [&value](std::uint32_t collection, const char* field) {
    return value_key(field_prefix(collection, field), value, Place::kScalar);
  };
  CHECK_FALSE(key(1, "ab").starts_with(field_prefix(1, "a")));
  CHECK_FALSE(key(2, "a").starts_with(field_prefix(1, "a")));
  CHECK(with_group("k", 1) < with_group("k", 256));
  CHECK(after_prefix(std::string("a\xFF\xFF")) == "b");
  CHECK(after_prefix("\xFF").empty());
}

TEST_CASE("Filters resolve to what matches says after any updates") {
  CHECK(rc::check("random records, updates and filters", [] {
    Records records;
    const std::vector<Slot> slots = {0,      1,      63,     64,      32'767,
                                     32'768, 65'535, 65'536, 131'072, 200'000};
    const int commits = 1 + testing::any_number(4);
    for (int commit = 0; commit < commits; ++commit) {
      for (int i = testing::any_number(12); i >= 0; --i) {
        const Slot slot = testing::any_of(slots);
        if (testing::any_number(5) == 0) {
          records.set(slot, std::nullopt);
        } else {
          records.set(slot, testing::any_fields());
        }
      }
      records.commit();
      for (int i = 0; i < 4; ++i) {
        const Expression expression = testing::any_expression(3);
        const auto filter = bind(expression, kDynamic);
        if (!filter) continue;  // `between` two classes.
        RC_LOG(to_text(expression));
        const auto cold = records.resolved(*filter);
        const auto cached = records.resolved(*filter, true);
        const auto again = records.resolved(*filter, true);
        RC_ASSERT((cold.has_value() && cached.has_value() && again.has_value()));
        RC_ASSERT(as_set(*cold) == records.expected(*filter));
        RC_ASSERT(as_set(*cached) == as_set(*cold));
        RC_ASSERT(as_set(*again) == as_set(*cold));
        const auto opposite = bind({.op = Operator::kNot, .parts = {expression}}, kDynamic);
        const auto others = records.resolved(*opposite);
        RC_ASSERT(others.has_value());
        RC_ASSERT(cold->count() + others->count() == records.live().count());
      }
    }
  }));
}

TEST_CASE("Strings beyond 128 bytes are told apart, ranges between them by their records") {
  Records records;
  const std::string shared(128, 'l');
  const std::vector<std::string> values = {
      shared, shared + "a", shared + "b", shared + "c", std::string(127, 'l') + "k", "m", "a"};
  for (Slot slot = 0; slot < values.size(); ++slot) records.set(slot, Fields{{"a", values[slot]}});
  records.commit();
  CHECK(found(records, "a = '" + shared + "b'") == std::set<Slot>{2});
  CHECK(found(records, "a in ('" + shared + "b', '" + shared + "')") == std::set<Slot>{0, 2});
  CHECK(found(records, "a < 'm'") == std::set<Slot>{0, 1, 2, 3, 4, 6});
  CHECK(found(records, "a > '" + shared + "'") == std::set<Slot>{1, 2, 3, 5});
  CHECK(records.fetched == 0);
  CHECK(found(records, "a < '" + shared + "b'") == std::set<Slot>{0, 1, 4, 6});
  CHECK(records.fetched == 3);
  CHECK(found(records, "a >= '" + shared + "b'") == std::set<Slot>{2, 3, 5});
  CHECK(found(records, "a between '" + shared + "b' and '" + shared + "bb'") == std::set<Slot>{2});
}

TEST_CASE("A record's unchanged fields are not written") {
  ContainerChanges changes;
  const Fields before = {{"a", std::string("x")}, {"b", std::vector<std::string>{"p", "q"}}};
  const Fields after = {{"b", std::vector<std::string>{"q", "r", "r"}}, {"a", std::string("x")}};
  changes.change(kCollection, 3, &before, &before);
  CHECK(changes.empty());
  changes.change(kCollection, 3, &before, &after);
  storage::WriteBatch batch;
  changes.write_to(batch);
  const std::string prefix = field_prefix(kCollection, "b");
  const auto key = [&prefix](const char* value) {
    return with_group(value_key(prefix, std::string(value), Place::kListed), 0);
  };
  REQUIRE(batch.entries().size() == 2);
  CHECK(batch.entries()[0].key == key("p"));
  CHECK(batch.entries()[0].value == change_of({}, {3}));
  CHECK(batch.entries()[1].key == key("r"));
  CHECK(batch.entries()[1].value == change_of({3}, {}));
}

TEST_CASE("One commit writes each container once, the last change of a slot counts") {
  ContainerChanges changes;
  const Fields x = {{"a", std::string("x")}};
  const Fields y = {{"a", std::string("y")}};
  for (Slot slot = 0; slot < 100; ++slot) changes.change(kCollection, slot, nullptr, &x);
  changes.change(kCollection, 5, &x, &y);
  changes.change(kCollection, 5, &y, nullptr);
  storage::WriteBatch batch;
  changes.write_to(batch);
  CHECK(batch.entries().size() == 3);  // Present, x, y.
  for (const auto& entry : batch.entries()) {
    const auto slots = slots_in(*merge_containers(std::nullopt, entry.value));
    CHECK(slots.count(5) == 0);
    CHECK((slots.size() == 99 || slots.empty()));
  }
}

TEST_CASE("A snapshot keeps resolving to what it saw") {
  Records records;
  records.set(1, Fields{{"a", std::int64_t{5}}});
  records.commit();
  const auto snapshot = records.store().snapshot();
  const SlotSet live = records.live();
  records.set(1, Fields{{"a", std::int64_t{6}}});
  records.commit();
  const FieldReader reader{records.store(), snapshot.get(), kCollection, 1, live, records, nullptr};
  CHECK(resolve(bound("a = 5"), reader)->count() == 1);
  CHECK(resolve(bound("a > 5"), reader)->count() == 0);
  CHECK(found(records, "a = 6").size() == 1);
}

TEST_CASE("A damaged container is an error of the filter that reads it") {
  Records records;
  records.set(1, Fields{{"a", std::int64_t{5}}, {"b", std::int64_t{5}}});
  records.commit();
  storage::WriteBatch batch;
  const std::string key =
      value_key(field_prefix(kCollection, "a"), std::int64_t{5}, Place::kScalar);
  batch.put(storage::Family::kFields, with_group(key, 0), "damaged");
  REQUIRE(records.store().write(batch, false));
  for (const char* text : {"a = 5", "a > 4", "b = 5 and a = 5", "not a in (5)"}) {
    const auto slots = records.resolved(bound(text));
    REQUIRE_FALSE(slots);
    CHECK(slots.error().code == ErrorCode::kCorruption);
  }
  CHECK(records.resolved(bound("b = 5")).has_value());
}

}  // namespace field_index_test
