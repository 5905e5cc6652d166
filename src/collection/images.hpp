// Images of a collection on disk: one for each index, and one of its slots (which are live, and
// their keys). All are derived: losing one costs time, never data or a right answer.
//
//   slots image, kind 100
//     "live"         stride 8: bit s & 63 of word s >> 6 is set when slot s is live
//     "key_offsets"  stride 8: next_slot + 1 offsets into "key_bytes"; empty for dead slots
//     "key_bytes"    stride 1
//
// The manifest names the images a collection opens with; a file that it does not name is removed
// when the store is opened for writing.
//
// Threads: CollectionState::indexing is held by write_images(); opening is before all sharing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The number of the slots image in the manifest, where others have the number of their vector.
inline constexpr std::uint32_t kSlotsImage = 0xffffffffU;

/// Writes new images of `view`, names them in the manifest, removes the old ones and the change log
/// that only they needed. In memory: does nothing. On failure the old images stay in force.
Status write_images(CollectionState& collection, const View& view);

/// Removes images that no manifest names any more; what cannot be removed is left to the next open.
void remove_images(const StoreRuntime& runtime, std::span<const storage::ManifestImage> images);
/// Removes all files in the images' directory but `named`: left by a process that ended while it
/// wrote them.
void remove_unnamed_images(const StoreRuntime& runtime, std::vector<std::string> named);

/// An index from its image.
Result<AnyIndex> open_index_image(const StoreRuntime& runtime, const VectorSchema& vector,
                                  const storage::ManifestImage& named);

/// Fills live slots and keys from the slots image.
Status open_slots_image(CollectionState& collection, CollectionVersion& version,
                        const storage::ManifestImage& named);

}  // namespace anear
