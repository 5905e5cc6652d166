// How a read-only store follows its writer: the newest state is opened beside the one that answers,
// and takes its place in one step.
//
//   reopen the bytes → read what is new of each collection → publish bytes and versions together
//
// Invariants: (1) A view keeps the bytes it was pinned with: what is read through it is of one
// state. (2) The sequence never goes back. (3) A refresh that fails changes nothing that is seen.
//
// Threads: one refresh at a time (StoreRuntime::refreshing), beside any number of readers.
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "collection/caught.hpp"
#include "collection/images.hpp"
#include "collection/indexer.hpp"
#include "collection/recovery.hpp"
#include "collection/store_impl.hpp"
#include "collection/store_opening.hpp"

namespace anear {

/// A state that was read and is not yet visible.
struct Store::Impl::Newer {
  struct Changed {
    std::shared_ptr<Collection::Impl> collection;
    OpenedCollection found;
  };
  ReopenedBytes reopened;
  std::set<std::uint32_t> numbers;  ///< Of all collections.
  std::vector<Changed> changed;
  std::vector<std::shared_ptr<Collection::Impl>> added;
};

Result<Sequence> Store::refresh() {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  if (runtime.options.read_only && !runtime.is_in_memory()) {
    const std::lock_guard one(runtime.refreshing);
    if (Status done = impl_->refresh(); !done) return std::move(done).error();
  }
  const std::lock_guard hold(runtime.versions);
  return runtime.last_sequence;
}

Status Store::Impl::check_same_store() const {
  const std::string path = storage::path_in(runtime->path, storage::kIdentityFile);
  const auto same = storage::leads_to(*runtime->files, path, *runtime->identity_file);
  if (!same) return same.error();
  if (*same) return {};
  return Error{ErrorCode::kLostWrites,
               "store '" + runtime->path +
                   "': another stands there than this reader opened: it was put back, recovered "
                   "or replaced. Open it again"};
}

Status Store::Impl::refresh() {
  constexpr int kAttemptsMax = 8;
  for (int attempt = 1;; ++attempt) {
    Status done = go_on();
    if (done) return done;
    Error error = std::move(done).error();
    if (error.code == ErrorCode::kSnapshotExpired && attempt < kAttemptsMax) continue;
    const std::lock_guard hold(runtime->versions);
    error.message += "; the reader stays at sequence " + std::to_string(runtime->last_sequence);
    return error;
  }
}

Status Store::Impl::go_on() {
  if (Status same = check_same_store(); !same) return same;
  if (!runtime->bytes->is_outdated()) return {};
  Newer newer;
  auto reopened = reopen_bytes(*runtime);
  if (!reopened) return std::move(reopened).error();
  newer.reopened = std::move(*reopened);
  Sequence seen = 0;
  {
    const std::lock_guard hold(runtime->versions);
    seen = runtime->last_sequence;
  }
  if (newer.reopened.sequence < seen) {
    return Error{
        ErrorCode::kLostWrites,
        "store '" + runtime->path + "': commits " + std::to_string(newer.reopened.sequence + 1) +
            " to " + std::to_string(seen) +
            ", which this reader has seen, are not there any more: the store was put back"};
  }
  if (Status read = read_newer(newer); !read) return read;
  // Again: what was read stood there all the while.
  if (Status same = check_same_store(); !same) return same;
  publish(newer);
  return {};
}

Status Store::Impl::read_newer(Newer& newer) {
  std::map<std::uint32_t, std::shared_ptr<Collection::Impl>> held;
  for (auto& collection : all_collections()) held.emplace(collection->number, collection);
  const storage::ByteStore& bytes = *newer.reopened.bytes;
  const auto manifests = read_manifests(bytes);
  if (!manifests) return manifests.error();
  for (const storage::CollectionManifest& manifest : *manifests) {
    newer.numbers.insert(manifest.number);
    const auto known = held.find(manifest.number);
    if (known == held.end()) {
      auto added = open_collection(runtime, bytes, manifest);
      if (!added) return std::move(added).error();
      newer.added.push_back(std::move(*added));
      continue;
    }
    auto found = follow_collection(*known->second, bytes, manifest);
    if (!found) return std::move(found).error();
    if (*found) newer.changed.push_back({known->second, std::move(**found)});
  }
  return {};
}

void Store::Impl::publish(Newer& newer) {
  // Before a view of it can exist.
  runtime->filters.touch_all(newer.reopened.sequence);
  storage::SnapshotPointer snapshot = newer.reopened.bytes->snapshot();
  std::vector<std::shared_ptr<Collection::Impl>> gone;
  {
    const std::lock_guard names(mutex);
    // What allocates comes first: all of it is seen, or nothing.
    auto now = collections;
    for (auto held = now.begin(); held != now.end();) {
      const bool stays = newer.numbers.contains(held->second->number);
      if (!stays) gone.push_back(held->second);
      held = stays ? std::next(held) : now.erase(held);
    }
    for (const auto& added : newer.added) now.emplace(added->name, added);
    const std::lock_guard hold(runtime->versions);
    for (Newer::Changed& changed : newer.changed)
      prepare_take_over(*changed.collection, changed.found);
    // What is replaced is freed when the locks are.
    runtime->bytes.swap(newer.reopened.bytes);
    runtime->snapshot.swap(snapshot);
    runtime->last_sequence = newer.reopened.sequence;
    for (Newer::Changed& changed : newer.changed)
      take_over(*changed.collection, std::move(changed.found));
    for (const auto& collection : gone) collection->dropped = true;
    collections.swap(now);
  }
  for (const auto& collection : gone) runtime->filters.forget(collection->number);
  for (const Newer::Changed& changed : newer.changed) {
    runtime->indexer->mark_dead(*changed.collection);
    changed.collection->image_bytes = bytes_of_images(*changed.collection);
  }
}

void Store::Impl::start_following() {
  follower_ = std::thread([this] { follow_regularly(); });
}

void Store::Impl::stop_following() {
  {
    const std::lock_guard hold(following_);  // It looks at `closed` or hears of it.
  }
  stop_asked_.notify_all();
  if (follower_.joinable()) follower_.join();
}

void Store::Impl::follow_regularly() {
  const std::chrono::milliseconds pause(runtime->options.follow_every_ms);
  std::string told;
  std::unique_lock lock(following_);
  while (!stop_asked_.wait_for(lock, pause, [&] { return runtime->closed.load(); })) {
    const std::lock_guard one(runtime->refreshing);
    const Status done = caught([&] { return refresh(); });
    if (done) {
      told.clear();
      continue;
    }
    // A writer that was too busy is met again soon.
    const Error& error = done.error();
    if (error.code == ErrorCode::kSnapshotExpired || error.message == told) continue;
    (void)caught([&] {
      told = error.message;
      runtime->log("following the writer: " + told);
    });
  }
}

}  // namespace anear
