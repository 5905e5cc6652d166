// Makes RocksDB do every file operation through our FileSystem.
//
// Derived from rocksdb::FileSystem and not from its wrapper: what is not stated here is refused as
// unsupported, and cannot go past us to the operating system.
//
// Threads: as rocksdb::FileSystem asks: any thread.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>

#include "anear/storage/file_list.hpp"
#include "anear/storage/file_system.hpp"
#include "rocksdb_replay.hpp"

namespace anear::storage {

/// How the store is at a database's files.
struct FileAccess {
  FileListTracker file_list;
  /// From then on no file is made, removed, renamed or cut: a database that is read-only, or is
  /// closed and not yet destroyed, would otherwise remove what its successor has made. RocksDB
  /// removes every file that it does not know when it is destroyed.
  std::atomic<bool> sealed{false};
  /// Logs that are synced every few records are kept longer than what they hold: see LogFile.
  bool reserve_logs = false;
  /// What the list of files must at least hold. Fixed before the opening.
  FileListMark known_list{};
  /// Of the list that was opened, LogFollows::kUnknown before that.
  std::atomic<std::uint64_t> listed_entry{LogFollows::kUnknown};
  /// How much of its end was left out, since it is not whole.
  std::atomic<std::uint64_t> list_bytes_left_out{0};
};

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(std::shared_ptr<FileSystem> files,
                                                              std::shared_ptr<FileAccess> access);

}  // namespace anear::storage
