// Filters over containers: the read half of field_index.hpp.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collection/field_container.hpp"
#include "collection/field_index.hpp"
#include "collection/field_keys.hpp"
#include "collection/slot_algebra.hpp"

namespace anear {
namespace {

constexpr std::size_t kKeysAtOnce = 1'024;
constexpr std::size_t kCachedTextMax = 4'096;
constexpr std::size_t kChunksInGroup = kContainerSlots / SlotSet::kChunkSlots;
using SharedSlots = std::shared_ptr<const SlotSet>;

/// A union of containers, by group.
class Union {
 public:
  explicit Union(std::size_t groups) : groups_(groups) {}

  std::size_t groups() const noexcept { return groups_.size(); }
  /// False for damage. Groups behind the last live slot are skipped.
  bool add(std::size_t group, std::string_view container);
  SlotSet slots() const;

 private:
  std::vector<std::unique_ptr<ContainerBits>> groups_;
};

/// Which keys of one class lie between two bounds, and which of them the keys do not decide. Keys
/// without group; `begin` is inside, `end` is not.
struct Interval {
  std::string begin;
  std::string end;
  std::vector<std::string> undecided;  ///< Prefixes.
};

Result<SlotSet> evaluate(const Expression& expression, const FieldReader& reader);
Result<SlotSet> evaluate_joined(const Expression& expression, const FieldReader& reader);
Result<SlotSet> evaluate_predicate(const Expression& predicate, const FieldReader& reader);

/// The slots that containers name for a predicate, live or not. For kIsMissing: those that have
/// the field.
Result<SharedSlots> gather(const Expression& predicate, const FieldReader& reader);
std::vector<std::string> keys_for(const Expression& predicate, std::string_view prefix);
Status add_keys(const std::vector<std::string>& keys, const FieldReader& reader, Union& all);
Status add_interval(const Expression& predicate, const FieldReader& reader, Union& all,
                    std::vector<Slot>& decided);
Status add_range(storage::KeyRange range, const FieldReader& reader, Union& all);
Interval interval_of(const Expression& predicate, std::string_view prefix);
void set_lower(Interval& interval, const Value& bound, std::string_view prefix, bool inclusive);
void set_upper(Interval& interval, const Value& bound, std::string_view prefix, bool inclusive);
Error damaged(const FieldReader& reader);

}  // namespace

Result<SlotSet> resolve(const BoundFilter& filter, const FieldReader& reader) {
  return evaluate(filter.expression(), reader);
}

namespace {

Result<SlotSet> evaluate(const Expression& expression, const FieldReader& reader) {
  switch (expression.op) {
    case Operator::kTrue:
      return reader.live;
    case Operator::kFalse:
      return SlotSet{};
    case Operator::kAnd:
    case Operator::kOr:
      return evaluate_joined(expression, reader);
    case Operator::kNot: {
      const auto inner = evaluate(expression.parts.front(), reader);
      if (!inner) return inner.error();
      return difference(reader.live, *inner);
    }
    default:
      return evaluate_predicate(expression, reader);
  }
}

Result<SlotSet> evaluate_joined(const Expression& expression, const FieldReader& reader) {
  auto all = evaluate(expression.parts.front(), reader);
  for (std::size_t i = 1; i < expression.parts.size(); ++i) {
    if (!all) return all;
    const bool is_and = expression.op == Operator::kAnd;
    if (is_and && all->count() == 0) break;
    const auto part = evaluate(expression.parts[i], reader);
    if (!part) return part.error();
    all = is_and ? intersection(*all, *part) : unification(*all, *part);
  }
  return all;
}

Result<SlotSet> evaluate_predicate(const Expression& predicate, const FieldReader& reader) {
  const auto slots = gather(predicate, reader);
  if (!slots) return slots.error();
  if (predicate.op == Operator::kIsMissing) return difference(reader.live, **slots);
  return intersection(reader.live, **slots);
}

Result<SharedSlots> gather(const Expression& predicate, const FieldReader& reader) {
  // Long lists are rarely asked for twice and their text is not worth building.
  const bool is_short = predicate.values.size() <= 64;
  const std::string text = reader.cache != nullptr && is_short ? to_text(predicate) : std::string();
  const bool is_cached = !text.empty() && text.size() <= kCachedTextMax;
  const FilterCache::Name name{reader.collection, predicate.field, text};
  if (is_cached) {
    if (SharedSlots found = reader.cache->find(name, reader.sequence)) return found;
  }
  Union all((reader.live.chunks() + kChunksInGroup - 1) / kChunksInGroup);
  std::vector<Slot> decided;
  const bool is_range = predicate.op >= Operator::kLess && predicate.op <= Operator::kBetween;
  const std::string prefix = field_prefix(reader.collection, predicate.field);
  Status status = is_range ? add_interval(predicate, reader, all, decided)
                           : add_keys(keys_for(predicate, prefix), reader, all);
  if (!status) return std::move(status).error();
  SlotSet slots = all.slots();
  for (const Slot slot : decided) slots.insert(slot);
  auto shared = std::make_shared<const SlotSet>(std::move(slots));
  if (is_cached) reader.cache->keep(name, reader.sequence, shared);
  return SharedSlots(std::move(shared));
}

std::vector<std::string> keys_for(const Expression& predicate, std::string_view prefix) {
  std::vector<std::string> keys;
  const Place place = predicate.op == Operator::kHas ? Place::kListed : Place::kScalar;
  for (const Value& value : predicate.values) {
    std::string key = value_key(prefix, value, place);
    if (!key.empty()) keys.push_back(std::move(key));
  }
  const bool any_state = predicate.op == Operator::kIsMissing;
  if (any_state || predicate.op == Operator::kExists) {
    keys.push_back(state_key(prefix, FieldKeyKind::kPresent));
  }
  if (any_state || predicate.op == Operator::kIsNull) {
    keys.push_back(state_key(prefix, FieldKeyKind::kNull));
  }
  return keys;
}

Status add_keys(const std::vector<std::string>& keys, const FieldReader& reader, Union& all) {
  std::vector<std::string> some;
  std::vector<std::size_t> groups;
  const auto flush = [&]() -> Status {
    const auto found = reader.store.get_many(storage::Family::kFields, some, reader.snapshot);
    if (!found) return found.error();
    for (std::size_t i = 0; i < found->size(); ++i) {
      const std::optional<std::string>& container = (*found)[i];
      if (container && !all.add(groups[i], *container)) return damaged(reader);
    }
    some.clear();
    groups.clear();
    return {};
  };
  for (const std::string& key : keys) {
    for (std::size_t group = 0; group < all.groups(); ++group) {
      some.push_back(with_group(key, static_cast<std::uint16_t>(group)));
      groups.push_back(group);
      if (some.size() < kKeysAtOnce) continue;
      if (Status status = flush(); !status) return status;
    }
  }
  return some.empty() ? Status{} : flush();
}

Status add_interval(const Expression& predicate, const FieldReader& reader, Union& all,
                    std::vector<Slot>& decided) {
  const std::string prefix = field_prefix(reader.collection, predicate.field);
  const Interval interval = interval_of(predicate, prefix);
  if (interval.begin < interval.end) {
    Status status =
        add_range({storage::Family::kFields, interval.begin, interval.end}, reader, all);
    if (!status) return status;
  }
  for (const std::string& cut : interval.undecided) {
    Union candidates(all.groups());
    Status status =
        add_range({storage::Family::kFields, cut, after_prefix(cut)}, reader, candidates);
    if (!status) return status;
    std::vector<Slot> slots;
    intersection(reader.live, candidates.slots()).for_each([&slots](Slot slot) {
      slots.push_back(slot);
    });
    for (const Slot slot : slots) {
      const auto fields = reader.records.fields_of(slot);
      if (!fields) return fields.error();
      if (matches(predicate, *fields)) decided.push_back(slot);
    }
  }
  return {};
}

Status add_range(storage::KeyRange range, const FieldReader& reader, Union& all) {
  const auto walk = reader.store.iterate(std::move(range), reader.snapshot);
  for (; walk->valid(); walk->next()) {
    const std::string_view key = walk->key();
    if (key.size() < 2) return damaged(reader);
    const auto high = static_cast<std::uint8_t>(key[key.size() - 2]);
    const auto low = static_cast<std::uint8_t>(key[key.size() - 1]);
    const std::size_t group = std::size_t{high} << 8 | low;
    if (!all.add(group, walk->value())) return damaged(reader);
  }
  return walk->status();
}

Interval interval_of(const Expression& predicate, std::string_view prefix) {
  const Value& first = predicate.values.front();
  Interval interval;
  interval.begin = class_prefix(prefix, first, Place::kScalar);
  interval.end = after_prefix(interval.begin);
  switch (predicate.op) {
    case Operator::kLess:
    case Operator::kLessEqual:
      set_upper(interval, first, prefix, predicate.op == Operator::kLessEqual);
      break;
    case Operator::kGreater:
    case Operator::kGreaterEqual:
      set_lower(interval, first, prefix, predicate.op == Operator::kGreaterEqual);
      break;
    default:
      set_lower(interval, first, prefix, true);
      set_upper(interval, predicate.values.back(), prefix, true);
  }
  return interval;
}

void set_lower(Interval& interval, const Value& bound, std::string_view prefix, bool inclusive) {
  if (has_cut_key(bound)) {
    interval.undecided.push_back(cut_key_prefix(prefix, *std::get_if<std::string>(&bound)));
    interval.begin = after_prefix(interval.undecided.back());
    return;
  }
  std::string key = value_key(prefix, bound, Place::kScalar);
  interval.begin = inclusive ? std::move(key) : after_prefix(std::move(key));
}

void set_upper(Interval& interval, const Value& bound, std::string_view prefix, bool inclusive) {
  if (has_cut_key(bound)) {
    interval.undecided.push_back(cut_key_prefix(prefix, *std::get_if<std::string>(&bound)));
    interval.end = interval.undecided.back();
    return;
  }
  std::string key = value_key(prefix, bound, Place::kScalar);
  interval.end = inclusive ? after_prefix(std::move(key)) : std::move(key);
}

Error damaged(const FieldReader& reader) {
  return Error{ErrorCode::kCorruption, "a field container of collection number " +
                                           std::to_string(reader.collection) +
                                           " is damaged; verify() tells how far it goes"};
}

bool Union::add(std::size_t group, std::string_view container) {
  if (group >= groups_.size()) return true;
  if (groups_[group] == nullptr) groups_[group] = std::make_unique<ContainerBits>();
  return unite_container(container, *groups_[group]);
}

SlotSet Union::slots() const {
  SlotSet out;
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    if (groups_[group] == nullptr) continue;
    for (std::size_t half = 0; half < kChunksInGroup; ++half) {
      const auto* from = groups_[group]->data() + half * SlotSet::kChunkWords;
      if (std::all_of(from, from + SlotSet::kChunkWords, [](auto word) { return word == 0; })) {
        continue;
      }
      auto chunk = std::make_shared<SlotSet::Chunk>();
      std::copy_n(from, SlotSet::kChunkWords, chunk->begin());
      out.set_chunk(group * kChunksInGroup + half, std::move(chunk));
    }
  }
  return out;
}

}  // namespace
}  // namespace anear
