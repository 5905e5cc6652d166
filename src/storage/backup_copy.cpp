#include "backup_copy.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "anear/core/checksum.hpp"
#include "stream_checksum.hpp"

namespace anear::storage {
namespace {

constexpr std::size_t kCopiedBytes = std::size_t{1} << 20;

Error cut_short(const std::string& path, std::uint64_t there, std::uint64_t wanted) {
  return Error{
      ErrorCode::kCorruption,
      "'" + path + "' has " + std::to_string(there) + " bytes; expected " + std::to_string(wanted),
      Subcode::kTruncated}
      .at_position(static_cast<std::int64_t>(there));
}

Error damaged(const BackupPlace& backup, const BackupFile& file, const std::string& what,
              Subcode subcode) {
  return Error{ErrorCode::kCorruption,
               "backup " + std::to_string(backup.manifest.number) + " in '" + backup.directory +
                   "' is damaged: '" + path_in(kPoolDirectory, name_in_pool(file)) + "', its '" +
                   file.path + "', " + what,
               subcode};
}

/// Reads one file of a backup, into `to` if there is one, and compares it.
Status read_file_of(const BackupPlace& backup, const BackupFile& file, File* to,
                    ByteProgress& progress) {
  const std::string path = path_in(path_in(backup.directory, kPoolDirectory), name_in_pool(file));
  const auto from = backup.files.open(path, OpenMode::kRead);
  if (!from && from.error().code == ErrorCode::kNotFound)
    return damaged(backup, file, "is missing", Subcode::kTruncated);
  if (!from) return from.error();
  const auto size = (*from)->size();
  if (!size) return size.error();
  if (*size != file.bytes) {
    return damaged(backup, file,
                   "has " + std::to_string(*size) + " bytes, not " + std::to_string(file.bytes),
                   Subcode::kTruncated);
  }
  const auto sums =
      copy_bytes({.from = **from, .path = path, .bytes = file.bytes, .to = to}, progress);
  if (!sums) return sums.error();
  if (sums->checksum == file.checksum) return {};
  return damaged(backup, file, "holds other bytes than were written", Subcode::kChecksum);
}

Status restore_file(const BackupPlace& backup, const BackupFile& file, const std::string& target,
                    ByteProgress& progress) {
  auto to = backup.files.open(path_in(target, file.path), OpenMode::kCreateNew);
  if (!to) return std::move(to).error();
  if (Status read = read_file_of(backup, file, to->get(), progress); !read) return read;
  if (Status synced = (*to)->sync(); !synced) return synced;
  return (*to)->close();
}

}  // namespace

std::string name_in_pool(const BackupFile& file) {
  return hex(file.checksum) + "-" + std::to_string(file.bytes);
}

Result<CopySums> copy_bytes(const CopyJob& job, ByteProgress& progress) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(job.bytes, kCopiedBytes));
  StreamChecksum checksum;
  CopySums sums;
  for (std::uint64_t done = 0; done < job.bytes;) {
    const auto part =
        std::span(piece).first(std::min<std::uint64_t>(piece.size(), job.bytes - done));
    const auto got = job.from.read_at(done, part);
    if (!got) return got.error();
    if (*got < part.size()) return cut_short(job.path, done + *got, job.bytes);
    checksum.add(part);
    if (job.crc32c) sums.crc32c = crc32c(part, sums.crc32c);
    if (job.to != nullptr) {
      if (Status put = job.to->append(part); !put) return std::move(put).error();
    }
    done += part.size();
    if (Status go_on = progress.advance(part.size()); !go_on) return std::move(go_on).error();
  }
  sums.checksum = checksum.sum();
  return sums;
}

Status restore_files(const BackupPlace& backup, const std::string& target, ByteProgress& progress) {
  constexpr const char* kDirectories[] = {kRecordsDirectory, kRowFilesDirectory, kImagesDirectory};
  for (const char* directory : kDirectories) {
    if (Status made = ensure_directory(backup.files, path_in(target, directory)); !made)
      return made;
  }
  for (const BackupFile& file : backup.manifest.files) {
    if (Status restored = restore_file(backup, file, target, progress); !restored) return restored;
  }
  for (const char* directory : kDirectories) {
    if (Status synced = backup.files.sync_directory(path_in(target, directory)); !synced)
      return synced;
  }
  return {};
}

Status check_files(const BackupPlace& backup, ByteProgress& progress) {
  for (const BackupFile& file : backup.manifest.files) {
    if (Status checked = read_file_of(backup, file, nullptr, progress); !checked) return checked;
  }
  return {};
}

}  // namespace anear::storage
