#include "collection/store_runtime.hpp"

#include <algorithm>
#include <utility>

#include "collection/allowance.hpp"
#include "collection/commit_queue.hpp"  // IWYU pragma: keep (~StoreRuntime needs it whole)
#include "collection/indexer.hpp"       // IWYU pragma: keep (~StoreRuntime needs it whole)
#include "collection/schema.hpp"
#include "collection/scrub.hpp"  // IWYU pragma: keep (~StoreRuntime needs it whole)

namespace anear {

std::unique_ptr<Scratch> ScratchPool::take() {
  {
    const std::lock_guard hold(mutex_);
    if (!idle_.empty()) {
      auto scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void ScratchPool::give_back(std::unique_ptr<Scratch> scratch) {
  constexpr std::size_t kIdleMax = 64;
  const std::lock_guard hold(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(scratch));
}

StoreRuntime::StoreRuntime() = default;
StoreRuntime::~StoreRuntime() = default;

void StoreRuntime::remove_file(const std::string& file) const {
  {
    const std::lock_guard hold(removing);
    if (removal_holds != 0) {
      removable.push_back(file);
      return;
    }
  }
  if (Status removed = files->remove(storage::path_in(path, file)); !removed)
    log("cannot remove the old file '" + file + "': " + removed.error().message);
}

std::shared_ptr<storage::ByteStore> StoreRuntime::pinned_bytes() {
  const std::lock_guard hold(versions);
  return bytes;
}

std::shared_ptr<storage::ByteStore> StoreRuntime::writable_bytes() {
  const std::lock_guard hold(versions);
  return bytes != nullptr && bytes->check_writable() ? bytes : nullptr;
}

Status StoreRuntime::check_writable() {
  if (options.read_only)
    return Error{ErrorCode::kReadOnly, "the store '" + path + "' was opened read-only"};
  if (lock) {
    if (Status ours = lock->check(*files); !ours) return ours;
  }
  const auto held = pinned_bytes();
  if (held == nullptr || resume_writes == nullptr || !held->stopped_for_space()) return {};
  constexpr std::uint64_t kSpaceLeast = std::uint64_t{1} << 20;  // Beside what the log holds.
  constexpr std::int64_t kFirstPauseMs = 50, kLongestPauseMs = 1'000;
  std::int64_t due = resume_at_ms;
  const std::int64_t now = steady_ms();
  const bool is_long_ago = now - due > 10 * kLongestPauseMs;
  const std::int64_t pause =
      std::clamp(is_long_ago ? 0 : 2 * resume_pause_ms.load(), kFirstPauseMs, kLongestPauseMs);
  const auto space = files->space(path);
  if (space && space->free_bytes < held->bytes_to_flush() + kSpaceLeast) return {};
  // One caller tries; the write itself says what the others meet.
  if (now < due || !resume_at_ms.compare_exchange_strong(due, now + pause)) return {};
  resume_pause_ms = pause;
  if (Status resumed = resume_writes(); !resumed) log("resume: " + resumed.error().message);
  return {};
}

void StoreRuntime::log(const std::string& message) const {
  if (options.log.call != nullptr) options.log.call(options.log.context, message.c_str());
}

Status StoreRuntime::set_mark(Sequence synced) {
  const auto held = pinned_bytes();
  const std::lock_guard hold(marking);
  return mark ? mark->write(synced, held->file_list()) : Status{};
}

Status StoreRuntime::sync_mark() { return mark ? mark->sync() : Status{}; }

void ListMarker::list_grew(const storage::FileListMark& durable) {
  const std::lock_guard hold(runtime_.marking);
  if (!runtime_.mark) return;
  // A mark that lags is allowed.
  if (Status marked = runtime_.mark->write_list(durable); !marked)
    runtime_.log(marked.error().message);
}

RemovalHold::RemovalHold(StoreRuntime& runtime) : runtime_(runtime) {
  const std::lock_guard hold(runtime_.removing);
  ++runtime_.removal_holds;
}

RemovalHold::~RemovalHold() {
  std::vector<std::string> files;
  {
    const std::lock_guard hold(runtime_.removing);
    if (--runtime_.removal_holds != 0) return;
    files.swap(runtime_.removable);
  }
  for (const std::string& file : files) runtime_.remove_file(file);
}

Result<CallGuard> CallGuard::enter(StoreRuntime& runtime) {
  if (Status status = runtime.process.check(); !status) return std::move(status).error();
  if (!runtime.closed.load(std::memory_order_acquire)) {
    CallGuard guard(runtime);
    if (!runtime.closed.load(std::memory_order_acquire)) return guard;
  }
  return Error{ErrorCode::kClosed, "the store '" + runtime.path + "' is closed"};
}

CollectionState::CollectionState(std::shared_ptr<StoreRuntime> of,
                                 storage::CollectionManifest described, CollectionSchema checked)
    : runtime(std::move(of)),
      number(described.number),
      name(described.name),
      schema(std::move(checked)),
      types(field_types(schema)),
      growing(schema.vectors.size()),
      manifest(std::move(described)),
      next_file(manifest.next_file),
      row_files_of(schema.vectors.size()),
      dead_slots{{}, std::vector<SlotSet>(schema.vectors.size())} {}

View CollectionState::pin() const {
  const std::lock_guard hold(runtime->versions);
  return {current, runtime->bytes, runtime->snapshot, runtime->last_sequence};
}

void CollectionState::note_search() noexcept {
  // Seldom, so that threads that search do not take this line from each other.
  constexpr std::int64_t kExactMs = 50;
  const std::int64_t now = steady_ms();
  if (now - searched_ms.load(std::memory_order_relaxed) > kExactMs)
    searched_ms.store(now, std::memory_order_relaxed);
}

bool CollectionState::is_searched() const noexcept {
  constexpr std::int64_t kLatelyMs = 1'000;
  const std::int64_t last = searched_ms.load(std::memory_order_relaxed);
  return last != 0 && steady_ms() - last < kLatelyMs;
}

std::size_t CollectionState::tail_rows_max() const noexcept {
  constexpr std::size_t kSearchedShare = 16, kSearchedFloor = 1'024;
  const std::size_t most = runtime->options.tail_records_max;
  if (!is_searched()) return most;
  return std::min(most, std::max(most / kSearchedShare, kSearchedFloor));
}

Status CollectionState::check_exists() const {
  if (!dropped.load(std::memory_order_acquire)) return {};
  return Error{ErrorCode::kNotFound, "the collection '" + name + "' was dropped"};
}

}  // namespace anear
