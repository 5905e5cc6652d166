// The states of a collection: a version is one immutable state of what is in memory, a view is a
// version with the snapshot of the bytes that belongs to it. Every read of a search goes through
// one view, so a batch is seen whole or not at all.
//
// Versions share what they have in common: chunks of live slots, tail segments, indexes. An index
// is shared and grows: the live slots of a version say what of it the version sees.
//
// Invariant: a live slot with a row of a vector is in that vector's index or in its tail; during a
// move it may be in both, never in neither.
//
// Threads: immutable; published under StoreRuntime::versions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "anear/core/matrix_view.hpp"
#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"
#include "anear/simd/isa.hpp"
#include "anear/storage/byte_store.hpp"
#include "collection/key_table.hpp"
#include "collection/tail.hpp"

namespace anear {

inline namespace ANEAR_ISA_NAMESPACE {
class AnyIndex;  // Its header is large (IVF-PQ, Eigen): few files need it.
}

/// Where the rows of one named vector are.
struct SearchedVector {
  std::shared_ptr<AnyIndex> index;
  Tail tail;
};

/// The row of `slot`, which is live in the version that `vector` belongs to and valid as long as
/// that is held; empty when the record has none. kCorruption where rows of the index are damaged.
Result<VectorView> row_of(const SearchedVector& vector, Slot slot);

struct CollectionVersion {
  Sequence sequence = 0;          ///< The last commit that touched the collection.
  Sequence indexed_sequence = 0;  ///< Commits up to here are in the indexes.
  Slot next_slot = 0;             ///< Slots below were given out.
  SlotSet live;
  std::shared_ptr<KeyTable> keys;       ///< Of the slots that are live here: see key().
  std::vector<SearchedVector> vectors;  ///< In the order of the schema.

  /// Of a slot that is live here.
  std::string_view key(Slot slot) const noexcept { return keys->key(slot, sequence); }

  /// Rows of the longest tail.
  std::size_t tail_rows() const noexcept {
    std::size_t rows = 0;
    for (const SearchedVector& vector : vectors) rows = std::max(rows, vector.tail.rows());
    return rows;
  }
};

/// What one read sees. Released soon: it holds back the reuse of space.
struct View {
  std::shared_ptr<const CollectionVersion> version;
  std::shared_ptr<const storage::ByteStore> bytes;  ///< To be read by `snapshot`.
  storage::SnapshotPointer snapshot;
  Sequence sequence = 0;  ///< The last commit of the whole store in this view.

  const CollectionVersion& operator*() const noexcept { return *version; }
  const CollectionVersion* operator->() const noexcept { return version.get(); }
};

}  // namespace anear
