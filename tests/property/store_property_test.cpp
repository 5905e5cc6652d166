// Random operations on a store against a map and brute force, with reopening in between, beside
// handles that stay at earlier states and a reader that follows. Prints its seed;
// RC_PARAMS=seed=… repeats a run.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <map>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/temp_directory.hpp"

namespace store_property_test {

using namespace anear;
using anear::test::Batch;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 6;
constexpr std::size_t kKeys = 40;

struct ModelRecord {
  std::vector<float> row;  ///< Empty: the record has no vector.
  std::map<std::string, Value> fields;
  friend bool operator==(const ModelRecord&, const ModelRecord&) = default;
};
using Model = std::map<std::string, ModelRecord>;

/// A handle and what it should see, whatever is written.
struct Seen {
  Collection docs;
  Model model;
  bool is_reader = false;
};

/// One store and what it should hold.
class Pair {
 public:
  Pair(bool in_memory, bool inline_index, const IndexOptions& index) {
    options_.in_memory = in_memory;
    options_.index_inline = inline_index;
    options_.tail_records_max = 64;
    options_.durability = Durability::kBuffered;  // What is asked here does not need the disk.
    open();
    auto docs = store_->create_collection(
        "docs",
        {.vectors = {{.name = "v", .dimension = kDimension, .metric = Metric::kL2, .index = index}},
         .fields = {{"n", FieldType::kInt64}, {"s", FieldType::kString}},
         .dynamic = true});
    RC_ASSERT(docs.has_value());
    docs_.emplace(std::move(*docs));
  }

  void upsert() {
    const auto records = *rc::gen::inRange<std::size_t>(1, 12);
    Batch batch;
    std::vector<std::string> keys;
    std::vector<Value> numbers;
    std::vector<Value> texts;
    test::Rows rows{kDimension, {}};
    std::vector<std::uint8_t> present;
    for (std::size_t i = 0; i < records; ++i) {
      const std::string key = random_key();
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      keys.push_back(key);
      ModelRecord& record = model_[key];
      record = {random_row(), {}};
      present.push_back(*rc::gen::inRange(0, 8) == 0 ? 0 : 1);
      rows.values.insert(rows.values.end(), record.row.begin(), record.row.end());
      if (present.back() == 0) record.row.clear();
      numbers.push_back(random_number());
      texts.push_back(random_text());
      set(record, "n", numbers.back());
      set(record, "s", texts.back());
    }
    batch.keys(keys).vectors("v", rows).field("n", numbers).field("s", texts);
    batch.batch.vectors[0].present = present;
    RC_ASSERT(docs_->upsert(batch).has_value());
  }

  void update() {
    const std::string key = random_key();
    Batch batch;
    const Value number = random_number();
    batch.keys({key}).field("n", {number});
    const bool moves = *rc::gen::arbitrary<bool>();
    test::Rows row{kDimension, random_row()};
    if (moves) batch.vectors("v", row);
    const auto outcome = docs_->update(batch);
    const auto found = model_.find(key);
    RC_ASSERT(outcome.has_value() == (found != model_.end()));
    if (found == model_.end()) return;
    if (moves) found->second.row = row.values;
    set(found->second, "n", number);
  }

  void remove() {
    const std::string key = random_key();
    const std::string_view view = key;
    RC_ASSERT(*docs_->delete_keys({&view, 1}) == model_.erase(key));
  }

  void erase() {
    let_go_of(false);  // It would wait for them.
    const std::string key = random_key();
    const std::string_view view = key;
    const auto receipt = docs_->erase_keys({&view, 1});
    if (!receipt) RC_LOG(receipt.error().message);
    RC_ASSERT(receipt.has_value());
    RC_ASSERT(receipt->records == model_.erase(key));
  }

  void remove_matching() {
    const auto [text, matches] = random_filter();
    std::size_t expected = 0;
    for (auto it = model_.begin(); it != model_.end();) {
      const bool match = matches(it->second);
      expected += match ? 1 : 0;
      it = match ? model_.erase(it) : std::next(it);
    }
    RC_ASSERT(*docs_->delete_matching({text, {}}) == expected);
  }

  void flush() { RC_ASSERT(docs_->flush().has_value()); }

  void pin() { keep(*docs_, false); }

  /// The reader, if there is one now, comes to where the writer is.
  void follow() {
    if (options_.in_memory) return;
    if (!reader_) {
      StoreOptions options = options_;
      options.read_only = true;
      auto reader = Store::open(directory_ / "store", options);
      if (!reader) RC_LOG(reader.error().message);
      RC_ASSERT(reader.has_value());
      reader_.emplace(std::move(*reader));
    }
    const auto reached = reader_->refresh();
    if (!reached) RC_LOG(reached.error().message);
    RC_ASSERT(reached.has_value());
    auto docs = reader_->collection("docs");
    RC_ASSERT(docs.has_value());
    check_state(*docs, model_);
    keep(*docs, true);
  }

  void forget() {
    if (!pinned_.empty()) pinned_.erase(pinned_.begin());
    if (*rc::gen::inRange(0, 4) != 0) return;
    let_go_of(true);
    reader_.reset();
  }

  void reopen() {
    if (options_.in_memory) return;
    let_go_of(false);
    docs_.reset();
    store_.reset();
    open();
    auto docs = store_->collection("docs");
    RC_ASSERT(docs.has_value());
    docs_.emplace(std::move(*docs));
  }

  /// What a backup of this moment brings back is this moment; the store goes on.
  void back_up() {
    if (options_.in_memory) return;
    const auto taken = store_->backup(directory_ / "backups");
    if (!taken) RC_LOG(taken.error().message);
    RC_ASSERT(taken.has_value());
    const TempDirectory elsewhere;
    const auto restored = Store::restore(directory_ / "backups", elsewhere / "store");
    if (!restored) RC_LOG(restored.error().message);
    RC_ASSERT(restored.has_value());
    const auto store = Store::open(elsewhere / "store", options_);
    RC_ASSERT(store.has_value());
    const auto docs = store->collection("docs");
    RC_ASSERT(docs.has_value());
    check_state(*docs, model_);
    RC_ASSERT(store->verify().has_value());
  }

  void check() {
    check_state(*docs_, model_);
    for (const Seen& seen : pinned_) check_state(seen.docs, seen.model);
  }

  void verify() {
    const auto report = store_->verify();
    if (!report) RC_LOG(report.error().message);
    RC_ASSERT(report.has_value());
  }

 private:
  using Predicate = bool (*)(const ModelRecord&);

  void keep(const Collection& docs, bool is_reader) {
    auto handle = docs.pinned();
    RC_ASSERT(handle.has_value());
    if (pinned_.size() == 3) pinned_.pop_back();
    pinned_.push_back({std::move(*handle), model_, is_reader});
  }
  void let_go_of(bool is_reader) {
    std::erase_if(pinned_, [&](const Seen& seen) { return seen.is_reader == is_reader; });
  }

  static void check_state(const Collection& docs, const Model& model) {
    const auto count = docs.count({});
    if (!count) RC_LOG(count.error().message);
    RC_ASSERT(*count == model.size());
    const auto page =
        docs.scan({.filter = {}, .after = {}, .limit = 1'000, .parts = {.vectors = true}});
    RC_ASSERT(page.has_value());
    Model stored;
    for (const Record& record : *page) stored[record.key] = as_model(record);
    RC_ASSERT(stored == model);
    for (int i = 0; i < 3; ++i) check_search(docs, model);
  }

  void open() {
    auto store = Store::open(directory_ / "store", options_);
    if (!store) RC_LOG(store.error().message);
    RC_ASSERT(store.has_value());
    store_.emplace(std::move(*store));
  }

  static std::string random_key() {
    return "k" + std::to_string(*rc::gen::inRange<std::size_t>(0, kKeys));
  }
  static std::vector<float> random_row() {
    // Few distinct values: equal rows and equal distances are common.
    std::vector<float> row;
    for (std::size_t d = 0; d < kDimension; ++d)
      row.push_back(static_cast<float>(*rc::gen::inRange(-3, 4)));
    return row;
  }
  static Value random_number() {
    const int drawn = *rc::gen::inRange(-2, 9);
    if (drawn == -2) return Missing{};
    if (drawn == -1) return Null{};
    return std::int64_t{drawn};
  }
  static Value random_text() { return *rc::gen::element<std::string>("x", "y", "z'z"); }
  static void set(ModelRecord& record, const std::string& name, const Value& value) {
    if (!std::holds_alternative<Missing>(value)) record.fields[name] = value;
  }
  static std::int64_t number_of(const ModelRecord& record) {
    const auto found = record.fields.find("n");
    if (found == record.fields.end()) return -9;
    const auto* number = std::get_if<std::int64_t>(&found->second);
    return number == nullptr ? -9 : *number;
  }
  static ModelRecord as_model(const Record& record) {
    ModelRecord out;
    for (const Field& field : record.fields) out.fields[field.first] = field.second;
    if (!record.vectors.empty()) {
      const auto* numbers = reinterpret_cast<const float*>(record.vectors[0].bytes.data());
      out.row.assign(numbers, numbers + kDimension);
    }
    return out;
  }
  static std::pair<std::string, Predicate> random_filter() {
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        return {"n = 3", [](const ModelRecord& r) { return number_of(r) == 3; }};
      case 1:
        return {"not (n < 6)",
                [](const ModelRecord& r) { return !(number_of(r) >= 0 && number_of(r) < 6); }};
      case 2:
        return {"s = 'z''z' and n is not null", [](const ModelRecord& r) {
                  const auto n = r.fields.find("n");
                  return r.fields.at("s") == Value(std::string("z'z")) &&
                         !(n != r.fields.end() && n->second == Value(Null{}));
                }};
      default:
        return {"n in (1, 2) or n is missing", [](const ModelRecord& r) {
                  return !r.fields.contains("n") || number_of(r) == 1 || number_of(r) == 2;
                }};
    }
  }

  static void check_search(const Collection& docs, const Model& model) {
    const std::vector<float> query = random_row();
    const auto [text, matches] = random_filter();
    const bool filtered = *rc::gen::arbitrary<bool>();
    std::vector<float> exact;
    for (const auto& [key, record] : model) {
      if (record.row.empty() || (filtered && !matches(record))) continue;
      float sum = 0;
      for (std::size_t d = 0; d < kDimension; ++d)
        sum += (query[d] - record.row[d]) * (query[d] - record.row[d]);
      exact.push_back(sum);
    }
    std::sort(exact.begin(), exact.end());
    if (exact.size() > 5) exact.resize(5);
    Query asked = test::near_to(VectorView(std::span<const float>(query)), 5, filtered ? text : "");
    asked.parts.fields = *rc::gen::arbitrary<bool>();  // Without, no record is read for its key.
    const auto hits = docs.search(asked);
    if (!hits) RC_LOG(hits.error().message);
    RC_ASSERT(hits.has_value());
    std::vector<float> found;
    for (const Hit& hit : hits->hits) {
      found.push_back(hit.distance);
      const ModelRecord& record = model.at(hit.record.key);
      RC_ASSERT(!filtered || matches(record));
    }
    RC_ASSERT(found == exact);
    if (filtered)
      RC_ASSERT(*docs.count({text, {}}) + *docs.count({"not (" + text + ")", {}}) == model.size());
  }

  TempDirectory directory_;
  StoreOptions options_;
  std::optional<Store> store_;
  std::optional<Collection> docs_;
  Model model_;
  std::optional<Store> reader_;
  std::vector<Seen> pinned_;
};

void run_random_operations(bool in_memory) {
  IvfPqOptions lists;
  lists.iterations = 2;
  lists.train_from = 12;  // Reached by most runs, which then train again and again.
  const auto index = *rc::gen::elementOf(std::vector<IndexOptions>{HnswOptions{}, lists});
  Pair pair(in_memory, *rc::gen::arbitrary<bool>(), index);
  const auto steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    switch (*rc::gen::weightedElement<int>({{12, 0},
                                            {6, 1},
                                            {4, 2},
                                            {2, 3},
                                            {6, 4},
                                            {2, 5},
                                            {2, 6},
                                            {4, 7},
                                            {4, 8},
                                            {2, 9},
                                            {1, 10}})) {
      case 0:
        pair.upsert();
        break;
      case 1:
        pair.update();
        break;
      case 2:
        pair.remove();
        break;
      case 3:
        pair.remove_matching();
        break;
      case 4:
        pair.flush();
        break;
      case 5:
        pair.erase();
        break;
      case 7:
        pair.pin();
        break;
      case 8:
        pair.follow();
        break;
      case 9:
        pair.forget();
        break;
      case 10:
        pair.back_up();
        break;
      default:
        pair.reopen();
    }
    pair.check();
  }
  pair.verify();
}

}  // namespace

namespace {

/// 100 sequences each, with sanitizers; otherwise 500 in all.
void check_rounds(int rounds, bool in_memory) {
  for (int round = 0; round < (test::takes_few_rows() ? 1 : rounds); ++round)
    CHECK(rc::check([in_memory] { run_random_operations(in_memory); }));
}

}  // namespace

TEST_CASE("A store in memory does what a map and brute force do") { check_rounds(2, true); }

#if defined(ANEAR_WITH_ROCKSDB)
TEST_CASE("A store on disk does what a map and brute force do, also when opened again") {
  check_rounds(3, false);
}
#endif

}  // namespace store_property_test
