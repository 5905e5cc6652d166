// Reading a collection back and checking it against itself.
//
// Threads: any; works on one view.
#pragma once

#include "anear/collection/store.hpp"
#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Both places of the high-water mark. kCorruption where one of them is damaged: that costs nothing
/// until the other one is too.
Status verify_mark(StoreRuntime& runtime);

/// Every record against its key, every row against its checksum, every field container against the
/// records, every live row against index and tail, every image against its checksums. Adds to
/// `report`; kCorruption names the first thing that does not fit.
Status verify_collection(const CollectionState& collection, VerifyReport& report);

}  // namespace anear
