// Opening a collection: images as they are, then what was committed since.
//
//   slots image + change log behind it → live slots and keys     (none or damaged: all of kKeys)
//   index image                        → index                   (none or damaged: empty)
//   rows of live slots the image lacks → tail                    (the replay range)
//
// Nothing is rebuilt before the first answer; the indexer moves the tail into the index later.
//
// Threads: before the collection is shared.
#pragma once

#include <memory>

#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The first version of a new collection: empty. Fails for options that an index refuses.
Status start_empty(CollectionState& collection);

/// The collection that `manifest` describes, as the bytes have it. kCorruption when the records
/// themselves are damaged; damaged images only make it `degraded`.
Result<std::shared_ptr<Collection::Impl>> open_collection(
    const std::shared_ptr<StoreRuntime>& runtime, const storage::CollectionManifest& manifest);

}  // namespace anear
