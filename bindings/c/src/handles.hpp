// What the opaque types of anear.h are, but for the index (index_handle.hpp), and how records and
// schemas look from C.
//
// Threads: hits, records and schema views never change once made.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "anear.h"
#include "anear/collection/store.hpp"

namespace anear::c {

/// Records as C structs. They point into the records, which must neither move nor change.
class RecordViews {
 public:
  /// Room for `count` records, so that none moves when others are added.
  void reserve(std::size_t count);
  const anear_record* add(const Record& record);

 private:
  anear_value view_of(const Value& value);
  anear_list list_of(const Value& value);

  std::vector<anear_record> records_;
  std::deque<std::vector<anear_field>> fields_;
  std::deque<std::vector<anear_named_vector>> vectors_;
  // Lists whose entries look different in C.
  std::deque<std::vector<std::uint8_t>> bools_;
  std::deque<std::vector<std::int64_t>> moments_;
  std::deque<std::vector<anear_text>> texts_;
};

/// A schema as C structs. It points into the schema, which must neither move nor change.
class SchemaView {
 public:
  explicit SchemaView(const CollectionSchema& schema);
  SchemaView(const SchemaView&) = delete;  // The structs point at each other.
  SchemaView& operator=(const SchemaView&) = delete;
  ~SchemaView() = default;
  const anear_schema* get() const noexcept { return &schema_; }

 private:
  std::deque<anear_index_options> indexes_;
  std::vector<anear_vector_schema> vectors_;
  std::vector<anear_field_schema> fields_;
  anear_schema schema_{};
};

}  // namespace anear::c

struct anear_store {
  anear::Store store;
};

struct anear_collection {
  anear::Collection collection;
  anear::c::SchemaView schema{collection.schema()};
};

struct anear_hits {
  anear::Hits answer;
  anear::c::RecordViews views;
  std::vector<anear_hit> hits;
  std::optional<anear_explain> explain;
};

struct anear_records {
  std::vector<anear::Record> records;
  anear::c::RecordViews views;
  std::vector<const anear_record*> places;  ///< Null where there is no such record.
};
