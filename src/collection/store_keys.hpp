// The keys and small values of the byte store, but for field containers (field_keys.hpp). Numbers
// in keys are big-endian, so that their order is the order of the bytes; in values little-endian.
//
//   kMeta     "store" → StoreMeta · "sequence" → u64 · "collection/" number → manifest ·
//             "erase/" number → EraseMark · "backups/" directory → nothing
//   kKeys     collection u32 | key                   → slot u32
//   kRecords  collection u32 | slot u32              → record (storage/record.hpp)
//   kRows     collection u32 | vector u16 | slot u32 → XXH3-64 of the row u64 | row
//   kChanges  collection u32 | sequence u64          → changes of one commit, see Change
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/matrix_view.hpp"
#include "anear/core/types.hpp"
#include "anear/storage/byte_store.hpp"

namespace anear::keys {

inline constexpr const char* kStore = "store";
inline constexpr const char* kSequence = "sequence";
inline constexpr const char* kCollections = "collection/";
inline constexpr const char* kErasures = "erase/";
inline constexpr const char* kBackups = "backups/";

std::string manifest(std::uint32_t collection);
std::string key(std::uint32_t collection, std::string_view key);
std::string record(std::uint32_t collection, Slot slot);

/// Names one vector of one collection: two numbers that cannot be swapped.
struct VectorNumber {
  std::uint32_t collection = 0;
  std::uint16_t vector = 0;
};
std::string row(VectorNumber vector, Slot slot);

struct CommitNumber {
  std::uint32_t collection = 0;
  Sequence sequence = 0;
};
std::string change(CommitNumber commit);

/// Stands in kMeta while an erase of the collection is not finished.
std::string erasure(std::uint32_t collection);
/// Stands in kMeta when a backup was taken into the directory.
std::string backups(std::string_view directory);

/// All keys of kMeta that begin with `prefix`, which is one of the above.
storage::KeyRange meta_of(const char* prefix);
/// The number that a key of manifest() or erasure() ends with.
std::uint32_t collection_at_end(std::string_view key);
/// The manifests of all collections, in kMeta.
storage::KeyRange manifests();
/// All keys of `collection` in one of the families other than kMeta.
storage::KeyRange all_of(storage::Family family, std::uint32_t collection);
/// The keys of rows of `vector`.
storage::KeyRange rows_of(VectorNumber vector);
/// The keys of commits behind `commit`.
storage::KeyRange changes_after(CommitNumber commit);

/// What stands behind the 4 bytes of the collection's number.
std::string_view without_collection(std::string_view key);
/// The slot a key of kRecords or kRows ends with.
Slot slot_at_end(std::string_view key);
Sequence sequence_at_end(std::string_view key);

std::string encode_slot(Slot slot);
/// kCorruption unless there are exactly four bytes.
Result<Slot> decode_slot(std::string_view value);
std::string encode_sequence(Sequence sequence);
Result<Sequence> decode_sequence(std::string_view value);

/// An erase that is not finished.
struct EraseMark {
  Sequence sequence = 0;      ///< The commit from which on the records are gone.
  std::uint64_t records = 0;  ///< Deleted by it and by those that were not finished before it.
  std::int64_t begun = 0;     ///< Microseconds UTC.
};
/// | XXH3-64 of the rest u64 | sequence u64, records u64, begun i64 |
std::string encode_erase_mark(const EraseMark& mark);
Result<EraseMark> decode_erase_mark(std::string_view value);

/// A row with its checksum.
std::string encode_row(VectorView row);
/// What a record says of a row of it: the checksum of its bytes, and never 0.
std::uint64_t row_checksum(VectorView row);
/// The same, from the row as stored.
std::uint64_t row_checksum(std::string_view encoded_row);
/// Bytes of the stored numbers behind the checksum.
inline constexpr std::size_t kRowOffset = 8;
/// The row in `value` (borrowed), checked. kCorruption when damaged or of another length.
Result<VectorView> decode_row(std::string_view value, std::size_t dimension, ScalarKind kind);

/// What one commit did to one record. `before`: the slot it had, kNoSlot when it is new. `slot`:
/// the slot it has now, kNoSlot when it was deleted; equal to `before` when only fields changed.
/// `key`: empty when it was erased.
struct Change {
  Slot before = kNoSlot;
  Slot slot = kNoSlot;
  std::string_view key;
};
/// | XXH3-64 of the rest u64 | count u32 | before u32, slot u32, key bytes u16, key | …
std::string encode_changes(std::span<const Change> changes);
/// The keys point into `value`.
Result<std::vector<Change>> decode_changes(std::string_view value);
/// What tells the changes of two commits apart; 0 when there is none.
std::uint64_t checksum_of_changes(std::string_view value);

}  // namespace anear::keys
