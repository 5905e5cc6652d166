// What an IVF-PQ index learns: a rotation, the centroids of its lists, and product codes of what a
// row differs from its centroid.
//
//   row x, of length 1 under cosine  →  y = rotated x  →  list: the centroid c nearest to y
//                                    →  code: r ≈ y − c
//
// With q the rotated query and e = y − c − r what the code lacks, the distance that is to be
// expected of a coded row falls apart into what belongs to the list, to the row and to both:
//
//   L2, cosine   ‖q − c − r‖² + ‖e‖² = ‖q − c‖² + (‖r‖² + 2⟨c, r⟩ + ‖e‖²) − 2⟨q, r⟩
//   product      −⟨q, c + r⟩         =  −⟨q, c⟩ + 0                       −  ⟨q, r⟩
//
// so that one table serves all lists, and the bracket (the bias) is stored beside the code. An
// error is orthogonal to its code on average: without ‖e‖² rows would seem too near, the more so
// the nearer they are. Under cosine this is twice the cosine distance: only the order counts.
//
// Threads: read-only once trained.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "anear/quant/coded_query.hpp"
#include "anear/quant/product_codes.hpp"
#include "anear/quant/rotation.hpp"
#include "anear/quant/scalar_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

/// How ResidualCodes::train() learns.
struct ResidualOptions {
  std::size_t subspaces = 1;
  bool rotate = true;
  KmeansOptions kmeans;  ///< `clusters`: the number of lists.
};

class ResidualCodes {
 public:
  /// The list of a row, what stands beside its code, and how far the code is from the row: L2².
  struct Place {
    std::uint32_t list = 0;
    float bias = 0;
    float error2 = 0;
  };

  ResidualCodes(Metric metric, Rotation rotation, Centroids centroids, ProductCodes codes);
  /// `rows` as normalize() leaves them, at least one. Nothing when `kmeans.progress` asked to stop;
  /// it counts the rows of all rounds, and then subspaces.
  static std::optional<ResidualCodes> train(const Points& rows, Metric metric,
                                            const ResidualOptions& options);
  /// The numbers of `row` as they are coded: of length 1 under cosine.
  static void normalize(VectorView row, Metric metric, float* out);

  std::size_t lists() const noexcept { return centroids_.size(); }
  std::size_t code_bytes() const noexcept { return codes_.subspaces(); }
  const Rotation& rotation() const noexcept { return rotation_; }
  const Centroids& centroids() const noexcept { return centroids_; }
  const ProductCodes& codes() const noexcept { return codes_; }
  std::size_t bytes() const noexcept {
    return rotation_.bytes() + centroids_.bytes() + codes_.bytes() + list_codes_.bytes(lists());
  }

  /// `rows` as normalize() leaves them; `codes` has room for rows.count · code_bytes().
  void encode(const Points& rows, Place* places, std::uint8_t* codes) const;

  void prepare(VectorView query, CodedQuery& prepared) const;
  /// out[i].distance: about how far list i is times query.unit, good enough to rank the lists.
  void rank_lists(const CodedQuery& query, std::vector<Neighbor>& out) const;
  /// A distance of rank_lists() as a length.
  float list_length(float distance) const noexcept {
    return by_product() ? distance : std::sqrt(std::max(distance, 0.0F));
  }
  /// How far the centroid of `list` is; a code of the list adds its bias and code_distance().
  float list_distance(const CodedQuery& query, std::uint32_t list) const noexcept;
  float code_distance(const CodedQuery& query, const std::uint8_t* code) const noexcept {
    return codes_.product(query.table.data(), code);
  }

  /// A distance as a length, which errors of codes add to; under products that of a query of
  /// length 1.
  float length(const CodedQuery& query, float distance) const noexcept {
    return by_product() ? distance * query.unit : std::sqrt(std::max(distance, 0.0F));
  }
  float from_length(const CodedQuery& query, float length) const noexcept {
    if (by_product()) return length / query.unit;
    return length > 0 ? length * length : 0.0F;
  }
  /// A distance by rows as codes measure it.
  float of_rows(float distance) const noexcept {
    return metric_ == Metric::kCosine ? 2.0F * distance : distance;
  }

 private:
  static void subtract(const float* centroid, std::size_t dimension, float* row) noexcept;

  bool by_product() const noexcept { return metric_ == Metric::kInnerProduct; }

  Metric metric_;
  Rotation rotation_;
  Centroids centroids_;
  ProductCodes codes_;
  ScalarCodes list_codes_;  ///< The centroids again, in a quarter of the bytes, for rank_lists().
};

inline ResidualCodes::ResidualCodes(Metric metric, Rotation rotation, Centroids centroids,
                                    ProductCodes codes)
    : metric_(metric),
      rotation_(std::move(rotation)),
      centroids_(std::move(centroids)),
      codes_(std::move(codes)),
      list_codes_(codes_.dimension(), by_product() ? Metric::kInnerProduct : Metric::kL2,
                  ScalarKind::kI8) {
  list_codes_.grow_to(lists());
  for (std::size_t list = 0; list < lists(); ++list) {
    list_codes_.set(static_cast<Position>(list),
                    {centroids_.points()[list], codes_.dimension(), ScalarKind::kF32});
  }
}

inline std::optional<ResidualCodes> ResidualCodes::train(const Points& rows, Metric metric,
                                                         const ResidualOptions& options) {
  // Rotation and books have few numbers to learn.
  constexpr std::size_t kRowsForCodes = 64 * ProductCodes::kWords;
  Centroids centroids = kmeans(rows, options.kmeans);
  if (centroids.size() == 0) return std::nullopt;
  const Points few = rows.part(0, std::min(rows.count, kRowsForCodes));
  std::vector<std::uint32_t> nearest(few.count);
  std::vector<float> residuals(few.values, few.values + few.count * few.dimension);
  const Points differences{residuals.data(), few.count, few.dimension};
  parallel_for(
      few.count, options.kmeans.threads, 64, [&](std::size_t begin, std::size_t end, std::size_t) {
        centroids.nearest(few.part(begin, end), nearest.data() + begin);
        for (std::size_t i = begin; i < end; ++i)
          subtract(centroids.points()[nearest[i]], few.dimension, &residuals[i * few.dimension]);
        return true;
      });
  Rotation rotation;
  if (options.rotate) {
    rotation = Rotation::learn(differences, options.subspaces);
    const std::vector<float> given = residuals;
    rotation.apply({given.data(), few.count, few.dimension}, residuals.data());
    std::vector<float> rotated(centroids.values().size());
    rotation.apply(centroids.points(), rotated.data());
    centroids = Centroids(std::move(rotated), rows.dimension);
  }
  ProductCodes codes = ProductCodes::train(differences, options.subspaces, options.kmeans);
  if (codes.subspaces() == 0) return std::nullopt;
  return ResidualCodes(metric, std::move(rotation), std::move(centroids), std::move(codes));
}

inline void ResidualCodes::subtract(const float* centroid, std::size_t dimension,
                                    float* row) noexcept {
  for (std::size_t j = 0; j < dimension; ++j) row[j] -= centroid[j];
}

inline void ResidualCodes::normalize(VectorView row, Metric metric, float* out) {
  std::vector<float> buffer;
  const float* values = as_floats(row, buffer);
  const std::size_t dimension = row.dimension();
  double norm2 = 0;
  for (std::size_t j = 0; j < dimension; ++j)
    norm2 += static_cast<double>(values[j]) * static_cast<double>(values[j]);
  const bool scaled = metric == Metric::kCosine && norm2 > 0;
  const double scale = scaled ? 1.0 / std::sqrt(norm2) : 1.0;
  for (std::size_t j = 0; j < dimension; ++j)
    out[j] = static_cast<float>(static_cast<double>(values[j]) * scale);
}

inline void ResidualCodes::encode(const Points& rows, Place* places, std::uint8_t* codes) const {
  const std::size_t dimension = rows.dimension;
  std::vector<float> rotated(rows.count * dimension);
  rotation_.apply(rows, rotated.data());
  std::vector<std::uint32_t> nearest(rows.count);
  centroids_.nearest({rotated.data(), rows.count, dimension}, nearest.data());
  std::vector<float> table(codes_.table_size());
  std::vector<float> decoded(dimension);
  for (std::size_t i = 0; i < rows.count; ++i) {
    const float* centroid = centroids_.points()[nearest[i]];
    float* residual = rotated.data() + i * dimension;
    subtract(centroid, dimension, residual);
    std::uint8_t* code = codes + i * code_bytes();
    codes_.encode(residual, code, table.data());
    codes_.decode(code, decoded.data());
    const float error2 = kernels().l2_f32(residual, decoded.data(), dimension);
    const float bias = kernels().dot_f32(decoded.data(), decoded.data(), dimension) +
                       2.0F * kernels().dot_f32(centroid, decoded.data(), dimension) + error2;
    places[i] = {nearest[i], by_product() ? 0.0F : bias, error2};
  }
}

inline void ResidualCodes::prepare(VectorView query, CodedQuery& prepared) const {
  const std::size_t dimension = codes_.dimension();
  prepared.given.resize(dimension);
  prepared.rotated.resize(dimension);
  prepared.scaled.resize(dimension);
  prepared.table.resize(codes_.table_size());
  normalize(query, metric_, prepared.given.data());
  rotation_.apply({prepared.given.data(), 1, dimension}, prepared.rotated.data());
  const float factor = by_product() ? -1.0F : -2.0F;
  for (std::size_t j = 0; j < dimension; ++j) prepared.scaled[j] = factor * prepared.rotated[j];
  codes_.make_table(prepared.scaled.data(), prepared.table.data());
  // Products grow with the query; without its length a difference means the same for every query.
  const float length2 =
      kernels().dot_f32(prepared.rotated.data(), prepared.rotated.data(), dimension);
  prepared.unit = by_product() && length2 > 0 ? 1.0F / std::sqrt(length2) : 1.0F;
  list_codes_.prepare(std::span<const float>(prepared.rotated), prepared.to_lists);
}

inline void ResidualCodes::rank_lists(const CodedQuery& query, std::vector<Neighbor>& out) const {
  out.resize(lists());
  for (std::uint32_t list = 0; list < lists(); ++list) {
    const float distance = query.unit * list_codes_.distance(query.to_lists, list);
    // Damaged bytes can make sums that are no number, and no order.
    out[list] = {std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance, list};
  }
}

inline float ResidualCodes::list_distance(const CodedQuery& query,
                                          std::uint32_t list) const noexcept {
  const float* rotated = query.rotated.data();
  const float* centroid = centroids_.points()[list];
  const std::size_t dimension = codes_.dimension();
  return by_product() ? -kernels().dot_f32(rotated, centroid, dimension)
                      : kernels().l2_f32(rotated, centroid, dimension);
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
