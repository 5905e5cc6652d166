// Ordered bytes under keys, in a fixed set of families, written in atomic batches: what the
// collection needs of a database.
//
// Two implementations: RocksDB (open_rocksdb_store) and memory (make_memory_store: for tests and
// in-memory stores; TSan-clean). Keys are compared as unsigned bytes. Threads: every function may
// be called from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/progress.hpp"
#include "anear/core/types.hpp"
#include "anear/storage/backup_source.hpp"
#include "anear/storage/file_list.hpp"
#include "anear/storage/stored_file.hpp"

namespace anear::storage {

class FileSystem;

/// The fixed families of a store. A key starts with the 4-byte big-endian number of its collection,
/// but for kMeta.
enum class Family : std::uint8_t {
  kMeta = 0,     ///< Format, store id, last sequence, and each collection's manifest.
  kKeys = 1,     ///< Key → slot.
  kRecords = 2,  ///< Slot → record (header, key, fields, payload).
  kRows = 3,     ///< Vector number, slot → row and its checksum.
  kFields = 4,   ///< Field containers: (field, value, slot >> 16) → slots. Written by merges.
  kChanges = 5,  ///< Sequence → logical operation and key.
};
inline constexpr std::size_t kFamilies = 6;

/// A batch of changes, applied in order and atomically.
class WriteBatch {
 public:
  enum class Operation : std::uint8_t { kPut, kDelete, kMerge, kDeleteRange };
  struct Entry {
    Operation operation;
    Family family;
    std::string key;
    std::string value;  ///< For kDeleteRange: the first key that stays.
  };

  void put(Family family, std::string key, std::string value) {
    add({Operation::kPut, family, std::move(key), std::move(value)});
  }
  void remove(Family family, std::string key) {
    add({Operation::kDelete, family, std::move(key), {}});
  }
  /// Combines `operand` with what is there by the store's MergeFunction.
  void merge(Family family, std::string key, std::string operand) {
    add({Operation::kMerge, family, std::move(key), std::move(operand)});
  }
  /// Deletes all keys in [begin, end).
  void remove_range(Family family, std::string begin, std::string end) {
    add({Operation::kDeleteRange, family, std::move(begin), std::move(end)});
  }
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  void add(Entry entry) {
    bytes_ += entry.key.size() + entry.value.size();
    entries_.push_back(std::move(entry));
  }
  std::vector<Entry> entries_;
  std::size_t bytes_ = 0;
};

/// How kMerge combines, for all families: what is there, and operands from the oldest to the
/// youngest, of which there is at least one. Must be associative: merge(merge(a, b), c) = merge(a,
/// merge(b, c)) = merge(a, {b, c}), where an operand and a stored value have one encoding, and
/// `nullopt` stands for "nothing stored". Pure; called from any thread. Damaged input must not
/// crash: it returns nullopt, which fails the read with kCorruption.
using MergeFunction = std::optional<std::string> (*)(std::optional<std::string_view> older,
                                                     std::span<const std::string_view> newer);

/// The state of the store at one moment. Reads through it see nothing younger. Shared ownership;
/// release it soon.
class ByteSnapshot {
 public:
  virtual ~ByteSnapshot() = default;
};
using SnapshotPointer = std::shared_ptr<const ByteSnapshot>;

/// A walk in ascending order. Valid until destroyed; one thread.
class ByteIterator {
 public:
  virtual ~ByteIterator() = default;
  virtual bool valid() const = 0;
  virtual void next() = 0;
  virtual void seek(std::string_view key) = 0;
  virtual std::string_view key() const = 0;    ///< Until the next move.
  virtual std::string_view value() const = 0;  ///< Until the next move.
  virtual Status status() const = 0;           ///< Look at it when valid() has turned false.
};

/// [begin, end) of one family; an empty end is "to the end".
struct KeyRange {
  Family family;
  std::string begin;
  std::string end;
};

/// The files of a store as of one moment, kept from removal while this lives. Release it soon:
/// files that have been replaced since take space meanwhile.
class ByteCheckpoint {
 public:
  virtual ~ByteCheckpoint() = default;
  /// What has to be copied to another directory to have the same store there; paths in the store's
  /// directory.
  virtual const std::vector<BackupSource>& files() const = 0;
};

/// How purge() is done.
struct PurgeOptions {
  /// What was removed before this snapshot was taken goes. Null: before the call.
  SnapshotPointer since{};
  /// How long older snapshots, walks and checkpoints are waited for.
  std::uint32_t wait_ms = 10'000;
  ProgressCallback progress{};                   ///< In steps. False: kCancelled.
  const std::atomic<bool>* cancelled = nullptr;  ///< Turns true: kCancelled, soon.
};

struct PurgeReport {
  std::vector<StoredFile> files;     ///< Tables of the store as it is now.
  std::vector<std::string> removed;  ///< Files that are gone, by their paths.
};

class ByteStore {
 public:
  virtual ~ByteStore() = default;

  /// Applies `batch` atomically. `sync`: returns after it reached the disk. kOutcomeUnknown when
  /// the log append or sync failed, kNoSpace when the append did for want of space (the batch is
  /// not there then). After any failure every later write is refused with kReadOnly and the reason.
  virtual Status write(const WriteBatch& batch, bool sync) = 0;
  /// Makes everything written so far durable.
  virtual Status sync() = 0;
  /// Whether a store that was opened read-only is no longer the newest state, as far as names and
  /// sizes of its files tell. May say so of what it has read already, never the reverse. A store
  /// that may be written is the newest state itself.
  virtual bool is_outdated() const = 0;
  /// Whether the writer has made or replaced tables since a store was opened read-only. Before that
  /// it removes no file of which this state may know.
  virtual bool files_were_replaced() const = 0;
  /// What a write would be refused with now: kClosed, kReadOnly and the reason.
  virtual Status check_writable() const = 0;
  /// Whether writes stopped since the disk was full: it may be worth while to open the files anew.
  virtual bool stopped_for_space() const = 0;
  /// Refuses every write from now on, as after one that failed: for who cannot tell what became of
  /// its last one.
  virtual void stop_writes() noexcept = 0;
  /// From now on no file is changed through this store and every write is refused; reads go on, and
  /// what is held stays readable (kSnapshotExpired where another store on the same files has
  /// removed one since). For a store that has stopped, before its files are opened anew.
  virtual void abandon() = 0;
  /// `snapshot` null: the newest state. No value: not there.
  virtual Result<std::optional<std::string>> get(Family family, std::string_view key,
                                                 const ByteSnapshot* snapshot) const = 0;
  /// One lookup for many keys, faster than one by one.
  virtual Result<std::vector<std::optional<std::string>>> get_many(
      Family family, std::span<const std::string> keys, const ByteSnapshot* snapshot) const = 0;
  /// Starts before the first key of `range`'s first entry (already positioned on it); stays inside
  /// the range.
  virtual std::unique_ptr<ByteIterator> iterate(KeyRange range,
                                                const ByteSnapshot* snapshot) const = 0;
  virtual SnapshotPointer snapshot() const = 0;
  /// Gives the disk space of keys in `range` back that were removed and that no snapshot sees: what
  /// stands only in the log gets into tables, and tables with keys of the range are written anew.
  virtual Status reclaim(const KeyRange& range) = 0;
  /// Afterwards no file holds keys or values that were removed or replaced before
  /// PurgeOptions::since: everything is written anew (tables, the log, the list of files), and the
  /// old files are gone. kSnapshotExpired when snapshots, walks or checkpoints of before are held
  /// for longer than PurgeOptions::wait_ms; it can be called again after each failure. Beside reads
  /// and writes. Slow: reads and writes all bytes, and needs room for them twice. Does nothing in
  /// memory.
  virtual Result<PurgeReport> purge(const PurgeOptions& options) = 0;
  /// What stands only in the log gets into tables.
  virtual Status flush() = 0;
  /// Of everything written so far; the caller lets nothing be written during the call. Beside
  /// reads, flushes and compactions. What was written since the last flush() is in the copy of the
  /// log. kInvalidArgument in memory, kReadOnly where nothing can be written.
  virtual Result<std::unique_ptr<ByteCheckpoint>> checkpoint() = 0;
  /// The tables of this moment, by their paths in the store's directory; nothing in memory. They
  /// never change, and may be gone soon.
  virtual Result<std::vector<StoredFile>> tables() const = 0;
  /// Reads every byte at rest against its checksum. Slow.
  virtual Status verify() const = 0;
  /// What the database complained about since it was opened, for the recovery report ("dropping 22
  /// bytes; Corruption: …"). The first 64 lines.
  virtual std::vector<std::string> warnings() const = 0;
  /// What the database's list of files is known to hold on the disk; nothing in memory.
  virtual FileListMark file_list() const = 0;
  /// Bytes of the store's files, for statistics.
  virtual std::uint64_t bytes_on_disk() const = 0;
  /// Bytes that RocksDB (or the maps) hold in memory, for statistics.
  virtual std::uint64_t bytes_in_memory() const = 0;
  /// Bytes in memory that are still to be written to tables: what flush() takes of the disk, about.
  virtual std::uint64_t bytes_to_flush() const = 0;
  /// Of tables alone. Cheap.
  virtual std::uint64_t bytes_of_tables() const = 0;
  /// Compactions that would take more than `bytes` of the disk, on top of what the tables take now,
  /// are put off; a write that has to wait for one is then refused (kNoSpace). Cheap.
  virtual void leave_to_compaction(std::uint64_t bytes) = 0;
  /// Flushes what is needed for a fast next open and closes. Every later call returns kClosed;
  /// snapshots and iterators that are still held stay readable. kReadOnly and the reason when
  /// writes had stopped: not all that was written is known to be on the disk.
  virtual Status close() = 0;
};

/// What to open.
struct ByteStoreOptions {
  std::string directory;  ///< Exists already.
  bool read_only = false;
  std::shared_ptr<FileSystem>
      file_system{};  ///< Carries every file operation. Null: the operating system.
  MergeFunction merge = nullptr;
  /// A value of Family::kFields that says what no value says: compaction drops it. Static storage.
  /// Empty: there is none.
  std::string_view void_value{};
  FileListMark file_list{};  ///< What the database's list of files must at least hold.
  /// The log is written over zeros that are there already while small batches are synced, which
  /// makes their syncs cheaper. It then ends in up to 512 KiB of zeros until it is closed.
  bool reserve_log = false;
  /// What write buffers may take; the cache of tables' blocks the same again.
  std::uint64_t buffer_bytes = std::uint64_t{32} << 20;
  /// Told of the list's growth, from the opening on until close(). Not read-only.
  FileListObserver* list_observer = nullptr;
};

/// Opens (or makes) a RocksDB in `options.directory`. The log's recovery is point-in-time: the
/// caller compares the recovered sequence with the high-water mark. kCorruption before anything is
/// touched: see check_file_list.
///
/// Read-only beside a writer: a state that was the newest one while it was opened, whole, and which
/// stays readable whatever the writer does (of up to 256 tables; of more, reads may end in
/// kSnapshotExpired). kSnapshotExpired when the writer replaced files in each of eight attempts.
Result<std::unique_ptr<ByteStore>> open_rocksdb_store(const ByteStoreOptions& options);

/// A store that lives and dies with the process. `sync` means nothing to it. `void_value`: as in
/// ByteStoreOptions.
std::unique_ptr<ByteStore> make_memory_store(MergeFunction merge, std::string_view void_value = {});

}  // namespace anear::storage
