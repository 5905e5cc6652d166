// A store made of a backup. It becomes one as the last step: until then RESTORING stands in the
// directory and ANEAR does not, so a restore that was cut short is no store and can be done again.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/storage/backup_directory.hpp"
#include "anear/storage/file_list.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/store_directory.hpp"
#include "anear/storage/store_lock.hpp"
#include "collection/backup.hpp"
#include "collection/store_opening.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

Error not_found(const std::string& directory, const std::string& which,
                const std::vector<storage::BackupEntry>& entries) {
  std::string there;
  for (const storage::BackupEntry& entry : entries) {
    there += there.empty() ? "" : ", ";
    there += std::to_string(entry.number);
    if (entry.manifest) there += " at sequence " + std::to_string(entry.manifest->sequence);
  }
  return Error{ErrorCode::kNotFound, "'" + directory + "' has no backup" + which + "; it has " +
                                         (there.empty() ? "none" : there)};
}

Result<storage::BackupManifest> choose(const std::vector<storage::BackupEntry>& entries,
                                       const std::string& directory,
                                       const RestoreOptions& options) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (options.number != 0 && entry->number != options.number) continue;
    if (options.sequence != 0) {
      // Whether a backup that cannot be read is the one is not known.
      if (!entry->manifest && options.number == 0) continue;
      if (entry->manifest && entry->manifest->sequence != options.sequence) continue;
    }
    return entry->manifest;
  }
  std::string which;
  if (options.number != 0) which += " " + std::to_string(options.number);
  if (options.sequence != 0) which += " at sequence " + std::to_string(options.sequence);
  return not_found(directory, which, entries);
}

/// A directory on its way to become a store.
class Target {
 public:
  Target(std::shared_ptr<storage::FileSystem> files, std::string path) {
    runtime_.files = std::move(files);
    runtime_.path = std::move(path);
    runtime_.options.read_only = true;
  }

  /// Makes the directory ours: there is nothing in it afterwards but what says so.
  Status prepare() {
    auto kind = storage::inspect_directory(files(), path());
    if (!kind) return std::move(kind).error();
    if (*kind == storage::DirectoryKind::kMissing) {
      if (Status made = files().make_directory(path()); !made) return made;
      const std::string parent = storage::path_in(path(), "..");
      if (Status synced = files().sync_directory(parent); !synced) return synced;
    }
    if (*kind == storage::DirectoryKind::kStore) return is_store();
    auto lock = storage::StoreLock::acquire(files(), path());
    if (!lock) return std::move(lock).error();
    runtime_.lock.emplace(std::move(*lock));
    // Another may have been at work since.
    kind = storage::inspect_directory(files(), path());
    if (!kind) return std::move(kind).error();
    if (*kind == storage::DirectoryKind::kStore) return is_store();
    ours_ = true;
    if (Status begun = storage::install_file(files(), path(), storage::kRestoringFile, "\n");
        !begun)
      return begun;
    return clear();
  }

  Status fill(const storage::BackupPlace& backup, storage::ByteProgress& progress) {
    if (Status restored = storage::restore_files(backup, path(), progress); !restored)
      return restored;
    runtime_.identity = backup.manifest.store;
    const auto list =
        storage::measure_list_in_use(files(), runtime_.directory(storage::kRecordsDirectory));
    if (!list) return list.error();
    const storage::StoreId& id = runtime_.identity.id;
    if (Status made = storage::HighWaterMark::create(files(), path(), id); !made) return made;
    auto mark = storage::HighWaterMark::open(files(), path(), id);
    if (!mark) return std::move(mark).error();
    if (Status marked = mark->write_clean(backup.manifest.sequence, *list); !marked) return marked;
    if (Status synced = files().sync_directory(path()); !synced) return synced;
    return check_records(runtime_, *list, backup.manifest.sequence);
  }

  /// The last step: from here on it is a store.
  Status finish() {
    if (Status named = storage::write_identity(files(), path(), runtime_.identity); !named)
      return named;
    (void)files().remove(storage::path_in(path(), storage::kRestoringFile));  // It says no more.
    return {};
  }

  /// Leaves no store, and an empty directory if it can.
  void abandon() {
    if (!ours_) return;
    const std::string identity = storage::path_in(path(), storage::kIdentityFile);
    const auto named = files().exists(identity);
    if (!named || (*named && !files().remove(identity))) return;
    if (clear()) (void)files().remove(storage::path_in(path(), storage::kRestoringFile));
  }

 private:
  storage::FileSystem& files() { return *runtime_.files; }
  const std::string& path() const { return runtime_.path; }

  Error is_store() const {
    return Error{ErrorCode::kAlreadyExists, "there is a store in '" + path() +
                                                "': restore into another directory, or move it"};
  }

  /// Removes what an earlier restore left.
  Status clear() {
    for (const char* name :
         {storage::kRecordsDirectory, storage::kRowFilesDirectory, storage::kImagesDirectory}) {
      const std::string directory = runtime_.directory(name);
      const auto there = files().exists(directory);
      if (!there) return there.error();
      if (!*there) continue;
      const auto names = files().list(directory);
      if (!names) return names.error();
      for (const std::string& file : *names) {
        if (Status removed = files().remove(storage::path_in(directory, file)); !removed)
          return removed;
      }
      if (Status removed = files().remove_directory(directory); !removed) return removed;
    }
    return {};
  }

  StoreRuntime runtime_;
  bool ours_ = false;  ///< There is no store in it, and nobody else makes one.
};

/// A backup that was chosen to be read.
struct Chosen {
  std::shared_ptr<storage::FileSystem> files;
  std::string directory;
  storage::BackupManifest manifest;

  storage::BackupPlace place() const { return {*files, directory, manifest}; }
  RestoreReport report() const {
    return {manifest.number, manifest.sequence, manifest.files.size(), manifest.bytes()};
  }
};

Result<Chosen> choose(const std::string& directory, const RestoreOptions& options) {
  auto files = options.file_system != nullptr ? options.file_system : storage::os_file_system();
  auto path = checked_path(*files, directory, "the backups");
  if (!path) return std::move(path).error();
  const auto entries = storage::list_backups(*files, *path);
  if (!entries) return entries.error();
  auto manifest = choose(*entries, *path, options);
  if (!manifest) return std::move(manifest).error();
  return Chosen{std::move(files), std::move(*path), std::move(*manifest)};
}

}  // namespace

Result<RestoreReport> Store::restore(const std::string& directory, const std::string& target,
                                     const RestoreOptions& options) {
  const auto chosen = choose(directory, options);
  if (!chosen) return chosen.error();
  auto path = checked_path(*chosen->files, target, "the store");
  if (!path) return std::move(path).error();
  if (Status apart = check_apart(*chosen->files, chosen->directory, *path); !apart)
    return std::move(apart).error();
  Target store(chosen->files, std::move(*path));
  CopyProgress progress(options.progress, chosen->manifest.bytes(), nullptr);
  Status restored = store.prepare();
  if (restored) restored = store.fill(chosen->place(), progress);
  if (restored) restored = store.finish();
  if (restored) return chosen->report();
  store.abandon();
  return std::move(restored).error();
}

Result<RestoreReport> Store::verify_backup(const std::string& directory,
                                           const RestoreOptions& options) {
  const auto chosen = choose(directory, options);
  if (!chosen) return chosen.error();
  CopyProgress progress(options.progress, chosen->manifest.bytes(), nullptr);
  if (Status checked = storage::check_files(chosen->place(), progress); !checked)
    return std::move(checked).error();
  return chosen->report();
}

}  // namespace anear
