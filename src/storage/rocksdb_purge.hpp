// Writes all files of an open RocksDB anew, so that none holds what was removed.
//
//   wait for older snapshots → everything into tables, a new log → tables one by one merged to the
//   bottom → a new list of files → wait until the old files are gone
//
// The list of files names the smallest and largest key of each table. RocksDB begins a new list
// when the one in use has reached kListBytesMax, and in no other way while it is open. So a key of
// half that length is put into the family "default", which is empty otherwise: the table that holds
// it makes every list too long, and leaves together with the last one. A table is taken out of
// "default" as a whole: a removed key would stay for as long as a snapshot is older.
//
// Threads: one purge at a time, beside reads, writes, flushes and compactions.
#pragma once

#include <rocksdb/db.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/byte_store.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

class Purge {
 public:
  struct Of {
    rocksdb::DB& db;
    const std::vector<rocksdb::ColumnFamilyHandle*>& families;  ///< [0] is "default".
    FileSystem& files;
    const std::string& directory;
  };
  Purge(const Of& of, const PurgeOptions& options);

  /// The long key.
  static std::string filler();

  /// filler() was put into "default". `since`: as PurgeOptions::since.
  Result<PurgeReport> run(rocksdb::SequenceNumber since);

 private:
  Status check_asked_to_stop() const;
  Status advance();
  bool is_late() const { return std::chrono::steady_clock::now() >= deadline_; }
  Status wait_for_snapshots(rocksdb::SequenceNumber since) const;
  Status renew_log();
  Status list_old();
  Status compact(rocksdb::ColumnFamilyHandle* family);
  bool holds_old_table(const rocksdb::ColumnFamilyHandle& family) const;
  Status renew_list();
  Status wait_for_removal();
  Result<std::vector<std::string>> old_files_left() const;

  rocksdb::DB& db_;
  const std::vector<rocksdb::ColumnFamilyHandle*>& families_;
  FileSystem& files_;
  const std::string& directory_;
  const PurgeOptions& options_;
  const std::chrono::steady_clock::time_point deadline_;
  std::size_t steps_ = 0;
  std::uint64_t newest_log_ = 0;  ///< Logs up to it go.
  std::uint64_t list_ = 0;        ///< Lists before it go.
  std::vector<std::string> old_;  ///< Names of tables and logs that go, and of lists.
};

}  // namespace anear::storage
