// The scrub: reads the files of an open store again and again, slowly, and keeps in mind which are
// damaged.
//
// Threads: Scrubber from any thread; a Pace belongs to one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "anear/collection/verify.hpp"
#include "anear/core/error.hpp"
#include "collection/files_at_rest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Keeps work on bytes to a rate: over any time no more than the rate, and one piece beyond it. A
/// pause that came from elsewhere is not made up for.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// 0: no limit.
  explicit Pace(std::uint64_t bytes_per_second) noexcept : rate_(bytes_per_second) {}
  /// `bytes` were done by `now`: when to go on.
  Time after(std::uint64_t bytes, Time now) noexcept;

 private:
  std::uint64_t rate_;
  Time next_{};
};

class Scrubber {
 public:
  explicit Scrubber(StoreRuntime& runtime);
  ~Scrubber();
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  /// Starts the thread, if the store's options ask for one.
  void start();
  /// Every pause ends now; those to come end at once.
  void ask_to_stop();
  /// Waits for the thread, which was asked to stop.
  void stop();

  /// False, and early: asked to stop.
  bool pause_until(Pace::Time until);

  /// A file was read. Keeps damage in mind, and tells the log of new damage.
  void note(const FileAtRest& file, const Status& status);
  /// All of `files` were read, `bytes` of them.
  void finish_pass(const std::vector<FileAtRest>& files, std::uint64_t bytes);

  ScrubStats stats() const;
  /// Of the collection's own, and of those that all share.
  std::uint64_t damaged_files(std::uint32_t collection) const;

 private:
  class Reading;
  struct Damage {
    std::uint32_t collection = 0;
    DamagedFile told;
  };

  void run();
  Status pass();
  /// A damaged image is derived: the index is built again.
  void replace(const FileAtRest& image, const Error& error);

  StoreRuntime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable stop_asked_;
  bool stopping_ = false;                 ///< Under `mutex_`.
  ScrubStats stats_;                      ///< Under `mutex_`; `damaged` stays empty.
  std::map<std::string, Damage> damage_;  ///< By path. Under `mutex_`.
  std::atomic<std::uint64_t> bytes_so_far_{0};
  std::thread thread_;
};

}  // namespace anear
