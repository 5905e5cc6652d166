#include "collection/store_opening.hpp"

#include <algorithm>
#include <utility>

#include "collection/field_container.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

#if defined(ANEAR_WITH_ROCKSDB)
Result<std::unique_ptr<storage::ByteStore>> open_records(
    const StoreRuntime& runtime, const storage::FileListMark& file_list, bool read_only,
    storage::FileListObserver* list_observer = nullptr) {
  return storage::open_rocksdb_store(
      {.directory = storage::path_in(runtime.path, storage::kRecordsDirectory),
       .read_only = read_only,
       .file_system = runtime.files,
       .merge = merge_containers,
       .void_value = kEmptyContainer,
       .file_list = file_list,
       .reserve_log = runtime.options.durability == Durability::kDurable,
       .buffer_bytes = database_buffer_bytes(runtime.options),
       .list_observer = list_observer});
}
#else
Result<std::unique_ptr<storage::ByteStore>> open_records(const StoreRuntime& runtime,
                                                         const storage::FileListMark&, bool,
                                                         storage::FileListObserver* = nullptr) {
  return Error{ErrorCode::kInvalidArgument, "this anear was built without RocksDB: '" +
                                                runtime.path +
                                                "' can only be opened with in_memory"};
}
#endif

/// The last sequence in `bytes`; 0 in a new store.
Result<Sequence> last_sequence(const storage::ByteStore& bytes) {
  const auto value = bytes.get(Family::kMeta, keys::kSequence, nullptr);
  if (!value) return value.error();
  return *value ? keys::decode_sequence(**value) : Result<Sequence>(Sequence{0});
}

Status read_meta(const storage::ByteStore& bytes, storage::StoreMeta& meta) {
  const auto value = bytes.get(Family::kMeta, keys::kStore, nullptr);
  if (!value) return value.error();
  if (!*value) return {};
  auto decoded = storage::decode_store_meta(**value);
  if (!decoded) return std::move(decoded).error();
  if (decoded->identity.id != meta.identity.id) {
    return Error{ErrorCode::kCorruption, "the records belong to another store than the directory",
                 Subcode::kForeignFile};
  }
  meta = *decoded;
  return {};
}

Error lost_writes(const StoreRuntime& runtime, Sequence recovered, Sequence marked) {
  return Error{ErrorCode::kLostWrites,
               "store '" + runtime.path + "': commits " + std::to_string(recovered + 1) + " to " +
                   std::to_string(marked) +
                   " were acknowledged and are not there any more. Nothing was changed; restore a "
                   "backup, or go on without them by recover(), which copies the log aside first"};
}

/// Compares what the records hold with what was acknowledged, without changing a byte.
Status probe(const StoreRuntime& runtime, const storage::HighWaterMark::Reading& reading) {
  const auto recoverable = recoverable_sequence(runtime, reading);
  if (!recoverable) return recoverable.error();
  if (*recoverable >= reading.sequence) return {};
  return lost_writes(runtime, *recoverable, reading.sequence);
}

/// The identity comes last: where it is on the disk, so is the way to it, and the mark.
Status make_store(StoreRuntime& runtime, storage::DirectoryKind found) {
  // A directory that was there need not be ours to make durable, nor its parent ours to read.
  const std::string parent = storage::path_in(runtime.path, "..");
  if (Status synced = runtime.files->sync_directory(parent); !synced) {
    if (found == storage::DirectoryKind::kMissing) return synced;
    runtime.log(synced.error().message);
  }
  auto identity = storage::make_identity();
  if (!identity) return std::move(identity).error();
  runtime.identity = *identity;
  if (Status made =
          storage::HighWaterMark::create(*runtime.files, runtime.path, runtime.identity.id);
      !made) {
    return made;
  }
  if (Status named = runtime.files->sync_directory(runtime.path); !named) return named;
  return storage::write_identity(*runtime.files, runtime.path, runtime.identity);
}

Status take_lock(StoreRuntime& runtime) {
  auto lock = storage::StoreLock::acquire(*runtime.files, runtime.path);
  if (!lock) return std::move(lock).error();
  runtime.lock.emplace(std::move(*lock));
  runtime.written = std::make_shared<storage::WriteAccount>(runtime.path);
  runtime.files =
      storage::make_accounted_file_system(runtime.lock->guard(runtime.files), runtime.written);
  return {};
}

Status take_identity(StoreRuntime& runtime) {
  storage::FileSystem& files = *runtime.files;
  if (runtime.options.read_only) {
    auto file = files.open(storage::path_in(runtime.path, storage::kIdentityFile),
                           storage::OpenMode::kRead);
    if (!file) return std::move(file).error();
    runtime.identity_file = std::move(*file);
  }
  auto identity = storage::read_identity(files, runtime.path);
  if (!identity) return std::move(identity).error();
  runtime.identity = *identity;
  return {};
}

/// What the directory is: something that can be a store.
Result<storage::DirectoryKind> inspect(const StoreRuntime& runtime) {
  auto kind = storage::inspect_directory(*runtime.files, runtime.path);
  if (kind && *kind == storage::DirectoryKind::kUnfinishedRestore) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "'" + runtime.path +
                     "' is not a store: the restore of a backup into it was cut short. Restore "
                     "again, to the same directory or another",
                 Subcode::kForeignFile};
  }
  return kind;
}

/// Of a store that another process may write: it may be met in the middle of both marks.
Result<storage::HighWaterMark::Reading> read_marks(const StoreRuntime& runtime) {
  constexpr int kTries = 3;
  for (int i = 1;; ++i) {
    auto read = storage::HighWaterMark::read(*runtime.files, runtime.path, runtime.identity.id);
    if (read || i == kTries || read.error().code != ErrorCode::kCorruption) return read;
  }
}

Status open_marks(StoreRuntime& runtime, storage::HighWaterMark::Reading& reading) {
  storage::FileSystem& files = *runtime.files;
  if (runtime.options.read_only) {
    const auto read = read_marks(runtime);
    if (!read) return read.error();
    reading = *read;
  } else {
    auto mark = storage::HighWaterMark::open(files, runtime.path, runtime.identity.id);
    if (!mark) return std::move(mark).error();
    reading = mark->reading();
    if (reading.unreadable != 0) {
      runtime.log("high-water mark '" + storage::path_in(runtime.path, storage::kMarkFile) +
                  "': one of its two marks was not readable and is renewed");
    }
    runtime.mark.emplace(std::move(*mark));
  }
  runtime.recovery.marked_sequence = reading.sequence;
  runtime.recovery.clean = reading.clean;
  return {};
}

/// What was recovered is on the disk, and the mark says so and that the store is open.
Status begin_writing(StoreRuntime& runtime) {
  // What a killed process left unsynced is synced before the mark may name it.
  if (Status synced = runtime.bytes->sync(); !synced) return synced;
  if (Status marked = runtime.set_mark(runtime.last_sequence); !marked) return marked;
  // Otherwise power loss could bring back a mark that says the store was closed properly.
  return runtime.mark->sync();
}

Status open_on_disk(StoreRuntime& runtime) {
  if (Status ready = prepare_directory(runtime); !ready) return ready;
  storage::FileSystem& files = *runtime.files;
  storage::HighWaterMark::Reading reading;
  if (Status read = open_marks(runtime, reading); !read) return read;
  const bool read_only = runtime.options.read_only;
  if (!read_only) {
    for (const char* name :
         {storage::kRecordsDirectory, storage::kImagesDirectory, storage::kRowFilesDirectory}) {
      if (Status made = storage::ensure_directory(files, storage::path_in(runtime.path, name));
          !made)
        return made;
    }
    if (Status synced = files.sync_directory(runtime.path); !synced) return synced;
  }
  if (!reading.clean && !read_only) {
    if (Status probed = probe(runtime, reading); !probed) return probed;
  }
  auto bytes = open_records(runtime, reading.file_list, read_only, &runtime.list_marker);
  if (!bytes) return std::move(bytes).error();
  runtime.bytes = std::move(*bytes);
  const auto recovered = last_sequence(*runtime.bytes);
  if (!recovered) return recovered.error();
  runtime.recovery.recovered_sequence = *recovered;
  runtime.recovery.warnings = runtime.bytes->warnings();
  runtime.last_sequence = *recovered;
  if (*recovered < reading.sequence) return lost_writes(runtime, *recovered, reading.sequence);
  return read_only ? Status{} : begin_writing(runtime);
}

}  // namespace

Status settle_path(StoreRuntime& runtime) {
  const auto& given = runtime.options.file_system;
  runtime.files = given != nullptr ? given : storage::os_file_system();
  auto path = checked_path(*runtime.files, runtime.path, "a store");
  if (!path) return std::move(path).error();
  runtime.path = std::move(*path);
  return {};
}

Status prepare_directory(StoreRuntime& runtime) {
  storage::FileSystem& files = *runtime.files;
  const StoreOptions& options = runtime.options;
  auto kind = inspect(runtime);
  if (!kind) return std::move(kind).error();
  if (*kind != storage::DirectoryKind::kStore &&
      (options.read_only || !options.create_if_missing)) {
    return Error{ErrorCode::kNotFound, "there is no store at '" + runtime.path + "'"};
  }
  if (*kind == storage::DirectoryKind::kMissing) {
    if (Status made = files.make_directory(runtime.path); !made) return made;
  }
  if (*kind == storage::DirectoryKind::kStore) {
    // Before anything is touched: a newer format is refused as it stands.
    if (Status known = take_identity(runtime); !known) return known;
  }
  if (options.read_only) return {};
  if (Status locked = take_lock(runtime); !locked) return locked;
  if (*kind == storage::DirectoryKind::kStore) return {};
  // Another process may have made it while we waited for nothing: look again under the lock.
  const auto now = inspect(runtime);
  if (!now) return now.error();
  return *now == storage::DirectoryKind::kStore ? take_identity(runtime)
                                                : make_store(runtime, *kind);
}

Result<Sequence> recoverable_sequence(const StoreRuntime& runtime,
                                      const storage::HighWaterMark::Reading& reading) {
  const auto bytes = open_records(runtime, reading.file_list, /*read_only=*/true);
  const bool unwritten = !bytes && bytes.error().code == ErrorCode::kNotFound;
  if (unwritten && reading.sequence == 0) return Sequence{0};
  if (!bytes) return bytes.error();
  return last_sequence(**bytes);
}

Status open_bytes(StoreRuntime& runtime, storage::StoreMeta& meta) {
  if (runtime.options.in_memory) {
    runtime.bytes = storage::make_memory_store(merge_containers, kEmptyContainer);
    auto identity = storage::make_identity();
    if (!identity) return std::move(identity).error();
    runtime.identity = *identity;
  } else {
    if (Status settled = settle_path(runtime); !settled) return settled;
    if (Status opened = open_on_disk(runtime); !opened) return opened;
  }
  meta.identity = runtime.identity;
  return read_meta(*runtime.bytes, meta);
}

Result<ReopenedBytes> reopen_bytes(const StoreRuntime& runtime) {
  const auto reading = read_marks(runtime);  // Before the records: they may be further, never less.
  if (!reading) return reading.error();
  auto bytes = open_records(runtime, reading->file_list, /*read_only=*/true);
  if (!bytes) return std::move(bytes).error();
  const auto recovered = last_sequence(**bytes);
  if (!recovered) return recovered.error();
  if (*recovered < reading->sequence) return lost_writes(runtime, *recovered, reading->sequence);
  storage::StoreMeta meta{.identity = runtime.identity};
  if (Status read = read_meta(**bytes, meta); !read) return std::move(read).error();
  return ReopenedBytes{std::move(*bytes), *recovered};
}

Result<RewritableBytes> reopen_to_write(StoreRuntime& runtime) {
  auto reading = storage::HighWaterMark::read(*runtime.files, runtime.path, runtime.identity.id);
  if (!reading) return std::move(reading).error();
  // Also what a buffered store has shown before it was synced.
  reading->sequence = std::max(reading->sequence, runtime.last_sequence);
  if (Status probed = probe(runtime, *reading); !probed) return std::move(probed).error();
  auto opened = open_records(runtime, reading->file_list, false, &runtime.list_marker);
  if (!opened) return std::move(opened).error();
  RewritableBytes found{std::move(*opened), 0, {}};
  const auto recovered = last_sequence(*found.bytes);
  if (!recovered) return recovered.error();
  if (*recovered < reading->sequence) return lost_writes(runtime, *recovered, reading->sequence);
  found.sequence = *recovered;
  found.meta.identity = runtime.identity;
  if (Status read = read_meta(*found.bytes, found.meta); !read) return std::move(read).error();
  if (Status synced = found.bytes->sync(); !synced) return std::move(synced).error();
  const std::lock_guard hold(runtime.marking);
  if (Status marked = runtime.mark->write(found.sequence, found.bytes->file_list()); !marked)
    return std::move(marked).error();
  if (Status synced = runtime.mark->sync(); !synced) return std::move(synced).error();
  return found;
}

Status check_records(const StoreRuntime& runtime, const storage::FileListMark& file_list,
                     Sequence wanted) {
  const auto bytes = open_records(runtime, file_list, /*read_only=*/true);
  if (!bytes) return bytes.error();
  storage::StoreMeta meta;
  meta.identity = runtime.identity;
  if (Status ours = read_meta(**bytes, meta); !ours) return ours;
  const auto last = last_sequence(**bytes);
  if (!last) return last.error();
  if (*last == wanted) return {};
  return Error{ErrorCode::kCorruption, "the records end with commit " + std::to_string(*last) +
                                           ", not " + std::to_string(wanted)};
}

Result<std::string> checked_path(storage::FileSystem& files, const std::string& path,
                                 const std::string& what) {
  if (path.empty()) return invalid_argument("the path of " + what + " is empty");
  // Calls of the system would take what stands before it for the path.
  if (path.find('\0') != path.npos)
    return invalid_argument("the path of " + what + " has a zero byte in it");
  return files.absolute_path(path);
}

Result<std::vector<storage::CollectionManifest>> read_manifests(
    const storage::ByteStore& bytes, const storage::ByteSnapshot* snapshot) {
  std::vector<storage::CollectionManifest> manifests;
  const auto entry = bytes.iterate(keys::manifests(), snapshot);
  for (; entry->valid(); entry->next()) {
    auto manifest = storage::decode_manifest(entry->value());
    if (!manifest) return std::move(manifest).error();
    manifests.push_back(std::move(*manifest));
  }
  if (Status read = entry->status(); !read) return std::move(read).error();
  return manifests;
}

}  // namespace anear
