// The collection of many tests: records "k0", "k1" … with one vector and their number as a field.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
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

}  // namespace anear::test
