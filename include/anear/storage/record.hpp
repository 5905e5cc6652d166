// The bytes of a stored record: header, key, fields, payload.
//
//   | XXH3-64 of what follows, u64 | FlatBuffer (record.fbs) |
//
// The checksum is looked at first, since FlatBuffers' verifier accepts flipped bits; then the
// verifier, which makes any bytes safe to read. Fields stand in ascending order of name.
//
// Threads: plain functions; a RecordEncoder belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/core/value.hpp"

namespace anear::storage {

/// What is kept with each record beside its content. Times are microseconds UTC.
struct RecordHeader {
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::int64_t expires_at = 0;        ///< 0: never.
  std::uint64_t source_sequence = 0;  ///< The caller's sequence at the record's source; 0: none.
  Sequence sequence = 0;              ///< The commit that wrote it.

  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

/// A record on its way out: borrowed. `fields` may stand in any order, each name once; missing ones
/// are left out.
struct RecordView {
  RecordHeader header;
  std::string_view key;
  const Fields* fields = nullptr;  ///< Null: none.
  std::string_view payload;
  std::span<const std::uint64_t> rows{};  ///< As StoredRecord::rows.
};

/// A record on its way in.
struct StoredRecord {
  RecordHeader header;
  std::string key;
  Fields fields;  ///< In ascending order of name.
  std::string payload;
  /// The checksum of each vector's row, by the caller's numbers; 0: it has none. Empty: the record
  /// does not say.
  std::vector<std::uint64_t> rows;
};

/// Encodes many records with one buffer.
class RecordEncoder {
 public:
  RecordEncoder();
  RecordEncoder(RecordEncoder&&) noexcept;
  RecordEncoder& operator=(RecordEncoder&&) noexcept;
  ~RecordEncoder();
  std::string encode(const RecordView& record);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Which parts decode_record() fills; header and key always.
struct RecordParts {
  bool fields = true;
  bool payload = true;
};

std::string encode_record(const RecordView& record);
/// Any bytes: a record or kCorruption.
Result<StoredRecord> decode_record(std::string_view bytes, const RecordParts& parts = {});
/// Only the key, which points into `bytes`. Checked like decode_record().
Result<std::string_view> decode_key(std::string_view bytes);
Result<RecordHeader> decode_header(std::string_view bytes);

}  // namespace anear::storage
