// The index of all fields: containers of slots by value, and filters resolved over them.
//
//   write: ContainerChanges collects what the records of one commit change and adds one merge for
//          each container to the commit's batch.
//   read:  resolve() turns a bound filter into the set of slots that match it: equality looks up a
//          key for each 65,536 slots, `in` unites, a range walks its values, not(p) = live − p.
//
// Invariant: resolve(f) holds exactly the live slots s with matches(f, fields of s). The property
// test says so.
//
// Threads: resolve() may run in many threads; a ContainerChanges belongs to one.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"
#include "anear/filter/expression.hpp"
#include "anear/storage/byte_store.hpp"
#include "collection/filter_cache.hpp"

namespace anear {

/// What one commit does to the containers of any number of collections.
class ContainerChanges {
 public:
  /// The record in `slot` had the fields `before` (null: there was no record) and has `after` from
  /// now on (null: no longer any). Only what differs is written. Of several changes of one slot in
  /// one commit the last wins, so call in the order of the operations.
  void change(std::uint32_t collection, Slot slot, const Fields* before, const Fields* after);

  /// Adds one merge a container, in ascending order of key.
  void write_to(storage::WriteBatch& batch) const;

  /// Tells `cache` which fields the commit `sequence` touches. Before its view is published.
  void touch(FilterCache& cache, Sequence sequence) const;

  bool empty() const noexcept { return changes_.empty(); }

 private:
  struct Change {
    std::uint16_t slot;
    bool added;
  };
  struct TouchedField {
    std::uint32_t collection;
    std::string field;
  };

  void change_field(std::uint32_t collection, Slot slot, const Field* before, const Field* after);

  std::unordered_map<std::string, std::vector<Change>> changes_;  ///< By key.
  std::unordered_map<std::string, TouchedField> touched_;         ///< By prefix of keys.
};

/// Where resolve() finds the fields of a record: needed for ranges with a bound beyond 128 bytes
/// only.
class FieldSource {
 public:
  virtual ~FieldSource() = default;
  /// As the view of the reader sees them.
  virtual Result<Fields> fields_of(Slot slot) const = 0;
};

/// One view of one collection. All is borrowed and must belong to the same moment.
struct FieldReader {
  const storage::ByteStore& store;
  const storage::ByteSnapshot* snapshot;  ///< Null: the newest state.
  std::uint32_t collection;
  Sequence sequence;             ///< Of the view.
  const SlotSet& live;           ///< Slots of the view's records.
  const FieldSource& records;    ///< For values that the keys do not decide.
  FilterCache* cache = nullptr;  ///< Null: nothing is remembered.
};

/// The live slots that match. kCorruption when a container is damaged. Costs a look-up a value and
/// 65,536 slots, plus a walk over the containers within each range.
Result<SlotSet> resolve(const BoundFilter& filter, const FieldReader& reader);

}  // namespace anear
