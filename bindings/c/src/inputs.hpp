// What a C caller hands in, as the C++ interface takes it. NULL where there are entries, unknown
// numbers and flags are refused here; everything else is checked by the library.
//
// What is borrowed in C++ (keys, rows, payloads) is borrowed from the caller too.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear.h"
#include "anear/collection/options.hpp"
#include "anear/collection/records.hpp"
#include "anear/core/error.hpp"

namespace anear::c {

/// The error for a number that no enum of anear.h has.
Error unknown_number(const char* what, std::int32_t number);
/// 0, the default, leaves `to` as it is.
Status set_scalar(std::int32_t number, const char* what, ScalarKind& to);
template <typename Number, typename To>
void set_number(Number number, To& to) noexcept {
  if (number != 0) to = static_cast<To>(number);
}

/// `what` names the argument in messages.
Status check_flags(std::uint32_t flags, std::uint32_t known, const char* what);
Result<std::string_view> view_of(const anear_text& text, const char* what);
Result<std::vector<std::string_view>> views_of(std::span<const anear_text> texts, const char* what);
Result<Value> value_of(const anear_value& value);
Result<MatrixView> matrix_of(const anear_matrix& matrix, const char* what);
Result<FilterText> filter_of(const anear_filter* filter);
Result<std::size_t> threads_of(std::uint32_t threads);

/// `count` entries at `data`; refused when there are entries and `data` is NULL.
template <typename T>
Result<std::span<const T>> span_of(const T* data, std::size_t count, const char* what) {
  if (data == nullptr && count != 0)
    return invalid_argument(std::string(what) + " is NULL, for " + std::to_string(count));
  return std::span<const T>(data, count);
}

/// A RecordBatch and what it borrows beside the caller's memory.
struct OwnedBatch {
  std::vector<std::string_view> keys;
  std::vector<std::string_view> payloads;
  std::vector<std::vector<Value>> values;
  RecordBatch batch;

  OwnedBatch() = default;
  OwnedBatch(const OwnedBatch&) = delete;  // It would still borrow from the original.
  OwnedBatch& operator=(const OwnedBatch&) = delete;
  OwnedBatch(OwnedBatch&&) = default;
  OwnedBatch& operator=(OwnedBatch&&) = default;
  ~OwnedBatch() = default;
};
Result<OwnedBatch> batch_of(const anear_batch* batch);

/// Which parts an answer carries, and which fields (NULL: all).
struct PartsWanted {
  std::uint32_t parts = 0;
  const char* const* field_names = nullptr;
  std::size_t field_name_count = 0;
};
inline constexpr std::uint32_t kPartsOfRecords =
    ANEAR_WITH_FIELDS | ANEAR_WITH_PAYLOAD | ANEAR_WITH_VECTORS;
/// `known`: the ANEAR_WITH_* that the call takes.
Result<Parts> parts_of(const PartsWanted& wanted, std::uint32_t known);

/// The query but for its legs and parts.
Result<Query> query_of(const anear_query& query);
Result<Scan> scan_of(const anear_scan* scan);

Result<StoreOptions> store_options_of(const anear_store_options* options);
Result<VectorSchema> vector_schema_of(const anear_index_options* options);
Result<CollectionSchema> schema_of(const anear_schema* schema);

}  // namespace anear::c
