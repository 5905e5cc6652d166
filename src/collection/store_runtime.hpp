// What all collections of an open store share, and what is known of one collection.
//
//   Store ──▶ StoreRuntime ◀── CollectionState ◀── Collection (handles)
//
// Threads: members say which lock or thread owns them. Locks are taken in this order: gate,
// `refreshing`, `erasing`, CollectionState::indexing, the store's list of collections, queue of
// commits, StoreRuntime::versions.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "anear/collection/options.hpp"
#include "anear/collection/store.hpp"
#include "anear/core/error.hpp"
#include "anear/filter/expression.hpp"
#include "anear/index/scratch.hpp"
#include "anear/storage/byte_store.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/manifest.hpp"
#include "anear/storage/store_directory.hpp"
#include "anear/storage/store_lock.hpp"
#include "anear/storage/write_account.hpp"
#include "collection/dead_slots.hpp"
#include "collection/filter_cache.hpp"
#include "collection/headroom.hpp"
#include "collection/key_table.hpp"
#include "collection/memory_budget.hpp"
#include "collection/pinned_views.hpp"
#include "collection/slot_supply.hpp"
#include "collection/version.hpp"

namespace anear {

class CommitQueue;
class Indexer;
class Scrubber;
struct StoreRuntime;

/// Reusable Scratch objects: a search borrows one. Threads: any.
class ScratchPool {
 public:
  std::unique_ptr<Scratch> take();
  void give_back(std::unique_ptr<Scratch> scratch);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_;
};

/// Has the mark name what the database's list of files durably holds.
class ListMarker final : public storage::FileListObserver {
 public:
  explicit ListMarker(StoreRuntime& runtime) : runtime_(runtime) {}
  void list_grew(const storage::FileListMark& durable) override;

 private:
  StoreRuntime& runtime_;
};

struct StoreRuntime {
  StoreRuntime();
  StoreRuntime(const StoreRuntime&) = delete;
  StoreRuntime& operator=(const StoreRuntime&) = delete;
  ~StoreRuntime();

  // Fixed once the store is open.
  std::string path;
  StoreOptions options;
  std::shared_ptr<storage::FileSystem> files;  ///< Null in memory.
  storage::StoreIdentity identity;
  std::optional<storage::StoreLock> lock;
  std::shared_ptr<storage::WriteAccount> written;  ///< Null in memory or read-only.
  /// Read-only: the store's identity as it was opened. Held open, so that no other file can have
  /// its inode.
  std::unique_ptr<storage::File> identity_file;
  storage::ProcessGuard process;
  RecoveryReport recovery;

  /// Held shared by every call, exclusively by close().
  std::shared_mutex gate;
  std::atomic<bool> closed{false};

  /// Held by a refresh of a store that is read-only.
  std::mutex refreshing;

  /// Held while records are erased, from the commit of that to its end.
  std::mutex erasing;

  std::mutex marking;
  std::optional<storage::HighWaterMark> mark;  ///< Under `marking`. None in memory or read-only.
  ListMarker list_marker{*this};

  PinnedViews pinned;
  FilterCache filters;
  ScratchPool scratches;

  /// Guards CollectionState::current and versions, `snapshot`, `last_sequence`, and `bytes`, which
  /// may be read under what else keeps resume() from replacing it: `erasing`,
  /// CollectionState::indexing, or the queue of commits.
  std::mutex versions;
  std::shared_ptr<storage::ByteStore>
      bytes;  ///< Null once it is closed. Replaced by refresh() and resume().
  storage::SnapshotPointer snapshot;  ///< Of the bytes as of `last_sequence`.
  Sequence last_sequence = 0;

  Headroom headroom{*this};
  MemoryBudget memory{*this};
  std::unique_ptr<CommitQueue> commits;
  std::unique_ptr<Indexer> indexer;
  std::unique_ptr<Scrubber> scrubber;

  /// Set while the store is open for writing: Store::resume().
  std::function<Status()> resume_writes;
  std::atomic<std::int64_t> resume_at_ms{0};  ///< Of the steady clock: not tried before.
  std::atomic<std::int64_t> resume_pause_ms{0};

  mutable std::mutex removing;
  std::size_t removal_holds = 0;               ///< Under `removing`.
  mutable std::vector<std::string> removable;  ///< Under `removing`: to be removed after the holds.

  bool is_in_memory() const noexcept { return files == nullptr; }
  /// How row files and images that are searched are opened.
  storage::ImageBytes image_bytes() const noexcept {
    return options.copy_files ? storage::ImageBytes::kCopied : storage::ImageBytes::kMapped;
  }
  /// Where files of a kind stand: storage::kImagesDirectory and others.
  std::string directory(const char* name) const { return storage::path_in(path, name); }
  /// Removes a file in the store's directory, or once no RemovalHold is left. What cannot be
  /// removed is told in the log and left to the next open.
  void remove_file(const std::string& file) const;
  /// What is read and written now; a refresh, or resume(), does not take it away.
  std::shared_ptr<storage::ByteStore> pinned_bytes();
  /// Where writes go; null where they are refused.
  std::shared_ptr<storage::ByteStore> writable_bytes();
  /// kReadOnly when it was opened so. Where writes stopped for want of space, tries first whether
  /// there is some again (`resume_writes`), not too often. See also StoreLock::check().
  Status check_writable();
  void log(const std::string& message) const;
  /// Names a synced sequence in the mark, if there is one.
  Status set_mark(Sequence synced);
  /// Makes the mark survive power loss. Beside set_mark(), which does not wait for it.
  Status sync_mark();
};

/// While one lives, StoreRuntime::remove_file() removes nothing: for who copies files that a
/// manifest named. Threads: any.
class RemovalHold {
 public:
  explicit RemovalHold(StoreRuntime& runtime);
  RemovalHold(const RemovalHold&) = delete;
  RemovalHold& operator=(const RemovalHold&) = delete;
  ~RemovalHold();

 private:
  StoreRuntime& runtime_;
};

/// Held for the length of one call: the store stays open.
class CallGuard {
 public:
  /// kClosed or kForked.
  static Result<CallGuard> enter(StoreRuntime& runtime);

 private:
  explicit CallGuard(StoreRuntime& runtime) : held_(runtime.gate) {}
  std::shared_lock<std::shared_mutex> held_;
};

/// A slot that is dead since a commit and still in the indexes.
struct DeadSlot {
  Slot slot = 0;
  Sequence since = 0;
};

/// Row files by name.
using MappedFiles = std::map<std::string, storage::Image>;

struct CollectionState {
  CollectionState(std::shared_ptr<StoreRuntime> of, storage::CollectionManifest described,
                  CollectionSchema checked);

  const std::shared_ptr<StoreRuntime> runtime;
  const std::uint32_t number;
  const std::string name;
  const CollectionSchema schema;
  const FieldTypes types;

  std::atomic<bool> dropped{false};
  SlotSupply slots;  ///< Taken, or given back unused, by the commit leader; else under `indexing`.
  /// The commit leader's: where keys of new slots are put, and the segment each vector's tail grows
  /// in.
  std::shared_ptr<KeyTable> keys = std::make_shared<KeyTable>();
  std::vector<std::shared_ptr<TailSegment>> growing;

  // Under StoreRuntime::versions.
  std::shared_ptr<const CollectionVersion> current;
  std::deque<std::weak_ptr<const CollectionVersion>> older;  ///< May still be read.
  std::deque<DeadSlot> dead;
  bool degraded = false;
  std::string degraded_reason;
  std::condition_variable tail_shrank;

  // Under StoreRuntime::refreshing, of a store that is read-only: what the next refresh keeps.
  std::uint64_t last_change = 0;  ///< Checksum of the last commit's changes; 0: not known.
  MappedFiles row_files;

  // Under `indexing`: held while the indexes or images change. Read-only: under `refreshing`.
  std::mutex indexing;
  storage::CollectionManifest manifest;
  std::uint64_t next_file = 0;  ///< Never given out twice, also where nothing names the file.
  std::uint64_t changed_since_image = 0;  ///< Rows indexed or deleted since the images.
  std::vector<std::weak_ptr<const AnyIndex>>
      row_files_of;  ///< Whose rows the manifest's files hold.
  DeadSlots dead_slots;

  std::atomic<Sequence> erasing{0};       ///< The commit of an erase that is not finished.
  std::atomic<std::uint64_t> logged{0};   ///< Changes of records since the images.
  std::atomic<std::uint64_t> removed{0};  ///< Records, since the last reclaim_removed().
  std::atomic<std::uint64_t> stalls{0};
  std::atomic<std::int64_t> searched_ms{0};  ///< Of the steady clock: the last search, about.
  std::atomic<std::uint64_t> image_bytes{0};
  std::atomic<std::uint64_t> index_bytes{0};  ///< Of the indexes in memory, about: of new images.
  std::atomic<Sequence> image_sequence{0};

  /// The newest state, pinned in one step.
  View pin() const;
  /// kNotFound once it was dropped.
  Status check_exists() const;

  /// A search begins: until a second after the last one, tails are kept short.
  void note_search() noexcept;
  bool is_searched() const noexcept;
  /// Rows of a tail past which writers wait now: StoreOptions::tail_records_max, and a part of it
  /// while somebody pays for the scan.
  std::size_t tail_rows_max() const noexcept;
};

/// A changed copy of the current version of `state`, which is about to be put in its place.
/// StoreRuntime::versions is held.
template <typename Change>
std::shared_ptr<const CollectionVersion> make_next_version(CollectionState& state,
                                                           Change&& change) {
  auto next = std::make_shared<CollectionVersion>(*state.current);
  change(*next);
  state.older.push_back(state.current);
  return next;
}

/// Publishes such a copy. StoreRuntime::versions is held.
template <typename Change>
void publish_version(CollectionState& state, Change&& change) {
  state.current = make_next_version(state, std::forward<Change>(change));
}

/// What handles point to.
struct Collection::Impl : CollectionState {
  using CollectionState::CollectionState;
};

}  // namespace anear
