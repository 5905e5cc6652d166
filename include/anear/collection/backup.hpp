// What a caller decides about backups, and is told of them. The calls are Store's; how a directory
// of backups looks stands in docs/FORMAT.md.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "anear/core/error.hpp"
#include "anear/core/progress.hpp"
#include "anear/core/types.hpp"

namespace anear {

namespace storage {
class FileSystem;
}

/// How a backup is taken.
struct BackupOptions {
  /// Files that never change become second names of the store's own, where both are on one file
  /// system: no time, no space. Such a backup is proof against lost and wrong writes, not against a
  /// disk that loses or rots blocks, since both have the same blocks. False: everything is copied.
  bool hard_links = true;
  ProgressCallback progress{};  ///< In bytes; from the calling thread. False: kCancelled.
};

struct BackupReport {
  std::uint64_t number = 0;        ///< Of the backup in its directory, from 1 on.
  Sequence sequence = 0;           ///< The last commit that is in it.
  std::uint64_t files = 0;         ///< That the store consists of.
  std::uint64_t bytes = 0;         ///< Of these.
  std::uint64_t bytes_copied = 0;  ///< Of these, written to the directory.
  std::uint64_t bytes_linked = 0;  ///< Of these, linked to the store's files.
  std::uint64_t bytes_shared = 0;  ///< Of these, there already from earlier backups.
  /// Index images that were damaged or missing in the store and are not in the backup: a store
  /// restored from it builds them again.
  std::uint64_t images_left_out = 0;
};

/// One backup of a directory.
struct BackupInfo {
  std::uint64_t number = 0;
  Sequence sequence = 0;
  std::int64_t created = 0;  ///< Microseconds UTC.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  ///< Of the store. Backups share files: they take less in all.
  std::string
      damage{};  ///< Not empty: its manifest cannot be read, and why; only `number` is known.
};

/// Which backup, and how it is read. Neither number nor sequence: the newest.
struct RestoreOptions {
  Sequence sequence = 0;        ///< Not 0: the newest backup at exactly this sequence.
  std::uint64_t number = 0;     ///< Not 0: this one.
  ProgressCallback progress{};  ///< In bytes; from the calling thread. False: kCancelled.
  /// As StoreOptions::file_system.
  std::shared_ptr<storage::FileSystem> file_system{};
};

struct RestoreReport {
  std::uint64_t number = 0;
  Sequence sequence = 0;  ///< The last commit that is there again.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

struct PruneReport {
  std::uint64_t backups_removed = 0;
  std::uint64_t bytes_freed = 0;  ///< Of files that no other backup has.
};

}  // namespace anear
