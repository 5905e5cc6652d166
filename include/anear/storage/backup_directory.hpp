// A directory of backups of one store.
//
//   BACKUPS    identity: format version, store id (text, checksummed, as a store's ANEAR); written
//              last when the directory is made
//   LOCK       held while a backup is taken or backups are removed (store_lock.hpp)
//   files/     the pool: each file once, under a name made of its checksum and length, for all
//              backups that have it
//   backups/   N.backup: the manifest of backup N (backup_manifest.hpp), written last
//
// Invariants: (1) A manifest is there only when every file that it names is, durably. (2) A file of
// the pool is never changed. (3) A file of the pool goes when no manifest names it; while one of
// the manifests cannot be read none goes.
// What was cut short leaves files that nothing names: the next backup removes them.
//
// Threads: plain functions and values, without shared state; one BackupWriter a directory at a time
// (its lock says so). Reading takes no lock: it may find files gone while backups are removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/backup_manifest.hpp"
#include "anear/storage/backup_source.hpp"
#include "anear/storage/byte_progress.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/store_lock.hpp"

namespace anear::storage {

struct BackupEntry {
  std::uint64_t number = 0;
  Result<BackupManifest> manifest;  ///< kCorruption, kUnsupportedFormat: why it cannot be read.
};

/// All backups of the directory in ascending order of number. kNotFound: no such directory.
/// kUnsupportedFormat: it holds something else (kForeignFile), or is of a newer format.
Result<std::vector<BackupEntry>> list_backups(FileSystem& files, const std::string& directory);

class BackupWriter {
 public:
  /// Makes the directory when it is missing or empty; its parent must exist. Takes its lock
  /// (kLocked at once when another holds it) and removes what unfinished backups left.
  /// kUnsupportedFormat: as list_backups(), or it holds backups of another store.
  static Result<BackupWriter> begin(std::shared_ptr<FileSystem> files, std::string directory,
                                    const StoreIdentity& store);

  /// Whether an earlier backup has the file, so that add() copies nothing.
  bool holds(const BackupSource& source) const;
  struct How {
    bool hard_link = false;  ///< Where the file never changes and the file systems allow it.
    ByteProgress& progress;
  };
  /// Takes the file in, from a store's directory; its path is that of a BackupFile. kCorruption: it
  /// is shorter, or another than `crc32c` says.
  Status add(const std::string& store_directory, const BackupSource& source, const How& how);
  /// Installs the manifest: from here on there is a backup. Durable on return.
  Result<BackupManifest> commit(Sequence sequence);
  /// Removes what was added. Not after a commit that succeeded.
  void discard();

  std::uint64_t bytes_copied() const noexcept { return bytes_copied_; }
  std::uint64_t bytes_linked() const noexcept { return bytes_linked_; }
  std::uint64_t bytes_shared() const noexcept { return bytes_shared_; }  ///< Were there already.

 private:
  BackupWriter(std::shared_ptr<FileSystem> files, std::string directory, StoreLock lock);
  Result<Checksum128> take_link(const std::string& from, const BackupSource& source,
                                const How& how);
  Result<Checksum128> take_copy(const std::string& from, const BackupSource& source,
                                const How& how);
  Status settle(const BackupFile& file);

  std::shared_ptr<FileSystem> files_;
  std::string directory_;
  StoreLock lock_;
  BackupManifest manifest_;
  std::map<std::string, BackupFile> known_;  ///< By identity: what earlier backups have.
  std::uint64_t bytes_copied_ = 0;
  std::uint64_t bytes_linked_ = 0;
  std::uint64_t bytes_shared_ = 0;
};

/// Where a backup stands, and which.
struct BackupPlace {
  FileSystem& files;
  const std::string& directory;
  const BackupManifest& manifest;
};
/// Writes the backup's files below the directory `target`, where they must not be yet, and syncs
/// them. Each is compared with its length and checksum: kCorruption names the first that is
/// missing (kNotFound does not occur), of another length (kTruncated) or of other bytes
/// (kChecksum).
Status restore_files(const BackupPlace& backup, const std::string& target, ByteProgress& progress);
/// The same comparison, without writing.
Status check_files(const BackupPlace& backup, ByteProgress& progress);

struct PruneOutcome {
  std::uint64_t backups = 0;  ///< Removed.
  std::uint64_t bytes = 0;    ///< That their files had, as far as no other backup has them.
};
/// Removes all backups but the `keep` newest (1 or more; those that cannot be read do not count),
/// and the files that only they had. Errors as BackupWriter::begin().
Result<PruneOutcome> prune_backups(FileSystem& files, const std::string& directory,
                                   std::size_t keep);

}  // namespace anear::storage
