// What may be added until a bound is looked at again: a look at the disk or the memory in use is
// too slow for each write.
//
// Threads: take() and is_full() from any; settle() one at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace anear {

class Allowance {
 public:
  /// Whether `cost` bytes are covered by the last look. Otherwise it is time to settle().
  bool take(std::uint64_t cost) noexcept;
  /// After a look: `left` bytes are below the bound, less than 0 where it is passed. False: `cost`
  /// is refused, and from then on all else until more than `margin` bytes are left, so that writes
  /// are not taken one by one at the edge. A batch that is refused for its size alone leaves the
  /// store open to others.
  bool settle(std::int64_t left, std::uint64_t cost, std::uint64_t margin) noexcept;
  /// Whether the last look had all refused that adds.
  bool is_full() const noexcept { return full_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> bytes_{0};  ///< Until the next look.
  std::atomic<std::int64_t> look_at_ms_{0};
  std::atomic<bool> full_{false};
};

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// For what is due after a while.
std::int64_t steady_ms() noexcept;

/// For messages: "9000 bytes", "12 MiB".
std::string bytes_in_words(std::uint64_t bytes);

}  // namespace anear
