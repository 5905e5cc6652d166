#include "collection/files_at_rest.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "anear/storage/file_list.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/manifest.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/images.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_opening.hpp"

namespace anear {
namespace {

/// What the database names its list in use by.
constexpr const char* kCurrentFile = "CURRENT";

class Listing {
 public:
  explicit Listing(StoreRuntime& runtime) : runtime_(runtime) {}

  Result<std::vector<FileAtRest>> list() {
    add(FileKind::kIdentity, storage::kIdentityFile);
    add(FileKind::kMark, storage::kMarkFile);
    add(FileKind::kList, storage::path_in(storage::kRecordsDirectory, kCurrentFile));
    const auto bytes = runtime_.pinned_bytes();
    auto tables = bytes->tables();
    if (!tables) return std::move(tables).error();
    for (storage::StoredFile& table : *tables) {
      table.path = storage::path_in(storage::kRecordsDirectory, table.path);
      found_.push_back({FileKind::kTable, std::move(table)});
    }
    const auto manifests = read_manifests(*bytes);
    if (!manifests) return manifests.error();
    for (const storage::CollectionManifest& manifest : *manifests) {
      for (const std::string& file : names_of(manifest.images)) {
        const bool has_rows =
            file.starts_with(storage::path_in(storage::kRowFilesDirectory, std::string_view()));
        add(has_rows ? FileKind::kRows : FileKind::kImage, file, manifest.number);
      }
    }
    return std::move(found_);
  }

 private:
  void add(FileKind kind, const std::string& path, std::uint32_t collection = 0) {
    const auto facts = runtime_.files->info(storage::path_in(runtime_.path, path));
    found_.push_back({kind, {path, facts ? facts->bytes : 0}, collection});
  }

  StoreRuntime& runtime_;
  std::vector<FileAtRest> found_;
};

Status check_identity(StoreRuntime& runtime) {
  const auto identity = storage::read_identity(*runtime.files, runtime.path);
  if (!identity) return identity.error();
  if (identity->id == runtime.identity.id) return {};
  return Error{ErrorCode::kCorruption, "'" + runtime.path + "' has the identity of another store",
               Subcode::kForeignFile};
}

Result<storage::HighWaterMark::Reading> read_mark(StoreRuntime& runtime) {
  const std::lock_guard hold(runtime.marking);
  return storage::HighWaterMark::read(*runtime.files, runtime.path, runtime.identity.id);
}

/// Both places of the mark: damage of one costs nothing until the other one is damaged too.
Status check_mark(StoreRuntime& runtime) {
  // A reader may meet a writer in the middle of one.
  for (int tries = 0; tries < 3; ++tries) {
    const auto reading = read_mark(runtime);
    if (!reading) return reading.error();
    if (reading->unreadable == 0) return {};
  }
  return Error{ErrorCode::kCorruption,
               "high-water mark '" + storage::path_in(runtime.path, storage::kMarkFile) +
                   "': one of its two marks is not readable. The other one counts; opening the "
                   "store for writing renews both",
               Subcode::kChecksum};
}

/// The list of the database's files that is in use is there, and as the mark says.
Status check_list(StoreRuntime& runtime) {
  const std::string records = runtime.directory(storage::kRecordsDirectory);
  const auto reading = read_mark(runtime);
  if (!reading) return {};  // Told as damage of the mark.
  if (Status begins = storage::check_file_list(*runtime.files, records, reading->file_list);
      !begins) {
    return begins;
  }
  // The writer may put another one in use meanwhile.
  Result<storage::FileListMark> in_use = storage::list_in_use(*runtime.files, records);
  for (int tries = 1; !in_use && tries < 3; ++tries)
    in_use = storage::list_in_use(*runtime.files, records);
  return in_use ? Status{} : Status{in_use.error()};
}

/// Whether the store still counts on a table, row file or image.
Result<bool> is_in_use(StoreRuntime& runtime, const FileAtRest& file) {
  const auto bytes = runtime.pinned_bytes();
  if (file.kind == FileKind::kTable) {
    const auto tables = bytes->tables();
    if (!tables) return tables.error();
    return std::any_of(tables->begin(), tables->end(), [&](const storage::StoredFile& table) {
      return storage::path_in(storage::kRecordsDirectory, table.path) == file.file.path;
    });
  }
  const auto stored = bytes->get(storage::Family::kMeta, keys::manifest(file.collection), nullptr);
  if (!stored) return stored.error();
  if (!*stored) return false;
  const auto manifest = storage::decode_manifest(**stored);
  if (!manifest) return manifest.error();
  return names_of(manifest->images).contains(file.file.path);
}

Status missing(StoreRuntime& runtime, const FileAtRest& file, Error error) {
  const auto in_use = is_in_use(runtime, file);
  if (!in_use) return in_use.error();
  if (!*in_use) return {};
  error.code = runtime.pinned_bytes()->files_were_replaced() ? ErrorCode::kSnapshotExpired
                                                             : ErrorCode::kCorruption;
  return error;
}

Status check_small(StoreRuntime& runtime, FileKind kind) {
  Status status = kind == FileKind::kIdentity ? check_identity(runtime)
                  : kind == FileKind::kMark   ? check_mark(runtime)
                                              : check_list(runtime);
  if (status) return status;
  Error error = std::move(status).error();
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kCorruption;
  return error;
}

/// Counts what was told, so that a file that goes away on the way is told of as a whole.
class Counted final : public storage::ByteProgress {
 public:
  explicit Counted(storage::ByteProgress& progress) : progress_(progress) {}
  Status advance(std::uint64_t bytes) override {
    bytes_ += bytes;
    return progress_.advance(bytes);
  }
  Status complete(std::uint64_t bytes) {
    return bytes > bytes_ ? progress_.advance(bytes - bytes_) : Status{};
  }

 private:
  storage::ByteProgress& progress_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<std::vector<FileAtRest>> files_at_rest(StoreRuntime& runtime) {
  if (runtime.is_in_memory()) return std::vector<FileAtRest>{};
  return Listing(runtime).list();
}

Status check_file_at_rest(StoreRuntime& runtime, const FileAtRest& file,
                          storage::ByteProgress& progress) {
  Counted counted(progress);
  Status status;
  switch (file.kind) {
    case FileKind::kIdentity:
    case FileKind::kMark:
    case FileKind::kList:
      status = check_small(runtime, file.kind);
      break;
    case FileKind::kTable:
      status = storage::check_stored_file(*runtime.files, runtime.path, file.file, counted);
      break;
    case FileKind::kRows:
    case FileKind::kImage:
      status = storage::check_image(*runtime.files, runtime.path, file.file.path,
                                    runtime.identity.id, counted);
      break;
  }
  if (!status && status.error().code == ErrorCode::kNotFound)
    status = missing(runtime, file, std::move(status).error());
  // A file of another format is none of ours by now.
  if (!status && status.error().code == ErrorCode::kUnsupportedFormat) {
    Error error = std::move(status).error();
    error.code = ErrorCode::kCorruption;
    status = std::move(error);
  }
  return status ? counted.complete(file.file.bytes) : status;
}

}  // namespace anear
