// What a caller decides about a store and its collections: options, schema, durability. Plain
// structs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/core/value.hpp"
#include "anear/index/options.hpp"

namespace anear {

namespace storage {
class FileSystem;
}

/// When a write counts as done (docs/RELIABILITY.md, "Writes").
enum class Durability : std::uint8_t {
  kDurable = 0,   ///< Synced to the disk before the answer: survives power loss.
  kBuffered = 1,  ///< Handed to the kernel before the answer, synced at least every second:
                  ///< survives a killed process.
};

/// How messages of the library reach the host. Called from any thread; must not call back into the
/// store.
struct LogCallback {
  void (*call)(void* context, const char* message) = nullptr;
  void* context = nullptr;
};

/// How a store is opened.
struct StoreOptions {
  bool create_if_missing = true;
  /// No lock is taken and nothing on disk is changed; writes are refused. The store is seen as it
  /// was when it was opened or at the last Store::refresh(), whatever its writer does.
  bool read_only = false;
  /// Read-only: refresh() is called this often by a thread of the store. Failures go to `log`, but
  /// for those of a writer that is busy. 0: only when it is asked for.
  std::uint32_t follow_every_ms = 0;
  Durability durability = Durability::kDurable;
  /// Records that may wait outside of the index. Past this, writers wait for the indexer, which
  /// `stats()` shows as stalls: the scan of the tail stays bounded. While the collection is
  /// searched they wait from a sixteenth of it on, but from no less than 1,024.
  std::size_t tail_records_max = 32'768;
  /// Row files and images are copied to memory when they are opened, instead of mapped: who shrinks
  /// or changes such a file in place, which anear never does, then does not touch what is searched.
  /// A mapped file that is shrunk ends the process (SIGBUS) where it is read. Costs the memory of
  /// all rows, in each process, and time at the opening (docs/adr/0019).
  bool copy_files = false;
  /// A thread of the store reads all of its files against their checksums, again and again, at no
  /// more than this rate (Store::scrub_stats() tells of it). 0: never.
  std::uint64_t scrub_bytes_per_second = 0;
  /// From the end of one pass over the files to the beginning of the next: a week. The first one
  /// begins with the opening.
  std::uint32_t scrub_every_s = 7 * 24 * 3600;
  /// Bytes of the file system that are left to deletes, compaction and images: writes that add
  /// (upsert, update, new collections) are refused with kNoSpace while less is free, and taken
  /// again once there is more. 0: none. Default: 256 MiB (less on file systems below 2 GiB and for
  /// stores below 128 MiB), and three quarters of the indexes of the largest collection, which
  /// compaction writes anew; at most half of the file system.
  std::optional<std::uint64_t> reserved_bytes{};
  /// Bytes of memory that the store may take: the indexes, tails and keys of its collections, files
  /// that they map included, kept filters, and the database, whose buffers and cache are fitted to
  /// an eighth each (4 to 32 MiB). Writes that add are refused with kLimitExceeded before more is
  /// taken, with room for a copy of the largest index, which compaction makes, and taken again once
  /// there is some. Not counted: what calls take while they run, indexes that a pinned handle holds
  /// after they were built anew, and up to 2.5 MiB a vector for rows to come. 0: no bound; else at
  /// least 16 MiB. Read-only: for buffers and caches alone.
  std::uint64_t memory_bytes_max = 0;
  /// Seconds after which a pinned handle may be taken back (Collection::pinned()), once something
  /// is written or erased: what it sees takes slots, memory and disk. 0: never.
  std::uint32_t pinned_seconds_max = 3'600;
  /// Threads that index what waits, at most, while nobody searches and much is waiting; else it is
  /// one. 0: as many as there are processors.
  std::uint32_t background_threads = 0;
  /// Bytes of row files and images that are written in a second, at most, all together: so much of
  /// the disk is taken from others. Commits do not wait for it, nor do merges of the database; but
  /// below what writers bring, they wait for the indexer in the end, and so do flush(), erase(),
  /// verify() and backup(). Opening and closing do not. 0: no limit.
  std::uint64_t background_bytes_per_second = 0;
  /// An opening reads the row files of an index and compares them with their checksums where they
  /// have so many bytes or fewer. Of larger ones each block of 64 KiB is compared when it is first
  /// read, so that a large store opens at once; a call that meets a damaged one, and all later ones
  /// that read rows of that index, are kCorruption. 2^64 - 1: all are read at the opening.
  std::uint64_t checked_at_open_bytes = std::uint64_t{256} << 20;
  bool index_inline = false;  ///< Index within each write instead of in the background (tests,
                              ///< single-threaded hosts).
  bool in_memory =
      false;  ///< Keep everything in memory; `path` is only a name. For tests and scratch data.
  LogCallback log{};
  /// Replaces the operating system's files, for fault tests. Null: the operating system. Shared
  /// with the store.
  std::shared_ptr<storage::FileSystem> file_system{};
};

/// The index of a named vector: which, and how. FlatOptions: every row, or its code, is compared;
/// no training, no graph. IvfPqOptions: searched exactly until there are rows to train on, which
/// the store does by itself.
using IndexOptions = std::variant<FlatOptions, HnswOptions, IvfPqOptions>;

/// One named vector of a collection. `metric` and `kind` win over what `index` says of them.
struct VectorSchema {
  std::string name{};
  std::size_t dimension = 0;
  Metric metric = Metric::kCosine;
  ScalarKind kind =
      ScalarKind::kF32;  ///< How rows are stored: kF32 or kF16. Input of either kind is converted.
  IndexOptions index = HnswOptions{};
};

/// One declared field.
struct FieldSchema {
  std::string name{};
  FieldType type = FieldType::kString;
};

/// What a collection holds. Names: 1 to 128 bytes of UTF-8, starting with a letter or '_', of
/// letters, digits, '_', '.', '-'.
struct CollectionSchema {
  std::vector<VectorSchema> vectors{};
  std::vector<FieldSchema> fields{};
  bool dynamic = false;  ///< Accept undeclared fields and keep them with the type each value has.
};

}  // namespace anear
