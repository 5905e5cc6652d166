// The scrub: reads the files of an open store again and again, slowly, and keeps in mind which are
// damaged.
//
// Threads: any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "anear/collection/verify.hpp"
#include "anear/core/error.hpp"
#include "anear/storage/pace.hpp"
#include "collection/files_at_rest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

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
  bool pause_until(storage::Pace::Time until);

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
