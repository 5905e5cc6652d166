#include "rocksdb_threads.hpp"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace anear::storage {

BackgroundThread::~BackgroundThread() {
  {
    const std::lock_guard hold(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status BackgroundThread::start() {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& failure) {
    return Error{ErrorCode::kOutOfMemory,
                 std::string("a thread for flushes and compaction: ") + failure.what()};
  }
  return {};
}

void BackgroundThread::schedule(Function function, void* argument, void* tag, Function taken_back) {
  {
    const std::lock_guard hold(mutex_);
    jobs_.push_back({function, argument, tag, taken_back});
  }
  wake_.notify_one();
}

int BackgroundThread::take_back(void* tag) {
  std::vector<Job> taken;
  {
    const std::lock_guard hold(mutex_);
    const auto others = std::stable_partition(jobs_.begin(), jobs_.end(),
                                              [tag](const Job& job) { return job.tag != tag; });
    taken.assign(others, jobs_.end());
    jobs_.erase(others, jobs_.end());
  }
  for (const Job& job : taken) {
    if (job.taken_back != nullptr) job.taken_back(job.argument);
  }
  return static_cast<int>(taken.size());
}

std::size_t BackgroundThread::waiting() const {
  const std::lock_guard hold(mutex_);
  return jobs_.size();
}

void BackgroundThread::run() {
  std::unique_lock hold(mutex_);
  while (true) {
    wake_.wait(hold, [this] { return ended_ || !jobs_.empty(); });
    if (ended_) return;
    const Job job = jobs_.front();
    jobs_.pop_front();
    hold.unlock();
    job.function(job.argument);
    hold.lock();
  }
}

OwnThreads::OwnThreads(std::unique_ptr<rocksdb::Env> files) : EnvWrapper(std::move(files)) {
  // Asked for directly: EnvWrapper would make others that go through its older calls.
  file_system_ = target()->GetFileSystem();
  system_clock_ = target()->GetSystemClock();
}

Status OwnThreads::start() {
  if (Status started = flushing_.start(); !started) return started;
  return compacting_.start();
}

void OwnThreads::Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                          void (*taken_back)(void*)) {
  at(priority).schedule(function, argument, tag, taken_back);
}

int OwnThreads::UnSchedule(void* tag, Priority priority) {
  // A database counts its jobs by priority. It schedules none where there are no threads.
  return GetBackgroundThreads(priority) == 0 ? 0 : at(priority).take_back(tag);
}

unsigned int OwnThreads::GetThreadPoolQueueLen(Priority priority) const {
  return static_cast<unsigned int>((priority == HIGH ? flushing_ : compacting_).waiting());
}

int OwnThreads::GetBackgroundThreads(Priority priority) {
  return priority == HIGH || priority == LOW ? 1 : 0;
}

}  // namespace anear::storage
