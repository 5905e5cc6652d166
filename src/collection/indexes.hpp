// Which index a named vector has, and when.
//
// An index is built anew when two fifths of its live rows are deleted ones beside them (a sixteenth
// where writes are refused for want of memory). An IVF-PQ
// index needs rows to be trained on: until there are train_from, its vector is searched exactly,
// and it is built anew as well when there are four times the rows it was trained for (then twice
// the lists are due).
//
// Threads: pure functions; rebuild_index() reads an index that its caller may append to meanwhile,
// in the progress callback.
#pragma once

#include <cstddef>

#include "anear/collection/options.hpp"
#include "anear/core/error.hpp"
#include "anear/core/slot_set.hpp"
#include "anear/index/any_index.hpp"
#include "collection/version.hpp"

namespace anear {

/// The empty index a vector starts with. Fails for options that its index refuses.
Result<AnyIndex> make_index(const VectorSchema& vector);

/// The index of an image: by the image's kind, which may still be that of the exact start.
Result<AnyIndex> attach_index(const VectorSchema& vector, std::uint32_t kind,
                              const SectionSet& sections);

/// How many deleted positions an index may hold: they take memory, disk and time.
struct DeletedMost {
  std::size_t kept = 0;  ///< So many are no reason to build it anew.
  double share = 0;      ///< For each live one.
};
inline constexpr DeletedMost kDeletedMost = {1'000, 2.0 / 5}, kDeletedWhereFull = {0, 1.0 / 16};

bool has_deleted(const AnyIndex& index, DeletedMost most) noexcept;

/// Whether `index` is no longer (or not yet) what `vector` asks for, or has more deleted positions
/// than that.
bool needs_rebuild(const VectorSchema& vector, const AnyIndex& index, DeletedMost most);

/// A trained and calibrated index of the live rows of `from`, or the exact start when there are too
/// few to train; without those of the slots `without`. `build.progress` is called all the while,
/// between insertions as well; kCancelled when it asks to stop.
Result<AnyIndex> rebuild_index(const VectorSchema& vector, const AnyIndex& from,
                               const BuildOptions& build, const SlotSet& without = {});

}  // namespace anear
