// The way of a slot that died back to those that may be given out: dead → buried → free.
//
//   dead     an older view may name it; it is still in the indexes      (CollectionState::dead)
//   buried   no view names it and no index has it; an image that is in force may, and a reader that
//            goes by it                                                 (until new images are
//            named)
//   free     nothing names it                                           (SlotSupply)
//
// Row files tell by the slot alone which record a row is of, where an index has to be given up. So
// a buried slot whose old row stands in one waits until that file is replaced.
//
// Threads: CollectionState::indexing is held, or the collection is not shared yet.
#pragma once

#include <span>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"
#include "collection/version.hpp"

namespace anear {

struct CollectionState;

struct DeadSlots {
  SlotSet buried;
  std::vector<SlotSet> in_row_files;  ///< Of each vector.

  /// Those that are in no row file, which are not buried any more.
  SlotSet take_free();
};

/// `slots` are about to leave the indexes of `version`, which tell where their rows are.
void bury(CollectionState& collection, const CollectionVersion& version,
          std::span<const Slot> slots);

}  // namespace anear
