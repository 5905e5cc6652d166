// ByteStore in RocksDB: one column family for each Family.
//
// The database outlives its store while a snapshot or an iterator is held, with background work
// stopped, so close() never has to wait for readers.
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/utilities/memory_util.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>

#include "anear/storage/byte_store.hpp"
#include "anear/storage/store_directory.hpp"
#include "closed_iterator.hpp"
#include "rocksdb_checkpoint.hpp"
#include "rocksdb_fork.hpp"
#include "rocksdb_options.hpp"
#include "rocksdb_purge.hpp"

namespace anear::storage {
namespace {

/// What of a log changes with every write: its size and, where it was reserved, the end of what it
/// holds (each record has a header that is not zero).
struct LogEnds {
  std::uint64_t bytes = 0;
  std::uint64_t held = 0;

  bool operator==(const LogEnds&) const = default;
};

/// The logs of a database, by name.
using LogFiles = std::map<std::string, LogEnds>;

Result<LogEnds> ends_of(FileSystem& files, const std::string& path) {
  const auto file = files.open(path, OpenMode::kRead);
  if (!file) return file.error();
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  std::array<std::byte, 4'096> part;
  for (std::uint64_t end = *bytes; end > 0;) {
    const std::uint64_t begin = (end - 1) / part.size() * part.size();
    const auto got = (*file)->read_at(begin, std::span(part).first(end - begin));
    if (!got) return got.error();
    for (std::size_t left = *got; left > 0; --left) {
      if (part[left - 1] != std::byte{0}) return LogEnds{*bytes, begin + left};
    }
    end = begin;
  }
  return LogEnds{*bytes, 0};
}

Result<LogFiles> logs_in(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return names.error();
  LogFiles logs;
  for (const std::string& name : *names) {
    if (!name.ends_with(".log")) continue;
    const auto ends = ends_of(files, path_in(directory, name));
    if (!ends) return ends.error();
    logs.emplace(name, *ends);
  }
  return logs;
}

/// The open database and all it needs; shared by the store, its snapshots and its iterators.
struct Database {
  RocksdbParts parts;
  OpenDatabase counted;
  ByteStoreOptions options;
  FileListMark opened;  ///< What a read-only database opened, at least: looked at before.
  LogFiles opened_logs;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;  ///< [0] is RocksDB's own "default".

  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    if (db == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* family : families) {
      (void)db->DestroyColumnFamilyHandle(family);
    }
    (void)db->Close();  // All that counts was synced by close() or by the commits themselves.
  }
  /// What a failed read means. Beside a writer, a read-only database may miss files that the
  /// writer has replaced since.
  Error read_error(const rocksdb::Status& status) const {
    Error error = to_error(status);
    if (options.read_only && list_was_changed()) {
      error.code = ErrorCode::kSnapshotExpired;
      error.message =
          "the store was changed by its writer since it was opened read-only; open it "
          "again. (" +
          error.message + ")";
    }
    if (parts.access->abandoned && status.IsPathNotFound()) {
      error.code = ErrorCode::kSnapshotExpired;
      error.message =
          "the store was opened anew after a failure, and has replaced what this view "
          "reads since. (" +
          error.message + ")";
    }
    return error;
  }
  /// The writer has added or replaced tables; a log is removed only after that.
  bool list_was_changed() const {
    const auto now = list_in_use(*options.file_system, options.directory);
    return now && *now != opened;
  }
  bool logs_were_changed() const {
    const auto now = logs_in(*options.file_system, options.directory);
    return !now || *now != opened_logs;
  }
  void note_what_is_opened() {
    // A commit that comes between is read, and taken for a change all the same.
    if (const auto logs = logs_in(*options.file_system, options.directory)) opened_logs = *logs;
    if (const auto list = list_in_use(*options.file_system, options.directory)) opened = *list;
  }
  /// How the tables that are there are opened.
  TableLimits table_limits() const {
    TableLimits limits;
    const auto names = options.file_system->list(options.directory);
    if (!names) return limits;
    const auto tables = std::count_if(names->begin(), names->end(), [](const std::string& name) {
      return name.ends_with(".sst");
    });
    if (options.read_only && tables <= limits.open_max) limits.open_max = -1;
    // RocksDB starts all threads for each family, however few tables it has.
    constexpr std::ptrdiff_t kFewTables = 64;
    if (tables <= kFewTables) limits.opening_threads = 1;
    return limits;
  }
  rocksdb::ColumnFamilyHandle* at(Family family) const {
    return families[static_cast<std::size_t>(family) + 1];
  }
};

class RocksSnapshot final : public ByteSnapshot {
 public:
  explicit RocksSnapshot(std::shared_ptr<Database> database)
      : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {}
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;
  ~RocksSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }
  const rocksdb::Snapshot* get() const noexcept { return snapshot_; }

 private:
  std::shared_ptr<Database> database_;
  const rocksdb::Snapshot* snapshot_;
};

rocksdb::ReadOptions read_options(const ByteSnapshot* snapshot) {
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = static_cast<const RocksSnapshot*>(snapshot)->get();
  return options;
}

class RocksIterator final : public ByteIterator {
 public:
  RocksIterator(std::shared_ptr<Database> database, KeyRange range, const ByteSnapshot* snapshot)
      : database_(std::move(database)), range_(std::move(range)), end_(range_.end) {
    rocksdb::ReadOptions options = read_options(snapshot);
    if (!range_.end.empty()) options.iterate_upper_bound = &end_;
    iterator_.reset(database_->db->NewIterator(options, database_->at(range_.family)));
    seek(range_.begin);
  }
  bool valid() const override { return iterator_->Valid(); }
  void next() override { iterator_->Next(); }
  void seek(std::string_view key) override {
    iterator_->Seek(std::max(key, std::string_view(range_.begin)));
  }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  Status status() const override {
    const rocksdb::Status status = iterator_->status();
    return status.ok() ? Status{} : Status{database_->read_error(status)};
  }

 private:
  std::shared_ptr<Database> database_;
  KeyRange range_;
  rocksdb::Slice end_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksCheckpoint final : public ByteCheckpoint {
 public:
  explicit RocksCheckpoint(std::shared_ptr<Database> database) : database_(std::move(database)) {}
  RocksCheckpoint(const RocksCheckpoint&) = delete;
  RocksCheckpoint& operator=(const RocksCheckpoint&) = delete;
  ~RocksCheckpoint() override {
    if (held_) (void)database_->db->EnableFileDeletions(/*force=*/false);
  }
  rocksdb::Status take() {
    const rocksdb::Status held = database_->db->DisableFileDeletions();
    held_ = held.ok();
    return held_ ? live_files(*database_->db, files_) : held;
  }
  const std::vector<BackupSource>& files() const override { return files_; }

 private:
  std::shared_ptr<Database> database_;
  bool held_ = false;
  std::vector<BackupSource> files_;
};

class RocksStore final : public ByteStore {
 public:
  explicit RocksStore(std::shared_ptr<Database> database)
      : database_(std::move(database)), options_(database_->options) {}
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;
  ~RocksStore() override { (void)RocksStore::close(); }

  Status write(const WriteBatch& batch, bool sync) override;
  Status sync() override;
  bool is_outdated() const override {
    return files_were_replaced() || (options_.read_only && database_->logs_were_changed());
  }
  bool files_were_replaced() const override {
    return options_.read_only && database_->list_was_changed();
  }
  Result<std::optional<std::string>> get(Family family, std::string_view key,
                                         const ByteSnapshot* snapshot) const override;
  Result<std::vector<std::optional<std::string>>> get_many(
      Family family, std::span<const std::string> keys,
      const ByteSnapshot* snapshot) const override;
  std::unique_ptr<ByteIterator> iterate(KeyRange range,
                                        const ByteSnapshot* snapshot) const override;
  Status check_writable() const override;
  bool stopped_for_space() const override { return database_->parts.health->stopped_for_space(); }
  void stop_writes() noexcept override { database_->parts.health->stop_for_memory(); }
  void abandon() override;
  SnapshotPointer snapshot() const override { return std::make_shared<RocksSnapshot>(database_); }
  Status reclaim(const KeyRange& range) override;
  Result<PurgeReport> purge(const PurgeOptions& options) override;
  Status flush() override;
  Result<std::unique_ptr<ByteCheckpoint>> checkpoint() override;
  Result<std::vector<StoredFile>> tables() const override {
    if (closed_) return closed_error();
    return live_tables(db());
  }
  Status verify() const override;
  std::vector<std::string> warnings() const override { return database_->parts.warnings->lines(); }
  FileListMark file_list() const override { return database_->parts.access->file_list.mark(); }
  std::uint64_t bytes_on_disk() const override;
  std::uint64_t bytes_in_memory() const override;
  std::uint64_t bytes_to_flush() const override;
  void leave_to_compaction(std::uint64_t bytes) override;
  std::uint64_t bytes_of_tables() const override;
  Status close() override;

 private:
  Status check_health() const;
  bool is_write_stalled() const;
  Status flush_tables() const;
  Status failed_write(const rocksdb::Status& status);
  rocksdb::Status add_entries(const WriteBatch& batch, rocksdb::WriteBatch& out) const;
  rocksdb::DB& db() const { return *database_->db; }

  std::shared_ptr<Database> database_;
  const ByteStoreOptions& options_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> written_{false};
  std::atomic<bool> is_tight_{false};  ///< Compactions may be put off for want of space.
};

Status RocksStore::write(const WriteBatch& batch, bool sync) {
  if (Status writable = check_writable(); !writable) return writable;
  if (batch.empty()) return sync ? this->sync() : Status{};
  constexpr std::size_t kEntryOverhead = 16;
  rocksdb::WriteBatch out(batch.bytes() + batch.entries().size() * kEntryOverhead, 0,
                          /*protection_bytes_per_key=*/8, 0);
  if (const rocksdb::Status added = add_entries(batch, out); !added.ok()) return to_error(added);
  rocksdb::WriteOptions options;
  options.sync = sync;
  // Else a write could wait for a compaction that waits for space, which only deletes may give.
  options.no_slowdown = is_tight_;
  rocksdb::Status written = db().Write(options, &out);
  if (written.IsIncomplete()) {
    if (is_write_stalled()) {
      return Error{ErrorCode::kNoSpace,
                   "write to '" + options_.directory +
                       "': there are too many tables, and no room on the disk to merge them. "
                       "Nothing was written; free space"};
    }
    options.no_slowdown = false;
    written = db().Write(options, &out);
  }
  if (!written.ok()) return failed_write(written);
  written_.store(true, std::memory_order_relaxed);
  return {};
}

Status RocksStore::check_writable() const {
  if (closed_) return closed_error();
  if (options_.read_only) {
    return Error{ErrorCode::kReadOnly, "'" + options_.directory + "' was opened read-only"};
  }
  return check_health();
}

void RocksStore::abandon() {
  database_->parts.health->stop(rocksdb::Status::ShutdownInProgress("it was abandoned"));
  database_->parts.access->abandoned = true;
  rocksdb::CancelAllBackgroundWork(&db(), /*wait=*/true);
  database_->parts.access->sealed = true;
  database_->parts.access->file_list.set_observer(nullptr);
}

Status RocksStore::check_health() const {
  if (database_->parts.health->ok()) return {};
  return Error{ErrorCode::kReadOnly,
               "writes stopped after a failure; see to the cause, then resume() or open the store "
               "again. The failure was: " +
                   database_->parts.health->reason()};
}

bool RocksStore::is_write_stalled() const {
  std::uint64_t stopped = 0;
  return db().GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &stopped) && stopped != 0;
}

rocksdb::Status RocksStore::add_entries(const WriteBatch& batch, rocksdb::WriteBatch& out) const {
  rocksdb::Status added;
  for (const WriteBatch::Entry& entry : batch.entries()) {
    rocksdb::ColumnFamilyHandle* const family = database_->at(entry.family);
    switch (entry.operation) {
      case WriteBatch::Operation::kPut:
        added = out.Put(family, entry.key, entry.value);
        break;
      case WriteBatch::Operation::kDelete:
        added = out.Delete(family, entry.key);
        break;
      case WriteBatch::Operation::kMerge:
        if (options_.merge == nullptr) return rocksdb::Status::InvalidArgument("no merge function");
        added = out.Merge(family, entry.key, entry.value);
        break;
      case WriteBatch::Operation::kDeleteRange:
        if (entry.key >= entry.value) break;
        added = out.DeleteRange(family, entry.key, entry.value);
        break;
    }
    if (!added.ok()) break;
  }
  return added;
}

Status RocksStore::failed_write(const rocksdb::Status& status) {
  database_->parts.health->stop(status);
  const ErrorCode code = status.IsNoSpace() ? ErrorCode::kNoSpace : ErrorCode::kOutcomeUnknown;
  return Error{code, "write to '" + options_.directory + "': " + status.ToString()};
}

Status RocksStore::sync() {
  if (closed_) return closed_error();
  if (options_.read_only) return {};
  if (Status writable = check_writable(); !writable) return writable;
  const rocksdb::Status synced = db().SyncWAL();
  return synced.ok() ? Status{} : failed_write(synced);
}

Result<std::optional<std::string>> RocksStore::get(Family family, std::string_view key,
                                                   const ByteSnapshot* snapshot) const {
  if (closed_) return closed_error();
  std::string value;
  const rocksdb::Status status =
      db().Get(read_options(snapshot), database_->at(family), key, &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return database_->read_error(status);
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<std::optional<std::string>>> RocksStore::get_many(
    Family family, std::span<const std::string> keys, const ByteSnapshot* snapshot) const {
  if (closed_) return closed_error();
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> found(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  if (!keys.empty()) {
    db().MultiGet(read_options(snapshot), database_->at(family), keys.size(), slices.data(),
                  found.data(), statuses.data());
  }
  std::vector<std::optional<std::string>> values(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return database_->read_error(statuses[i]);
    values[i].emplace(found[i].data(), found[i].size());
  }
  return values;
}

std::unique_ptr<ByteIterator> RocksStore::iterate(KeyRange range,
                                                  const ByteSnapshot* snapshot) const {
  if (closed_) return std::make_unique<ClosedIterator>();
  return std::make_unique<RocksIterator>(database_, std::move(range), snapshot);
}

Status RocksStore::reclaim(const KeyRange& range) {
  if (Status writable = check_writable(); !writable) return writable;
  if (Status flushed = flush_tables(); !flushed) return flushed;
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  const rocksdb::Slice begin = range.begin;
  const rocksdb::Slice end = range.end;
  const rocksdb::Status done = db().CompactRange(options, database_->at(range.family), &begin,
                                                 range.end.empty() ? nullptr : &end);
  return done.ok() ? Status{} : Status{to_error(done)};
}

Result<PurgeReport> RocksStore::purge(const PurgeOptions& options) {
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  const rocksdb::SequenceNumber since =
      options.since == nullptr ? db().GetLatestSequenceNumber()
                               : read_options(options.since.get()).snapshot->GetSequenceNumber();
  const rocksdb::Status put =
      db().Put(rocksdb::WriteOptions(), database_->families.front(), Purge::filler(), "");
  if (!put.ok()) return failed_write(put).error();
  written_.store(true, std::memory_order_relaxed);
  return Purge({db(), database_->families, *options_.file_system, options_.directory}, options)
      .run(since);
}

Result<std::unique_ptr<ByteCheckpoint>> RocksStore::checkpoint() {
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  auto checkpoint = std::make_unique<RocksCheckpoint>(database_);
  if (const rocksdb::Status taken = checkpoint->take(); !taken.ok()) return to_error(taken);
  return std::unique_ptr<ByteCheckpoint>(std::move(checkpoint));
}

Status RocksStore::verify() const {
  if (closed_) return closed_error();
  // What is only in the log so far gets into files that have checksums of their own.
  if (!options_.read_only && database_->parts.health->ok()) {
    if (Status flushed = flush_tables(); !flushed) return flushed;
  }
  const rocksdb::Status files = db().VerifyFileChecksums(rocksdb::ReadOptions());
  if (!files.ok()) return database_->read_error(files);
  const rocksdb::Status blocks = db().VerifyChecksum();
  return blocks.ok() ? Status{} : Status{database_->read_error(blocks)};
}

Status RocksStore::flush() {
  if (Status writable = check_writable(); !writable) return writable;
  return flush_tables();
}

Status RocksStore::flush_tables() const {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  const rocksdb::Status flushed = db().Flush(options, database_->families);
  return flushed.ok() ? Status{} : Status{to_error(flushed)};
}

std::uint64_t RocksStore::bytes_on_disk() const {
  const auto bytes = bytes_below(*options_.file_system, options_.directory);
  return bytes ? *bytes : 0;
}

std::uint64_t RocksStore::bytes_in_memory() const {
  std::map<rocksdb::MemoryUtil::UsageType, std::uint64_t> usage;
  const rocksdb::Status status = rocksdb::MemoryUtil::GetApproximateMemoryUsageByType(
      {database_->db.get()}, {database_->parts.cache.get()}, &usage);
  if (!status.ok()) return 0;
  return usage[rocksdb::MemoryUtil::kMemTableTotal] +
         usage[rocksdb::MemoryUtil::kTableReadersTotal] + usage[rocksdb::MemoryUtil::kCacheTotal];
}

std::uint64_t RocksStore::bytes_to_flush() const {
  std::uint64_t bytes = 0;
  const bool known = !closed_ && db().GetAggregatedIntProperty(
                                     rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
  return known ? bytes : 0;
}

// The limit of RocksDB itself is far away, since it stops a store whose flush reaches it.
void RocksStore::leave_to_compaction(std::uint64_t bytes) {
  constexpr std::uint64_t kFarAway = std::uint64_t{1} << 50, kTight = std::uint64_t{1} << 30;
  rocksdb::SstFileManager& tables = *database_->parts.tables;
  const std::uint64_t most = tables.GetTotalSize() + bytes;
  tables.SetCompactionBufferSize(kFarAway - std::min(kFarAway, most));
  tables.SetMaxAllowedSpaceUsage(kFarAway);
  is_tight_ = bytes < kTight;
}

std::uint64_t RocksStore::bytes_of_tables() const {
  return database_->parts.tables->GetTotalSize();
}

Status RocksStore::close() {
  if (closed_.exchange(true)) return {};
  if (options_.read_only) return {};
  Status outcome = check_health();
  if (outcome && written_) {
    const rocksdb::Status synced = db().SyncWAL();
    if (!synced.ok()) outcome = failed_write(synced);
    if (outcome) outcome = flush_tables();  // So that the next open has no log to replay.
  }
  rocksdb::CancelAllBackgroundWork(&db(), /*wait=*/true);
  database_->parts.access->sealed = true;
  database_->parts.access->file_list.set_observer(nullptr);
  return outcome;
}

/// What an open that failed means for the caller.
Error open_error(const ByteStoreOptions& options, const rocksdb::Status& status) {
  Error error = to_error(status);
  error.message = "open '" + options.directory + "': " + error.message;
  if (status.IsInvalidArgument()) {
    // Families that are missing or that we do not know: not a store of this format.
    error.code = options.read_only ? ErrorCode::kNotFound : ErrorCode::kUnsupportedFormat;
  }
  const bool never_made = options.file_list.number == 0;
  if (status.IsPathNotFound() && options.read_only && never_made) error.code = ErrorCode::kNotFound;
  return error;
}

void warn_of_list(const Database& database) {
  const std::uint64_t bytes = database.parts.access->list_bytes_left_out;
  if (bytes == 0) return;
  database.parts.warnings->add("the list of the database's files: " + std::to_string(bytes) +
                               " bytes behind its last whole record were left out");
}

rocksdb::Status open_database(Database& database) {
  const rocksdb::DBOptions settings = database_options(database.parts, database.table_limits());
  const auto families = family_descriptors(database.parts, database.options.merge);
  const std::string& directory = database.options.directory;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      database.options.read_only
          ? rocksdb::DB::OpenForReadOnly(settings, directory, families, &database.families, &db)
          : rocksdb::DB::Open(settings, directory, families, &database.families, &db);
  database.db.reset(db);
  return opened;
}

}  // namespace

Result<std::unique_ptr<ByteStore>> open_rocksdb_store(const ByteStoreOptions& options) {
  constexpr int kAttemptsMax = 8;
  ByteStoreOptions settled = options;
  if (settled.file_system == nullptr) settled.file_system = os_file_system();
  if (Status prepared = prepare_for_fork(); !prepared) return std::move(prepared).error();
  if (Status whole = check_file_list(*settled.file_system, settled.directory, settled.file_list);
      !whole) {
    return std::move(whole).error();
  }
  for (int attempt = 1;; ++attempt) {
    auto database = std::make_shared<Database>();
    database->options = settled;
    database->parts = make_parts(settled.file_system, settled);
    database->parts.access->sealed = settled.read_only;
    database->parts.access->reserve_logs = settled.reserve_log;
    database->parts.access->known_list = settled.file_list;
    if (!settled.read_only) database->parts.access->file_list.set_observer(settled.list_observer);
    if (settled.read_only) {
      database->note_what_is_opened();
    } else if (Status started = database->parts.env->start(); !started) {
      return std::move(started).error();
    }
    const rocksdb::Status opened = open_database(*database);
    // Also where it was opened: a log that the list was read with and that is gone by the time the
    // logs are read leaves a hole, and RocksDB goes on with the log behind it.
    const bool changed = settled.read_only && database->list_was_changed();
    if (opened.ok() && !changed) {
      warn_of_list(*database);
      return std::unique_ptr<ByteStore>(std::make_unique<RocksStore>(std::move(database)));
    }
    if (!changed) return open_error(settled, opened);
    if (attempt == kAttemptsMax) {
      return Error{ErrorCode::kSnapshotExpired,
                   "open '" + settled.directory + "': its writer replaced files in each of " +
                       std::to_string(attempt) + " attempts; try again"};
    }
  }
}

}  // namespace anear::storage
