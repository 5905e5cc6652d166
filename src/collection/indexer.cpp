#include "collection/indexer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "collection/background.hpp"
#include "collection/caught.hpp"
#include "collection/erase.hpp"
#include "collection/images.hpp"
#include "collection/indexes.hpp"
#include "collection/live_keys.hpp"
#include "collection/row_files.hpp"

namespace anear {
namespace {

/// Rows moved at once: versions are published in between, and a close waits for one step. Fewer
/// while somebody searches, whose scan gets shorter with each step.
constexpr std::size_t kRowsAtOnce = 4'096;
constexpr std::size_t kRowsAtOnceSearched = 256;

/// How long the indexer lets writes gather once it was woken.
constexpr std::chrono::milliseconds kGathering{4};

/// How long what was written, or the mark that names it, may be without a sync.
constexpr std::chrono::milliseconds kSyncPause{500};

/// How long the indexer waits where there was no memory for its round.
constexpr std::chrono::milliseconds kMemoryPause{200};

/// Images are renewed when this much is not in them.
std::uint64_t changes_before_images(std::size_t live) {
  return std::max<std::uint64_t>(20'000, live / 20);
}

/// Rows moved into an index that is being replaced, for each 1,024 that are copied out of it:
/// fewer, so that the copy comes to an end however fast others write.
constexpr std::size_t kRowsBesideCopy = 512;

std::uint64_t bytes_of_indexes(const CollectionVersion& version) {
  std::uint64_t bytes = 0;
  for (const SearchedVector& vector : version.vectors) bytes += vector.index->bytes();
  return bytes;
}

/// The beginning of `tail`, at most `most` rows of it.
Tail first_rows(const Tail& tail, std::size_t most) {
  Tail first;
  for (const TailPart& part : tail.parts()) {
    const std::size_t room = most - first.rows();
    if (room == 0) break;
    const auto rows =
        static_cast<std::uint32_t>(std::min<std::size_t>(room, part.end - part.begin));
    first.extend({part.segment, part.begin, part.begin + rows});
  }
  return first;
}

/// The rows of a part that are still live: as they stand, or copied together when some are not.
/// Dead ones are found by older views in the tail those hold.
class LiveRows {
 public:
  LiveRows(const TailPart& part, const SlotSet& live)
      : matrix_(part.segment->matrix(part.begin, part.end)),
        slots_(part.segment->slots(part.begin, part.end)) {
    const auto is_live = [&](Slot slot) { return live.contains(slot); };
    if (std::all_of(slots_.begin(), slots_.end(), is_live)) return;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!live.contains(slots_[i])) continue;
      const auto* row = static_cast<const std::byte*>(matrix_.row(i).data());
      copied_rows_.insert(copied_rows_.end(), row, row + matrix_.row(i).bytes());
      copied_slots_.push_back(slots_[i]);
    }
    matrix_ = {copied_rows_.data(), {copied_slots_.size(), matrix_.dimension()}, matrix_.kind()};
    slots_ = copied_slots_;
  }
  LiveRows(const LiveRows&) = delete;
  LiveRows& operator=(const LiveRows&) = delete;
  ~LiveRows() = default;
  MatrixView matrix() const noexcept { return matrix_; }
  std::span<const Slot> slots() const noexcept { return slots_; }

 private:
  MatrixView matrix_;
  std::span<const Slot> slots_;
  std::vector<std::byte> copied_rows_;
  std::vector<Slot> copied_slots_;
};

/// Inserts what is live of `rows`. Returns how many that were.
Result<std::size_t> insert_live(AnyIndex& index, const Tail& rows, const SlotSet& live,
                                std::size_t threads) {
  std::size_t inserted = 0;
  for (const TailPart& part : rows.parts()) {
    const LiveRows of_part(part, live);
    Status status = index.insert(of_part.matrix(), of_part.slots(), {.threads = threads});
    if (!status) return std::move(status).error();
    inserted += of_part.slots().size();
  }
  return inserted;
}

/// Answers stay right, since what is not indexed is scanned; writers must not wait for more.
/// StoreRuntime::versions is held.
void set_degraded(CollectionState& collection, const std::string& reason) {
  collection.degraded = true;
  (void)caught([&] { collection.degraded_reason = reason; });
  collection.tail_shrank.notify_all();
}

}  // namespace

Indexer::Indexer(StoreRuntime& runtime) : runtime_(runtime) {}

Indexer::~Indexer() { stop(); }

void Indexer::start() {
  if (!runtime_.options.index_inline) worker_ = std::thread([this] { run(); });
  const bool is_buffered = runtime_.options.durability == Durability::kBuffered;
  if (!runtime_.is_in_memory() && (is_buffered || !runtime_.options.index_inline))
    syncer_ = std::thread([this] { sync_regularly(); });
  if (runtime_.recovery.unfinished_erasures != 0 && !runtime_.options.index_inline)
    eraser_ = std::thread([this] { erase_what_is_left(); });
}

void Indexer::stop() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
  wrote_.notify_all();
  ended_.notify_all();
  {
    // Writers that wait for a shorter tail see that nobody will shorten it.
    const std::scoped_lock hold(mutex_, runtime_.versions);
    for (const auto& [state, held] : collections_) {
      if (const auto collection = held.lock()) collection->tail_shrank.notify_all();
    }
  }
  if (worker_.joinable()) worker_.join();
  if (syncer_.joinable()) syncer_.join();
  if (eraser_.joinable()) eraser_.join();
}

void Indexer::add(const std::shared_ptr<CollectionState>& collection) {
  const std::lock_guard hold(mutex_);
  collections_.emplace(collection.get(), collection);
  // So that a write never waits for memory here.
  if (dirty_.capacity() < collections_.size()) dirty_.reserve(2 * collections_.size());
  dirty_.push_back(collection.get());  // It may have been opened with a tail.
  woken_.notify_all();
}

void Indexer::remove(const CollectionState& collection) {
  const std::lock_guard hold(mutex_);
  collections_.erase(&collection);
  std::erase(dirty_, &collection);
}

std::shared_ptr<CollectionState> Indexer::find(std::uint32_t number) {
  const std::lock_guard hold(mutex_);
  for (const auto& [state, held] : collections_) {
    if (auto collection = held.lock(); collection && collection->number == number)
      return collection;
  }
  return nullptr;
}

std::uint64_t Indexer::largest_image_bytes() {
  std::uint64_t largest = 0;
  for (const auto& collection : all_collections())
    largest = std::max({largest, collection->image_bytes.load(), collection->index_bytes.load()});
  return largest;
}

std::vector<std::shared_ptr<CollectionState>> Indexer::all_collections() {
  std::vector<std::shared_ptr<CollectionState>> all;
  const std::lock_guard hold(mutex_);
  for (const auto& [state, held] : collections_) {
    if (auto collection = held.lock()) all.push_back(std::move(collection));
  }
  return all;
}

MemoryUse Indexer::memory_use() {
  MemoryUse use;
  for (const auto& collection : all_collections()) use.add(*collection->pin());
  return use;
}

bool Indexer::give_memory_back() {
  bool is_done = false;
  for (const auto& collection : all_collections()) {
    bool has_dead = false;
    {
      const std::lock_guard hold(runtime_.versions);
      has_dead = !collection->dead.empty();
    }
    const View view = collection->pin();
    for (const SearchedVector& vector : view->vectors)
      has_dead = has_dead || has_deleted(*vector.index, kDeletedWhereFull);
    if (!has_dead || collection->dropped) continue;
    if (runtime_.options.index_inline) {
      if (Status done = index(*collection, Images::kWhenDue); !done)
        runtime_.log("giving memory back: " + done.error().message);
      is_done = true;
    } else {
      set_dirty(*collection);
    }
  }
  return is_done;
}

void Indexer::set_dirty(const CollectionState& collection) {
  bool sleeps = false;
  {
    const std::lock_guard hold(mutex_);
    if (std::find(dirty_.begin(), dirty_.end(), &collection) == dirty_.end())
      dirty_.push_back(&collection);
    sleeps = std::exchange(idle_, false);
  }
  if (sleeps) woken_.notify_one();
}

Status Indexer::wrote(CollectionState& collection) {
  note_unsynced();
  if (runtime_.options.index_inline) return index(collection, Images::kWhenDue);
  set_dirty(collection);
  std::unique_lock lock(runtime_.versions);
  const auto short_enough = [&] {
    return collection.current->tail_rows() <= collection.tail_rows_max() || collection.degraded ||
           collection.dropped || stopping_;
  };
  if (short_enough()) return {};
  collection.stalls.fetch_add(1, std::memory_order_relaxed);
  collection.tail_shrank.wait(lock, short_enough);
  return {};
}

Status Indexer::flush(CollectionState& collection) { return index(collection, Images::kNow); }

void Indexer::run() {
  yield_to_others();
  while (!stopping_) {
    std::vector<std::shared_ptr<CollectionState>> due;
    bool has_memory = caught([&] { due = take_dirty(); }).has_value();
    for (const auto& collection : due) {
      if (stopping_) return;
      if (collection->dropped) continue;
      const Status done = index(*collection, Images::kWhenDue);
      if (done) continue;
      (void)caught([&] {
        runtime_.log("indexing collection '" + collection->name + "': " + done.error().message);
      });
      if (done.error().code != ErrorCode::kOutOfMemory) continue;
      has_memory = false;
      (void)caught([&] { set_dirty(*collection); });
    }
    if (!has_memory) wait_for_memory();
  }
}

void Indexer::wait_for_memory() {
  std::unique_lock lock(mutex_);
  for (const CollectionState* state : dirty_) {
    const auto held = collections_.find(state);
    const auto collection = held == collections_.end() ? nullptr : held->second.lock();
    if (collection == nullptr) continue;
    const std::lock_guard hold(runtime_.versions);
    set_degraded(*collection, "out of memory");
  }
  ended_.wait_for(lock, kMemoryPause, [&] { return stopping_.load(); });
}

std::vector<std::shared_ptr<CollectionState>> Indexer::take_dirty() {
  std::unique_lock lock(mutex_);
  const bool slept = dirty_.empty();
  woken_.wait(lock, [&] {
    idle_ = dirty_.empty();
    return stopping_ || !idle_;
  });
  // A moment more, so that a writer of single records does not wake this thread for each of them.
  if (slept) ended_.wait_for(lock, kGathering, [&] { return stopping_.load(); });
  std::vector<std::shared_ptr<CollectionState>> taken;
  for (const CollectionState* state : dirty_) {
    const auto held = collections_.find(state);
    if (held == collections_.end()) continue;
    if (auto collection = held->second.lock()) taken.push_back(std::move(collection));
  }
  dirty_.clear();
  return taken;
}

void Indexer::note_unsynced() {
  if (unsynced_.exchange(true)) return;
  const std::lock_guard hold(mutex_);
  wrote_.notify_one();
}

void Indexer::sync_regularly() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wrote_.wait(lock, [&] { return stopping_ || unsynced_; });
    ended_.wait_for(lock, kSyncPause, [&] { return stopping_.load(); });
    if (!unsynced_.exchange(false)) return;
    lock.unlock();
    if (const Status done = caught([&] { return sync_written(); }); !done) {
      (void)caught([&] { runtime_.log("sync: " + done.error().message); });
      unsynced_ = true;
    }
    lock.lock();
  }
}

Status Indexer::sync_written() {
  if (runtime_.options.durability == Durability::kBuffered) {
    Sequence written = 0;
    {
      const std::lock_guard hold(runtime_.versions);
      written = runtime_.last_sequence;
    }
    if (Status synced = runtime_.pinned_bytes()->sync(); !synced) return synced;
    (void)runtime_.set_mark(written);  // A lower bound may lag.
  }
  return runtime_.sync_mark();
}

void Indexer::erase_what_is_left() {
  yield_to_others();
  std::vector<std::shared_ptr<CollectionState>> left;
  (void)caught([&] { left = all_collections(); });
  std::erase_if(left, [](const auto& collection) { return collection->erasing == 0; });
  for (const auto& collection : left) {
    if (stopping_) return;
    const Status done = caught([&] { finish_erase_left(*collection); });
    if (!done) wait_for_memory();  // The next erase, or opening, finishes it.
  }
}

Status Indexer::index(CollectionState& collection, Images images) {
  const std::lock_guard hold(collection.indexing);
  Status status = caught([&] { return take_steps(collection, images); });
  const std::lock_guard publishing(runtime_.versions);
  if (!status) {
    set_degraded(collection, status.error().message);
  } else if (!stopping_) {
    // All that was committed before is indexed.
    collection.degraded = false;
    collection.degraded_reason.clear();
  }
  return status;
}

Status Indexer::take_steps(CollectionState& collection, Images images) {
  Status status = move_tails(collection);
  if (status) mark_dead(collection);
  if (status) status = rebuild(collection);
  if (status) status = calibrate(collection);
  // What was measured may ask for other codes.
  if (status) status = rebuild(collection);
  collection.index_bytes = bytes_of_indexes(*collection.pin().version);
  if (status) status = renew_images(collection, images);
  // Elsewhere images may name them: see renew_images().
  if (status && runtime_.is_in_memory())
    collection.slots.give_back(collection.dead_slots.take_free());
  if (status && has_dead_keys(*collection.pin())) forget_dead_keys(collection);
  make_room(collection, images);
  return status;
}

Status Indexer::move_tails(CollectionState& collection, std::size_t rows_max) {
  const View goal = collection.pin();
  std::vector<std::size_t> missing;  // Rows of the goal's tails.
  for (const SearchedVector& vector : goal->vectors) missing.push_back(vector.tail.rows());
  std::size_t left = rows_max;
  for (bool done = false; !done && !stopping_ && left != 0;) {
    const bool searched = collection.is_searched();
    const std::size_t at_once = std::min(left, searched ? kRowsAtOnceSearched : kRowsAtOnce);
    left -= at_once;
    const View view = collection.pin();
    // Before any index grows: rows that one takes stay in all tails when another one refuses them.
    if (Status intact = check_intact(collection, *view); !intact) return intact;
    std::vector<Tail> taken;
    for (const SearchedVector& vector : view->vectors) {
      taken.push_back(first_rows(vector.tail, at_once));
      // A long tail slows every search and holds up writers: use the whole machine, unless searches
      // need it now.
      const bool is_long = vector.tail.rows() > collection.tail_rows_max() / 2;
      const std::size_t threads = is_long && !searched ? runtime_.options.background_threads : 1;
      const auto added = insert_live(*vector.index, taken.back(), view->live, threads);
      if (!added) return added.error();
      collection.changed_since_image += *added;
    }
    const std::lock_guard hold(runtime_.versions);
    publish_version(collection, [&](CollectionVersion& version) {
      done = true;
      for (std::size_t v = 0; v < version.vectors.size(); ++v) {
        version.vectors[v].tail.drop_prefix(taken[v]);
        missing[v] -= std::min(missing[v], taken[v].rows());
        done = done && missing[v] == 0;
      }
      if (done) version.indexed_sequence = std::max(version.indexed_sequence, goal->sequence);
    });
    collection.tail_shrank.notify_all();
  }
  return {};
}

/// Slots that no view can name any more leave the indexes, but not before what replaced them is
/// there: an index that is judged by what of it is dead has to be of one moment.
void Indexer::mark_dead(CollectionState& collection) {
  runtime_.pinned.let_go_of_old();
  std::vector<Slot> dead;
  std::shared_ptr<const CollectionVersion> version, eldest;
  {
    const std::lock_guard hold(runtime_.versions);
    // Views end at any time: the first that can be held is asked.
    while (!collection.older.empty() && (eldest = collection.older.front().lock()) == nullptr)
      collection.older.pop_front();
    Sequence oldest = collection.current->indexed_sequence;
    if (eldest != nullptr) oldest = std::min(oldest, eldest->sequence);
    for (const DeadSlot& each : collection.dead) {
      if (each.since > oldest) break;
      dead.push_back(each.slot);
    }
    version = collection.current;
  }
  if (!runtime_.options.read_only) bury(collection, *version, dead);
  for (const Slot slot : dead) {
    for (const SearchedVector& vector : version->vectors) vector.index->mark_deleted(slot);
  }
  collection.changed_since_image += dead.size();
  // Last, so that a round that is cut short by want of memory is done again.
  const std::lock_guard hold(runtime_.versions);
  collection.dead.erase(collection.dead.begin(),
                        collection.dead.begin() + static_cast<std::ptrdiff_t>(dead.size()));
}

/// Readers keep the index they hold and see the new one from its publication on; what is committed
/// meanwhile goes to the old one, from where it is copied.
Status Indexer::rebuild(CollectionState& collection) {
  for (std::size_t v = 0; v < collection.schema.vectors.size(); ++v) {
    const VectorSchema& vector = collection.schema.vectors[v];
    const bool is_due =
        needs_rebuild(vector, *collection.pin()->vectors[v].index,
                      runtime_.memory.is_tight() ? kDeletedWhereFull : kDeletedMost);
    if (stopping_ || !is_due) continue;
    Waiting waiting{this, &collection};
    Status built = build_anew(collection, v, {}, waiting);
    if (!built && built.error().code == ErrorCode::kCancelled && waiting.status)
      return {};  // Stopped or dropped: it is done at the next opening, if there is one.
    if (!built) return built;
  }
  return {};
}

Status Indexer::build_anew(CollectionState& collection, std::size_t v, const SlotSet& without,
                           Waiting& waiting) {
  const std::shared_ptr<const AnyIndex> old = collection.pin()->vectors[v].index;
  auto made =
      rebuild_index(collection.schema.vectors[v], *old,
                    {.threads = 1, .progress = {&Waiting::keep_tail_short, &waiting}}, without);
  if (!made) return waiting.status ? std::move(made).error() : waiting.status;
  // What was copied and died meanwhile.
  for (Position at = 0; at < made->positions(); ++at) {
    const Slot slot = made->table().slot(at);
    if (slot != kNoSlot && !old->contains(slot)) made->mark_deleted(slot);
  }
  // A new image, whatever is due: without one the next opening would have to do this again.
  collection.changed_since_image += changes_before_images(made->size()) + 1;
  const auto fresh = std::make_shared<AnyIndex>(std::move(*made));
  const std::lock_guard hold(runtime_.versions);
  publish_version(collection,
                  [&](CollectionVersion& version) { version.vectors[v].index = fresh; });
  return {};
}

Result<std::size_t> Indexer::rewrite(CollectionState& collection,
                                     const ProgressCallback& progress) {
  const std::lock_guard hold(collection.indexing);
  if (Status moved = move_tails(collection); !moved) return std::move(moved).error();
  mark_dead(collection);
  auto built = rebuild_without_dead(collection, progress);
  if (!built) return built;
  if (Status measured = calibrate(collection); !measured) return std::move(measured).error();
  if (stopping_) return Error{ErrorCode::kClosed, "the store is being closed"};
  ++collection.changed_since_image;
  if (Status renewed = renew_images(collection, Images::kNow); !renewed)
    return std::move(renewed).error();
  return built;
}

/// Slots that an older view may still name are not marked dead in the index, but are not copied
/// either: that view holds the index of before.
Result<std::size_t> Indexer::rebuild_without_dead(CollectionState& collection,
                                                  const ProgressCallback& progress) {
  std::size_t built = 0;
  for (std::size_t v = 0; v < collection.schema.vectors.size(); ++v) {
    const View view = collection.pin();
    const AnyIndex& index = *view->vectors[v].index;
    SlotSet dead;
    bool is_clean = index.positions() == index.size();
    for (Position at = 0; at < index.positions(); ++at) {
      const Slot slot = index.table().slot(at);
      if (slot == kNoSlot || view->live.contains(slot)) continue;
      dead.insert(slot);
      is_clean = false;
    }
    if (is_clean) continue;
    Waiting waiting{this, &collection, progress};
    Status done = build_anew(collection, v, dead, waiting);
    if (!done) return std::move(done).error();
    ++built;
  }
  return built;
}

bool Indexer::Waiting::keep_tail_short(void* context, std::size_t, std::size_t) {
  auto& [indexer, collection, asked, status] = *static_cast<Waiting*>(context);
  if (indexer->stopping_ || collection->dropped || !asked(0, 0)) return false;
  {
    const std::lock_guard hold(indexer->runtime_.versions);
    if (collection->current->tail_rows() <= collection->tail_rows_max() / 2) return true;
  }
  status = indexer->move_tails(*collection, kRowsBesideCopy);
  if (status) indexer->mark_dead(*collection);
  return static_cast<bool>(status);
}

Status Indexer::calibrate(CollectionState& collection) {
  const View view = collection.pin();
  for (const SearchedVector& vector : view->vectors) {
    // While rows still come in, the next round measures, unless somebody relies on it now.
    const bool is_due = vector.tail.rows() == 0
                            ? vector.index->needs_calibration()
                            : collection.is_searched() && vector.index->is_calibration_overdue();
    if (stopping_ || !is_due) continue;
    if (Status status = vector.index->calibrate({.threads = 1}); !status) return status;
    ++collection.changed_since_image;
  }
  return {};
}

/// Where writes are refused for want of space. Not for a few records: it reads and writes tables.
void Indexer::make_room(CollectionState& collection, Images images) {
  const std::uint64_t removed = collection.removed;
  const std::uint64_t live = collection.pin()->live.count();
  const bool due = removed > live / 8 || images == Images::kNow;
  if (removed == 0 || !due || collection.dropped || !runtime_.headroom.is_full()) return;
  if (Status done = reclaim_removed(collection); !done)
    runtime_.log("reclaiming space: " + done.error().message);
}

Status Indexer::renew_images(CollectionState& collection, Images images) {
  // The move of a tail may have been cut short, whose rows the files of before may alone have.
  if (stopping_) return {};
  FileNames replaced;
  {
    const View view = collection.pin();
    // An image of the newest commit may be without rows that were still in the tail.
    const bool stale =
        view->sequence != collection.image_sequence.load() || collection.changed_since_image != 0;
    // An update of fields alone leaves indexes as they are, but the log of changes grows by it,
    // which the next opening reads.
    const std::uint64_t most = changes_before_images(view->live.count());
    const bool due = (images == Images::kNow && stale) || collection.changed_since_image > most ||
                     collection.logged > 4 * most;
    if (!due || collection.dropped) return {};
    for (const SearchedVector& vector : view->vectors) vector.index->reconnect();
    auto written = write_images(collection, view);
    if (!written) return std::move(written).error();
    replaced = std::move(*written);
    collection.slots.give_back(collection.dead_slots.take_free());
  }
  settle_images(collection, replaced);
  return {};
}

}  // namespace anear
