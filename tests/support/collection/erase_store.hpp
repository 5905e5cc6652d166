// The store that tests of erasing erase from: canaries among other records, in an index of each
// kind, and what has to hold afterwards.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/canaries.hpp"
#include "support/collection/stores.hpp"

namespace anear::test::erasing {

inline constexpr std::size_t kDimension = 48;
inline constexpr std::size_t kOthers = 400;
inline constexpr std::size_t kCanaries = 3;

/// How a vector is kept.
struct Kind {
  const char* name;
  IndexOptions index;
  Metric metric;
  ScalarKind rows;
  bool has_codes;  ///< 8 bits a number, at rest.
};

inline IvfPqOptions few_lists() {
  IvfPqOptions options;
  options.lists = 8;
  options.subspaces = 8;
  options.iterations = 2;
  options.train_from = 200;
  return options;
}

inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"graph, f32", HnswOptions{}, Metric::kCosine, ScalarKind::kF32, true},
      {"graph, f16", HnswOptions{}, Metric::kL2, ScalarKind::kF16, true},
      {"flat, f32", FlatOptions{}, Metric::kL2, ScalarKind::kF32, false},
      {"inverted lists, f32", few_lists(), Metric::kL2, ScalarKind::kF32, false},
      {"inverted lists, f16", few_lists(), Metric::kCosine, ScalarKind::kF16, false}};
  return all;
}

inline CollectionSchema schema_of(const Kind& kind) {
  return {.vectors = {{.name = "embedding",
                       .dimension = kDimension,
                       .metric = kind.metric,
                       .kind = kind.rows,
                       .index = kind.index}},
          .fields = {{"word", FieldType::kString}, {"number", FieldType::kInt64}},
          .dynamic = true};
}

inline void put(Collection& docs, const Canary& record) {
  Batch batch;
  const test::Rows row{kDimension, record.row};
  batch.keys({record.key}).vectors("embedding", row).payloads({record.payload});
  for (const Field& field : record.fields) batch.field(field.first, {field.second});
  const auto put = docs.upsert(batch);
  INFO((put ? "" : put.error().message));
  REQUIRE(put);
}

inline std::string key_of(std::size_t i) { return "k" + std::to_string(i); }

inline void put_others(Collection& docs, std::size_t first, std::size_t count,
                       std::int64_t version) {
  const auto rows = test::clustered_rows({first + count, kDimension}, 5);
  std::vector<Value> words;
  std::vector<Value> numbers;
  std::vector<std::string> payloads;
  for (std::size_t i = first; i < first + count; ++i) {
    words.emplace_back("word" + std::to_string(i % 17));
    numbers.emplace_back(version);
    payloads.push_back("payload " + std::to_string(i));
  }
  REQUIRE(docs.upsert(Batch()
                          .numbered(first, count)
                          .vectors("embedding", rows.view().rows_from(first, count))
                          .field("word", words)
                          .field("number", numbers)
                          .payloads(payloads)));
}

/// Key → all that is stored of it.
struct Content {
  Fields fields;
  std::string payload;
  std::vector<std::byte> row;
  bool operator==(const Content&) const = default;
};
using Contents = std::map<std::string, Content>;

inline Contents contents_of(const Collection& docs) {
  const auto page = must(docs.scan({.limit = 10'000, .parts = {.payload = true, .vectors = true}}));
  Contents all;
  for (const Record& record : page)
    all[record.key] = {record.fields, record.payload, record.vectors.at(0).bytes};
  return all;
}

inline Contents without(Contents all, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) all.erase(key);
  return all;
}

inline std::vector<std::string> keys_of(const std::vector<Canary>& canaries) {
  std::vector<std::string> keys;
  for (const Canary& each : canaries) {
    if (std::find(keys.begin(), keys.end(), each.key) == keys.end()) keys.push_back(each.key);
  }
  return keys;
}

inline std::vector<std::string_view> views_of(const std::vector<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

inline std::vector<Needle> needles_of(const std::vector<Canary>& canaries, Metric metric) {
  std::vector<Needle> all;
  for (const Canary& each : canaries) {
    const auto needles = test::needles_of(each, metric);
    all.insert(all.end(), needles.begin(), needles.end());
  }
  return all;
}

/// Every word and key of the canaries is there, and the rows as they are kept.
inline void expect_found(const std::string& path, const std::vector<Needle>& needles,
                         const Kind& kind, bool indexed) {
  const auto found = test::found_in(path, needles);
  for (std::size_t i = 0; i < needles.size(); ++i) {
    const std::string& what = needles[i].what;
    if (what.starts_with("normalised") || what.starts_with("f32 of the f16")) continue;
    if (what.starts_with("f32 row") && kind.rows != ScalarKind::kF32) continue;
    if (what.starts_with("f16 row") && kind.rows != ScalarKind::kF16) continue;
    if (what.starts_with("int8") && !(indexed && kind.has_codes)) continue;
    if (what.starts_with("int8") && !found.needles.contains(i)) continue;  // Of f32 or of f16.
    INFO(what);
    CHECK(found.needles.contains(i));
  }
  if (!indexed || !kind.has_codes) return;
  CHECK(std::any_of(found.needles.begin(), found.needles.end(),
                    [&](std::size_t i) { return needles[i].what.starts_with("int8"); }));
}

inline void expect_not_found(const std::string& path, const std::vector<Needle>& needles) {
  const auto found = test::found_in(path, needles);
  for (const std::string& where : found.where) FAIL_CHECK("found: " << where);
}

/// Everything but the erased records is as it was, and every search is exact.
inline void expect_whole(const Store& store, const Collection& docs, const Contents& expected) {
  CHECK(contents_of(docs) == expected);
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
  const auto queries = test::clustered_rows({3, kDimension}, 99);
  for (std::size_t q = 0; q < queries.count(); ++q) {
    Query query = test::near_to(queries.row(q), expected.size() + 10);
    query.recall = 1.0F;
    const auto hits = must(docs.search(query));
    CHECK(hits.hits.size() == expected.size());
    for (const Hit& hit : hits.hits) CHECK(expected.contains(hit.record.key));
  }
}

}  // namespace anear::test::erasing
