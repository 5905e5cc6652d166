// The two main paths, upsert() and search(); the rest of a collection's calls below them.
#include "anear/collection/collection.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "anear/core/parallel.hpp"
#include "anear/index/any_index.hpp"  // IWYU pragma: keep (AnyIndex is only declared elsewhere)
#include "collection/caught.hpp"
#include "collection/commit_queue.hpp"
#include "collection/erase.hpp"
#include "collection/indexer.hpp"
#include "collection/planner.hpp"
#include "collection/prepare.hpp"
#include "collection/record_reader.hpp"
#include "collection/row_files.hpp"
#include "collection/scrub.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

using Clock = std::chrono::steady_clock;

double micros_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// The store is open, the collection exists, this is the process that opened it.
Result<CallGuard> enter(const CollectionState& collection) {
  auto guard = CallGuard::enter(*collection.runtime);
  if (!guard) return guard;
  if (Status exists = collection.check_exists(); !exists) return std::move(exists).error();
  return guard;
}

Result<Sequence> commit(CollectionState& collection, WriteRequest& request);
Result<Sequence> write_batch(CollectionState& collection, WriteRequest::Kind kind,
                             const RecordBatch& batch);
Result<EraseReceipt> erase(CollectionState& collection, WriteRequest& request,
                           const EraseOptions& options);

/// Rows [begin, end) of a search_batch().
struct BatchPart {
  const Query& query;
  MatrixView queries;
  std::size_t begin;
  std::size_t end;
};

/// One query vector against one view.
struct OneSearch {
  const CollectionState& collection;
  const View& view;
  const Plan& plan;
  const Query& query;
  VectorView vector;
};

/// Both halves of the collection, merged: what is indexed and what is not yet.
Result<std::vector<Neighbor>> nearest_in(const OneSearch& search, Scratch& scratch,
                                         SearchCost& cost);
Status search_rows(const CollectionState& collection, const View& view, const Plan& plan,
                   const BatchPart& part, BatchHits& hits);
Result<Hits> fetch(const OneSearch& search, const std::vector<Neighbor>& nearest);
float relevance_of(Metric metric, float distance);

/// Borrows a Scratch from the store.
class BorrowedScratch {
 public:
  explicit BorrowedScratch(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
  BorrowedScratch(const BorrowedScratch&) = delete;
  BorrowedScratch& operator=(const BorrowedScratch&) = delete;
  ~BorrowedScratch() { pool_.give_back(std::move(scratch_)); }
  Scratch& operator*() noexcept { return *scratch_; }

 private:
  ScratchPool& pool_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace

Result<Sequence> Collection::upsert(const RecordBatch& batch) {
  if (pinned_ != nullptr) return check_writable().error();
  return write_batch(*impl_, WriteRequest::Kind::kUpsert, batch);
}

Result<Sequence> Collection::update(const RecordBatch& batch) {
  if (pinned_ != nullptr) return check_writable().error();
  return write_batch(*impl_, WriteRequest::Kind::kUpdate, batch);
}

namespace {

Result<Sequence> write_batch(CollectionState& collection, WriteRequest::Kind kind,
                             const RecordBatch& batch) {
  const auto guard = enter(collection);
  if (!guard) return guard.error();
  if (Status writable = collection.runtime->check_writable(); !writable)
    return std::move(writable).error();
  WriteRequest request{.kind = kind, .collection = &collection};
  auto prepared = prepare(batch, collection.schema);  // 1. A bad record is refused untouched.
  if (!prepared) return std::move(prepared).error();
  request.batch = std::move(*prepared);
  if (Status room = collection.runtime->headroom.admit(request.batch.bytes); !room)
    return std::move(room).error();
  const auto admitted = collection.runtime->memory.admit(
      collection.schema, request.batch.records.size(), request.batch.bytes);
  if (!admitted) return admitted.error();
  return commit(collection, request);
}

Result<Sequence> commit(CollectionState& collection, WriteRequest& request) {
  StoreRuntime& runtime = *collection.runtime;
  constexpr std::size_t kRemovalBytesAbout = 256;
  if (request.removes())
    runtime.headroom.make_way(kRemovalBytesAbout * (1 + request.batch.records.size()));
  runtime.commits->submit(request);  // 2. A leader writes, syncs, marks, publishes, wakes us.
  if (!request.status) return std::move(request.status).error();
  // 3. The indexer takes it from here. What it cannot do is no failure of this write.
  const Status indexed = caught([&] { return runtime.indexer->wrote(collection); });
  if (!indexed) runtime.log(indexed.error().message);
  return request.sequence;
}

}  // namespace

Result<Hits> Collection::search(const Query& query) const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  const auto start = Clock::now();
  impl_->note_search();
  const auto pinned = pin();  // 1. One state for all that follows.
  if (!pinned) return pinned.error();
  const View& view = *pinned;

  const auto plan = plan_search(query, *impl_, view);  // 2. Filter to slots; scan or walk.
  if (!plan) return plan.error();
  const double filter_micros = micros_since(start);

  SearchCost cost;
  BorrowedScratch scratch(impl_->runtime->scratches);  // 3. Fresh records and indexed ones.
  const OneSearch search{*impl_, view, *plan, query, plan->query};
  const auto nearest = nearest_in(search, *scratch, cost);
  if (!nearest) return nearest.error();
  const double search_micros = micros_since(start) - filter_micros;

  auto hits = fetch(search, *nearest);  // 4. Fields of the winners only.
  if (!hits || !query.explain) return hits;
  const SearchedVector& vector = view->vectors[plan->vector];
  hits->explain = Explain{.plan = plan->name(*vector.index),
                          .live = view->live.count(),
                          .matches = plan->wanted(view).count(),
                          .tail = vector.tail.rows(),
                          .distances = cost.distances,
                          .hops = cost.hops,
                          .reranked = cost.reranked,
                          .filter_micros = filter_micros,
                          .search_micros = search_micros,
                          .fetch_micros = micros_since(start) - filter_micros - search_micros,
                          .sequence = view.sequence,
                          .indexed_sequence = view->indexed_sequence};
  return hits;
}

namespace {

Result<std::vector<Neighbor>> nearest_in(const OneSearch& search, Scratch& scratch,
                                         SearchCost& cost) {
  const auto& [collection, view, plan, query, vector] = search;
  const SearchedVector& searched = view->vectors[plan.vector];
  const SlotSet& slots = plan.wanted(view);
  const Wanted wanted(slots.words(), slots.count());
  const SearchOptions options{.k = query.k,
                              .recall = query.recall,
                              .effort = query.effort,
                              .wanted = &wanted,
                              .filtered = plan.matches.has_value()};
  auto indexed = plan.exact ? searched.index->nearest_of(vector, options, scratch, &cost)
                            : searched.index->search(vector, options, scratch, &cost);
  if (!indexed && indexed.error().code == ErrorCode::kCorruption)
    return of_rows(collection, plan.vector, std::move(indexed).error());
  if (!indexed || searched.tail.parts().empty()) return indexed;

  const std::vector<Neighbor> fresh = searched.tail.nearest(vector, options, scratch, &cost);
  std::vector<Neighbor> both(indexed->size() + fresh.size());
  std::merge(indexed->begin(), indexed->end(), fresh.begin(), fresh.end(), both.begin());
  // A slot that is just being moved stands in both, with one distance.
  const auto same = [](const Neighbor& a, const Neighbor& b) { return a.reference == b.reference; };
  both.erase(std::unique(both.begin(), both.end(), same), both.end());
  if (both.size() > query.k) both.resize(query.k);
  return both;
}

Result<Hits> fetch(const OneSearch& search, const std::vector<Neighbor>& nearest) {
  const CollectionState& collection = search.collection;
  Hits hits;
  hits.sequence = search.view.sequence;
  hits.hits.resize(nearest.size());
  const Metric metric = collection.schema.vectors[search.plan.vector].metric;
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    Hit& hit = hits.hits[i];
    hit.distance = nearest[i].distance;
    hit.score = -hit.distance;
    hit.relevance = relevance_of(metric, hit.distance);
    hit.leg_distances = {hit.distance};
    hit.record.key = search.view->key(nearest[i].reference);
  }
  const Parts& parts = search.query.parts;
  if (!parts.fields && !parts.payload && !parts.vectors) return hits;
  std::vector<Slot> slots;
  slots.reserve(nearest.size());
  for (const Neighbor& neighbor : nearest) slots.push_back(neighbor.reference);
  auto records = RecordReader(collection, search.view).records(slots, parts);
  if (!records) return std::move(records).error();
  for (std::size_t i = 0; i < nearest.size(); ++i) hits.hits[i].record = std::move((*records)[i]);
  return hits;
}

/// 1 for the same direction or place, falling towards 0: (1 + cos) / 2 · 1 / (1 + L2) · the
/// logistic function of an inner product.
float relevance_of(Metric metric, float distance) {
  switch (metric) {
    case Metric::kCosine:
      return std::clamp(1.0F - distance / 2.0F, 0.0F, 1.0F);
    case Metric::kL2:
      return 1.0F / (1.0F + std::sqrt(std::max(distance, 0.0F)));
    case Metric::kInnerProduct:
      return 1.0F / (1.0F + std::exp(distance));
  }
  return 0.0F;
}

}  // namespace

Result<BatchHits> Collection::search_batch(MatrixView queries, const Query& query,
                                           std::size_t threads) const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  impl_->note_search();
  const auto pinned = pin();
  if (!pinned) return pinned.error();
  const View& view = *pinned;
  if (query.legs.size() == 1 && !query.legs.front().key.empty())
    return invalid_argument("search_batch takes query vectors, not a key");
  const auto plan = plan_batch(query, *impl_, view);
  if (!plan) return plan.error();
  const VectorSchema& vector = impl_->schema.vectors[plan->vector];
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    if (Status status = check_query_vector(queries.row(i), vector.dimension, vector.metric);
        !status) {
      return at_query(std::move(status).error(), i);
    }
  }

  BatchHits hits{.k = query.k, .sequence = view.sequence};
  hits.keys.resize(queries.rows() * query.k);
  hits.distances.assign(queries.rows() * query.k, std::numeric_limits<float>::infinity());
  hits.found.resize(queries.rows());
  std::vector<Status> failures(thread_count(threads));
  parallel_for(
      queries.rows(), threads, 4, [&](std::size_t begin, std::size_t end, std::size_t thread) {
        failures[thread] = search_rows(*impl_, view, *plan, {query, queries, begin, end}, hits);
        return failures[thread].has_value();
      });
  for (Status& failure : failures) {
    if (!failure) return std::move(failure).error();
  }
  return hits;
}

namespace {

Status search_rows(const CollectionState& collection, const View& view, const Plan& plan,
                   const BatchPart& part, BatchHits& hits) {
  BorrowedScratch scratch(collection.runtime->scratches);
  SearchCost cost;
  for (std::size_t i = part.begin; i < part.end; ++i) {
    const auto nearest =
        nearest_in({collection, view, plan, part.query, part.queries.row(i)}, *scratch, cost);
    if (!nearest) return nearest.error();
    hits.found[i] = static_cast<std::uint32_t>(nearest->size());
    for (std::size_t j = 0; j < nearest->size(); ++j) {
      hits.keys[i * hits.k + j] = view->key((*nearest)[j].reference);
      hits.distances[i * hits.k + j] = (*nearest)[j].distance;
    }
  }
  return {};
}

}  // namespace

Result<std::size_t> Collection::delete_keys(std::span<const std::string_view> keys) {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  const auto unique = prepare_keys(keys);
  if (!unique) return unique.error();
  WriteRequest request{.kind = WriteRequest::Kind::kDelete, .collection = impl_.get()};
  for (const std::string_view key : *unique) request.batch.records.push_back({.key = key});
  if (const auto sequence = commit(*impl_, request); !sequence) return sequence.error();
  return request.affected;
}

namespace {

/// A filter that picks some of the records.
Result<BoundFilter> bind_some(const FilterText& filter, const CollectionState& collection) {
  auto bound = bind_filter(filter, collection);
  if (!bound || !bound->matches_all()) return bound;
  return invalid_argument(
      "this filter matches every record; to delete all of them, drop the collection");
}

}  // namespace

Result<std::size_t> Collection::delete_matching(const FilterText& filter) {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  const auto bound = bind_some(filter, *impl_);
  if (!bound) return bound.error();
  WriteRequest request{
      .kind = WriteRequest::Kind::kDeleteMatching, .collection = impl_.get(), .filter = &*bound};
  if (const auto sequence = commit(*impl_, request); !sequence) return sequence.error();
  return request.affected;
}

Result<EraseReceipt> Collection::erase_keys(std::span<const std::string_view> keys,
                                            const EraseOptions& options) {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  const auto unique = prepare_keys(keys);
  if (!unique) return unique.error();
  WriteRequest request{.kind = WriteRequest::Kind::kErase, .collection = impl_.get()};
  for (const std::string_view key : *unique) request.batch.records.push_back({.key = key});
  return erase(*impl_, request, options);
}

Result<EraseReceipt> Collection::erase_matching(const FilterText& filter,
                                                const EraseOptions& options) {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  if (Status writable = check_writable(); !writable) return std::move(writable).error();
  const auto bound = bind_some(filter, *impl_);
  if (!bound) return bound.error();
  WriteRequest request{
      .kind = WriteRequest::Kind::kErase, .collection = impl_.get(), .filter = &*bound};
  return erase(*impl_, request, options);
}

namespace {

Result<EraseReceipt> erase(CollectionState& collection, WriteRequest& request,
                           const EraseOptions& options) {
  StoreRuntime& runtime = *collection.runtime;
  const std::lock_guard one(runtime.erasing);
  if (const auto sequence = commit(collection, request); !sequence) return sequence.error();
  collection.erasing = request.sequence;
  const auto unfinished = unfinished_erasures(*runtime.bytes, request.sequence);
  if (!unfinished) return unfinished.error();
  for (const UnfinishedErase& each : *unfinished) {
    if (each.collection == collection.number)
      return finish_erase(runtime, &collection, each, options);
  }
  return Error{ErrorCode::kInternal, "the mark of an erase is not there"};
}

}  // namespace

Result<std::vector<std::optional<Record>>> Collection::get(std::span<const std::string_view> keys,
                                                           const Parts& parts) const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  const auto pinned = pin();
  if (!pinned) return pinned.error();
  const View& view = *pinned;
  const RecordReader reader(*impl_, view);
  const auto slots = reader.slots_of(keys);
  if (!slots) return slots.error();
  std::vector<Slot> present;
  for (const std::optional<Slot>& slot : *slots) {
    if (slot) present.push_back(*slot);
  }
  auto records = reader.records(present, parts);
  if (!records) return std::move(records).error();
  std::vector<std::optional<Record>> found(keys.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if ((*slots)[i]) found[i] = std::move((*records)[next++]);
  }
  return found;
}

Result<std::vector<Record>> Collection::scan(const Scan& scan) const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  const auto filter = bind_filter(scan.filter, *impl_);
  if (!filter) return filter.error();
  if (scan.limit == 0) return invalid_argument("the limit of a scan must be at least 1");
  const auto pinned = pin();
  if (!pinned) return pinned.error();
  const View& view = *pinned;
  const RecordReader reader(*impl_, view);
  const auto matching = reader.matching(*filter);
  if (!matching) return matching.error();

  storage::KeyRange range = keys::all_of(storage::Family::kKeys, impl_->number);
  if (!scan.after.empty()) range.begin = keys::key(impl_->number, scan.after) + '\0';
  std::vector<Slot> page;
  const auto entry = view.bytes->iterate(std::move(range), view.snapshot.get());
  for (; entry->valid() && page.size() < scan.limit; entry->next()) {
    const auto slot = keys::decode_slot(entry->value());
    if (!slot) return slot.error();
    if (matching->contains(*slot)) page.push_back(*slot);
  }
  if (Status status = entry->status(); !status) return std::move(status).error();
  return reader.records(page, scan.parts);
}

Result<std::size_t> Collection::count(const FilterText& filter) const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  const auto bound = bind_filter(filter, *impl_);
  if (!bound) return bound.error();
  const auto pinned = pin();
  if (!pinned) return pinned.error();
  const View& view = *pinned;
  if (bound->matches_all()) return view->live.count();
  const auto matching = RecordReader(*impl_, view).matching(*bound);
  if (!matching) return matching.error();
  return matching->count();
}

Status Collection::flush() {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  if (Status writable = check_writable(); !writable) return writable;
  StoreRuntime& runtime = *impl_->runtime;
  if (Status indexed = runtime.indexer->flush(*impl_); !indexed) return indexed;
  if (runtime.options.durability == Durability::kDurable) return {};
  const Sequence written = impl_->pin().sequence;
  if (Status synced = runtime.pinned_bytes()->sync(); !synced) return synced;
  return runtime.set_mark(written);
}

Result<CollectionStats> Collection::stats() const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  CollectionStats stats;
  const auto pinned = pin();
  if (!pinned) return pinned.error();
  const View& view = *pinned;
  stats.records = view->live.count();
  stats.last_sequence = view->sequence;
  stats.indexed_sequence = view->indexed_sequence;
  stats.tail_records = view->tail_rows();
  stats.stalls = impl_->stalls.load(std::memory_order_relaxed);
  stats.slots = view->next_slot;
  MemoryUse use;
  use.add(*view);
  stats.memory_bytes = use.bytes;
  stats.image_bytes = impl_->image_bytes;
  stats.image_sequence = impl_->image_sequence;
  stats.erasing = impl_->erasing;
  stats.damaged_files = impl_->runtime->scrubber->damaged_files(impl_->number);
  Status room = impl_->runtime->headroom.look().admits;
  if (room) room = impl_->runtime->memory.look();
  const std::lock_guard hold(impl_->runtime->versions);
  stats.degraded = impl_->degraded;
  stats.reason = impl_->degraded_reason;
  if (const Status intact = check_intact(*impl_, *view); !intact) {
    stats.degraded = true;
    stats.damaged_files = std::max<std::uint64_t>(stats.damaged_files, 1);
    stats.reason = intact.error().message;
  }
  if (!room) stats.reason = room.error().message;
  if (const Status writable = impl_->runtime->bytes->check_writable(); !writable)
    stats.reason = writable.error().message;
  return stats;
}

Result<Collection> Collection::pinned() const {
  const auto guard = enter(*impl_);
  if (!guard) return guard.error();
  auto view = pin();
  if (!view) return std::move(view).error();
  StoreRuntime& runtime = *impl_->runtime;
  const std::chrono::seconds most(runtime.options.pinned_seconds_max);
  auto end = most.count() == 0 ? PinnedView::Time::max() : std::chrono::steady_clock::now() + most;
  if (pinned_ != nullptr) end = pinned_->end();  // The same state is not held for longer.
  auto held = std::make_shared<PinnedView>(std::move(*view), end, runtime.process);
  runtime.pinned.add(held);
  return Collection(impl_, std::move(held));
}

Result<View> Collection::pin() const {
  if (pinned_ == nullptr) return impl_->pin();
  if (const auto held = pinned_->view()) return *held;
  return Error{ErrorCode::kSnapshotExpired,
               "the state of collection '" + impl_->name +
                   "' that this handle was pinned to was let go after " +
                   std::to_string(impl_->runtime->options.pinned_seconds_max) +
                   " s (pinned_seconds_max): pin it again"};
}

Status Collection::check_writable() const {
  if (pinned_ == nullptr) return impl_->runtime->check_writable();
  return Error{ErrorCode::kReadOnly, "this handle to the collection '" + impl_->name +
                                         "' is pinned to one state: write through another one"};
}

const std::string& Collection::name() const noexcept { return impl_->name; }

const CollectionSchema& Collection::schema() const noexcept { return impl_->schema; }

}  // namespace anear
