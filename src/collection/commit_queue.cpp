#include "collection/commit_queue.hpp"

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

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

}  // namespace

void CommitQueue::submit(WriteRequest& request) {
  Waiting self{&request, {}, false};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&self);
  self.ready.wait(lock, [&] { return self.done || waiting_.front() == &self; });
  if (self.done) return;

  const std::vector<Waiting*> group = take_group();
  lock.unlock();
  commit_group(group);
  lock.lock();
  for (Waiting* member : group) {
    waiting_.pop_front();
    member->done = true;
    if (member != &self) member->ready.notify_one();
  }
  if (!waiting_.empty()) waiting_.front()->ready.notify_one();
}

std::vector<CommitQueue::Waiting*> CommitQueue::take_group() {
  std::vector<Waiting*> group{waiting_.front()};
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

void CommitQueue::commit_group(const std::vector<Waiting*>& group) {
  const std::lock_guard hold(committing_);
  Commit commit(runtime_);
  for (Waiting* member : group) member->request->status = commit.stage(*member->request);
  if (commit.empty()) return;
  if (Status written = commit.write(); !written) {
    for (Waiting* member : group) {
      if (member->request->status) member->request->status = written;
    }
    return;
  }
  commit.publish();
}

Status CommitQueue::commit_meta(storage::WriteBatch batch) {
  const std::lock_guard hold(committing_);
  const Sequence sequence = runtime_.last_sequence + 1;
  batch.put(storage::Family::kMeta, keys::kSequence, keys::encode_sequence(sequence));
  return write_apart(batch, sequence);
}

Status CommitQueue::commit_derived(const storage::WriteBatch& batch) {
  const std::lock_guard hold(committing_);
  return write_apart(batch, runtime_.last_sequence);
}

Status CommitQueue::write_apart(const storage::WriteBatch& batch, Sequence sequence) {
  if (Status written = runtime_.bytes->write(batch, /*sync=*/true); !written) return written;
  if (Status marked = runtime_.set_mark(sequence); !marked) runtime_.log(marked.error().message);
  storage::SnapshotPointer snapshot = runtime_.bytes->snapshot();
  const std::lock_guard publishing(runtime_.versions);
  runtime_.snapshot.swap(snapshot);
  runtime_.last_sequence = sequence;
  return {};
}

}  // namespace anear
