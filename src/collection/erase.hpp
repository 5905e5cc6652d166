// The bytes of erased records, taken out of every file that may hold them (docs/FORMAT.md).
//
//   commit: records deleted, a mark says that they are to be erased  (Commit::stage_erase)
//   indexes without dead rows, new images and row files → keys in memory → entries of the change
//   log, containers without slots → files that nothing names → the byte store's own files → what is
//   outstanding → the mark goes
//
// Each step can be done again: an erase that was cut short is finished from the beginning.
//
// Threads: StoreRuntime::erasing is held.
#pragma once

#include <vector>

#include "anear/collection/erase.hpp"
#include "anear/core/error.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// An erase that is to be finished.
struct UnfinishedErase {
  std::uint32_t collection = 0;
  keys::EraseMark mark;
};
/// Those that the bytes know of, in order of collections. A mark that is damaged counts as one of
/// `newest`, the store's last commit: what was erased stays so.
Result<std::vector<UnfinishedErase>> unfinished_erasures(const storage::ByteStore& bytes,
                                                         Sequence newest);

/// Erases what `unfinished` says. `collection` is the one of that number, null when it was dropped.
Result<EraseReceipt> finish_erase(StoreRuntime& runtime, CollectionState* collection,
                                  const UnfinishedErase& unfinished, const EraseOptions& options);

/// For a thread of the indexer: finishes what was left by the process before, and logs what it
/// cannot.
void finish_erase_left(CollectionState& collection);

}  // namespace anear
