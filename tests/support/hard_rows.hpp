// Rows that 8-bit codes tell apart badly, as users have them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/types.hpp"
#include "random_rows.hpp"

namespace anear::test {

struct HardRows {
  std::string name;
  Metric metric = Metric::kL2;
  std::size_t dimension = 2;
  double centre = 0;       ///< Of every number.
  double spread = 1;       ///< Around it, or around a group's centre.
  std::size_t groups = 0;  ///< Centres drawn from a normal distribution; 0: one, at `centre`.
  double first = 0;        ///< Of the first number of every row: its mean, and a tenth its spread.

  Rows draw(std::size_t count, std::uint64_t seed) const {
    Random random(seed), fixed(11);
    std::vector<float> centres(groups * dimension);
    for (float& number : centres) number = normal(fixed);
    Rows rows{dimension, std::vector<float>(count * dimension)};
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t group = groups == 0 ? 0 : random.below(groups);
      for (std::size_t d = 0; d < dimension; ++d) {
        const double around = groups == 0 ? centre : double{centres[group * dimension + d]};
        const double number = around + spread * double{normal(random)};
        rows.values[i * dimension + d] = static_cast<float>(
            d == 0 && first != 0 ? first * (1 + 0.1 * double{normal(random)}) : number);
      }
    }
    return rows;
  }
};

inline std::vector<HardRows> hard_rows() {
  return {
      {.name = "places of one city", .dimension = 2, .centre = 50, .spread = 0.1},
      {.name = "far from the origin", .dimension = 24, .centre = 10, .spread = 0.05},
      {.name = "near-duplicates", .dimension = 32, .spread = 0.002, .groups = 20},
      {.name = "near-duplicates by angle",
       .metric = Metric::kCosine,
       .dimension = 96,
       .spread = 0.02,
       .groups = 20},
      {.name = "one number outweighs the rest",
       .metric = Metric::kInnerProduct,
       .dimension = 48,
       .first = 60},
      {.name = "one dimension", .dimension = 1, .centre = 3, .spread = 0.5},
  };
}

/// Rows of f32 whose numbers f16 holds as infinite, or as zero.
inline std::vector<HardRows> rows_beyond_f16() {
  std::vector<HardRows> kinds;
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    kinds.push_back({.name = "large numbers", .metric = metric, .dimension = 12, .spread = 1e5});
    kinds.push_back({.name = "small numbers", .metric = metric, .dimension = 12, .spread = 1e-9});
  }
  return kinds;
}

/// By the definition of the metric, in double precision.
inline double distance_between(Metric metric, VectorView a, VectorView b) {
  const auto* x = static_cast<const float*>(a.data());
  const auto* y = static_cast<const float*>(b.data());
  double dot = 0, x2 = 0, y2 = 0, apart = 0;
  for (std::size_t d = 0; d < a.dimension(); ++d) {
    dot += double{x[d]} * double{y[d]};
    x2 += double{x[d]} * double{x[d]};
    y2 += double{y[d]} * double{y[d]};
    apart += (double{x[d]} - double{y[d]}) * (double{x[d]} - double{y[d]});
  }
  if (metric == Metric::kL2) return apart;
  return metric == Metric::kCosine ? 1 - dot / std::sqrt(x2 * y2) : -dot;
}

/// What f32 may make of a distance: of those two metrics as much as of the numbers it comes from.
inline double rounding_of(Metric metric, double distance) {
  if (metric == Metric::kCosine) return 5e-7;
  return std::abs(distance) * (metric == Metric::kL2 ? 1e-4 : 2e-6);
}

/// The nearest rows to each of some queries, among those that count.
class ExactAnswers {
 public:
  /// Of rows i with counts(i), of which there are `k_max`.
  template <typename Counts>
  ExactAnswers(const HardRows& kind, const Rows& rows, const Rows& queries, std::size_t k_max,
               Counts&& counts)
      : metric_(kind.metric), rows_(rows), queries_(queries) {
    for (std::size_t q = 0; q < queries.count(); ++q) {
      std::vector<double>& nearest = nearest_.emplace_back();
      for (std::size_t i = 0; i < rows.count(); ++i) {
        if (counts(i)) nearest.push_back(distance_between(metric_, queries.row(q), rows.row(i)));
      }
      const auto end = nearest.begin() + static_cast<std::ptrdiff_t>(k_max);
      std::partial_sort(nearest.begin(), end, nearest.end());
      nearest.erase(end, nearest.end());
    }
  }

  /// The share of the k nearest that `search(query)`, a list of numbers of rows, finds.
  template <typename Search>
  double recall(std::size_t k, Search&& search) const {
    std::size_t hits = 0;
    for (std::size_t q = 0; q < queries_.count(); ++q) {
      const double last = nearest_[q][k - 1];
      const double bound = last + rounding_of(metric_, last);
      for (const std::size_t i : search(queries_.row(q)))
        hits += distance_between(metric_, queries_.row(q), rows_.row(i)) <= bound ? 1 : 0;
    }
    return static_cast<double>(hits) / static_cast<double>(k * queries_.count());
  }

 private:
  Metric metric_;
  const Rows& rows_;
  const Rows& queries_;
  std::vector<std::vector<double>> nearest_;  ///< Of each query, ascending.
};

}  // namespace anear::test
