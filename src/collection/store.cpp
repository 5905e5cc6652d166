// Opening, creating and closing a store, and its list of collections.
#include "anear/collection/store.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "anear/simd/isa.hpp"
#include "collection/backup.hpp"
#include "collection/caught.hpp"
#include "collection/commit_queue.hpp"
#include "collection/erase.hpp"
#include "collection/images.hpp"
#include "collection/indexer.hpp"
#include "collection/recovery.hpp"
#include "collection/repair.hpp"
#include "collection/salvage.hpp"
#include "collection/schema.hpp"
#include "collection/scrub.hpp"
#include "collection/store_impl.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_opening.hpp"
#include "collection/verify.hpp"

namespace anear {

using storage::Family;

namespace {

constexpr std::uint64_t kManifestBytesAbout = 4'096;

}  // namespace

Result<Store> Store::open(const std::string& path, const StoreOptions& options) {
  constexpr int kAttemptsMax = 8;
  if (Status able = check_processor(); !able) return std::move(able).error();
  if (Status bound = check_memory_bytes_max(options); !bound) return std::move(bound).error();
  for (int attempt = 1;; ++attempt) {
    auto impl = std::make_shared<Impl>();
    impl->runtime = std::make_shared<StoreRuntime>();
    StoreRuntime& runtime = *impl->runtime;
    runtime.path = path;
    runtime.options = options;
    runtime.filters.set_bytes_max(filter_cache_bytes(options));
    Status opened = impl->open();
    if (opened) return Store(std::move(impl));
    const bool expired = opened.error().code == ErrorCode::kSnapshotExpired;
    if (!expired || attempt == kAttemptsMax) return std::move(opened).error();
  }
}

Result<SalvageReport> Store::recover(const std::string& path, const StoreOptions& options) {
  if (options.in_memory || options.read_only)
    return invalid_argument("recover() is for a store on disk, which it has to write");
  if (Status bound = check_memory_bytes_max(options); !bound) return std::move(bound).error();
  StoreRuntime runtime;
  runtime.path = path;
  runtime.options = options;
  runtime.options.create_if_missing = false;
  return salvage(runtime);
}

namespace {

/// Looks at everything; nothing is written.
Status look_at(const std::string& path, StoreOptions options) {
  options.read_only = true;
  const auto store = Store::open(path, options);
  if (!store) return store.error();
  const auto verified = store->verify();
  return verified ? Status{} : Status(verified.error());
}

/// Builds indexes again that opening cannot use.
Status build_again(const std::string& path, const StoreOptions& options, RepairReport& report) {
  auto store = Store::open(path, options);
  if (!store) return std::move(store).error();
  const auto names = store->collections();
  if (!names) return names.error();
  std::uint64_t degraded = 0;
  for (const std::string& name : *names) {
    const auto stats = store->collection(name)->stats();
    if (!stats) return stats.error();
    degraded += stats->degraded ? 1 : 0;
  }
  report.indexes = std::max(report.indexes, degraded);
  if (degraded != 0) {
    if (Status flushed = store->flush(); !flushed) return flushed;
  }
  return store->close();
}

}  // namespace

Result<RepairReport> Store::repair(const std::string& path, const StoreOptions& options) {
  if (options.in_memory || options.read_only)
    return invalid_argument("repair() is for a store on disk, which it has to write");
  StoreOptions inside = options;
  inside.create_if_missing = false;
  inside.durability = Durability::kDurable;
  inside.index_inline = true;
  RepairReport report;
  const Status healthy = look_at(path, inside);
  if (!healthy) {
    // A file that is missing looks as if a writer had replaced it.
    const ErrorCode code = healthy.error().code;
    if (code != ErrorCode::kCorruption && code != ErrorCode::kSnapshotExpired)
      return healthy.error();
    StoreRuntime runtime;
    runtime.path = path;
    runtime.options = inside;
    if (Status repaired = repair_records(runtime, report); !repaired)
      return std::move(repaired).error();
  }
  if (Status built = build_again(path, inside, report); !built) return std::move(built).error();
  if (healthy && !report.changed()) return report;
  if (Status looked = look_at(path, inside); !looked) return std::move(looked).error();
  return report;
}

Status Store::Impl::open() {
  if (Status opened = open_bytes(*runtime, meta); !opened) return opened;
  runtime->snapshot = runtime->bytes->snapshot();
  runtime->commits = std::make_unique<CommitQueue>(*runtime);
  runtime->indexer = std::make_unique<Indexer>(*runtime);
  runtime->scrubber = std::make_unique<Scrubber>(*runtime);
  if (Status loaded = load_collections(); !loaded) return loaded;
  if (!runtime->options.read_only) {
    runtime->resume_writes = [this] { return resume(); };
    if (runtime->written) runtime->written->hold_to(runtime->options.background_bytes_per_second);
    runtime->indexer->start();
  } else if (runtime->options.follow_every_ms != 0 && !runtime->is_in_memory()) {
    start_following();
  }
  runtime->scrubber->start();
  return {};
}

Status Store::Impl::load_collections() {
  const auto manifests = read_manifests(*runtime->bytes);
  if (!manifests) return manifests.error();
  const auto erasures = unfinished_erasures(*runtime->bytes, runtime->last_sequence);
  if (!erasures) return erasures.error();
  runtime->recovery.unfinished_erasures = erasures->size();
  FileNames named;
  std::uint64_t largest_images = 0;
  for (const storage::CollectionManifest& manifest : *manifests) {
    auto collection = open_collection(runtime, *runtime->bytes, manifest);
    if (!collection) return std::move(collection).error();
    named.merge(names_of(manifest.images));
    for (const UnfinishedErase& erase : *erasures) {
      if (erase.collection == manifest.number) (*collection)->erasing = erase.mark.sequence;
    }
    runtime->recovery.tail_records += (*collection)->current->tail_rows();
    largest_images = std::max(largest_images, (*collection)->image_bytes.load());
    if (!runtime->options.read_only) runtime->indexer->add(*collection);
    collections.emplace(manifest.name, std::move(*collection));
  }
  if (runtime->options.read_only) runtime->headroom.set_largest_images(largest_images);
  if (!runtime->options.read_only && !runtime->is_in_memory())
    remove_unnamed_files(*runtime, named);
  return {};
}

std::vector<std::shared_ptr<Collection::Impl>> Store::Impl::all_collections() const {
  const std::lock_guard hold(mutex);
  std::vector<std::shared_ptr<Collection::Impl>> all;
  all.reserve(collections.size());
  for (const auto& [name, collection] : collections) all.push_back(collection);
  return all;
}

Result<Collection> Store::create_collection(const std::string& name,
                                            const CollectionSchema& schema) {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  if (Status writable = runtime.check_writable(); !writable) return std::move(writable).error();
  if (Status checked = check_name(name, "collection"); !checked) return std::move(checked).error();
  if (Status checked = check_schema(schema); !checked) return std::move(checked).error();
  if (Status room = runtime.headroom.admit(kManifestBytesAbout); !room)
    return std::move(room).error();
  const auto admitted = runtime.memory.admit(schema, 1, kManifestBytesAbout);
  if (!admitted) return admitted.error();

  const std::lock_guard hold(impl_->mutex);
  if (impl_->collections.contains(name)) {
    return Error{ErrorCode::kAlreadyExists, "the store already has a collection '" + name +
                                                "'; open it, or choose another name"};
  }
  storage::StoreMeta meta = impl_->meta;
  storage::CollectionManifest manifest;
  manifest.number = meta.next_collection++;
  manifest.name = name;
  manifest.created = storage::micros_now();
  put_schema(schema, manifest);
  auto settled = schema_of(manifest);
  if (!settled) return std::move(settled).error();
  auto collection =
      std::make_shared<Collection::Impl>(impl_->runtime, manifest, std::move(*settled));
  if (Status started = start_empty(*collection); !started) return std::move(started).error();

  storage::WriteBatch batch;
  batch.put(Family::kMeta, keys::kStore, storage::encode_store_meta(meta));
  batch.put(Family::kMeta, keys::manifest(manifest.number), storage::encode_manifest(manifest));
  // What allocates comes first, so that what is committed is known here.
  const auto place = impl_->collections.emplace(name, collection).first;
  Status written = caught([&] {
    runtime.indexer->add(collection);
    return runtime.commits->commit_meta(std::move(batch));
  });
  if (!written) {
    runtime.indexer->remove(*collection);
    impl_->collections.erase(place);
    return std::move(written).error();
  }
  impl_->meta = meta;
  return Collection(std::move(collection));
}

Result<Collection> Store::collection(std::string_view name) const {
  const auto guard = CallGuard::enter(*impl_->runtime);
  if (!guard) return guard.error();
  const std::lock_guard hold(impl_->mutex);
  const auto found = impl_->collections.find(name);
  if (found != impl_->collections.end()) return Collection(found->second);
  const std::string known = listed(impl_->collections, [](const auto& each) { return each.first; });
  return Error{ErrorCode::kNotFound,
               "there is no collection '" + std::string(name) + "'; " +
                   (known.empty() ? "the store has none" : "there are " + known)};
}

Result<std::vector<std::string>> Store::collections() const {
  const auto guard = CallGuard::enter(*impl_->runtime);
  if (!guard) return guard.error();
  const std::lock_guard hold(impl_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, held] : impl_->collections) names.push_back(name);
  return names;
}

Status Store::drop_collection(std::string_view name) {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  if (Status writable = runtime.check_writable(); !writable) return writable;
  std::shared_ptr<Collection::Impl> collection;
  {
    const std::lock_guard hold(impl_->mutex);
    const auto found = impl_->collections.find(name);
    if (found == impl_->collections.end())
      return Error{ErrorCode::kNotFound, "there is no collection '" + std::string(name) + "'"};
    collection = found->second;
  }
  // From here on commits and images of it are refused; the ones in progress come first. Of two
  // drops at once one finds it gone.
  if (collection->dropped.exchange(true)) return collection->check_exists();
  const std::lock_guard indexing(collection->indexing);
  Status written = caught([&] {
    storage::WriteBatch batch;
    batch.remove(Family::kMeta, keys::manifest(collection->number));
    for (const Family family :
         {Family::kKeys, Family::kRecords, Family::kRows, Family::kFields, Family::kChanges}) {
      storage::KeyRange range = keys::all_of(family, collection->number);
      batch.remove_range(family, std::move(range.begin), std::move(range.end));
    }
    return runtime.commits->commit_meta(std::move(batch));
  });
  if (!written) {
    collection->dropped = false;
    return written;
  }
  {
    const std::lock_guard hold(impl_->mutex);
    impl_->collections.erase(impl_->collections.find(name));
  }
  runtime.indexer->remove(*collection);
  {
    const std::lock_guard hold(runtime.versions);
    collection->tail_shrank.notify_all();
  }
  // It is dropped; files that stay for want of memory go at the next opening.
  (void)caught([&] {
    runtime.filters.forget(collection->number);
    settle_images(*collection, names_of(collection->manifest.images));
  });
  return {};
}

Status Store::flush() {
  std::vector<std::shared_ptr<Collection::Impl>> all;
  {
    const auto guard = CallGuard::enter(*impl_->runtime);
    if (!guard) return guard.error();
    all = impl_->all_collections();
  }
  for (auto& collection : all) {
    Status flushed = Collection(std::move(collection)).flush();
    if (!flushed && flushed.error().code != ErrorCode::kNotFound) return flushed;
  }
  return {};
}

Result<VerifyReport> Store::verify(const VerifyOptions& options) const {
  const auto guard = CallGuard::enter(*impl_->runtime);
  if (!guard) return guard.error();
  return verify_store(*impl_->runtime, impl_->all_collections(), options);
}

Result<ScrubStats> Store::scrub_stats() const {
  const auto guard = CallGuard::enter(*impl_->runtime);
  if (!guard) return guard.error();
  return impl_->runtime->scrubber->stats();
}

Result<BackupReport> Store::backup(const std::string& directory,
                                   const BackupOptions& options) const {
  const auto guard = CallGuard::enter(*impl_->runtime);
  if (!guard) return guard.error();
  return take_backup(*impl_->runtime, directory, options);
}

Result<StoreState> Store::state() const {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  const Headroom::Look seen = runtime.headroom.look();
  MemoryUse use;
  for (const auto& collection : impl_->all_collections()) use.add(*collection->pin());
  const Status fits = runtime.memory.look();
  StoreState state{.free_bytes = seen.free_bytes,
                   .reserved_bytes = seen.reserved_bytes,
                   .memory_bytes = runtime.memory.bytes_in_use(use)};
  if (runtime.written) state.written = runtime.written->written();
  const auto refuse = [&](WriteState writes, const Status& why) {
    state.writes = writes;
    state.reason = why.error().message;
  };
  if (runtime.options.read_only)
    refuse(WriteState::kReadOnly, runtime.check_writable());
  else if (Status ours = runtime.lock ? runtime.lock->check(*runtime.files) : Status{}; !ours)
    refuse(WriteState::kStopped, ours);
  else if (Status healthy = runtime.pinned_bytes()->check_writable(); !healthy)
    refuse(WriteState::kStopped, healthy);
  else if (!seen.admits)
    refuse(WriteState::kFull, seen.admits);
  else if (!fits)
    refuse(WriteState::kFull, fits);
  return state;
}

const RecoveryReport& Store::recovery() const noexcept { return impl_->runtime->recovery; }

const std::string& Store::path() const noexcept { return impl_->runtime->path; }

Status Store::close() { return impl_->close(); }

Status Store::Impl::close() {
  if (Status here = runtime->process.check(); !here) return here;
  if (runtime->closed.exchange(true)) return {};
  stop_following();
  runtime->scrubber->ask_to_stop();
  if (runtime->written) runtime->written->hold_to(0);
  const std::unique_lock gate(runtime->gate);  // Calls in progress come to their end.
  runtime->indexer->stop();
  runtime->scrubber->stop();
  Status status = runtime->bytes->close();
  {
    const std::lock_guard hold(runtime->marking);
    // Where writes had stopped, the mark must not name what was never synced.
    if (status && runtime->mark) {
      status = runtime->mark->write_clean(runtime->last_sequence, runtime->bytes->file_list());
    }
    runtime->mark.reset();
  }
  {
    const std::lock_guard hold(mutex);
    const std::lock_guard versions(runtime->versions);
    // Handles that are still held keep no memory of indexes.
    runtime->snapshot.reset();
    for (const auto& [name, collection] : collections) {
      collection->current.reset();
      collection->older.clear();
      collection->growing.clear();
    }
    collections.clear();
  }
  runtime->bytes.reset();
  runtime->lock.reset();
  return status;
}

Store::Store(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Store::Store(Store&&) noexcept = default;

Store& Store::operator=(Store&& other) noexcept {
  Store old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

Store::~Store() {
  if (impl_ == nullptr) return;
  if (impl_->runtime->process.in_forked_child()) {
    // The threads of the parent are not here, and its locks may be held for ever: leave all as it
    // is. The memory goes with the process.
    (void)new (std::nothrow) std::shared_ptr<Impl>(std::move(impl_));
    return;
  }
  (void)impl_->close();  // Who wants to know calls close().
}

}  // namespace anear
