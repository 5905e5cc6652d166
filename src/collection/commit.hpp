// One commit of the leader: requests staged into one batch of changes, written, published.
//
// Staging writes rows into the tail and keys into the key table at once: nobody sees them before
// publish() makes their slots live.
//
// Threads: a commit belongs to one; CommitQueue says what of two commits may overlap.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/byte_store.hpp"
#include "anear/storage/record.hpp"
#include "collection/commit_queue.hpp"
#include "collection/field_index.hpp"
#include "collection/store_keys.hpp"

namespace anear {

class Commit {
 public:
  /// `written`: the last sequence that was given out, published or not.
  Commit(StoreRuntime& runtime, Sequence written);

  /// Adds the request, or refuses it without a trace: kConflict, kNotFound (update), kLimitExceeded
  /// (slots), kNotFound (the collection was dropped), kCorruption.
  Status stage(WriteRequest& request);
  /// After the last stage().
  void seal();
  /// Instead of writing it, or after a write that surely did not happen: its slots are free again.
  void give_slots_back();
  bool empty() const noexcept { return batch_.empty(); }
  /// The last sequence given out, with what was staged.
  Sequence sequence() const noexcept { return sequence_; }
  /// Hands what was staged to the kernel.
  Status write();
  /// Syncs and marks it: after write(), and after every earlier commit was settled. Beside the
  /// staging and writing of later ones. kOutcomeUnknown.
  Status settle();
  /// Makes it visible: last of all, in the order of sequences. All of it, or, when it throws,
  /// nothing.
  void publish();

 private:
  /// A record as it stands now.
  struct Current {
    Slot slot = kNoSlot;
    storage::StoredRecord record;
  };
  using CurrentRecords = std::vector<std::optional<Current>>;

  /// What the commit does to one collection.
  struct Effect {
    Sequence sequence = 0;
    Slot next_slot = 0;
    std::size_t changes = 0;  ///< Of records.
    std::vector<Slot> born;
    std::vector<Slot> died;
    std::vector<std::vector<TailPart>> appended;  ///< By vector.
  };

  Result<CurrentRecords> read_current(const CollectionState& collection,
                                      const std::vector<PreparedRecord>& records,
                                      const storage::RecordParts& parts) const;
  Status stage_upsert(WriteRequest& request);
  Status stage_update(WriteRequest& request);
  Status stage_delete(WriteRequest& request);
  Status stage_delete_matching(WriteRequest& request);
  Status stage_erase(WriteRequest& request);
  /// Stages the deletion of the records that are there; what that does to each.
  Result<std::vector<keys::Change>> remove_records(WriteRequest& request);
  static Status find_matching(WriteRequest& request);
  static Status fill_rows(const CollectionState& collection, const View& view, const Current& from,
                          PreparedRecord& record);

  Effect& effect_on(CollectionState& collection);
  Result<std::vector<Slot>> take_slots(CollectionState& collection, std::size_t count);
  void put_record(CollectionState& collection, Slot slot, const storage::RecordView& record);
  void put_key(CollectionState& collection, Slot slot, const PreparedRecord& record);
  void put_rows(CollectionState& collection, Slot slot, PreparedRecord& record);
  void remove_slot(CollectionState& collection, Slot slot);
  void finish(WriteRequest& request, const std::vector<keys::Change>& changes);

  StoreRuntime& runtime_;
  Sequence sequence_;  ///< The last one given out.
  std::int64_t now_;
  storage::WriteBatch batch_;
  storage::RecordEncoder encoder_;
  ContainerChanges containers_;
  std::map<CollectionState*, Effect> effects_;
  std::vector<std::pair<CollectionState*, std::vector<Slot>>> taken_;  ///< Slots given out to it.
  storage::SnapshotPointer written_;  ///< The bytes as this commit left them.
};

}  // namespace anear
