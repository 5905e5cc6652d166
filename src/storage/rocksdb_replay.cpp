#include "rocksdb_replay.hpp"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "anear/core/checksum.hpp"

namespace anear::storage {
namespace {

// RocksDB's format of logs and lists: blocks with pieces of records, each behind
// | masked CRC-32C of type and bytes u32 | length u16 | type u8 |.
constexpr std::uint64_t kLogBlockBytes = 32'768;
constexpr std::uint64_t kHeadBytes = 7;
enum PieceType : std::uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

template <typename Number>
Number number_at(std::string_view bytes, std::uint64_t at) {
  Number number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

std::uint32_t unmasked(std::uint32_t checksum) {
  const std::uint32_t rotated = checksum - 0xa282ead8U;
  return (rotated >> 17) | (rotated << 15);
}

struct Piece {
  std::uint8_t type = 0;
  std::string_view bytes;
  std::uint64_t end = 0;
};

/// No value where no whole piece stands.
std::optional<Piece> piece_at(std::string_view list, std::uint64_t at) {
  const std::uint64_t left = kLogBlockBytes - at % kLogBlockBytes;
  if (left < kHeadBytes) at += left;  // No head would fit: filled with zeros.
  if (list.size() < at + kHeadBytes) return {};
  const std::uint64_t length = number_at<std::uint16_t>(list, at + 4);
  const std::uint64_t end = at + kHeadBytes + length;
  if (end > std::min<std::uint64_t>(list.size(), (at / kLogBlockBytes + 1) * kLogBlockBytes))
    return {};
  const std::string_view checked = list.substr(at + 6, 1 + length);
  const std::uint32_t checksum = crc32c(std::as_bytes(std::span(checked.data(), checked.size())));
  if (checksum != unmasked(number_at<std::uint32_t>(list, at))) return {};
  return Piece{static_cast<std::uint8_t>(checked[0]), checked.substr(1), end};
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return number;
  }
  return {};
}

/// The last entry that a record of the list names. Its numbers come before all else, each behind
/// its kind.
std::optional<std::uint64_t> last_entry_in(std::string_view record) {
  constexpr std::uint64_t kComparator = 1, kLogNumber = 2, kNextFile = 3, kLastEntry = 4,
                          kPreviousLog = 9, kOldestLog = 10, kFamilies = 203, kIdentity = 8'192;
  while (const auto kind = take_varint(record)) {
    const auto number = take_varint(record);
    if (!number) return {};
    if (*kind == kLastEntry) return number;
    if (*kind == kComparator || *kind == kIdentity) {
      if (*number > record.size()) return {};
      record.remove_prefix(*number);
      continue;
    }
    const bool is_number = *kind == kLogNumber || *kind == kNextFile || *kind == kPreviousLog ||
                           *kind == kOldestLog || *kind == kFamilies;
    if (!is_number) return {};
  }
  return {};
}

}  // namespace

WholeList whole_part_of(std::string_view list) {
  WholeList whole;
  std::string record;
  bool inside = false;
  for (auto piece = piece_at(list, 0); piece; piece = piece_at(list, piece->end)) {
    const bool begins = piece->type == kWhole || piece->type == kFirst;
    const bool ends = piece->type == kWhole || piece->type == kLast;
    if (begins == inside || piece->type > kLast) break;
    if (begins) record.clear();
    record += piece->bytes;
    inside = !ends;
    if (inside) continue;
    whole.bytes = piece->end;
    const auto last = last_entry_in(record);
    if (last) whole.last_entry = std::max(*last, whole.last_entry.value_or(0));
  }
  return whole;
}

void LogFollows::ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>&,
                                          const std::map<std::string, std::uint32_t>&) {
  next_max_ = behind_tables();
}

std::uint64_t LogFollows::behind_tables() const noexcept {
  const std::uint64_t listed = listed_.load();
  return listed == kUnknown ? kUnknown : listed + 1;
}

rocksdb::WalFilter::WalProcessingOption LogFollows::LogRecordFound(unsigned long long,
                                                                   const std::string&,
                                                                   const rocksdb::WriteBatch& batch,
                                                                   rocksdb::WriteBatch*, bool*) {
  // A record begins with the number of its first entry, and how many there are.
  const std::string& record = batch.Data();
  const auto first = number_at<std::uint64_t>(record, 0);
  const auto entries = number_at<std::uint32_t>(record, 8);
  if (first > next_max_) return WalProcessingOption::kCorruptedRecord;
  next_max_ = first + entries;
  // RocksDB itself writes one without entries, where it went on behind a damaged log: what comes
  // next may also follow the tables.
  if (entries == 0) next_max_ = std::max(next_max_, behind_tables());
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace anear::storage
