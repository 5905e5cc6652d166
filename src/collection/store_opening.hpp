// The files of a store: made, locked, recovered, compared with the high-water mark.
//
// Threads: before the store is shared.
#pragma once

#include <cstdint>
#include <string>

#include "anear/core/error.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Opens (or makes) what stands at `runtime.path` as `runtime.options` asks: fills files, identity,
/// lock, mark, bytes, recovery and last_sequence of `runtime`, and `meta`. Errors as Store::open().
Status open_bytes(StoreRuntime& runtime, storage::StoreMeta& meta);

/// Opens the records at `runtime.path` read-only: they are those of the store `runtime.identity`,
/// and their last commit is `wanted`. kCorruption otherwise.
Status check_records(const StoreRuntime& runtime, const storage::FileListMark& file_list,
                     Sequence wanted);

/// Microseconds UTC.
std::int64_t micros_now();

}  // namespace anear
