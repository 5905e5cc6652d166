#include "collection/store_keys.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "anear/storage/checksum.hpp"

namespace anear::keys {
namespace {

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian");

template <typename Number>
void append_big_endian(std::string& out, Number number) {
  for (std::size_t shift = 8 * sizeof(Number); shift > 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> (shift - 8)));
}

template <typename Number>
Number big_endian_at_end(std::string_view key) {
  Number number = 0;
  if (key.size() < sizeof(Number)) return number;
  for (const char byte : key.substr(key.size() - sizeof(Number)))
    number = static_cast<Number>(number << 8 | static_cast<std::uint8_t>(byte));
  return number;
}

template <typename Number>
void append_number(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// Takes a number from the beginning of `bytes`; false when there are too few.
template <typename Number>
bool take_number(std::string_view& bytes, Number& number) {
  if (bytes.size() < sizeof number) return false;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return true;
}

Error damaged(const std::string& what) {
  return Error{ErrorCode::kCorruption, what, Subcode::kChecksum};
}

template <typename Number>
Result<Number> decode_number(std::string_view value, const char* what) {
  Number number = 0;
  if (!take_number(value, number) || !value.empty())
    return damaged("a stored " + std::string(what) + " is damaged");
  return number;
}

std::string prefix(std::uint32_t collection, std::size_t more) {
  std::string out;
  out.reserve(sizeof collection + more);
  append_big_endian(out, collection);
  return out;
}

}  // namespace

std::string manifest(std::uint32_t collection) {
  std::string out = kCollections;
  append_big_endian(out, collection);
  return out;
}

std::string key(std::uint32_t collection, std::string_view key) {
  return prefix(collection, key.size()).append(key);
}

std::string record(std::uint32_t collection, Slot slot) {
  std::string out = prefix(collection, sizeof slot);
  append_big_endian(out, slot);
  return out;
}

std::string row(VectorNumber vector, Slot slot) {
  std::string out = prefix(vector.collection, sizeof vector.vector + sizeof slot);
  append_big_endian(out, vector.vector);
  append_big_endian(out, slot);
  return out;
}

std::string change(CommitNumber commit) {
  std::string out = prefix(commit.collection, sizeof commit.sequence);
  append_big_endian(out, commit.sequence);
  return out;
}

std::string erasure(std::uint32_t collection) {
  std::string out = kErasures;
  append_big_endian(out, collection);
  return out;
}

std::string backups(std::string_view directory) { return std::string(kBackups).append(directory); }

// A prefix ends with '/', which '0' comes after.
storage::KeyRange meta_of(const char* prefix) {
  std::string end = prefix;
  end.back() = '0';
  return {storage::Family::kMeta, prefix, std::move(end)};
}

std::uint32_t collection_at_end(std::string_view key) {
  return big_endian_at_end<std::uint32_t>(key);
}

storage::KeyRange manifests() { return meta_of(kCollections); }

storage::KeyRange all_of(storage::Family family, std::uint32_t collection) {
  return {family, prefix(collection, 0), prefix(collection + 1, 0)};
}

storage::KeyRange rows_of(VectorNumber vector) {
  std::string end = prefix(vector.collection, sizeof vector.vector);
  append_big_endian(end, static_cast<std::uint16_t>(vector.vector + 1));
  return {storage::Family::kRows, row(vector, 0), std::move(end)};
}

storage::KeyRange changes_after(CommitNumber commit) {
  return {storage::Family::kChanges, change({commit.collection, commit.sequence + 1}),
          prefix(commit.collection + 1, 0)};
}

std::string_view without_collection(std::string_view key) {
  return key.substr(std::min(key.size(), sizeof(std::uint32_t)));
}

Slot slot_at_end(std::string_view key) { return big_endian_at_end<Slot>(key); }

Sequence sequence_at_end(std::string_view key) { return big_endian_at_end<Sequence>(key); }

std::string encode_slot(Slot slot) {
  std::string out;
  append_number(out, slot);
  return out;
}

Result<Slot> decode_slot(std::string_view value) { return decode_number<Slot>(value, "slot"); }

std::string encode_sequence(Sequence sequence) {
  std::string out;
  append_number(out, sequence);
  return out;
}

Result<Sequence> decode_sequence(std::string_view value) {
  return decode_number<Sequence>(value, "sequence");
}

std::string encode_erase_mark(const EraseMark& mark) {
  std::string rest;
  append_number(rest, mark.sequence);
  append_number(rest, mark.records);
  append_number(rest, mark.begun);
  std::string out;
  append_number(out, storage::checksum64(rest));
  return out.append(rest);
}

Result<EraseMark> decode_erase_mark(std::string_view value) {
  std::uint64_t checksum = 0;
  EraseMark mark;
  if (take_number(value, checksum) && checksum == storage::checksum64(value) &&
      take_number(value, mark.sequence) && take_number(value, mark.records) &&
      take_number(value, mark.begun) && value.empty()) {
    return mark;
  }
  return damaged("the mark of an erase is damaged");
}

std::string encode_row(VectorView row) {
  const std::string_view numbers(static_cast<const char*>(row.data()), row.bytes());
  std::string out;
  out.reserve(kRowOffset + numbers.size());
  append_number(out, storage::checksum64(numbers));
  return out.append(numbers);
}

std::uint64_t row_checksum(VectorView row) {
  return std::max<std::uint64_t>(
      1, storage::checksum64({static_cast<const char*>(row.data()), row.bytes()}));
}

std::uint64_t row_checksum(std::string_view encoded_row) {
  std::uint64_t checksum = 0;
  (void)take_number(encoded_row, checksum);
  return std::max<std::uint64_t>(1, checksum);
}

Result<VectorView> decode_row(std::string_view value, std::size_t dimension, ScalarKind kind) {
  std::uint64_t checksum = 0;
  if (!take_number(value, checksum) || value.size() != dimension * bytes_of(kind) ||
      checksum != storage::checksum64(value)) {
    return damaged("a stored row is damaged");
  }
  return VectorView(value.data(), dimension, kind);
}

std::string encode_changes(std::span<const Change> changes) {
  std::string out(sizeof(std::uint64_t), '\0');
  append_number(out, static_cast<std::uint32_t>(changes.size()));
  for (const Change& change : changes) {
    append_number(out, change.before);
    append_number(out, change.slot);
    append_number(out, static_cast<std::uint16_t>(change.key.size()));
    out.append(change.key);
  }
  const std::uint64_t checksum =
      storage::checksum64(std::string_view(out).substr(sizeof(std::uint64_t)));
  std::memcpy(out.data(), &checksum, sizeof checksum);
  return out;
}

Result<std::vector<Change>> decode_changes(std::string_view value) {
  std::uint64_t checksum = 0;
  std::uint32_t count = 0;
  if (!take_number(value, checksum) || checksum != storage::checksum64(value) ||
      !take_number(value, count)) {
    return damaged("an entry of the change log is damaged");
  }
  std::vector<Change> changes;
  for (std::uint32_t i = 0; i < count; ++i) {
    Change change;
    std::uint16_t bytes = 0;
    if (!take_number(value, change.before) || !take_number(value, change.slot) ||
        !take_number(value, bytes) || value.size() < bytes) {
      return damaged("an entry of the change log is damaged");
    }
    change.key = value.substr(0, bytes);
    value.remove_prefix(bytes);
    changes.push_back(change);
  }
  if (!value.empty()) return damaged("an entry of the change log is damaged");
  return changes;
}

std::uint64_t checksum_of_changes(std::string_view value) {
  std::uint64_t checksum = 0;
  return take_number(value, checksum) ? checksum : 0;
}

}  // namespace anear::keys
