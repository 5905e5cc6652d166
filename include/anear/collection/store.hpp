// A store: one directory of collections, opened by one writing process at a time, and by any number
// of processes that read and follow the writer.
//
// Threads: every function may be called from any thread. The destructor closes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/backup.hpp"
#include "anear/collection/collection.hpp"
#include "anear/collection/options.hpp"
#include "anear/collection/verify.hpp"
#include "anear/core/error.hpp"
#include "anear/storage/written_bytes.hpp"

namespace anear {

/// What opening a store found and did.
struct RecoveryReport {
  Sequence recovered_sequence = 0;  ///< The last commit that is there.
  Sequence marked_sequence = 0;    ///< The last commit known to have been synced (high-water mark).
  bool clean = true;               ///< Whether the store had been closed properly.
  std::uint64_t tail_records = 0;  ///< Records that were committed after the last images and are
                                   ///< scanned until indexed again.
  std::uint64_t unfinished_erasures = 0;  ///< See Store::resume_erase().
  std::vector<std::string> warnings{};  ///< What the database said while it recovered, for people:
                                        ///< "dropping 22 bytes; Corruption: …" of a log whose end
                                        ///< a kill has torn.
};

/// What recover() gave up, and where it kept it.
struct SalvageReport {
  Sequence recovered_sequence = 0;  ///< The last commit that is there.
  Sequence marked_sequence = 0;     ///< The last commit known to have been synced.
  std::string copy{};  ///< A directory inside the store's with the log and marks as they were.
                       ///< Empty: nothing was lost, nothing was changed.
};

/// What repair() made again, and what it could not.
struct RepairReport {
  /// A record that is gone, or, with a vector's name, one that has lost that vector.
  struct Lost {
    std::string collection;
    std::string vector;
    std::string key;
  };
  std::uint64_t keys = 0;        ///< That led nowhere or elsewhere.
  std::uint64_t containers = 0;  ///< Of fields' values.
  std::uint64_t indexes = 0;     ///< Built again from rows.
  std::vector<Lost> lost{};      ///< Upsert these again.
  std::string copy{};  ///< A directory inside the store's with damaged row files; empty: none.

  bool changed() const noexcept {
    return keys != 0 || containers != 0 || indexes != 0 || !lost.empty();
  }
};

/// Whether a store takes writes.
enum class WriteState : std::uint8_t {
  kWritable = 0,
  kFull = 1,      ///< Only deletes and erasures: less than the reserve of the disk is free, or the
                  ///< memory that it may take is taken. Others are taken again, without a call,
                  ///< once there is more.
  kStopped = 2,   ///< None, after a failure of the disk: see Store::resume().
  kReadOnly = 3,  ///< It was opened so.
};

/// Which writes a store takes now, what the disk has, what it takes of memory and has written.
struct StoreState {
  WriteState writes = WriteState::kWritable;
  std::string reason{};              ///< Why not all writes are taken; empty otherwise.
  std::uint64_t free_bytes = 0;      ///< Of the file system. 0 in memory, or where it is not known.
  std::uint64_t reserved_bytes = 0;  ///< See StoreOptions::reserved_bytes; read-only: what a writer
                                     ///< with these options keeps.
  std::uint64_t memory_bytes = 0;    ///< Of indexes, tails and keys, mapped files included, of kept
                                     ///< filters, and of the database. Looks at each collection.
  storage::WrittenBytes written{};   ///< Since the opening. Zeros in memory and read-only.
};

class Store {
 public:
  /// Opens the store in directory `path`, or makes one. kLocked: another process writes to it (the
  /// message names its pid). kUnsupportedFormat: not a store, or of a newer format; nothing is
  /// touched. kLostWrites: less was recovered than had been acknowledged; the message names the
  /// missing range; restore a backup, or recover(). kSnapshotExpired (read-only): the writer
  /// replaced files faster than they could be opened; open again.
  static Result<Store> open(const std::string& path, const StoreOptions& options = {});
  /// Gives up the acknowledged commits that an open reports as kLostWrites: copies the log (which
  /// the next open for writing cuts) and the marks aside, then lowers the marks to what is there.
  /// The copy stays until you remove it; it holds records. Of `options`, the log and file system
  /// count. Where nothing was lost, nothing is changed. After a failure it can be called again.
  /// kLocked, kNotFound and kUnsupportedFormat as open(); other damage is kCorruption.
  static Result<SalvageReport> recover(const std::string& path, const StoreOptions& options = {});

  /// Makes again what disagrees with the records: keys, containers of fields, indexes, images;
  /// saves the rows of damaged row files as far as their records confirm them. Of what cannot be
  /// saved the report names each record: they have to be written again. Where verify() finds
  /// nothing, nothing is changed. Slow: reads everything twice or more, and builds indexes. Of
  /// `options`, the log and file system count. kCorruption where records themselves cannot be read:
  /// restore a backup; kLostWrites: recover() comes first. Otherwise as open().
  static Result<RepairReport> repair(const std::string& path, const StoreOptions& options = {});

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// kAlreadyExists when the name is taken (case matters).
  Result<Collection> create_collection(const std::string& name, const CollectionSchema& schema);
  Result<Collection> collection(std::string_view name) const;
  /// The names of all collections, in ascending order.
  Result<std::vector<std::string>> collections() const;
  /// Deletes the collection and all of its records. Handles to it return kNotFound from then on.
  Status drop_collection(std::string_view name);

  /// Brings a store that was opened read-only to what its writer has committed by now, all
  /// collections at once, and returns the sequence it is at; the sequence of a store that writes.
  /// A call that has begun goes on in the state it began in. Collections that were made or dropped
  /// meanwhile appear and disappear (kNotFound). Nothing is done when nothing was written; else
  /// costs the log of the records and what changed, see docs/adr/0012. Takes nothing from the
  /// writer and needs none.
  ///
  /// On failure the store stays as it was. kSnapshotExpired: the writer replaced files faster than
  /// they could be opened: call again. kLostWrites: there is less than was seen or acknowledged,
  /// or the store was put back, recovered or replaced: open it again.
  Result<Sequence> refresh();

  /// Has a store that stopped after a failure of the disk (StoreState, kStopped) take writes again,
  /// without closing it: opens its files anew, compares them with what was acknowledged, and puts
  /// what is there in the place of what answered until then. Writes whose outcome was unknown are
  /// there or not from then on. Searches go on meanwhile, pinned handles stay as they are (until a
  /// compaction removes what they read: kSnapshotExpired). See to the cause first. Where a store
  /// has stopped since the disk was full, its next write does this by itself. On failure the store
  /// stays stopped, and it can be called again: kLostWrites: a commit that was acknowledged, or
  /// seen, is not there; kReadOnly: opened read-only, or while an erase, a backup, verify() or long
  /// indexing is under way. Does nothing for a store that takes writes. Costs an opening.
  Status resume();

  /// Finishes the erasures that were begun and failed, were cancelled, or were cut short: a receipt
  /// for each, in the order of collections. Waits for one that is under way. Costs and errors as
  /// Collection::erase_keys(); nothing where none is unfinished.
  Result<std::vector<EraseReceipt>> resume_erase(const EraseOptions& options = {});

  /// Flushes every collection.
  Status flush();
  /// Reads the store back, as far as VerifyOptions::level says: everything, unless it is told
  /// otherwise. Slow: reads all bytes. Beside searches and writes; above kChecksums the indexes and
  /// images of the collection that is looked at are not renewed meanwhile. kCorruption: the first
  /// thing that does not fit; a file is kept in mind (scrub_stats()). kSnapshotExpired (read-only):
  /// the writer replaced files; refresh() and call again. kCancelled, kClosed: stopped by the
  /// progress callback, or by close().
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;
  /// Which files were found damaged, and what was read for it.
  Result<ScrubStats> scrub_stats() const;

  /// Takes a backup of the whole store into `directory`, beside searches and writes: the state as
  /// of one commit. The directory keeps the backups of one store; it is made when it is missing
  /// (its parent must exist). Copies what no earlier backup there has. Writes wait only while the
  /// files are listed. Durable on return; when it fails, earlier backups are as they were.
  /// kInvalidArgument: the directory is the store's own, lies in it or around it, or the store is
  /// in memory. kReadOnly: the store was opened read-only, or writes stopped. kLocked: another
  /// backup into the directory is under way. kCorruption: a file of the store is damaged.
  /// kUnsupportedFormat: the directory holds something else, or backups of another store.
  /// kCancelled, kClosed: stopped by the progress callback, or by close().
  Result<BackupReport> backup(const std::string& directory,
                              const BackupOptions& options = {}) const;
  /// The backups of a directory, the oldest first. Reads their manifests alone. kNotFound: there is
  /// no such directory. kUnsupportedFormat: it holds something else.
  static Result<std::vector<BackupInfo>> backups(const std::string& directory);
  /// Makes a store in `target`, which must not exist or be empty (its parent must exist), of a
  /// backup. Every file is compared with its length and checksum, and the records are opened and
  /// asked for their sequence, before the store is made visible as the last step: when it fails, or
  /// is cut short, there is no store, and the same call may be tried again. The new store has the
  /// id of the old one: it is the same store, at an earlier sequence. kNotFound: there is no such
  /// backup. kAlreadyExists: there is a store in `target`. kCorruption: the backup is damaged; the
  /// message names the file. Do not remove backups of the directory meanwhile.
  static Result<RestoreReport> restore(const std::string& directory, const std::string& target,
                                       const RestoreOptions& options = {});
  /// Reads every byte of a backup against its checksum, as restore() does, and writes nothing.
  static Result<RestoreReport> verify_backup(const std::string& directory,
                                             const RestoreOptions& options = {});
  /// Removes all backups but the newest `keep` (at least 1; backups whose manifest cannot be read
  /// do not count), and the files that only they had. kLocked: a backup is under way.
  static Result<PruneReport> prune_backups(const std::string& directory, std::size_t keep);

  /// Whether writes are taken, and the space that they have. Asks the file system.
  Result<StoreState> state() const;
  const RecoveryReport& recovery() const noexcept;
  const std::string& path() const noexcept;
  /// Waits for running calls, syncs, releases the lock. Later calls return kClosed. Closing twice
  /// is fine.
  Status close();

 private:
  struct Impl;
  explicit Store(std::shared_ptr<Impl> impl) noexcept;
  std::shared_ptr<Impl> impl_;
};

}  // namespace anear
