#include "anear/storage/backup_manifest.hpp"

#include <algorithm>
#include <set>

#include "sealed.hpp"
#include "storage/schema/backup_generated.h"

namespace anear::storage {
namespace {

Error damaged() {
  return Error{ErrorCode::kCorruption, "a backup's manifest is damaged", Subcode::kChecksum};
}

/// Whether `path` is that of a file in one of a store's three directories, and nothing else.
bool is_path_of_store(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == path.npos || path.find('\0') != path.npos) return false;
  const std::string_view directory = path.substr(0, slash);
  const std::string_view name = path.substr(slash + 1);
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos) return false;
  return directory == kRecordsDirectory || directory == kRowFilesDirectory ||
         directory == kImagesDirectory;
}

}  // namespace

std::uint64_t BackupManifest::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const BackupFile& file : files) sum += file.bytes;
  return sum;
}

std::string encode_backup(const BackupManifest& manifest) {
  flatbuffers::FlatBufferBuilder builder(4'096);
  std::vector<flatbuffers::Offset<fb::BackupFile>> files;
  files.reserve(manifest.files.size());
  for (const BackupFile& file : manifest.files) {
    files.push_back(fb::CreateBackupFileDirect(builder, file.path.c_str(), file.bytes,
                                               file.checksum.low, file.checksum.high,
                                               file.identity.c_str()));
  }
  const auto store = builder.CreateVector(manifest.store.id.data(), manifest.store.id.size());
  const auto named = builder.CreateVector(files);
  builder.Finish(fb::CreateBackup(builder, kBackupFormatVersion, manifest.number, manifest.sequence,
                                  manifest.created, manifest.store.format, store,
                                  manifest.store.created, named));
  return seal(builder);
}

Result<BackupManifest> decode_backup(std::string_view bytes) {
  Unsealed<fb::Backup> from;
  if (!from.open(bytes)) return damaged();
  if (from->format() > kBackupFormatVersion) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "a backup has format " + std::to_string(from->format()) +
                     "; this anear reads formats up to " + std::to_string(kBackupFormatVersion),
                 Subcode::kNewerFormat};
  }
  BackupManifest to;
  if (from->store()->size() != to.store.id.size()) return damaged();
  to.number = from->number();
  to.sequence = from->sequence();
  to.created = from->created();
  to.store.format = from->store_format();
  to.store.created = from->store_created();
  std::copy(from->store()->begin(), from->store()->end(), to.store.id.begin());
  std::set<std::string_view> paths;
  to.files.reserve(from->files()->size());
  for (const fb::BackupFile* file : *from->files()) {
    const std::string_view path(file->path()->data(), file->path()->size());
    if (!is_path_of_store(path) || !paths.insert(path).second) return damaged();
    to.files.push_back(
        {std::string(path),
         file->bytes(),
         {file->checksum_low(), file->checksum_high()},
         file->identity() == nullptr ? std::string() : to_string(*file->identity())});
  }
  return to;
}

}  // namespace anear::storage
