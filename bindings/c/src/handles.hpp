// What the opaque types of anear.h are, and how records and schemas look from C.
//
// Threads: hits, records and schema views never change once made. An index locks what the C++ class
// leaves to its caller: writers against save(), and its pool of scratch memory.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "anear.h"
#include "anear/collection/store.hpp"
#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"
#include "anear/index/ivf_pq_index.hpp"

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

/// Scratch memory that is kept between searches: making it costs more than a search.
class ScratchPool {
 public:
  class Lease {
   public:
    Lease(ScratchPool& pool, Scratch& scratch) noexcept : pool_(&pool), scratch_(&scratch) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_->give_back(*scratch_); }
    Scratch& operator*() const noexcept { return *scratch_; }

   private:
    ScratchPool* pool_;
    Scratch* scratch_;
  };

  Lease lease();

 private:
  void give_back(Scratch& scratch) noexcept;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> all_;
  std::vector<Scratch*> free_;  ///< Its capacity is never below all_.size().
};

using IndexVariant = std::variant<FlatIndex, HnswIndex, IvfPqIndex>;

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

struct anear_index {
  explicit anear_index(anear::c::IndexVariant made) : index(std::move(made)) {}

  anear::c::IndexVariant index;
  mutable std::mutex writer;
  mutable anear::c::ScratchPool scratches;
};
