// The keys of all live slots of one version, one after another: what the slots image holds, and
// what a table of keys is made of that has no dead ones.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collection/key_table.hpp"
#include "collection/store_runtime.hpp"
#include "collection/version.hpp"

namespace anear {

struct LiveKeys {
  explicit LiveKeys(const CollectionVersion& version);

  std::vector<std::uint64_t> live;     ///< Bit s & 63 of word s >> 6: slot s is live.
  std::vector<std::uint64_t> offsets;  ///< Of the live slots, ascending, and the end of the last.
  std::string bytes;
};

/// Whether the keys of dead slots take more room than those of live ones.
bool has_dead_keys(const CollectionVersion& version);

/// A table without keys of dead slots.
std::shared_ptr<KeyTable> table_of_live_keys(const CollectionVersion& version);

/// Puts such a table in place of the collection's. Whoever holds a version of before keeps the old
/// one; it goes with it. Commits pause for as long as it takes to add the newest keys.
/// CollectionState::indexing is held.
void forget_dead_keys(CollectionState& collection);

}  // namespace anear
