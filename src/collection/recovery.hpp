// Opening a collection: images as they are, then what was committed since. A refresh of a reader
// goes on from the version it has, and keeps the indexes whose images are still the same.
//
//   slots image + change log behind it → live slots and keys     (none or damaged: all of kKeys)
//   index image                        → index                   (none or damaged: empty)
//   rows of live slots the image lacks → tail                    (the replay range)
//
// Nothing is rebuilt before the first answer; the indexer moves the tail into the index later.
//
// Threads: opening is before the collection is shared; following under StoreRuntime::refreshing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The first version of a new collection: empty. Fails for options that an index refuses.
Status start_empty(CollectionState& collection);

/// What was read of a collection, before anyone sees it.
struct OpenedCollection {
  storage::CollectionManifest manifest;
  CollectionVersion version;
  std::shared_ptr<const CollectionVersion> next;  ///< Made of `version` by prepare_take_over().
  std::vector<DeadSlot> dead;                     ///< Since the version it went on from.
  /// Of a store that is open for writing: dead slots that nothing on the disk names, and what row
  /// files name beside them.
  SlotSet free_slots;
  std::vector<SlotSet> dead_in_row_files;  ///< By vector.
  std::uint64_t last_change = 0;
  std::uint64_t logged = 0;  ///< Changes of records that were read from the log.
  bool images_changed = false;
  std::string degraded_reason;                 ///< Of images that changed; empty: none is damaged.
  MappedFiles row_files;                       ///< Of images that changed, in a reader.
  std::vector<std::size_t> has_rows_in_files;  ///< Vectors whose index came from an image.
};

/// The collection that `manifest` describes, as the bytes have it. kCorruption when the records
/// themselves are damaged; damaged images only make it `degraded`. kSnapshotExpired when a file is
/// missing that the writer beside a read-only store may have replaced.
Result<std::shared_ptr<Collection::Impl>> open_collection(
    const std::shared_ptr<StoreRuntime>& runtime, const storage::ByteStore& bytes,
    const storage::CollectionManifest& manifest);

/// What `bytes`, a later state of a read-only store, have of a collection; no value when it did not
/// change. Costs what changed, and what is behind new images. Errors as open_collection(), and
/// kLostWrites when the bytes do not go on from what the collection has.
Result<std::optional<OpenedCollection>> follow_collection(
    CollectionState& collection, const storage::ByteStore& bytes,
    const storage::CollectionManifest& manifest);

/// The collection goes on from what was opened again under its number, `fresh`, which nobody else
/// has. The version it has is in `older` already. StoreRuntime::versions and `indexing` are held.
void begin_anew(CollectionState& collection, CollectionState&& fresh) noexcept;

/// All of take_over() that allocates; nobody sees anything of it.
void prepare_take_over(CollectionState& collection, OpenedCollection& found);

/// Makes `found`, which was prepared, the collection's newest version. StoreRuntime::versions is
/// held for both once the collection is shared.
void take_over(CollectionState& collection, OpenedCollection&& found) noexcept;

}  // namespace anear
