// A collection: records under keys, found by vectors and filters. START HERE.
//
// Write: upsert() → validated → commit queue (one atomic, synced write for all waiting batches) →
// tail → index, in the background. Read: search() → pinned view → filter to bitmap → tail scan +
// index walk → re-rank → fields of the winners only.
//
// Threads: every function may be called from any thread at any time. A handle is cheap to copy.
// After Store::close() every call returns kClosed; in a forked child kForked.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/erase.hpp"
#include "anear/collection/options.hpp"
#include "anear/collection/records.hpp"
#include "anear/core/error.hpp"

namespace anear {

struct View;
class PinnedView;

class Collection {
 public:
  struct Impl;
  explicit Collection(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

  const std::string& name() const noexcept;
  const CollectionSchema& schema() const noexcept;

  /// Writes whole records: new keys are added, existing ones replaced with all they had. All or
  /// nothing: one bad record refuses the batch, and the error says which (Error::record). Returns
  /// the commit's sequence; a search that starts afterwards sees it. kOutcomeUnknown: the sync
  /// failed; the store takes no writes until Store::resume().
  Result<Sequence> upsert(const RecordBatch& batch);

  /// Merges into existing records: given fields and vectors are replaced (Null writes null, Missing
  /// leaves alone), the rest stays. kNotFound names the first key that does not exist; nothing is
  /// changed then.
  Result<Sequence> update(const RecordBatch& batch);

  /// Deletes by key; keys that do not exist are no error. Returns how many records were deleted.
  Result<std::size_t> delete_keys(std::span<const std::string_view> keys);

  /// Deletes every record that matches at the time of the call. An empty filter is refused: drop
  /// the collection instead.
  Result<std::size_t> delete_matching(const FilterText& filter);

  /// Deletes by key, and removes the bytes of these records, of their earlier versions, and of all
  /// that the collection had removed or replaced before, from every file of the store. Keys that do
  /// not exist (any more) are no error. The records are gone for every search from the first,
  /// durable commit on, whatever comes after it.
  ///
  /// Slow: builds the collection's indexes anew where they hold dead rows, and writes all tables of
  /// the store anew, with room for them twice; beside searches and writes. One at a time a store.
  /// When it fails, is cancelled or killed after its commit, it is unfinished
  /// (CollectionStats::erasing) until the next erase, Store::resume_erase(), or the next opening
  /// for writing, which finishes it in the background (but not with StoreOptions::index_inline).
  /// kSnapshotExpired: pinned handles, running calls or a backup held earlier states for longer
  /// than EraseOptions::wait_ms; let go of them and call Store::resume_erase().
  ///
  /// Not reached, and told in the receipt as far as the store knows of it: backups, lost-…
  /// directories. Not known to the store: processes that read it and have not refreshed since hold
  /// the old files open; copies made by others; what a disk keeps of freed blocks.
  Result<EraseReceipt> erase_keys(std::span<const std::string_view> keys,
                                  const EraseOptions& options = {});

  /// Erases every record that matches at the time of the call, as erase_keys(). An empty filter is
  /// refused.
  Result<EraseReceipt> erase_matching(const FilterText& filter, const EraseOptions& options = {});

  /// The records of `keys`, in their order; no value where a key does not exist. One view for all.
  Result<std::vector<std::optional<Record>>> get(std::span<const std::string_view> keys,
                                                 const Parts& parts) const;

  /// The next page of records in order of key. Each page reads a view of its own.
  Result<std::vector<Record>> scan(const Scan& scan) const;

  /// How many records match; an empty filter counts all.
  Result<std::size_t> count(const FilterText& filter) const;

  /// The k nearest that match, nearest first, never fewer than k when k match.
  Result<Hits> search(const Query& query) const;

  /// search() for each row of `queries` with the rest of `query` (its leg names the vector), all in
  /// one view. `threads` 0: all of the machine. Only keys and distances come back.
  Result<BatchHits> search_batch(MatrixView queries, const Query& query, std::size_t threads) const;

  /// Returns when all that was committed before the call is in the index, an image of it is on disk
  /// and everything is synced.
  Status flush();

  Result<CollectionStats> stats() const;

  /// A handle that stays at the state of this moment: all that is read through it, page after page,
  /// is of that one state, whatever is written, compacted or refreshed meanwhile. Writes through it
  /// are refused (kReadOnly); kNotFound once the collection was dropped. Let go of it soon: until
  /// then slots and space that were freed since are not used again, in memory and on the disk.
  /// After StoreOptions::pinned_seconds_max the store may take it back: calls are kSnapshotExpired
  /// then.
  Result<Collection> pinned() const;

 private:
  Collection(std::shared_ptr<Impl> impl, std::shared_ptr<PinnedView> pinned) noexcept
      : impl_(std::move(impl)), pinned_(std::move(pinned)) {}
  /// What one call reads.
  Result<View> pin() const;
  Status check_writable() const;

  std::shared_ptr<Impl> impl_;
  std::shared_ptr<PinnedView> pinned_;  ///< Null: each call pins the newest state.
};

}  // namespace anear
