// How RocksDB is set up for a small embedded store, and what it tells us while it runs.
//
// Threads: WriteHealth and Warnings may be used from any thread.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/sst_file_manager.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/byte_store.hpp"
#include "rocksdb_file_system.hpp"
#include "rocksdb_replay.hpp"
#include "rocksdb_threads.hpp"

namespace anear::storage {

/// A list of the database's files that has got so long is replaced by a new one.
inline constexpr std::size_t kListBytesMax = 1 << 20;

/// Whether the store may still be written; the first failure stays.
class WriteHealth {
 public:
  bool ok() const noexcept { return !stopped_.load(std::memory_order_acquire); }
  void stop(const rocksdb::Status& reason);
  /// The same when memory ran out: allocates nothing.
  void stop_for_memory() noexcept { stopped_.store(true, std::memory_order_release); }
  bool stopped_for_space() const noexcept { return for_space_.load(std::memory_order_acquire); }
  std::string reason() const;

 private:
  std::atomic<bool> stopped_{false};
  std::atomic<bool> for_space_{false};
  mutable std::mutex mutex_;
  std::string reason_;
};

/// The first lines of what RocksDB warned of.
class Warnings {
 public:
  void add(std::string line);
  std::vector<std::string> lines() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The pieces that must outlive the database.
struct RocksdbParts {
  std::shared_ptr<WriteHealth> health = std::make_shared<WriteHealth>();
  std::shared_ptr<Warnings> warnings = std::make_shared<Warnings>();
  std::shared_ptr<FileAccess> access = std::make_shared<FileAccess>();
  std::unique_ptr<LogFollows> log_follows;
  std::unique_ptr<OwnThreads> env;
  std::uint64_t buffer_bytes = 0;
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::SstFileManager> tables;  ///< Puts compactions off that have no room.
  std::shared_ptr<rocksdb::CompactionFilter> void_values;  ///< ByteStoreOptions::void_value.
};

/// What a failure of RocksDB is to a caller.
Error to_error(const rocksdb::Status& status);

/// `files`: what carries all file operations. Of `options` those on memory and values count.
RocksdbParts make_parts(std::shared_ptr<FileSystem> files, const ByteStoreOptions& options);
struct TableLimits {
  /// A writer keeps no more tables open; a reader holds up to as many (−1), so that they can be
  /// read after the writer has removed them.
  int open_max = 256;
  int opening_threads = 16;
};
rocksdb::DBOptions database_options(const RocksdbParts& parts, const TableLimits& tables);
/// In the order of Family, behind RocksDB's obligatory "default", which stays empty.
std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const RocksdbParts& parts,
                                                                MergeFunction merge);

}  // namespace anear::storage
