// A rotation before product coding, so that the parts of a code carry equal shares of what is to be
// coded: principal components, dealt out to the parts by their variance (Ge et al. 2013, "Optimized
// Product Quantization", the parametric solution).
//
// Lengths and products are kept. Threads: read-only once learned.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "anear/quant/principal_axes.hpp"
#include "anear/quant/products.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class Rotation {
 public:
  /// Beyond this many dimensions the decomposition would take minutes; vectors then stay as they
  /// are.
  static constexpr std::size_t kDimensionMax = 4'096;

  /// Leaves vectors as they are.
  Rotation() = default;
  /// `matrix`: row i gives number i of a rotated vector. Empty: as Rotation().
  Rotation(std::vector<float> matrix, std::size_t dimension)
      : dimension_(dimension), matrix_(std::move(matrix)) {}
  /// From the second moments of `points` (residuals: their mean is near zero).
  static Rotation learn(const Points& points, std::size_t subspaces);

  bool is_identity() const noexcept { return matrix_.empty(); }
  const std::vector<float>& matrix() const noexcept { return matrix_; }
  std::size_t bytes() const noexcept { return matrix_.size() * sizeof(float); }

  /// `out` must not overlap `points`.
  void apply(const Points& points, float* out) const;

 private:
  static std::vector<std::size_t> deal_out(const std::vector<double>& variances,
                                           std::size_t subspaces);

  std::size_t dimension_ = 0;
  std::vector<float> matrix_;
};

inline Rotation Rotation::learn(const Points& points, std::size_t subspaces) {
  const std::size_t dimension = points.dimension;
  if (dimension > kDimensionMax) return {};
  const auto [variances, axes] = principal_axes(points);
  if (variances.empty()) return {};
  const std::vector<std::size_t> order = deal_out(variances, subspaces);
  std::vector<float> matrix(dimension * dimension);
  for (std::size_t i = 0; i < dimension; ++i) {
    for (std::size_t j = 0; j < dimension; ++j)
      matrix[i * dimension + j] = static_cast<float>(axes[order[i] * dimension + j]);
  }
  return {std::move(matrix), dimension};
}

/// Which component stands at each number: the next largest goes to the part whose product of
/// variances is least and that still has room.
inline std::vector<std::size_t> Rotation::deal_out(const std::vector<double>& variances,
                                                   std::size_t subspaces) {
  const std::size_t dimension = variances.size();
  const double floor = std::max(variances.front() * 1e-12, std::numeric_limits<double>::min());
  std::vector<std::vector<std::size_t>> parts(subspaces);
  std::vector<double> logs(subspaces, 0.0);
  for (std::size_t component = 0; component < dimension; ++component) {
    std::size_t least = subspaces;
    for (std::size_t m = 0; m < subspaces; ++m) {
      const std::size_t width = (m + 1) * dimension / subspaces - m * dimension / subspaces;
      if (parts[m].size() < width && (least == subspaces || logs[m] < logs[least])) least = m;
    }
    parts[least].push_back(component);
    // Relative to the floor, so that every component adds to its part.
    logs[least] += std::log(std::max(variances[component], floor) / floor);
  }
  std::vector<std::size_t> order;
  for (const auto& part : parts) order.insert(order.end(), part.begin(), part.end());
  return order;
}

inline void Rotation::apply(const Points& points, float* out) const {
  if (is_identity()) {
    std::copy_n(points.values, points.count * points.dimension, out);
    return;
  }
  for_each_product(
      points, {matrix_.data(), dimension_, dimension_},
      [&](std::size_t point, std::size_t first, const float* products, std::size_t count) {
        std::copy_n(products, count, out + point * dimension_ + first);
      });
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
