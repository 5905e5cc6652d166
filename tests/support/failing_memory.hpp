// Memory that runs out when a test wants it to: operator new of the whole program counts, and
// throws where it is told to. The operators stand in collection/out_of_memory_test.cpp; a program
// has them once.
//
//   FailingMemory memory({.after = 17});  // This thread's 18th allocation from here on throws.
//
// Threads: one object at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace anear::testing {

struct MemoryFault {
  std::size_t after = 0;  ///< How many allocations succeed first.
  std::size_t times = 1;  ///< How many fail then.
  /// Allocations of all threads but this one, instead of this one's.
  bool of_others = false;
};

class FailingMemory {
 public:
  explicit FailingMemory(const MemoryFault& fault) : asked_(fault.after) {
    failed_ = 0;
    after_ = fault.after;
    times_ = fault.times;
    of_others_ = fault.of_others;
    chosen_ = true;
    armed_.store(true);
  }
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
  ~FailingMemory() {
    armed_.store(false);
    chosen_ = false;
  }
  static std::size_t failures() { return failed_; }
  /// How many allocations have succeeded, of those that were to.
  std::size_t passed() const { return asked_ - after_; }

  /// Asked by operator new.
  static bool fails() noexcept {
    if (!armed_.load(std::memory_order_relaxed) || chosen_ == of_others_) return false;
    if (is_elsewhere_ != nullptr && is_elsewhere_()) return false;
    std::size_t left = after_.load();
    while (left != 0) {
      if (after_.compare_exchange_weak(left, left - 1)) return false;
    }
    left = times_.load();
    while (left != 0) {
      if (times_.compare_exchange_weak(left, left - 1)) {
        ++failed_;
        return true;
      }
    }
    return false;
  }
  /// Allocations for which `is_elsewhere` says so are left alone; null: none.
  static void leave_out(bool (*is_elsewhere)()) { is_elsewhere_ = is_elsewhere; }

 private:
  std::size_t asked_;
  static inline std::atomic<bool> armed_{false};
  static inline std::atomic<std::size_t> after_{0};
  static inline std::atomic<std::size_t> times_{0};
  static inline std::atomic<std::size_t> failed_{0};
  static inline std::atomic<bool> of_others_{false};
  static inline bool (*is_elsewhere_)() = nullptr;
  static inline thread_local bool chosen_ = false;
};

}  // namespace anear::testing
