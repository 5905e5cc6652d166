// Small reproducible random numbers: the same seed gives the same numbers with every compiler and
// standard library.
#pragma once

#include <cstdint>

namespace anear {

/// A step of splitmix64 (Steele et al. 2014): spreads any 64 bits well; also turns a seed into
/// states.
constexpr std::uint64_t mix(std::uint64_t bits) noexcept {
  bits += 0x9e3779b97f4a7c15ULL;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
  return bits ^ (bits >> 31);
}

/// A stream of random numbers: mix() of a counter. One thread.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept : state_(mix(seed)) {}

  constexpr std::uint64_t next() noexcept { return mix(state_++ * 0xd1342543de82ef95ULL); }
  /// Uniform below `bound` (> 0); the bias is below bound / 2^64.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  /// Uniform in [0, 1).
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t state_;
};

}  // namespace anear
