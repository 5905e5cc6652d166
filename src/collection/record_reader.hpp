// Records read through one view: by slot, by key, by filter.
//
// Threads: const; one view may be read by many threads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/records.hpp"
#include "anear/core/error.hpp"
#include "anear/core/slot_set.hpp"
#include "collection/field_index.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// `text` parsed and fitted to the collection's fields.
Result<BoundFilter> bind_filter(const FilterText& text, const CollectionState& collection);

class RecordReader final : public FieldSource {
 public:
  /// Both outlive the reader.
  RecordReader(const CollectionState& collection, const View& view)
      : collection_(collection), view_(view) {}

  /// The live slots that match.
  Result<SlotSet> matching(const BoundFilter& filter) const;

  /// No value where a key does not exist.
  Result<std::vector<std::optional<Slot>>> slots_of(std::span<const std::string_view> keys) const;

  /// The records in `slots`, which are live in the view, in their order, as far as `parts` asks.
  /// kUnknownField when it asks for a field that the collection cannot have.
  Result<std::vector<Record>> records(std::span<const Slot> slots, const Parts& parts) const;

  /// The stored row of one vector; no bytes when the record has none.
  Result<StoredVector> row(Slot slot, std::size_t vector) const;

  Result<Fields> fields_of(Slot slot) const override;

 private:
  const CollectionState& collection_;
  const View& view_;
};

/// Drops the fields that `parts` does not ask for.
void keep_fields(const Parts& parts, Fields& fields);

}  // namespace anear
