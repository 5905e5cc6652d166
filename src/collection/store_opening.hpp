// The files of a store: made, locked, recovered, compared with the high-water mark.
//
// Threads: before the store is shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Opens (or makes) what stands at `runtime.path` as `runtime.options` asks: fills files, identity,
/// lock, mark, bytes, recovery and last_sequence of `runtime`, and `meta`. Errors as Store::open().
Status open_bytes(StoreRuntime& runtime, storage::StoreMeta& meta);

/// Chooses the file system and makes `runtime.path` absolute. kInvalidArgument: no path at all.
Status settle_path(StoreRuntime& runtime);
/// Makes sure that there is a store, and, unless it is opened read-only, that it is ours to write:
/// fills identity and lock.
Status prepare_directory(StoreRuntime& runtime);
/// The last commit that an open would find, without changing a byte; 0 where nothing was written
/// yet. kCorruption: see storage::check_file_list().
Result<Sequence> recoverable_sequence(const StoreRuntime& runtime,
                                      const storage::HighWaterMark::Reading& reading);
/// A later state of a store that is read-only.
struct ReopenedBytes {
  std::shared_ptr<storage::ByteStore> bytes;
  Sequence sequence = 0;  ///< Its last commit.
};
/// Opens what is there now beside what `runtime` has open, which is not touched. kSnapshotExpired
/// when the writer was too busy, kLostWrites when there is less than the high-water mark says.
Result<ReopenedBytes> reopen_bytes(const StoreRuntime& runtime);
/// The bytes of a store that has stopped, opened anew for writing.
struct RewritableBytes {
  std::shared_ptr<storage::ByteStore> bytes;
  Sequence sequence = 0;
  storage::StoreMeta meta;
};
/// As an opening for writing, of the files that `runtime` has open, locked and abandoned.
/// kLostWrites also where a commit is missing that was published; nothing is changed then. On
/// success the mark names what is there.
Result<RewritableBytes> reopen_to_write(StoreRuntime& runtime);
/// Opens the records at `runtime.path` read-only: they are those of the store `runtime.identity`,
/// and their last commit is `wanted`. kCorruption otherwise.
Status check_records(const StoreRuntime& runtime, const storage::FileListMark& file_list,
                     Sequence wanted);

/// The absolute form; kInvalidArgument for what no system call would take as it stands. `what`
/// names it in messages.
Result<std::string> checked_path(storage::FileSystem& files, const std::string& path,
                                 const std::string& what);

/// What all collections say of themselves in `bytes`, as of `snapshot` (null: now).
Result<std::vector<storage::CollectionManifest>> read_manifests(
    const storage::ByteStore& bytes, const storage::ByteSnapshot* snapshot = nullptr);

}  // namespace anear
