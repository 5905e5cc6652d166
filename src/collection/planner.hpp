// How a search will be done: which slots may be returned, and whether the matches are compared one
// by one or the index is walked.
//
// Threads: pure functions of a view.
#pragma once

#include <cstddef>
#include <optional>

#include "anear/collection/records.hpp"
#include "anear/core/error.hpp"
#include "anear/core/slot_set.hpp"
#include "anear/index/wanted.hpp"
#include "collection/record_reader.hpp"

namespace anear {

/// A search of one leg, ready to run against the view it was made for.
class Plan {
 public:
  /// The named vector's place in the schema.
  std::size_t vector = 0;
  VectorView query;
  /// Every matching slot is compared; otherwise the index is walked.
  bool exact = false;
  /// The matches of a filter (or all but the record that is the query); none: all live slots.
  std::optional<SlotSet> matches;
  /// The stored row behind `query` when the leg names a key.
  StoredVector own_row;

  const SlotSet& wanted(const View& view) const noexcept { return matches ? *matches : view->live; }
  /// In the words of Explain::plan.
  const char* name(const AnyIndex& index) const noexcept;
};

/// Checks the query (its vector is checked where it is compared) and settles its plan. Reads the
/// filter's containers.
Result<Plan> plan_search(const Query& query, const CollectionState& collection, const View& view);

/// The same with the query vectors given apart (search_batch): `query` names only the vector.
Result<Plan> plan_batch(const Query& query, const CollectionState& collection, const View& view);

}  // namespace anear
