// The words of anear as types: slot, position, sequence, metric, scalar kind (docs/ARCHITECTURE.md,
// glossary).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace anear {

/// The store's 32-bit number of one record version. Stable while the version is live.
using Slot = std::uint32_t;
/// A place inside one index. Several positions may carry the same slot.
using Position = std::uint32_t;
/// The number of a commit, counted from 1; 0 is "before everything".
using Sequence = std::uint64_t;

inline constexpr Slot kNoSlot = std::numeric_limits<Slot>::max();
inline constexpr Position kNoPosition = std::numeric_limits<Position>::max();

/// How two vectors are compared. A distance is smaller-is-nearer everywhere:
/// kL2: squared Euclidean; kInnerProduct: −⟨a, b⟩; kCosine: 1 − ⟨a, b⟩ / (‖a‖ ‖b‖).
enum class Metric : std::uint8_t { kL2 = 0, kInnerProduct = 1, kCosine = 2 };

/// How one number of a vector is kept. kI8 is a scaled 8-bit code: not a form a caller hands in.
enum class ScalarKind : std::uint8_t { kF32 = 0, kF16 = 1, kI8 = 2 };

/// An IEEE 754 binary16 number as its bits.
struct Half {
  std::uint16_t bits = 0;
  friend bool operator==(Half, Half) = default;
};

constexpr std::size_t bytes_of(ScalarKind kind) noexcept {
  return kind == ScalarKind::kF32 ? 4 : kind == ScalarKind::kF16 ? 2 : 1;
}

/// Limits that every door checks (docs/FORMAT.md).
inline constexpr std::size_t kDimensionMax = 65'535;
inline constexpr std::size_t kKeyBytesMax = 1'024;
inline constexpr std::size_t kNearestMax = 10'000;

/// A stored vector that was found: `distance` by the metric, smaller is nearer.
struct Neighbor {
  float distance = 0;
  std::uint32_t reference = 0;  ///< A slot or a position, as the function that returned it says.
};

/// Nearest first; equal distances by the smaller reference, so that an answer is deterministic.
constexpr bool operator<(const Neighbor& a, const Neighbor& b) noexcept {
  return a.distance < b.distance || (a.distance == b.distance && a.reference < b.reference);
}

}  // namespace anear
