// k-means (Lloyd 1982): seeded, on as many threads as wanted, with the same answer for any number
// of them.
//
// The nearest centroid is found by ‖c‖² − 2⟨x, c⟩. Wide vectors go through the dot kernels in
// tiles; narrow ones (the parts of product codes) through centroids stored by columns, where a
// register holds one number of several centroids.
//
// Threads: Centroids are read-only once made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "anear/core/parallel.hpp"
#include "anear/core/progress.hpp"
#include "anear/core/random.hpp"
#include "anear/quant/products.hpp"

namespace anear {

/// `size` different numbers below `count` (all of them when size ≥ count), in random order.
inline std::vector<std::uint32_t> random_subset(std::size_t count, std::size_t size,
                                                Random& random) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  size = std::min(size, count);
  for (std::size_t i = 0; i < size; ++i)
    std::swap(numbers[i], numbers[i + random.below(count - i)]);
  numbers.resize(size);
  return numbers;
}

struct KmeansOptions {
  std::size_t clusters = 1;  ///< No more are made than there are points.
  std::size_t iterations = 10;
  std::uint64_t seed = 0;
  std::size_t threads = 1;
  ProgressCallback progress{};  ///< Of the points in all rounds together.
};

inline namespace ANEAR_ISA_NAMESPACE {

/// out[c] += Σ_j x[j] · columns[j · count + c]: the products of x with `count` short vectors that
/// are stored by columns.
inline void add_column_products(Points x, const float* columns, std::size_t count,
                                float* __restrict out) noexcept {
  for (std::size_t j = 0; j < x.dimension; ++j) {
    const float number = x.values[j];
    const float* __restrict column = columns + j * count;
    for (std::size_t c = 0; c < count; ++c) out[c] += number * column[c];
  }
}

/// Centroids prepared for the search of the nearest one.
class Centroids {
 public:
  Centroids() = default;
  Centroids(std::vector<float> values, std::size_t dimension);

  Points points() const noexcept { return {values_.data(), norms2_.size(), dimension_}; }
  std::size_t size() const noexcept { return norms2_.size(); }
  const std::vector<float>& values() const noexcept { return values_; }
  std::size_t bytes() const noexcept {
    return (values_.size() + columns_.size() + norms2_.size()) * sizeof(float);
  }

  /// out[i] = the centroid nearest to points[i] by L2, the first of equals. There must be one.
  void nearest(const Points& points, std::uint32_t* out) const;

 private:
  // Below this width a register is mostly padding for the dot kernels.
  static constexpr std::size_t kNarrow = 32;

  void nearest_by_columns(const Points& points, std::uint32_t* out) const;

  std::size_t dimension_ = 0;
  std::vector<float> values_;
  std::vector<float> norms2_;
  std::vector<float> columns_;  ///< values_ transposed, for narrow centroids only.
};

/// Lloyd's rounds from random points; an empty cluster starts again at a member of the largest one.
/// `points` must not be empty. Without centroids when `progress` asked to stop.
Centroids kmeans(const Points& points, const KmeansOptions& options);

namespace detail {

/// Points in the order of their clusters: those of cluster c are order[first[c]] …
/// order[first[c + 1] − 1], ascending, so that sums do not depend on threads.
struct Clustering {
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> order;

  Clustering(const std::vector<std::uint32_t>& nearest, std::size_t clusters)
      : first(clusters + 1, 0), order(nearest.size()) {
    for (const std::uint32_t c : nearest) ++first[c + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    for (std::size_t i = 0; i < nearest.size(); ++i)
      order[next[nearest[i]]++] = static_cast<std::uint32_t>(i);
  }
  std::uint32_t size(std::size_t c) const noexcept { return first[c + 1] - first[c]; }
};

inline void mean_of(const Points& points, const Clustering& clustering, std::size_t cluster,
                    float* mean) {
  std::vector<double> sum(points.dimension, 0.0);
  for (std::size_t i = clustering.first[cluster]; i < clustering.first[cluster + 1]; ++i) {
    const float* point = points[clustering.order[i]];
    for (std::size_t d = 0; d < points.dimension; ++d) sum[d] += static_cast<double>(point[d]);
  }
  for (std::size_t d = 0; d < points.dimension; ++d)
    mean[d] = static_cast<float>(sum[d] / clustering.size(cluster));
}

inline void restart_empty_clusters(const Points& points, const Clustering& clustering,
                                   Random& random, float* centroids) {
  std::vector<std::uint32_t> sizes;
  for (std::size_t c = 0; c + 1 < clustering.first.size(); ++c) sizes.push_back(clustering.size(c));
  for (std::size_t empty = 0; empty < sizes.size(); ++empty) {
    if (clustering.size(empty) != 0) continue;
    const auto largest = std::max_element(sizes.begin(), sizes.end());
    const auto donor = static_cast<std::size_t>(largest - sizes.begin());
    *largest /= 2;  // The next empty cluster looks elsewhere.
    const std::size_t member = clustering.first[donor] + random.below(clustering.size(donor));
    std::copy_n(points[clustering.order[member]], points.dimension,
                centroids + empty * points.dimension);
  }
}

}  // namespace detail

inline Centroids kmeans(const Points& points, const KmeansOptions& options) {
  const std::size_t dimension = points.dimension;
  Random random(options.seed);
  std::vector<float> values;
  for (const std::uint32_t start : random_subset(points.count, options.clusters, random))
    values.insert(values.end(), points[start], points[start] + dimension);
  std::vector<std::uint32_t> nearest(points.count);
  Centroids centroids(values, dimension);
  for (std::size_t round = 0; round < options.iterations; ++round) {
    const bool finished =
        parallel_for(points.count, options.threads, 256,
                     [&](std::size_t begin, std::size_t end, std::size_t thread) {
                       centroids.nearest(points.part(begin, end), nearest.data() + begin);
                       return thread != 0 || options.progress(round * points.count + end,
                                                              options.iterations * points.count);
                     });
    if (!finished) return {};
    const detail::Clustering clustering(nearest, centroids.size());
    parallel_for(centroids.size(), options.threads, 16,
                 [&](std::size_t begin, std::size_t end, std::size_t) {
                   for (std::size_t c = begin; c < end; ++c) {
                     if (clustering.size(c) != 0)
                       detail::mean_of(points, clustering, c, values.data() + c * dimension);
                   }
                   return true;
                 });
    detail::restart_empty_clusters(points, clustering, random, values.data());
    centroids = Centroids(values, dimension);
  }
  return centroids;
}

inline Centroids::Centroids(std::vector<float> values, std::size_t dimension)
    : dimension_(dimension), values_(std::move(values)), norms2_(values_.size() / dimension) {
  const Points rows = points();
  for (std::size_t c = 0; c < rows.count; ++c)
    norms2_[c] = kernels().dot_f32(rows[c], rows[c], dimension);
  if (dimension >= kNarrow) return;
  columns_.resize(values_.size());
  for (std::size_t c = 0; c < rows.count; ++c) {
    for (std::size_t j = 0; j < dimension; ++j) columns_[j * rows.count + c] = rows[c][j];
  }
}

inline void Centroids::nearest(const Points& points, std::uint32_t* out) const {
  if (dimension_ < kNarrow) return nearest_by_columns(points, out);
  std::vector<float> least(points.count, std::numeric_limits<float>::infinity());
  std::fill_n(out, points.count, 0U);
  for_each_product(
      points, this->points(),
      [&](std::size_t point, std::size_t first, const float* products, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
          const float distance = norms2_[first + i] - 2.0F * products[i];
          if (distance >= least[point]) continue;
          least[point] = distance;
          out[point] = static_cast<std::uint32_t>(first + i);
        }
      });
}

inline void Centroids::nearest_by_columns(const Points& points, std::uint32_t* out) const {
  std::vector<float> products(size());
  for (std::size_t i = 0; i < points.count; ++i) {
    std::fill(products.begin(), products.end(), 0.0F);
    add_column_products(points.part(i, i + 1), columns_.data(), size(), products.data());
    float least = std::numeric_limits<float>::infinity();
    out[i] = 0;
    for (std::size_t c = 0; c < size(); ++c) {
      const float distance = norms2_[c] - 2.0F * products[c];
      if (distance >= least) continue;
      least = distance;
      out[i] = static_cast<std::uint32_t>(c);
    }
  }
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
