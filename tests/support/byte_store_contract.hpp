// What every ByteStore does, as checks that the test of each implementation runs; and a model of it
// in a plain map, for random sequences of operations.
#pragma once

#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "anear/storage/byte_store.hpp"

namespace anear::testing {

using storage::ByteSnapshot;
using storage::ByteStore;
using storage::Family;
using storage::KeyRange;
using storage::WriteBatch;

/// Joins two sets of letters; an operand with '!' cannot be merged.
inline std::optional<std::string> merge_letters(std::optional<std::string_view> older,
                                                std::span<const std::string_view> newer) {
  std::set<char> letters;
  for (const std::string_view operand : newer) letters.insert(operand.begin(), operand.end());
  if (older) letters.insert(older->begin(), older->end());
  if (letters.count('!') != 0) return std::nullopt;
  return std::string(letters.begin(), letters.end());
}

inline std::optional<std::string> value_of(const ByteStore& store, Family family,
                                           std::string_view key,
                                           const ByteSnapshot* snapshot = nullptr) {
  auto value = store.get(family, key, snapshot);
  REQUIRE(value);
  return *value;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline Pairs all_in(const ByteStore& store, KeyRange range,
                    const ByteSnapshot* snapshot = nullptr) {
  Pairs found;
  auto at = store.iterate(std::move(range), snapshot);
  for (; at->valid(); at->next()) found.emplace_back(at->key(), at->value());
  REQUIRE(at->status());
  return found;
}

inline void put(ByteStore& store, std::string key, std::string value) {
  WriteBatch batch;
  batch.put(Family::kKeys, std::move(key), std::move(value));
  REQUIRE(store.write(batch, false));
}

inline void check_batches(ByteStore& store) {
  WriteBatch batch;
  batch.put(Family::kKeys, "a", "1");
  batch.put(Family::kRecords, "a", "2");
  batch.put(Family::kKeys, "b", "gone");
  batch.remove(Family::kKeys, "b");
  batch.put(Family::kKeys, "c", "first");
  batch.put(Family::kKeys, "c", "last");
  batch.put(Family::kKeys, std::string("\0\xff", 2), "");
  CHECK(batch.bytes() == 23);
  REQUIRE(store.write(batch, true));
  CHECK(value_of(store, Family::kKeys, "a") == "1");
  CHECK(value_of(store, Family::kRecords, "a") == "2");
  CHECK(value_of(store, Family::kRows, "a") == std::nullopt);
  CHECK(value_of(store, Family::kKeys, "b") == std::nullopt);
  CHECK(value_of(store, Family::kKeys, "c") == "last");
  CHECK(value_of(store, Family::kKeys, std::string("\0\xff", 2)) == "");
  CHECK(store.sync());
  CHECK(store.write(WriteBatch{}, true));
}

inline void check_many(ByteStore& store) {
  put(store, "a", "1");
  put(store, "c", "3");
  const std::vector<std::string> keys = {"c", "b", "a", "c"};
  const auto values = store.get_many(Family::kKeys, keys, nullptr);
  REQUIRE(values);
  CHECK(*values == std::vector<std::optional<std::string>>{"3", std::nullopt, "1", "3"});
  const auto none = store.get_many(Family::kKeys, {}, nullptr);
  REQUIRE(none);
  CHECK(none->empty());
}

inline void check_snapshots(ByteStore& store) {
  put(store, "a", "old");
  put(store, "b", "old");
  const auto before = store.snapshot();
  auto walk = store.iterate({Family::kKeys, "", ""}, nullptr);
  WriteBatch batch;
  batch.put(Family::kKeys, "a", "new");
  batch.remove(Family::kKeys, "b");
  batch.put(Family::kKeys, "c", "new");
  REQUIRE(store.write(batch, false));
  const auto after = store.snapshot();
  CHECK(value_of(store, Family::kKeys, "a", before.get()) == "old");
  CHECK(value_of(store, Family::kKeys, "b", before.get()) == "old");
  CHECK(value_of(store, Family::kKeys, "c", before.get()) == std::nullopt);
  CHECK(all_in(store, {Family::kKeys, "", ""}, before.get()) == Pairs{{"a", "old"}, {"b", "old"}});
  CHECK(all_in(store, {Family::kKeys, "", ""}, after.get()) == Pairs{{"a", "new"}, {"c", "new"}});
  CHECK(walk->key() == "a");
  CHECK(walk->value() == "old");
  walk->next();
  REQUIRE(walk->valid());
  CHECK(walk->key() == "b");
  walk->next();
  CHECK_FALSE(walk->valid());
  const std::vector<std::string> keys = {"a", "c"};
  const auto many = store.get_many(Family::kKeys, keys, before.get());
  REQUIRE(many);
  CHECK(*many == std::vector<std::optional<std::string>>{"old", std::nullopt});
}

inline void check_ranges(ByteStore& store) {
  for (const char* key : {"a", "b", "ba", "c", "d"}) put(store, key, key);
  CHECK(all_in(store, {Family::kKeys, "b", "d"}) == Pairs{{"b", "b"}, {"ba", "ba"}, {"c", "c"}});
  CHECK(all_in(store, {Family::kKeys, "bb", ""}) == Pairs{{"c", "c"}, {"d", "d"}});
  CHECK(all_in(store, {Family::kRows, "", ""}).empty());
  auto walk = store.iterate({Family::kKeys, "b", "d"}, nullptr);
  walk->seek("");
  CHECK(walk->key() == "b");  // Never before the range,
  walk->seek("c");
  CHECK(walk->key() == "c");
  walk->seek("d");
  CHECK_FALSE(walk->valid());  // nor behind it.
  CHECK(walk->status());
  WriteBatch batch;
  batch.remove_range(Family::kKeys, "b", "c");
  batch.put(Family::kKeys, "bz", "later in the batch");
  REQUIRE(store.write(batch, false));
  CHECK(all_in(store, {Family::kKeys, "", ""}) ==
        Pairs{{"a", "a"}, {"bz", "later in the batch"}, {"c", "c"}, {"d", "d"}});
}

inline void check_merges(ByteStore& store) {
  WriteBatch batch;
  batch.merge(Family::kFields, "k", "b");
  batch.merge(Family::kFields, "k", "a");
  REQUIRE(store.write(batch, false));
  const auto before = store.snapshot();
  WriteBatch more;
  more.merge(Family::kFields, "k", "ca");
  more.put(Family::kFields, "fresh", "z");
  more.merge(Family::kFields, "fresh", "y");
  REQUIRE(store.write(more, false));
  CHECK(value_of(store, Family::kFields, "k", before.get()) == "ab");
  CHECK(value_of(store, Family::kFields, "k") == "abc");
  CHECK(value_of(store, Family::kFields, "fresh") == "yz");
  WriteBatch removed;
  removed.remove(Family::kFields, "k");
  removed.merge(Family::kFields, "k", "x");
  REQUIRE(store.write(removed, false));
  CHECK(value_of(store, Family::kFields, "k") == "x");
}

inline void check_failed_merges(ByteStore& store) {
  WriteBatch batch;
  batch.put(Family::kFields, "k", "a");
  batch.merge(Family::kFields, "k", "!");
  batch.put(Family::kFields, "other", "b");
  REQUIRE(store.write(batch, false));
  const auto value = store.get(Family::kFields, "k", nullptr);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kCorruption);
  const std::vector<std::string> keys = {"other", "k"};
  const auto many = store.get_many(Family::kFields, keys, nullptr);
  REQUIRE_FALSE(many);
  CHECK(many.error().code == ErrorCode::kCorruption);
  auto walk = store.iterate({Family::kFields, "", ""}, nullptr);
  CHECK_FALSE(walk->valid());
  REQUIRE_FALSE(walk->status());
  CHECK(walk->status().error().code == ErrorCode::kCorruption);
  CHECK(value_of(store, Family::kFields, "other") == "b");
}

inline void check_closed(ByteStore& store) {
  put(store, "a", "1");
  const auto snapshot = store.snapshot();
  auto walk = store.iterate({Family::kKeys, "", ""}, nullptr);
  REQUIRE(store.close());
  CHECK(store.close());
  CHECK(walk->key() == "a");
  WriteBatch batch;
  batch.put(Family::kKeys, "b", "2");
  const auto refused = [](const auto& outcome) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::kClosed);
  };
  refused(store.write(batch, false));
  refused(store.sync());
  refused(store.verify());
  refused(store.get(Family::kKeys, "a", nullptr));
  refused(store.get_many(Family::kKeys, {}, nullptr));
  const auto none = store.iterate({Family::kKeys, "", ""}, nullptr);
  CHECK_FALSE(none->valid());
  refused(none->status());
}

/// A sequence of random batches, with snapshots taken and released between them, against maps.
inline void check_model(ByteStore& store) {
  using Map = std::map<std::string, std::string>;
  struct Seen {
    storage::SnapshotPointer snapshot;
    Map map;
  };
  Map newest;
  std::vector<Seen> held;
  WriteBatch clear;
  clear.remove_range(Family::kFields, "a", "z");
  RC_ASSERT(store.write(clear, false).has_value());
  const auto key = [] { return std::string(1, *rc::gen::inRange('a', 'h')); };
  const auto steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    WriteBatch batch;
    const auto entries = *rc::gen::inRange(0, 6);
    for (int i = 0; i < entries; ++i) {
      const std::string at = key();
      const std::string value(1, *rc::gen::inRange('p', 'w'));
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
        case 1:
          batch.put(Family::kFields, at, value);
          newest[at] = value;
          break;
        case 2:
          batch.remove(Family::kFields, at);
          newest.erase(at);
          break;
        case 3: {
          batch.merge(Family::kFields, at, value);
          const auto old = newest.find(at);
          const std::string_view operand = value;
          newest[at] = *merge_letters(
              old == newest.end() ? std::nullopt : std::optional<std::string_view>(old->second),
              {&operand, 1});
          break;
        }
        default: {
          const std::string end = key();
          batch.remove_range(Family::kFields, at, end);
          if (at < end) newest.erase(newest.lower_bound(at), newest.lower_bound(end));
        }
      }
    }
    RC_ASSERT(store.write(batch, false).has_value());
    const auto move = *rc::gen::inRange(0, 4);
    if (move == 0) held.push_back({store.snapshot(), newest});
    if (move == 1 && !held.empty()) held.erase(held.begin());
    const auto check = [&](const Map& map, const ByteSnapshot* snapshot) {
      RC_ASSERT(all_in(store, {Family::kFields, "", ""}, snapshot) ==
                Pairs(map.begin(), map.end()));
      const std::string at = key();
      const auto found = map.find(at);
      const auto got = value_of(store, Family::kFields, at, snapshot);
      RC_ASSERT(got == (found == map.end() ? std::nullopt : std::optional(found->second)));
    };
    check(newest, nullptr);
    for (const Seen& seen : held) check(seen.map, seen.snapshot.get());
  }
}

}  // namespace anear::testing
