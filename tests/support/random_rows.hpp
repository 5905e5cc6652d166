// Seeded data for tests: rows in overlapping clusters, the way embeddings lie.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <span>
#include <vector>

#include "anear/core/matrix_view.hpp"
#include "anear/core/random.hpp"

namespace anear::test {

/// Tests under a sanitizer, and again under another ISA (ANEAR_FEW_ROWS), take fewer rows, kills
/// and faults: all of the code, in a fifth of the time.
inline bool takes_few_rows() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return std::getenv("ANEAR_FEW_ROWS") != nullptr;
#endif
}

struct Rows {
  std::size_t dimension = 0;
  std::vector<float> values;

  std::size_t count() const { return values.size() / dimension; }
  MatrixView view() const { return {values.data(), {count(), dimension}, ScalarKind::kF32}; }
  VectorView row(std::size_t i) const {
    return std::span<const float>(values).subspan(i * dimension, dimension);
  }
};

inline float normal(Random& random) {
  const double u = 1.0 - random.uniform();
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) *
                            std::cos(6.283185307 * random.uniform()));
}

/// `count` rows around √count centres.
inline Rows clustered_rows(MatrixShape shape, std::uint64_t seed) {
  Random random(seed);
  const auto centres = static_cast<std::size_t>(std::sqrt(static_cast<double>(shape.rows))) + 1;
  // Centres have a seed of their own, so that queries of another seed fall among the same clusters.
  Random fixed(7 + shape.dimension);
  std::vector<float> centre(64 * shape.dimension);
  for (float& value : centre) value = normal(fixed);
  Rows rows{shape.dimension, std::vector<float>(shape.rows * shape.dimension)};
  for (std::size_t i = 0; i < shape.rows; ++i) {
    const std::size_t c = random.below(std::min<std::size_t>(centres, 64));
    for (std::size_t d = 0; d < shape.dimension; ++d) {
      rows.values[i * shape.dimension + d] = centre[c * shape.dimension + d] + normal(random);
    }
  }
  return rows;
}

inline std::vector<std::uint32_t> first_slots(std::size_t count) {
  std::vector<std::uint32_t> slots(count);
  std::iota(slots.begin(), slots.end(), 0U);
  return slots;
}

}  // namespace anear::test
