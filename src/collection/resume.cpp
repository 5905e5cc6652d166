// How a store that has stopped after a failure of the disk takes writes again, without being
// closed: what an opening does, beside the state that answers, and then in its place.
//
//   hold everything still → abandon the bytes → open them anew → compare with what was acknowledged
//                         → read each collection anew → put all in place in one step
//
// Invariants: (1) Before the last step nothing can be seen, so a failure leaves a store that reads
// and has stopped, as before, and that can be tried again. (2) What was published is there, or the
// store stays as it is: only an opening gives up commits. (3) A view keeps the bytes it was pinned
// with.
//
// Threads: one at a time (StoreRuntime::refreshing), beside any number of readers. What changes
// bytes or indexes is held off by its own locks, taken in their order (store_runtime.hpp).
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collection/caught.hpp"
#include "collection/commit_queue.hpp"
#include "collection/erase.hpp"
#include "collection/images.hpp"
#include "collection/indexer.hpp"
#include "collection/recovery.hpp"
#include "collection/store_impl.hpp"
#include "collection/store_opening.hpp"

namespace anear {
namespace {

using Clock = std::chrono::steady_clock;

/// Not for as long as the indexer or an erase may take: whoever writes waits for this.
bool lock_within(std::unique_lock<std::mutex>& lock, Clock::time_point deadline) {
  while (!lock.try_lock()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Error busy(const std::string& with) {
  return Error{ErrorCode::kReadOnly,
               "writes stay stopped while " + with + " is under way; try again"};
}

}  // namespace

/// A state that was read and is not yet visible.
struct Store::Impl::Reopened {
  std::shared_ptr<storage::ByteStore> bytes;
  Sequence sequence = 0;
  storage::StoreMeta meta;
  std::vector<std::shared_ptr<Collection::Impl>> collections;
};

Status Store::resume() {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  if (runtime.options.read_only) return runtime.check_writable();
  if (runtime.is_in_memory()) return runtime.pinned_bytes()->check_writable();
  return impl_->resume();
}

Status Store::Impl::resume() {
  constexpr std::chrono::seconds kPatience{1};
  const Clock::time_point deadline = Clock::now() + kPatience;
  const std::lock_guard one(runtime->refreshing);
  if (runtime->pinned_bytes()->check_writable()) return {};
  std::unique_lock erasing(runtime->erasing, std::defer_lock);
  if (!lock_within(erasing, deadline)) return busy("an erase");
  const auto held = all_collections();
  std::vector<std::unique_lock<std::mutex>> still;
  for (const auto& collection : held) {
    still.emplace_back(collection->indexing, std::defer_lock);
    if (!lock_within(still.back(), deadline)) return busy("indexing or verify()");
  }
  const std::lock_guard names(mutex);
  const auto paused = runtime->commits->pause();
  {
    const std::lock_guard hold(runtime->removing);
    if (runtime->removal_holds != 0) return busy("a backup");
  }
  runtime->bytes->abandon();
  Reopened reopened;
  if (Status opened = open_anew(reopened); !opened) {
    if (reopened.bytes != nullptr) (void)reopened.bytes->close();
    Error error = std::move(opened).error();
    error.message += "; writes stay stopped";
    return error;
  }
  put_in_place(reopened);
  return {};
}

Status Store::Impl::open_anew(Reopened& reopened) {
  auto opened = reopen_to_write(*runtime);
  if (!opened) return std::move(opened).error();
  reopened.bytes = std::move(opened->bytes);
  reopened.sequence = opened->sequence;
  reopened.meta = opened->meta;
  const auto manifests = read_manifests(*reopened.bytes);
  if (!manifests) return manifests.error();
  const auto erasures = unfinished_erasures(*reopened.bytes, reopened.sequence);
  if (!erasures) return erasures.error();
  for (const storage::CollectionManifest& manifest : *manifests) {
    auto collection = open_collection(runtime, *reopened.bytes, manifest);
    if (!collection) return std::move(collection).error();
    for (const UnfinishedErase& erase : *erasures) {
      if (erase.collection == manifest.number) (*collection)->erasing = erase.mark.sequence;
    }
    reopened.collections.push_back(std::move(*collection));
  }
  return {};
}

/// The lists of collections, `erasing`, each CollectionState::indexing are held, commits are
/// paused.
void Store::Impl::put_in_place(Reopened& reopened) {
  runtime->filters.touch_all(reopened.sequence);  // Before a view of it can exist.
  storage::SnapshotPointer snapshot = reopened.bytes->snapshot();
  // What allocates comes first: all of it is seen, or nothing.
  std::map<std::uint32_t, std::shared_ptr<Collection::Impl>> gone;
  for (const auto& [name, collection] : collections) gone.emplace(collection->number, collection);
  FileNames named;
  decltype(collections) now;
  for (const auto& fresh : reopened.collections) {
    named.merge(names_of(fresh->manifest.images));
    auto known = gone.extract(fresh->number);
    now.emplace(fresh->name, known.empty() ? fresh : known.mapped());
  }
  // The indexer has to know those that nobody knew, and to leave them alone until they are there.
  std::vector<std::unique_lock<std::mutex>> still;
  for (const auto& fresh : reopened.collections) {
    if (now.find(fresh->name)->second != fresh) continue;
    still.emplace_back(fresh->indexing);
    runtime->indexer->add(fresh);
  }
  {
    const std::lock_guard hold(runtime->versions);
    for (const auto& [name, stays] : now) {
      if (stays->current != nullptr) stays->older.push_back(stays->current);
    }
    // What is replaced is freed when the locks are.
    runtime->bytes.swap(reopened.bytes);
    runtime->snapshot.swap(snapshot);
    runtime->last_sequence = reopened.sequence;
    runtime->commits->restart(reopened.sequence);
    meta = reopened.meta;
    for (auto& fresh : reopened.collections) {
      Collection::Impl& stays = *now.find(fresh->name)->second;
      if (&stays != fresh.get()) begin_anew(stays, std::move(*fresh));
    }
    for (const auto& [number, collection] : gone) {
      collection->dropped = true;
      collection->tail_shrank.notify_all();
    }
    collections.swap(now);
  }
  // The state is there; what this cannot do for want of memory waits for the next write or opening.
  (void)caught([&] {
    for (const auto& [number, collection] : gone) {
      runtime->indexer->remove(*collection);
      runtime->filters.forget(number);
    }
    for (const auto& [name, collection] : collections) runtime->indexer->add(collection);
    remove_unnamed_files(*runtime, named);
  });
}

}  // namespace anear
