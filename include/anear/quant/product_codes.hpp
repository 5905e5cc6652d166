// Product codes (Jégou et al. 2011): a vector is cut into parts, each replaced by the number, one
// byte, of the nearest of 256 words of its part's book.
//
//   part m:   numbers [m·d/M, (m+1)·d/M) of a vector: widths differ by at most one
//   books:    by columns: word c holds books[j·256 + c] at number j
//   table:    of one query: table[m·256 + c] = ⟨part m of the query, word c⟩, so that the product
//   of the query with a coded vector is a sum of M look-ups
//
// Threads: read-only once trained.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "anear/core/parallel.hpp"
#include "anear/quant/kmeans.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class ProductCodes {
 public:
  static constexpr std::size_t kWords = 256;

  ProductCodes() = default;
  /// `books`: dimension · kWords numbers; 1 ≤ subspaces ≤ dimension.
  ProductCodes(std::vector<float> books, std::size_t dimension, std::size_t subspaces);
  /// `kmeans.clusters` is not looked at; `kmeans.progress` counts subspaces. Fewer points than
  /// words leave words without a use. Without subspaces when `progress` asked to stop.
  static ProductCodes train(const Points& points, std::size_t subspaces, KmeansOptions kmeans);

  std::size_t dimension() const noexcept { return dimension_; }
  /// Bytes of a code.
  std::size_t subspaces() const noexcept { return subspaces_; }
  const std::vector<float>& books() const noexcept { return books_; }
  std::size_t bytes() const noexcept {
    return (books_.size() + half_norms_.size()) * sizeof(float);
  }

  /// Numbers of a table.
  std::size_t table_size() const noexcept { return subspaces_ * kWords; }
  /// `table` has room for table_size() numbers.
  void make_table(const float* query, float* table) const noexcept;
  /// The product of the table's query with a coded vector.
  float product(const float* table, const std::uint8_t* code) const noexcept;

  /// `table` is memory for table_size() numbers.
  void encode(const float* point, std::uint8_t* code, float* table) const noexcept;
  void decode(const std::uint8_t* code, float* point) const noexcept;

 private:
  std::size_t first_of(std::size_t subspace) const noexcept {
    return subspace * dimension_ / subspaces_;
  }

  std::size_t dimension_ = 0;
  std::size_t subspaces_ = 0;
  std::vector<float> books_;
  std::vector<float> half_norms_;  ///< ‖word‖² / 2, one for each number of a table.
};

inline ProductCodes::ProductCodes(std::vector<float> books, std::size_t dimension,
                                  std::size_t subspaces)
    : dimension_(dimension),
      subspaces_(subspaces),
      books_(std::move(books)),
      half_norms_(subspaces * kWords, 0.0F) {
  for (std::size_t m = 0; m < subspaces_; ++m) {
    for (std::size_t j = first_of(m); j < first_of(m + 1); ++j) {
      const float* column = books_.data() + j * kWords;
      for (std::size_t c = 0; c < kWords; ++c)
        half_norms_[m * kWords + c] += 0.5F * column[c] * column[c];
    }
  }
}

inline ProductCodes ProductCodes::train(const Points& points, std::size_t subspaces,
                                        KmeansOptions options) {
  const std::size_t dimension = points.dimension;
  const std::size_t threads = options.threads;
  options.clusters = kWords;
  options.threads = 1;
  const ProgressCallback progress = std::exchange(options.progress, {});
  std::vector<float> books(dimension * kWords);
  const auto learn = [&](std::size_t begin, std::size_t end, std::size_t thread) {
    for (std::size_t m = begin; m < end; ++m) {
      const std::size_t first = m * dimension / subspaces;
      const std::size_t width = (m + 1) * dimension / subspaces - first;
      std::vector<float> parts(points.count * width);
      for (std::size_t i = 0; i < points.count; ++i)
        std::copy_n(points[i] + first, width, parts.data() + i * width);
      KmeansOptions part = options;
      part.seed = options.seed + m;
      const Centroids words = kmeans({parts.data(), points.count, width}, part);
      // With fewer points than words the rest repeats the first word, which wins every tie.
      for (std::size_t c = 0; c < kWords; ++c) {
        const float* word = words.points()[c < words.size() ? c : 0];
        for (std::size_t j = 0; j < width; ++j) books[(first + j) * kWords + c] = word[j];
      }
    }
    return thread != 0 || progress(end, subspaces);
  };
  if (!parallel_for(subspaces, threads, 1, learn)) return {};
  return {std::move(books), dimension, subspaces};
}

inline void ProductCodes::make_table(const float* query, float* table) const noexcept {
  std::fill_n(table, table_size(), 0.0F);
  for (std::size_t m = 0; m < subspaces_; ++m) {
    const std::size_t first = first_of(m);
    add_column_products({query + first, 1, first_of(m + 1) - first}, books_.data() + first * kWords,
                        kWords, table + m * kWords);
  }
}

// Four sums, so that an addition need not wait for the one before.
inline float ProductCodes::product(const float* table, const std::uint8_t* code) const noexcept {
  float sums[4] = {};
  std::size_t m = 0;
  for (; m + 4 <= subspaces_; m += 4, table += 4 * kWords) {
    sums[0] += table[code[m]];
    sums[1] += table[kWords + code[m + 1]];
    sums[2] += table[2 * kWords + code[m + 2]];
    sums[3] += table[3 * kWords + code[m + 3]];
  }
  for (; m < subspaces_; ++m, table += kWords) sums[0] += table[code[m]];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

inline void ProductCodes::encode(const float* point, std::uint8_t* code,
                                 float* table) const noexcept {
  make_table(point, table);
  for (std::size_t m = 0; m < subspaces_; ++m) {
    float least = std::numeric_limits<float>::infinity();
    code[m] = 0;
    for (std::size_t c = 0; c < kWords; ++c) {
      const float distance = half_norms_[m * kWords + c] - table[m * kWords + c];
      if (distance >= least) continue;
      least = distance;
      code[m] = static_cast<std::uint8_t>(c);
    }
  }
}

inline void ProductCodes::decode(const std::uint8_t* code, float* point) const noexcept {
  for (std::size_t m = 0; m < subspaces_; ++m) {
    for (std::size_t j = first_of(m); j < first_of(m + 1); ++j)
      point[j] = books_[j * kWords + code[m]];
  }
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
