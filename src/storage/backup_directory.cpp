#include "anear/storage/backup_directory.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "backup_copy.hpp"

namespace anear::storage {
namespace {

constexpr const char* kManifestsDirectory = "backups";
constexpr std::string_view kManifestEnding = ".backup";
constexpr std::size_t kManifestBytesMax = std::size_t{256} << 20;
/// A file on its way into the pool. May be a second name of a store's file: never opened to write.
constexpr const char* kIncoming = "incoming";

std::string pool_of(const std::string& directory) { return path_in(directory, kPoolDirectory); }
std::string manifests_of(const std::string& directory) {
  return path_in(directory, kManifestsDirectory);
}
std::string manifest_name(std::uint64_t number) {
  return std::to_string(number).append(kManifestEnding);
}

/// The number in a manifest's name; 0 when it is none.
std::uint64_t number_in(std::string_view name) {
  if (!name.ends_with(kManifestEnding) || name.front() == '0') return 0;
  name.remove_suffix(kManifestEnding.size());
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  return problem == std::errc{} && end == name.data() + name.size() ? number : 0;
}

Error foreign_to_backups(const std::string& directory, const std::string& why) {
  return Error{ErrorCode::kUnsupportedFormat,
               "'" + directory + "' is not a directory of backups: " + why, Subcode::kForeignFile};
}

Result<bool> is_empty_directory(FileSystem& files, const std::string& path) {
  const auto facts = files.info(path);
  if (!facts) return facts.error();
  if (!facts->is_directory) return false;
  const auto names = files.list(path);
  if (!names) return names.error();
  return names->empty();
}

/// Whether there are backups in `directory`; false when it is empty, or its making was cut short.
/// Changes nothing.
Result<bool> holds_backups(FileSystem& files, const std::string& directory) {
  const auto facts = files.info(directory);
  if (!facts && facts.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound, "there is no directory of backups '" + directory + "'"};
  }
  if (!facts) return facts.error();
  if (!facts->is_directory) return foreign_to_backups(directory, "it is a file");
  const auto names = files.list(directory);
  if (!names) return names.error();
  if (std::binary_search(names->begin(), names->end(), kBackupsIdentityFile)) return true;
  const std::string identity_begun = std::string(kBackupsIdentityFile) + ".tmp";
  for (const std::string& name : *names) {
    if (name == kLockFile || name == identity_begun) continue;
    bool left_by_making = false;
    if (name == kPoolDirectory || name == kManifestsDirectory) {
      const auto empty = is_empty_directory(files, path_in(directory, name));
      if (!empty) return empty.error();
      left_by_making = *empty;
    }
    if (left_by_making) continue;
    return foreign_to_backups(directory,
                              "it holds '" + name + "' but no file '" + kBackupsIdentityFile + "'");
  }
  return false;
}

Result<BackupManifest> read_manifest(FileSystem& files, const std::string& directory,
                                     std::uint64_t number, const StoreId& store) {
  const std::string path = path_in(manifests_of(directory), manifest_name(number));
  const auto bytes = read_file(files, path, kManifestBytesMax);
  if (!bytes) return bytes.error();
  auto manifest = decode_backup(*bytes);
  if (!manifest) {
    Error error = std::move(manifest).error();
    error.message = "'" + path + "': " + error.message;
    return error;
  }
  if (manifest->number == number && manifest->store.id == store) return manifest;
  return Error{ErrorCode::kCorruption, "'" + path + "' is the manifest of another backup",
               Subcode::kForeignFile};
}

/// The backups of a directory that is known to be one.
Result<std::vector<BackupEntry>> read_entries(FileSystem& files, const std::string& directory) {
  const auto identity = read_backups_identity(files, directory);
  if (!identity) return identity.error();
  const auto names = files.list(manifests_of(directory));
  if (!names) return names.error();
  std::vector<BackupEntry> entries;
  for (const std::string& name : *names) {
    const std::uint64_t number = number_in(name);
    if (number != 0)
      entries.push_back({number, read_manifest(files, directory, number, identity->id)});
  }
  std::sort(entries.begin(), entries.end(),
            [](const BackupEntry& a, const BackupEntry& b) { return a.number < b.number; });
  return entries;
}

Status remove_all_but(FileSystem& files, const std::string& directory,
                      const std::set<std::string>& kept) {
  const auto names = files.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (kept.contains(name)) continue;
    if (Status removed = files.remove(path_in(directory, name)); !removed) return removed;
  }
  return {};
}

/// Removes what no manifest names. Nothing while one cannot be read: it may name anything.
Status sweep(FileSystem& files, const std::string& directory,
             const std::vector<BackupEntry>& entries) {
  std::set<std::string> pool;
  std::set<std::string> manifests;
  for (const BackupEntry& entry : entries) {
    if (!entry.manifest) return {};
    manifests.insert(manifest_name(entry.number));
    for (const BackupFile& file : entry.manifest->files) pool.insert(name_in_pool(file));
  }
  if (Status swept = remove_all_but(files, manifests_of(directory), manifests); !swept)
    return swept;
  return remove_all_but(files, pool_of(directory), pool);
}

/// Makes what a directory of backups needs; its lock is held.
Status make_directories(FileSystem& files, const std::string& directory,
                        const StoreIdentity& store) {
  for (const std::string& path : {pool_of(directory), manifests_of(directory)}) {
    if (Status made = ensure_directory(files, path); !made) return made;
  }
  if (Status synced = files.sync_directory(directory); !synced) return synced;
  return write_backups_identity(files, directory, store);
}

/// Makes sure that `directory` holds backups of `store`, or can; takes its lock.
Result<StoreLock> prepare(FileSystem& files, const std::string& directory,
                          const StoreIdentity& store) {
  auto holds = holds_backups(files, directory);
  if (!holds && holds.error().code == ErrorCode::kNotFound) {
    if (Status made = files.make_directory(directory); !made) return std::move(made).error();
    if (Status synced = files.sync_directory(path_in(directory, "..")); !synced)
      return std::move(synced).error();
    holds = false;
  }
  if (!holds) return std::move(holds).error();
  auto lock = StoreLock::acquire(files, directory, StoreLock::Of::kBackups);
  if (!lock) return lock;
  // Another may have made it since.
  holds = holds_backups(files, directory);
  if (!holds) return std::move(holds).error();
  if (!*holds) {
    if (Status made = make_directories(files, directory, store); !made)
      return std::move(made).error();
  }
  const auto identity = read_backups_identity(files, directory);
  if (!identity) return identity.error();
  if (identity->id == store.id) return lock;
  return Error{ErrorCode::kUnsupportedFormat,
               "'" + directory + "' holds backups of another store: give each store its own",
               Subcode::kForeignFile};
}

/// What was copied is what the source says of itself.
Result<Checksum128> accept(const std::string& path, const BackupSource& source,
                           const CopySums& sums) {
  if (!source.crc32c || *source.crc32c == sums.crc32c) return sums.checksum;
  return Error{ErrorCode::kCorruption, "'" + path + "' holds other bytes than were written",
               Subcode::kChecksum};
}

}  // namespace

Result<std::vector<BackupEntry>> list_backups(FileSystem& files, const std::string& directory) {
  const auto holds = holds_backups(files, directory);
  if (!holds) return holds.error();
  return *holds ? read_entries(files, directory) : std::vector<BackupEntry>{};
}

BackupWriter::BackupWriter(std::shared_ptr<FileSystem> files, std::string directory, StoreLock lock)
    : files_(std::move(files)), directory_(std::move(directory)), lock_(std::move(lock)) {}

Result<BackupWriter> BackupWriter::begin(std::shared_ptr<FileSystem> files, std::string directory,
                                         const StoreIdentity& store) {
  auto lock = prepare(*files, directory, store);
  if (!lock) return std::move(lock).error();
  const auto entries = read_entries(*files, directory);
  if (!entries) return entries.error();
  if (Status swept = sweep(*files, directory, *entries); !swept) return std::move(swept).error();
  BackupWriter writer(std::move(files), std::move(directory), std::move(*lock));
  writer.manifest_.store = store;
  writer.manifest_.number = entries->empty() ? 1 : entries->back().number + 1;
  for (const BackupEntry& entry : *entries) {
    if (!entry.manifest) continue;
    for (const BackupFile& file : entry.manifest->files) {
      if (!file.identity.empty()) writer.known_.insert_or_assign(file.identity, file);
    }
  }
  return writer;
}

bool BackupWriter::holds(const BackupSource& source) const {
  if (source.identity.empty()) return false;
  const auto known = known_.find(source.identity);
  if (known == known_.end() || known->second.bytes != source.bytes) return false;
  const auto facts = files_->info(path_in(pool_of(directory_), name_in_pool(known->second)));
  return facts && facts->bytes == source.bytes;
}

Status BackupWriter::add(const std::string& store_directory, const BackupSource& source,
                         const How& how) {
  if (manifest_.files.size() == kBackupFilesMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "a backup has at most " + std::to_string(kBackupFilesMax) + " files"};
  }
  if (holds(source)) {
    const BackupFile& known = known_.find(source.identity)->second;
    manifest_.files.push_back({source.path, known.bytes, known.checksum, known.identity});
    bytes_shared_ += source.bytes;
    return how.progress.advance(source.bytes);
  }
  const std::string from = path_in(store_directory, source.path);
  const std::string incoming = path_in(pool_of(directory_), kIncoming);
  bool linked = false;
  if (how.hard_link && !source.identity.empty() && source.contents.empty()) {
    // It may be refused for many reasons, by file systems, limits or rights: then it is copied.
    linked = static_cast<bool>(files_->link({.from = from, .to = incoming}));
  }
  auto checksum = linked ? take_link(from, source, how) : take_copy(from, source, how);
  if (checksum) {
    BackupFile file{source.path, source.bytes, *checksum, source.identity};
    Status settled = settle(file);
    if (settled) {
      (linked ? bytes_linked_ : bytes_copied_) += source.bytes;
      manifest_.files.push_back(std::move(file));
      return {};
    }
    checksum = std::move(settled).error();
  }
  (void)files_->remove(incoming);  // The first error is the one to tell; discard() tries again.
  return std::move(checksum).error();
}

Result<Checksum128> BackupWriter::take_link(const std::string& from, const BackupSource& source,
                                            const How& how) {
  const auto file = files_->open(path_in(pool_of(directory_), kIncoming), OpenMode::kRead);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size > source.bytes) {
    return Error{ErrorCode::kCorruption,
                 "'" + from + "' has " + std::to_string(*size) + " bytes; expected " +
                     std::to_string(source.bytes),
                 Subcode::kChecksum};
  }
  const auto sums = copy_bytes(
      {.from = **file, .path = from, .bytes = source.bytes, .crc32c = source.crc32c.has_value()},
      how.progress);
  if (!sums) return sums.error();
  return accept(from, source, *sums);
}

Result<Checksum128> BackupWriter::take_copy(const std::string& from, const BackupSource& source,
                                            const How& how) {
  const auto to = files_->open(path_in(pool_of(directory_), kIncoming), OpenMode::kCreateNew);
  if (!to) return to.error();
  CopySums sums;
  if (source.contents.empty()) {
    const auto file = files_->open(from, OpenMode::kRead);
    if (!file && file.error().code == ErrorCode::kNotFound)
      return Error{ErrorCode::kCorruption, "'" + from + "' is missing", Subcode::kTruncated};
    if (!file) return file.error();
    const auto copied = copy_bytes({.from = **file,
                                    .path = from,
                                    .bytes = source.bytes,
                                    .to = to->get(),
                                    .crc32c = source.crc32c.has_value()},
                                   how.progress);
    if (!copied) return copied.error();
    sums = *copied;
  } else {
    if (Status put = (*to)->append(std::as_bytes(std::span(source.contents))); !put)
      return std::move(put).error();
    sums.checksum = checksum128(source.contents);
    if (Status go_on = how.progress.advance(source.bytes); !go_on) return std::move(go_on).error();
  }
  if (Status synced = (*to)->sync(); !synced) return std::move(synced).error();
  if (Status closed = (*to)->close(); !closed) return std::move(closed).error();
  return accept(from, source, sums);
}

/// Gives what came in its name. What stood there is replaced, since it may have been damaged since.
Status BackupWriter::settle(const BackupFile& file) {
  const std::string incoming = path_in(pool_of(directory_), kIncoming);
  const std::string settled = path_in(pool_of(directory_), name_in_pool(file));
  if (Status renamed = files_->rename({.from = incoming, .to = settled}); !renamed) return renamed;
  // A rename between two names of one file does nothing.
  const auto still = files_->exists(incoming);
  if (!still) return still.error();
  return *still ? files_->remove(incoming) : Status{};
}

Result<BackupManifest> BackupWriter::commit(Sequence sequence) {
  manifest_.sequence = sequence;
  manifest_.created = micros_now();
  if (Status synced = files_->sync_directory(pool_of(directory_)); !synced)
    return std::move(synced).error();
  Status installed = install_file(*files_, manifests_of(directory_),
                                  manifest_name(manifest_.number), encode_backup(manifest_));
  if (!installed) return std::move(installed).error();
  return manifest_;
}

void BackupWriter::discard() {
  const std::string manifests = manifests_of(directory_);
  const std::string name = manifest_name(manifest_.number);
  const auto named = files_->exists(path_in(manifests, name));
  if (!named) return;
  if (*named) {
    // It has to be gone for good before what it names is.
    if (!files_->remove(path_in(manifests, name)) || !files_->sync_directory(manifests)) return;
  }
  const auto entries = read_entries(*files_, directory_);
  if (entries) (void)sweep(*files_, directory_, *entries);  // The next backup does it otherwise.
}

Result<PruneOutcome> prune_backups(FileSystem& files, const std::string& directory,
                                   std::size_t keep) {
  if (keep == 0) {
    return invalid_argument("at least one backup is kept; to have none, remove the directory '" +
                            directory + "'");
  }
  const auto holds = holds_backups(files, directory);
  if (!holds) return holds.error();
  if (!*holds) return PruneOutcome{};
  const auto lock = StoreLock::acquire(files, directory, StoreLock::Of::kBackups);
  if (!lock) return lock.error();
  auto entries = read_entries(files, directory);
  if (!entries) return std::move(entries).error();
  const auto before = bytes_below(files, pool_of(directory));
  if (!before) return before.error();
  auto first_kept = entries->end();
  for (std::size_t kept = 0; first_kept != entries->begin() && kept < keep;)
    kept += (--first_kept)->manifest ? 1 : 0;
  PruneOutcome outcome;
  for (auto entry = entries->begin(); entry != first_kept; ++entry) {
    const std::string path = path_in(manifests_of(directory), manifest_name(entry->number));
    if (Status removed = files.remove(path); !removed) return std::move(removed).error();
    ++outcome.backups;
  }
  // They have to be gone for good before what they name is.
  if (Status synced = files.sync_directory(manifests_of(directory)); !synced)
    return std::move(synced).error();
  entries->erase(entries->begin(), first_kept);
  if (Status swept = sweep(files, directory, *entries); !swept) return std::move(swept).error();
  const auto after = bytes_below(files, pool_of(directory));
  if (!after) return after.error();
  outcome.bytes = *before - *after;
  return outcome;
}

}  // namespace anear::storage
