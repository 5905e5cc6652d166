// The collection of many tests: records "k0", "k1" … with one vector and their number as a field.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/collection.hpp"
#include "support/collection/batches.hpp"

namespace anear::test {

inline CollectionSchema docs_schema(std::size_t dimension) {
  return {.vectors = {{.name = "embedding", .dimension = dimension}},
          .fields = {{"size", FieldType::kInt64}}};
}

/// The values `first`, `first` + 1, …
inline std::vector<Value> numbers(std::size_t first, std::size_t count) {
  std::vector<Value> values;
  for (std::size_t i = 0; i < count; ++i) values.emplace_back(static_cast<std::int64_t>(first + i));
  return values;
}

/// Writes records `first` … with their rows.
inline void add_docs(Collection& docs, const Rows& rows, std::size_t first, std::size_t count) {
  Batch batch;
  batch.numbered(first, count)
      .vectors("embedding", rows.view().rows_from(first, count))
      .field("size", numbers(first, count));
  REQUIRE(docs.upsert(batch));
}

/// Exactly k0 … are there; each, or some 50 of them, is its own nearest neighbour and is found by
/// its field.
inline void expect_docs(const Collection& docs, const Rows& rows, std::size_t count) {
  REQUIRE(*docs.count({}) == count);
  for (std::size_t i = 0; i < count; i += 1 + count / 50) {
    for (const std::string& filter : {std::string(), "size = " + std::to_string(i)}) {
      const auto hits = docs.search(near_to(rows.row(i), 1, filter));
      REQUIRE(hits);
      REQUIRE(hits->hits.size() == 1);
      CHECK(hits->hits[0].record.key == "k" + std::to_string(i));
    }
  }
}

}  // namespace anear::test
