// The threads on which RocksDB flushes and compacts one database.
//
// RocksDB's own belong to the process: all databases share them, and a child of a fork has none of
// them, so that it would wait for ever for its first flush. These are started with the database and
// end with it.
//
// Threads: any.
#pragma once

#include <rocksdb/env.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "anear/core/error.hpp"

namespace anear::storage {

/// Does jobs one after the other.
class BackgroundThread {
 public:
  using Function = void (*)(void* argument);

  BackgroundThread() = default;
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;
  /// Waits for the job that runs; others have been taken back by then.
  ~BackgroundThread();

  /// kOutOfMemory where the system has no thread to give.
  Status start();
  /// `taken_back` is called with the argument instead when the job is taken back.
  void schedule(Function function, void* argument, void* tag, Function taken_back);
  /// Takes back jobs of `tag` that have not begun. How many.
  int take_back(void* tag);
  std::size_t waiting() const;

 private:
  struct Job {
    Function function;
    void* argument;
    void* tag;
    Function taken_back;
  };
  void run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool ended_ = false;
  std::thread thread_;
};

/// An Env with threads of its own: one that flushes, one that compacts.
class OwnThreads final : public rocksdb::EnvWrapper {
 public:
  explicit OwnThreads(std::unique_ptr<rocksdb::Env> files);
  /// To be called before a database is opened to be written.
  Status start();

  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                void (*taken_back)(void*)) override;
  int UnSchedule(void* tag, Priority priority) override;
  unsigned int GetThreadPoolQueueLen(Priority priority) const override;
  int GetBackgroundThreads(Priority priority) override;
  // Their number is settled, and those of the process are not asked.
  void SetBackgroundThreads(int, Priority) override {}
  void IncBackgroundThreadsIfNeeded(int, Priority) override {}
  int ReserveThreads(int, Priority) override { return 0; }
  int ReleaseThreads(int, Priority) override { return 0; }
  void LowerThreadPoolIOPriority(Priority) override {}
  void LowerThreadPoolCPUPriority(Priority) override {}
  rocksdb::Status LowerThreadPoolCPUPriority(Priority, rocksdb::CpuPriority) override {
    return rocksdb::Status::NotSupported();
  }

 private:
  BackgroundThread& at(Priority priority) { return priority == HIGH ? flushing_ : compacting_; }

  BackgroundThread flushing_;
  BackgroundThread compacting_;
};

}  // namespace anear::storage
