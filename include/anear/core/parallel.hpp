// parallel_for: bulk work on several threads, over OpenMP or (without it, or with
// ANEAR_PARALLEL_THREADS) POSIX threads, which ThreadSanitizer understands.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <vector>

#if defined(_OPENMP) && !defined(ANEAR_PARALLEL_THREADS)
#include <omp.h>
#endif

namespace anear {

inline constexpr std::size_t kThreadsMax = 256;

/// `threads` up to kThreadsMax, or the number of processors when it is 0.
inline std::size_t thread_count(std::size_t threads) noexcept {
  if (threads != 0) return std::min(threads, kThreadsMax);
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : std::min(static_cast<std::size_t>(online), kThreadsMax);
}

namespace detail {

// Hands out ranges of [0, count) and remembers the first exception.
class RangeQueue {
 public:
  RangeQueue(std::size_t count, std::size_t grain)
      : count_(count), grain_(std::max<std::size_t>(grain, 1)) {}

  template <typename Body>
  void work(Body& body, std::size_t thread) noexcept {
    while (!stopped_.load(std::memory_order_relaxed)) {
      const std::size_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= count_) return;
      try {
        if (!body(begin, std::min(begin + grain_, count_), thread)) stop(nullptr);
      } catch (...) {
        stop(std::current_exception());
      }
    }
  }
  /// Rethrows what a thread threw; false if a body asked to stop.
  bool finish() {
    if (failure_) std::rethrow_exception(failure_);
    return !stopped_.load(std::memory_order_relaxed);
  }

 private:
  void stop(const std::exception_ptr& failure) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failure && !failure_) failure_ = failure;
    stopped_.store(true, std::memory_order_relaxed);
  }

  std::size_t count_;
  std::size_t grain_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

template <typename Body>
struct Worker {
  RangeQueue* queue;
  Body* body;
  std::size_t thread;
  static void* run(void* self) {
    auto* worker = static_cast<Worker*>(self);
    worker->queue->work(*worker->body, worker->thread);
    return nullptr;
  }
};

template <typename Body>
void run_joined_threads(RangeQueue& queue, Body& body, std::size_t threads) {
  std::vector<Worker<Body> > workers;
  std::vector<pthread_t> started;
  workers.reserve(threads);
  started.reserve(threads);
  for (std::size_t t = 1; t < threads; ++t) {
    workers.push_back({&queue, &body, t});
    pthread_t handle{};
    // A thread that cannot be had is no failure: the others take its share.
    if (::pthread_create(&handle, nullptr, &Worker<Body>::run, &workers.back()) == 0)
      started.push_back(handle);
  }
  queue.work(body, 0);
  for (const pthread_t handle : started) ::pthread_join(handle, nullptr);
}

/// The process that loaded this code. OpenMP's threads, whoever used them, stay with it; a child of
/// a fork, which has none of them, would wait for them forever.
inline const pid_t kFirstProcess = ::getpid();

template <typename Body>
void run_threads(RangeQueue& queue, Body& body, std::size_t threads) {
#if defined(_OPENMP) && !defined(ANEAR_PARALLEL_THREADS)
  if (::getpid() == kFirstProcess) {
#pragma omp parallel num_threads(static_cast<int>(threads))
    queue.work(body, static_cast<std::size_t>(omp_get_thread_num()));
    return;
  }
#endif
  run_joined_threads(queue, body, threads);
}

/// `run(queue, threads)` works on as many threads as have something to do.
template <typename Body, typename Run>
bool share_out(std::size_t count, std::size_t threads, std::size_t grain, Body& body, Run&& run) {
  RangeQueue queue(count, grain);
  const std::size_t most = std::max<std::size_t>(grain, 1);
  const std::size_t used = std::min(thread_count(threads), (count + most - 1) / most);
  if (used <= 1)
    queue.work(body, 0);
  else
    run(queue, used);
  return queue.finish();
}

}  // namespace detail

/// Calls body(begin, end, thread) for ranges of at most `grain` that together cover [0, count), on
/// up to `threads` threads (0: all of the machine), `thread` being below that number. A body that
/// returns false stops the rest; then the result is false. An exception of a body stops the rest
/// and is thrown on. In a child of a fork the threads are started for the call.
template <typename Body>
bool parallel_for(std::size_t count, std::size_t threads, std::size_t grain, Body&& body) {
  return detail::share_out(count, threads, grain, body,
                           [&body](detail::RangeQueue& queue, std::size_t used) {
                             detail::run_threads(queue, body, used);
                           });
}

/// The same on threads that end with it, which costs some 30 µs each. For what a process may do and
/// fork afterwards, so that OpenMP of the child's host finds no threads that it had before.
template <typename Body>
bool parallel_for_joined(std::size_t count, std::size_t threads, std::size_t grain, Body&& body) {
  return detail::share_out(count, threads, grain, body,
                           [&body](detail::RangeQueue& queue, std::size_t used) {
                             detail::run_joined_threads(queue, body, used);
                           });
}

}  // namespace anear
