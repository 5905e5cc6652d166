// Images of a collection on disk: one for each index but for its rows (row_files.hpp), and one of
// its slots (which are live, and their keys). All are derived: losing one costs time, never data or
// a right answer.
//
//   slots image, kind 100
//     "live"         stride 8: bit s & 63 of word s >> 6 is set when slot s is live
//     "live_key_offsets"  stride 8: where the keys of the live slots begin in "key_bytes",
//                    ascending, and the end of the last. Older files have "key_offsets" instead: of
//                    all slots, the keys of dead ones being empty
//     "key_bytes"    stride 1
//
// The manifest names the images a collection opens with; a file that it does not name is removed
// when the store is opened for writing.
//
// Threads: CollectionState::indexing is held by write_images(); opening is before all sharing.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/image_file.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The number of the slots image in the manifest, where others have the number of their vector.
inline constexpr std::uint32_t kSlotsImage = 0xffffffffU;

/// Files by their paths in the store's directory.
using FileNames = std::set<std::string>;
/// Images, and the files of their rows.
FileNames names_of(std::span<const storage::ManifestImage> images);

/// Writes new images and row files of `view` and names them in the manifest, in one commit that
/// removes the change log that only the old ones needed and the tail's copy of the rows. Returns
/// the files they replace. In memory: does nothing. On failure the old images stay in force.
Result<FileNames> write_images(CollectionState& collection, const View& view);

/// Gives back the disk space of rows that write_images() moved, as far as no view still sees them,
/// and then removes the files that were `replaced`: not before the manifest that does without them
/// stands in a table, since a log can be damaged to an end before it.
void settle_images(const CollectionState& collection, const FileNames& replaced);

/// Gives back the space of all that was removed from the byte store, at once: otherwise it comes
/// back as tables are merged.
Status reclaim_removed(CollectionState& collection);

/// The image of a vector, or the slots image; null when there is none.
const storage::ManifestImage* image_of(const storage::CollectionManifest& manifest,
                                       std::uint32_t vector);
/// Bytes on disk of all that the manifest names.
std::uint64_t bytes_of_images(const CollectionState& collection);

/// Removes all files but `named`: left by a process that ended while it wrote them.
void remove_unnamed_files(const StoreRuntime& runtime, const FileNames& named);

/// An index from its image and its row files.
Result<AnyIndex> open_index_image(const StoreRuntime& runtime, const VectorSchema& vector,
                                  const storage::ManifestImage& named,
                                  const std::vector<storage::Image>& row_files);

/// Fills live slots, keys and the next slot of `version` from the slots image.
Status open_slots_image(const CollectionState& collection, CollectionVersion& version,
                        const storage::ManifestImage& named);

}  // namespace anear
