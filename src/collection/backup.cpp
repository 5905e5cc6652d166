// A backup is consistent because nothing is written while the files are listed, and stays so
// because none of the listed files is changed or removed while they are copied: tables and logs are
// held by the byte store's checkpoint, images and row files by RemovalHold.
#include "collection/backup.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "anear/storage/backup_directory.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/commit_queue.hpp"
#include "collection/images.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_opening.hpp"

namespace anear {
namespace {

using storage::BackupSource;

/// What stood at one moment.
struct Moment {
  std::shared_ptr<storage::ByteStore> bytes;
  Sequence sequence = 0;
  std::unique_ptr<storage::ByteCheckpoint> records;
  storage::SnapshotPointer snapshot;
};

Result<Moment> take_moment(StoreRuntime& runtime) {
  // Beside writers; what they add from here on is in the log, which is copied too.
  if (Status flushed = runtime.pinned_bytes()->flush(); !flushed) return std::move(flushed).error();
  const auto paused = runtime.commits->pause();
  auto records = runtime.bytes->checkpoint();
  if (!records) return std::move(records).error();
  const std::lock_guard hold(runtime.versions);
  return Moment{runtime.bytes, runtime.last_sequence, std::move(*records), runtime.snapshot};
}

/// Images and row files that the manifests named, by their paths.
Result<FileNames> named_files(const Moment& moment) {
  const auto manifests = read_manifests(*moment.bytes, moment.snapshot.get());
  if (!manifests) return manifests.error();
  FileNames named;
  for (const storage::CollectionManifest& manifest : *manifests)
    named.merge(names_of(manifest.images));
  return named;
}

/// An erase has to tell where records may still be. No commit: a new snapshot would have the
/// database write tables anew that the backup could share.
Status note_directory(StoreRuntime& runtime, const std::string& directory) {
  std::string name = keys::backups(directory);
  const auto paused = runtime.commits->pause();
  const auto known = runtime.bytes->get(storage::Family::kMeta, name, nullptr);
  if (!known) return known.error();
  if (*known) return {};
  storage::WriteBatch batch;
  batch.put(storage::Family::kMeta, std::move(name), {});
  return runtime.bytes->write(batch, /*sync=*/true);
}

/// What is read once more before it is copied is told to nobody.
class Unseen final : public storage::ByteProgress {
 public:
  explicit Unseen(const StoreRuntime& closing) : closing_(closing) {}
  Status advance(std::uint64_t) override {
    if (!closing_.closed) return {};
    return Error{ErrorCode::kClosed, "the store '" + closing_.path + "' was closed meanwhile"};
  }

 private:
  const StoreRuntime& closing_;
};

class Backup {
 public:
  Backup(StoreRuntime& runtime, const BackupOptions& options, storage::BackupWriter& writer)
      : runtime_(runtime), options_(options), writer_(writer) {}

  Result<BackupReport> run() {
    const RemovalHold hold(runtime_);
    const auto moment = take_moment(runtime_);
    if (!moment) return moment.error();
    const auto named = named_files(*moment);
    if (!named) return named.error();
    for (BackupSource source : moment->records->files()) {
      source.path = storage::path_in(storage::kRecordsDirectory, source.path);
      add(std::move(source));
    }
    for (const std::string& file : *named) {
      if (Status listed = list_image(file); !listed) return std::move(listed).error();
    }
    CopyProgress progress(options_.progress, report_.bytes, &runtime_);
    const storage::BackupWriter::How how{options_.hard_links, progress};
    for (const BackupSource& source : sources_) {
      if (Status copied = copy(source, how); !copied) return std::move(copied).error();
    }
    const auto manifest = writer_.commit(moment->sequence);
    if (!manifest) return manifest.error();
    report_.number = manifest->number;
    report_.sequence = manifest->sequence;
    report_.files = manifest->files.size();
    report_.bytes = manifest->bytes();
    report_.bytes_copied = writer_.bytes_copied();
    report_.bytes_linked = writer_.bytes_linked();
    report_.bytes_shared = writer_.bytes_shared();
    return report_;
  }

 private:
  void add(BackupSource source) {
    report_.bytes += source.bytes;
    sources_.push_back(std::move(source));
  }

  static bool is_in(const std::string& file, std::string_view directory) {
    return file.starts_with(directory) && file[directory.size()] == '/';
  }

  /// Rows are truth. Without its image an index is built again.
  static bool is_derived(const std::string& file) { return is_in(file, storage::kImagesDirectory); }

  Status leave_out(const std::string& file, const Error& why) {
    ++report_.images_left_out;
    runtime_.log("backup without '" + file +
                 "', which is built again from the rows: " + why.message);
    return {};
  }

  Status list_image(const std::string& file) {
    const auto identity =
        storage::identify_image(*runtime_.files, runtime_.path, file, runtime_.identity.id);
    if (!identity && is_derived(file) && is_damage(identity.error()))
      return leave_out(file, identity.error());
    if (!identity) return as_damage(identity.error());
    add({.path = file,
         .bytes = identity->bytes,
         .identity = "image " + storage::hex(identity->identity)});
    return {};
  }

  Status copy(const BackupSource& source, const storage::BackupWriter::How& how) {
    const bool is_image =
        is_derived(source.path) || is_in(source.path, storage::kRowFilesDirectory);
    if (is_image && !writer_.holds(source)) {
      Unseen unseen(runtime_);
      const Status whole = storage::check_image(*runtime_.files, runtime_.path, source.path,
                                                runtime_.identity.id, unseen);
      if (!whole && is_derived(source.path) && is_damage(whole.error()))
        return leave_out(source.path, whole.error());
      if (!whole) return as_damage(whole.error());
    }
    return writer_.add(runtime_.path, source, how);
  }

  /// A row file that is missing is damage, not a question that was answered.
  static Error as_damage(Error error) {
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kCorruption;
    return error;
  }

  static bool is_damage(const Error& error) {
    return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kNotFound ||
           error.code == ErrorCode::kUnsupportedFormat;
  }

  StoreRuntime& runtime_;
  const BackupOptions& options_;
  storage::BackupWriter& writer_;
  std::vector<BackupSource> sources_;
  BackupReport report_;
};

}  // namespace

Status check_apart(storage::FileSystem& files, const std::string& backups,
                   const std::string& store) {
  for (const auto& [inner, outer] : {std::pair(backups, store), std::pair(store, backups)}) {
    const auto within = storage::is_within(files, inner, outer);
    if (!within) return within.error();
    if (*within) {
      std::string message = "'" + inner;
      message.append("' is or lies in '").append(outer);
      message.append("': a store and its backups need directories of their own");
      return invalid_argument(std::move(message));
    }
  }
  return {};
}

Result<BackupReport> take_backup(StoreRuntime& runtime, const std::string& directory,
                                 const BackupOptions& options) {
  if (runtime.is_in_memory()) return invalid_argument("a store in memory has no files to back up");
  if (runtime.options.read_only) {
    return Error{ErrorCode::kReadOnly,
                 "the store '" + runtime.path +
                     "' was opened read-only: its writer takes backups, since it alone can keep "
                     "files from being removed meanwhile"};
  }
  if (Status writable = runtime.pinned_bytes()->check_writable(); !writable)
    return std::move(writable).error();
  auto path = checked_path(*runtime.files, directory, "the backups");
  if (!path) return std::move(path).error();
  if (Status apart = check_apart(*runtime.files, *path, runtime.path); !apart)
    return std::move(apart).error();
  auto writer = storage::BackupWriter::begin(runtime.files, *path, runtime.identity);
  if (!writer) return std::move(writer).error();
  if (Status noted = note_directory(runtime, *path); !noted) {
    writer->discard();
    return std::move(noted).error();
  }
  auto report = Backup(runtime, options, *writer).run();
  if (!report) writer->discard();
  return report;
}

Result<std::vector<BackupInfo>> Store::backups(const std::string& directory) {
  const auto files = storage::os_file_system();
  const auto path = checked_path(*files, directory, "the backups");
  if (!path) return path.error();
  const auto entries = storage::list_backups(*files, *path);
  if (!entries) return entries.error();
  std::vector<BackupInfo> infos;
  infos.reserve(entries->size());
  for (const storage::BackupEntry& entry : *entries) {
    BackupInfo& info = infos.emplace_back();
    info.number = entry.number;
    if (!entry.manifest) {
      info.damage = entry.manifest.error().message;
      continue;
    }
    info.sequence = entry.manifest->sequence;
    info.created = entry.manifest->created;
    info.files = entry.manifest->files.size();
    info.bytes = entry.manifest->bytes();
  }
  return infos;
}

Result<PruneReport> Store::prune_backups(const std::string& directory, std::size_t keep) {
  const auto files = storage::os_file_system();
  const auto path = checked_path(*files, directory, "the backups");
  if (!path) return path.error();
  const auto pruned = storage::prune_backups(*files, *path, keep);
  if (!pruned) return pruned.error();
  return PruneReport{pruned->backups, pruned->bytes};
}

}  // namespace anear
