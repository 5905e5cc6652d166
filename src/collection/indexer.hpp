// Moves tails into indexes, keeps indexes calibrated and images fresh: in one background thread a
// store, or within each write (StoreOptions::index_inline).
//
//   one round of a collection: move the tail → mark dead slots → rebuild outgrown indexes →
//   calibrate → images when due
//
// A second thread syncs twice a second what was written meanwhile: of a buffered store its commits
// and the mark, of a durable one the mark alone (not where indexing is inline).
//
// Writers wait when a tail is longer than StoreOptions::tail_records_max.
//
// Threads: every function may be called from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

class Indexer {
 public:
  explicit Indexer(StoreRuntime& runtime);
  ~Indexer();
  Indexer(const Indexer&) = delete;
  Indexer& operator=(const Indexer&) = delete;

  /// Starts the threads that the store's options ask for, and one for erasures that were left. Not
  /// for a store that is read-only.
  void start();
  /// Stops them; what is in the tails stays there.
  void stop();

  void add(const std::shared_ptr<CollectionState>& collection);
  void remove(const CollectionState& collection);
  /// Null: it was removed, or never added.
  std::shared_ptr<CollectionState> find(std::uint32_t number);
  /// What new images of one collection take, with the files of its rows, about: the most of all.
  std::uint64_t largest_image_bytes();
  /// Of all collections.
  MemoryUse memory_use();
  /// Indexes that hold deleted rows are built anew, soon, or at once if indexing is inline. Whether
  /// something was done at once. No lock is held.
  bool give_memory_back();

  /// The collection has something in its tail, or dead slots: called after a commit, by the writer,
  /// who waits here while the tail is too long.
  Status wrote(CollectionState& collection);

  /// Indexes all that was committed before the call and writes images of it.
  Status flush(CollectionState& collection);

  /// Builds the indexes that hold rows of dead slots anew, without them, and writes images of what
  /// was committed before the call, whatever is due: the files of before go. Calls `progress` now
  /// and then; kCancelled when it says so, kClosed when the indexer is stopped. How many indexes
  /// were built.
  Result<std::size_t> rewrite(CollectionState& collection, const ProgressCallback& progress);

  /// Takes dead slots that no view can name any more out of the indexes. `indexing`, or
  /// `refreshing`, is held.
  void mark_dead(CollectionState& collection);

 private:
  enum class Images : std::uint8_t { kWhenDue, kNow };
  /// A collection whose writers wait for the tail while an index is built.
  struct Waiting {
    Indexer* indexer;
    CollectionState* collection;
    ProgressCallback asked{};  ///< Of whom the index is built for.
    Status status{};

    static bool keep_tail_short(void* context, std::size_t done, std::size_t total);
  };

  void run();
  void wait_for_memory();  ///< A while; writers go on meanwhile.
  void note_unsynced();    ///< Wakes the syncer if it waits.
  void sync_regularly();
  Status sync_written();
  void erase_what_is_left();
  std::vector<std::shared_ptr<CollectionState>> take_dirty();
  std::vector<std::shared_ptr<CollectionState>> all_collections();
  void set_dirty(const CollectionState& collection);  ///< Wakes the worker if it waits.
  Status index(CollectionState& collection, Images images);
  Status take_steps(CollectionState& collection, Images images);
  /// Moves what the tails hold now, but at most `rows_max` rows of each.
  Status move_tails(CollectionState& collection, std::size_t rows_max = SIZE_MAX);
  Status rebuild(CollectionState& collection);
  Status build_anew(CollectionState& collection, std::size_t v, const SlotSet& without,
                    Waiting& waiting);
  Result<std::size_t> rebuild_without_dead(CollectionState& collection,
                                           const ProgressCallback& progress);
  Status calibrate(CollectionState& collection);
  void make_room(CollectionState& collection, Images images);
  Status renew_images(CollectionState& collection, Images images);

  StoreRuntime& runtime_;
  std::mutex mutex_;
  std::condition_variable woken_;  ///< The worker has something to do.
  std::condition_variable wrote_;  ///< The syncer has something to do.
  std::condition_variable ended_;  ///< All threads are to stop.
  bool idle_ = false;              ///< The worker waits for `woken_`. Under `mutex_`.
  std::unordered_map<const CollectionState*, std::weak_ptr<CollectionState>> collections_;
  std::vector<const CollectionState*> dirty_;  ///< Each once. Under `mutex_`.
  std::atomic<bool> stopping_{false};
  std::atomic<bool> unsynced_{false};  ///< Something was written since the syncer's last round.
  std::thread worker_;
  std::thread syncer_;
  std::thread eraser_;  ///< Finishes what the process before left.
};

}  // namespace anear
