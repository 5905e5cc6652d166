// Inner products of many f32 vectors with many others, in tiles that stay in the first two levels
// of the cache: what k-means, assignment to lists and rotations spend their time on.
//
// Threads: pure functions; callers split `points` between threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "anear/simd/kernels.hpp"

namespace anear {

/// f32 vectors of one dimension, one after another. Borrowed.
struct Points {
  const float* values = nullptr;
  std::size_t count = 0;
  std::size_t dimension = 0;

  const float* operator[](std::size_t i) const noexcept { return values + i * dimension; }
  Points part(std::size_t first, std::size_t end) const noexcept {
    return {values + first * dimension, end - first, dimension};
  }
};

inline namespace ANEAR_ISA_NAMESPACE {

/// Calls visit(point, first, products, count), where products[i] is the inner product of
/// points[point] and rows[first + i], until every pair was seen once; rows ascend for each point.
template <typename Visit>
void for_each_product(const Points& points, const Points& rows, Visit&& visit) {
  constexpr std::size_t kTile = 16;
  constexpr std::size_t kBlock = 32;
  const Kernels& kernel = kernels();
  const float* tile[kTile];
  float products[kTile];
  for (std::size_t block = 0; block < points.count; block += kBlock) {
    const std::size_t end = std::min(block + kBlock, points.count);
    for (std::size_t first = 0; first < rows.count; first += kTile) {
      const std::size_t count = std::min(kTile, rows.count - first);
      for (std::size_t i = 0; i < count; ++i) tile[i] = rows[first + i];
      for (std::size_t point = block; point < end; ++point) {
        kernel.dot_f32_many(points[point], tile, count, points.dimension, products);
        visit(point, first, products, count);
      }
    }
  }
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
