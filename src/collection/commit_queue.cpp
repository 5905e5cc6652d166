#include "collection/commit_queue.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "collection/caught.hpp"
#include "collection/commit.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

constexpr std::size_t kGroupBytesMax = std::size_t{16} << 20;
constexpr std::size_t kGroupRequestsMax = 64;

/// The keys of a group, each with its collection. False when one of the request's was there.
bool add_keys(const WriteRequest& request, std::unordered_set<std::string>& keys) {
  for (const PreparedRecord& record : request.batch.records) {
    if (!keys.insert(keys::key(request.collection->number, record.key)).second) return false;
  }
  return true;
}

/// Whether staging needs what earlier commits published.
bool reads_version(const WriteRequest& request) {
  if (request.is_alone()) return true;
  if (request.kind != WriteRequest::Kind::kUpdate) return false;
  const auto& records = request.batch.records;
  return std::any_of(records.begin(), records.end(),
                     [](const PreparedRecord& record) { return record.has_rows(); });
}

Status memory_ran_out() noexcept {
  Error unknown{ErrorCode::kOutcomeUnknown, {}};
  (void)caught([&] {
    unknown.message =
        "memory ran out while a commit was written: call resume(), or open the store again";
  });
  return unknown;
}

}  // namespace

void CommitQueue::submit(WriteRequest& request) {
  Waiting self{&request, {}, false};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&self);
  self.ready.wait(lock,
                  [&] { return self.done || (!waiting_.empty() && waiting_.front() == &self); });
  if (self.done) return;

  lock.unlock();
  std::unique_lock committing(committing_);
  lock.lock();
  // Only now: whoever came meanwhile is in it.
  Group group;
  const Status taken = caught([&] { group = take_group(); });
  if (!taken) {
    request.status = taken;
    waiting_.pop_front();
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(group.size()));
  if (!waiting_.empty()) waiting_.front()->ready.notify_one();
  lock.unlock();
  if (!taken) return;

  commit_group(std::move(committing), group);
  lock.lock();
  for (Waiting* member : group) {
    member->done = true;
    if (member != &self) member->ready.notify_one();
  }
}

CommitQueue::Group CommitQueue::take_group() {
  Group group{waiting_.front()};
  if (group.front()->request->is_alone()) return group;
  if (waiting_.size() == 1) return group;
  std::unordered_set<std::string> keys;
  std::size_t bytes = group.front()->request->batch.bytes;
  if (!add_keys(*group.front()->request, keys)) return group;
  for (std::size_t i = 1; i < waiting_.size() && group.size() < kGroupRequestsMax; ++i) {
    const WriteRequest& next = *waiting_[i]->request;
    bytes += next.batch.bytes;
    if (next.is_alone() || bytes > kGroupBytesMax) break;
    if (!add_keys(next, keys)) break;
    group.push_back(waiting_[i]);
  }
  return group;
}

// Whatever happens, each member gets an outcome: it has nobody else to wake it.
void CommitQueue::commit_group(std::unique_lock<std::mutex> committing, const Group& group) {
  std::unique_lock settling(settling_, std::defer_lock);
  if (std::any_of(group.begin(), group.end(),
                  [](const Waiting* member) { return reads_version(*member->request); }))
    settling.lock();
  std::optional<Commit> commit;
  const Status staged = caught([&] {
    // Where writes stopped, what is staged on may be there in part.
    if (Status writable = runtime_.bytes->check_writable(); !writable) return writable;
    commit.emplace(runtime_, written_);
    for (Waiting* member : group) member->request->status = commit->stage(*member->request);
    commit->seal();
    return Status{};
  });
  Status written = staged;
  if (staged && commit->empty()) return;
  if (staged) written = or_stop([&] { return commit->write(); });
  if (!written) {
    fail(group, written);
    const bool is_unknown = written.error().code == ErrorCode::kOutcomeUnknown;
    if (commit && !is_unknown) (void)caught([&] { commit->give_slots_back(); });
    return;
  }
  written_ = commit->sequence();
  if (!settling.owns_lock()) settling.lock();
  committing.unlock();
  Status settled = or_stop([&] { return commit->settle(); });
  // Not over one that is in the log and that nobody sees.
  if (settled && has_hole_) settled = memory_ran_out();
  if (settled) settled = or_stop([&] { commit->publish(); });
  if (settled) return;
  has_hole_ = true;
  fail(group, settled);
}

void CommitQueue::fail(const Group& group, const Status& status) noexcept {
  for (Waiting* member : group) {
    if (!member->request->status) continue;
    Error error{status.error().code, {}};
    (void)caught([&] { error.message = status.error().message; });
    member->request->status = std::move(error);
  }
}

/// What `step` of a commit that is being written says. Where memory runs out in it, nobody knows
/// how far it came: nothing more is written or published then.
template <typename Step>
Status CommitQueue::or_stop(const Step& step) noexcept {
  Status done = caught(step);
  if (done ||
      (done.error().code != ErrorCode::kOutOfMemory && done.error().code != ErrorCode::kInternal))
    return done;
  runtime_.bytes->stop_writes();
  return memory_ran_out();
}

std::unique_lock<std::mutex> CommitQueue::pause() {
  std::unique_lock committing(committing_);
  const std::lock_guard settled(settling_);
  return committing;
}

Status CommitQueue::commit_meta(storage::WriteBatch batch) {
  const auto paused = pause();
  const Sequence sequence = written_ + 1;
  batch.put(storage::Family::kMeta, keys::kSequence, keys::encode_sequence(sequence));
  return write_apart(batch, sequence);
}

Status CommitQueue::commit_derived(const storage::WriteBatch& batch) {
  const auto paused = pause();
  return write_apart(batch, written_);
}

Status CommitQueue::write_apart(const storage::WriteBatch& batch, Sequence sequence) {
  return or_stop([&]() -> Status {
    if (Status written = runtime_.bytes->write(batch, /*sync=*/true); !written) return written;
    written_ = sequence;
    Status marked = runtime_.set_mark(sequence);
    if (marked) marked = runtime_.sync_mark();
    if (!marked) runtime_.log(marked.error().message);
    storage::SnapshotPointer snapshot = runtime_.bytes->snapshot();
    const std::lock_guard publishing(runtime_.versions);
    runtime_.snapshot.swap(snapshot);
    runtime_.last_sequence = sequence;
    return {};
  });
}

}  // namespace anear
