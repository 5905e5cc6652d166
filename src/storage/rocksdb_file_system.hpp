// Makes RocksDB do every file operation through our FileSystem.
//
// Derived from rocksdb::FileSystem and not from its wrapper: what is not stated here is refused as
// unsupported, and cannot go past us to the operating system.
//
// Threads: as rocksdb::FileSystem asks: any thread.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "anear/storage/file_list.hpp"
#include "anear/storage/file_system.hpp"
#include "rocksdb_replay.hpp"

namespace anear::storage {

/// How much each log holds that is open and reserved ahead: its file is longer. Threads: any.
class ReservedLogs {
 public:
  using Bytes = std::shared_ptr<const std::atomic<std::uint64_t>>;

  void add(const std::string& path, const Bytes& bytes);
  /// No value once the log was closed: it is as long as it looks.
  std::optional<std::uint64_t> bytes_of(const std::string& path) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const std::atomic<std::uint64_t>>> logs_;
};

/// How the store is at a database's files.
struct FileAccess {
  FileListTracker file_list;
  /// From then on no file is made, removed, renamed or cut: a database that is read-only, or is
  /// closed and not yet destroyed, would otherwise remove what its successor has made. RocksDB
  /// removes every file that it does not know when it is destroyed.
  std::atomic<bool> sealed{false};
  /// Another database has been opened on the files: what is still open here is not written any
  /// more, not even when it is closed.
  std::atomic<bool> abandoned{false};
  /// Logs that are synced every few records are kept longer than what they hold: see LogFile.
  bool reserve_logs = false;
  ReservedLogs reserved_logs;
  /// What the list of files must at least hold. Fixed before the opening.
  FileListMark known_list{};
  /// Of the list that was opened, LogFollows::kUnknown before that.
  std::atomic<std::uint64_t> listed_entry{LogFollows::kUnknown};
  /// How much of its end was left out, since it is not whole.
  std::atomic<std::uint64_t> list_bytes_left_out{0};
};

/// Why a file of options cannot be made; RocksDB goes on without it and warns of it in these words.
inline constexpr std::string_view kNoOptionsFiles = "anear keeps no files of options";

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(std::shared_ptr<FileSystem> files,
                                                              std::shared_ptr<FileAccess> access);

}  // namespace anear::storage
