// Batches checked and brought into the form in which they are stored, before anything is touched:
// what comes out of here can only fail for what other writes did or for want of disk.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/options.hpp"
#include "anear/collection/records.hpp"
#include "anear/core/error.hpp"

namespace anear {

inline constexpr std::size_t kPayloadBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kFieldBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kBatchBytesMax = std::size_t{1} << 30;

/// One record of a batch. Key and payload are borrowed from the caller's batch.
struct PreparedRecord {
  std::string_view key{};
  Fields fields{};  ///< Ascending by name; no Missing.
  std::string_view payload{};
  /// One for each vector of the schema, in its order: the row as stored (keys::encode_row), empty
  /// when there is none.
  std::vector<std::string> rows{};

  bool has_rows() const noexcept {
    return std::any_of(rows.begin(), rows.end(),
                       [](const std::string& row) { return !row.empty(); });
  }
};

struct PreparedBatch {
  std::vector<PreparedRecord> records;
  std::span<const Sequence> expected;
  bool sets_payload = false;
  std::size_t bytes = 0;
};

/// kInvalidArgument or kLimitExceeded with the record: shapes, keys (UTF-8, length, twice in the
/// batch), dimensions, numbers that are not finite, zero vectors under cosine, unknown vectors and
/// fields, types.
Result<PreparedBatch> prepare(const RecordBatch& batch, const CollectionSchema& schema);

/// The beginning of a key in quotation marks, for a message.
std::string quoted(std::string_view key);

/// The keys of a delete: checked like those of a batch, each once.
Result<std::vector<std::string_view>> prepare_keys(std::span<const std::string_view> keys);

}  // namespace anear
