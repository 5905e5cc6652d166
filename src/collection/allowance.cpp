#include "collection/allowance.hpp"

#include <algorithm>
#include <chrono>

namespace anear {

bool Allowance::take(std::uint64_t cost) noexcept {
  const auto bytes = static_cast<std::int64_t>(cost);
  return bytes_.fetch_sub(bytes) >= bytes && !is_full() && steady_ms() < look_at_ms_;
}

bool Allowance::settle(std::int64_t left, std::uint64_t cost, std::uint64_t margin) noexcept {
  constexpr std::int64_t kLookEveryMs = 100;
  constexpr std::int64_t kMost{64 * kMiB};
  look_at_ms_ = steady_ms() + kLookEveryMs;
  const auto bytes = static_cast<std::int64_t>(cost);
  full_ = left < static_cast<std::int64_t>(full_ ? margin : std::min(cost, margin));
  const bool fits = !full_ && left >= bytes;
  // A part only: what was admitted takes more than its bytes until it is at rest.
  bytes_ = fits ? std::min((left - bytes) / 4, kMost) : 0;
  return fits;
}

std::int64_t steady_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string bytes_in_words(std::uint64_t bytes) {
  if (bytes < 10 * kMiB) return std::to_string(bytes) + " bytes";
  return std::to_string(bytes / kMiB) + " MiB";
}

}  // namespace anear
