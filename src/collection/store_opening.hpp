// The files of a store: made, locked, recovered, compared with the high-water mark.
//
// Threads: before the store is shared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Opens (or makes) what stands at `runtime.path` as `runtime.options` asks: fills files, identity,
/// lock, mark, bytes, recovery and last_sequence of `runtime`, and `meta`. Errors as Store::open().
Status open_bytes(StoreRuntime& runtime, storage::StoreMeta& meta);

/// Removes files in the images' directory that no manifest names: left by a process that ended
/// while it wrote them.
void remove_unnamed_images(const StoreRuntime& runtime, std::vector<std::string> named);
/// Removes the images of a dropped collection.
void remove_images(const StoreRuntime& runtime, const storage::CollectionManifest& manifest);

/// Microseconds UTC.
std::int64_t micros_now();

}  // namespace anear
