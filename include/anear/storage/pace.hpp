// How work on bytes is kept to a rate.
//
// Threads: a Pace belongs to one, or to whoever holds its lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace anear::storage {

/// Keeps work on bytes to a rate: over any time no more than the rate, and one piece beyond it. A
/// pause that came from elsewhere is not made up for.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// 0: no limit.
  explicit Pace(std::uint64_t bytes_per_second = 0) noexcept : rate_(bytes_per_second) {}

  /// `bytes` were done by `now`: when to go on.
  Time after(std::uint64_t bytes, Time now) noexcept {
    if (rate_ == 0) return now;
    // In double precision: a rate of 1 is no reason to overflow.
    const std::chrono::duration<double> due(static_cast<double>(bytes) /
                                            static_cast<double>(rate_));
    next_ = std::max(next_, now) + std::chrono::duration_cast<Time::duration>(due);
    return next_;
  }

 private:
  std::uint64_t rate_;
  Time next_{};
};

}  // namespace anear::storage
