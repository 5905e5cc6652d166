#include "anear/storage/stored_file.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "anear/core/checksum.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {
namespace {

constexpr std::uint64_t kPieceBytes = 64 << 10;

Error damaged(const std::string& path, const std::string& what, Subcode subcode,
              std::uint64_t offset) {
  return Error{ErrorCode::kCorruption, "'" + path + "' " + what, subcode}.at_position(
      static_cast<std::int64_t>(offset));
}

}  // namespace

Status check_stored_file(FileSystem& files, const std::string& directory, const StoredFile& file,
                         ByteProgress& progress) {
  const std::string path = path_in(directory, file.path);
  const auto facts = files.info(path);
  if (!facts) return facts.error();
  if (facts->bytes != file.bytes) {
    return damaged(
        path, "has " + std::to_string(facts->bytes) + " bytes, not " + std::to_string(file.bytes),
        Subcode::kTruncated, std::min(facts->bytes, file.bytes));
  }
  std::vector<std::byte> buffer(std::min(file.bytes, kPieceBytes));
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < file.bytes;) {
    const auto piece = std::span(buffer).first(std::min(kPieceBytes, file.bytes - done));
    const auto opened = files.open(path, OpenMode::kRead);
    if (!opened) return opened.error();
    const auto got = (*opened)->read_at(done, piece);
    if (!got) return got.error();
    if (*got < piece.size())
      return damaged(path, "was cut short", Subcode::kTruncated, done + *got);
    checksum = crc32c(piece, checksum);
    done += piece.size();
    if (Status goes_on = progress.advance(piece.size()); !goes_on) return goes_on;
  }
  if (!file.crc32c || checksum == *file.crc32c) return {};
  return damaged(path, "holds other bytes than were written", Subcode::kChecksum, 0);
}

}  // namespace anear::storage
