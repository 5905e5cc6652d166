// Vectors as rows of f32, f16 or scaled 8-bit numbers, each with what its metric needs beside it,
// and their distances to a query.
//
//   one row:   | number 0 … number d−1 | padding to 4 | scale (f32) | squared norm (f32) | padding
//   to 8 |
//
// An 8-bit code is round(x · 127 / max|x|); its scale turns sums of codes back into sums of
// numbers. Under cosine the scale carries 1/‖x‖ too, also for f32 and f16, whose numbers stay
// exactly as given, but for f16 codes of f32 rows (Fit::kScaled) whose largest number f16 does not
// hold, or only as a fraction of its precision: a power of two brings it below 1. The squared norm
// is that of the rounded row, because distances computed with the norm of the original would mix
// two different vectors. Then, with dot = Σ q·x over the stored numbers:
//
//   cosine 1 − s_q s_x dot  ·  inner product −s_q s_x dot  ·  L2 ‖q‖² + ‖x‖² − 2 s_q s_x dot
//   (8-bit, scaled f16) or Σ(q − x)² (f32, f16)
//
// Threads: set() and grow_to() by one writer for a row nobody reads yet; everything else is
// read-only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/error.hpp"
#include "anear/core/matrix_view.hpp"
#include "anear/core/types.hpp"
#include "anear/simd/kernels.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

/// Norms outside of these bounds would overflow or vanish in f32 sums; such vectors are refused.
inline constexpr double kNormMax = 1e18;
inline constexpr double kNormMin = 1e-18;

/// A query in the form a ScalarCodes compares: reusable memory, so that preparing does not allocate
/// after the first time.
struct PreparedQuery {
  const float* values = nullptr;
  const std::int8_t* code = nullptr;
  float scale = 1.0F;
  float norm2 = 0.0F;
  std::vector<float> value_buffer;
  std::vector<std::int8_t> code_buffer;
};

/// f32 copy of `row` in `buffer`, or the row's own memory when it is f32 already and aligned for
/// it.
inline const float* as_floats(VectorView row, std::vector<float>& buffer) {
  const auto is_aligned_for = [&](std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(row.data()) % bytes == 0;
  };
  if (row.kind() == ScalarKind::kF32 && is_aligned_for(alignof(float)))
    return static_cast<const float*>(row.data());
  buffer.resize(row.dimension());
  if (row.kind() == ScalarKind::kF32) {
    std::memcpy(buffer.data(), row.data(), row.bytes());
  } else if (is_aligned_for(alignof(Half))) {
    kernels().f16_to_f32(static_cast<const Half*>(row.data()), buffer.data(), row.dimension());
  } else {
    std::vector<Half> halves(row.dimension());
    std::memcpy(halves.data(), row.data(), row.bytes());
    kernels().f16_to_f32(halves.data(), buffer.data(), row.dimension());
  }
  return buffer.data();
}

/// The squared norm of `values` as f16 holds them: numbers below 3e-8 are 0 there.
inline double norm2_as_f16(const float* values, std::size_t count) {
  std::vector<Half> halves(count);
  std::vector<float> rounded(count);
  kernels().f32_to_f16(values, halves.data(), count);
  kernels().f16_to_f32(halves.data(), rounded.data(), count);
  double norm2 = 0;
  for (const float value : rounded)
    norm2 += static_cast<double>(value) * static_cast<double>(value);
  return norm2;
}

/// Refuses what cannot be compared: another dimension, numbers that are not finite (or do not fit
/// `stored`), a vector that is zero as it is stored under cosine, norms beyond kNormMax.
inline Status check_vector(VectorView row, std::size_t dimension, Metric metric,
                           ScalarKind stored) {
  if (row.dimension() != dimension) {
    return invalid_argument("vector has dimension " + std::to_string(row.dimension()) +
                                ", expected " + std::to_string(dimension),
                            Subcode::kDimensionMismatch);
  }
  std::vector<float> buffer;
  const float* values = as_floats(row, buffer);
  double norm2 = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    if (!std::isfinite(values[i])) {
      return invalid_argument(
          "vector holds a number that is not finite at dimension " + std::to_string(i),
          Subcode::kNotFinite);
    }
    if (stored == ScalarKind::kF16 && std::fabs(values[i]) >= 65520.0F) {
      return invalid_argument("number " + std::to_string(values[i]) + " at dimension " +
                                  std::to_string(i) + " does not fit f16; store this vector as f32",
                              Subcode::kNotFinite);
    }
    norm2 += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  if (norm2 > kNormMax * kNormMax) {
    return invalid_argument("vector has a norm above 1e18; scale it down", Subcode::kNotFinite);
  }
  // Rounding takes 3e-8 of a number at most: of 16,384 of them less than 1e-5 of the norm.
  constexpr double kRoundedNorm = 1e-4;
  if (stored == ScalarKind::kF16 && row.kind() != stored && norm2 < kRoundedNorm * kRoundedNorm)
    norm2 = norm2_as_f16(values, dimension);
  const double floor = stored == ScalarKind::kF16 ? 1e-7 : kNormMin;
  if (metric == Metric::kCosine && norm2 < floor * floor) {
    return invalid_argument("vector is zero (norm below " +
                                std::string(stored == ScalarKind::kF16 ? "1e-7" : "1e-18") +
                                "), which has no direction under the cosine metric",
                            Subcode::kZeroVector);
  }
  return {};
}

/// check_vector() of a query: its errors say so.
inline Status check_query_vector(VectorView query, std::size_t dimension, Metric metric) {
  Status status = check_vector(query, dimension, metric, ScalarKind::kF32);
  if (status) return status;
  Error error = std::move(status).error();
  error.message.insert(0, "query ");
  return error;
}

/// What is wrong with the query in `row` of several.
inline Error at_query(Error error, std::size_t row) {
  error.message.insert(0, "row " + std::to_string(row) + ": ");
  return std::move(error).at_record(static_cast<std::int64_t>(row));
}

/// What set() may do to f32 numbers that f16 does not hold.
enum class Fit : std::uint8_t {
  kAsGiven,  ///< Nothing: they are the record's own, which check_vector() knows to fit.
  kScaled    ///< Scale them: they are for comparing, and view() is not theirs.
};

class ScalarCodes {
 public:
  ScalarCodes(std::size_t dimension, Metric metric, ScalarKind kind, Fit fit = Fit::kAsGiven)
      : dimension_(dimension),
        metric_(metric),
        kind_(kind),
        fit_(fit),
        rows_(stride_of(dimension, kind)),
        kernels_(&kernels()) {}

  static std::size_t stride_of(std::size_t dimension, ScalarKind kind) noexcept {
    return (tail_offset(dimension, kind) + sizeof(Tail) + 7) / 8 * 8;
  }

  std::size_t dimension() const noexcept { return dimension_; }
  Metric metric() const noexcept { return metric_; }
  ScalarKind kind() const noexcept { return kind_; }
  std::size_t stride() const noexcept { return rows_.stride(); }
  std::size_t bytes(std::size_t rows) const noexcept { return rows * stride(); }
  void grow_to(std::size_t rows) { rows_.grow_to(rows); }
  AlignedRows& storage() noexcept { return rows_; }
  const AlignedRows& storage() const noexcept { return rows_; }

  /// Stores `row`, which check_vector() accepted, at `position`, which grow_to() made room for.
  void set(Position position, VectorView row) { store(row, rows_.row(position), fit_); }

  bool are_equal(Position one, Position other) const noexcept {
    return std::memcmp(rows_.row(one), rows_.row(other), stride()) == 0;
  }
  /// Whether `position` holds what set() would store of `row`, or an older one would have that did
  /// not scale, give or take how another machine rounds.
  bool holds(Position position, VectorView row) const {
    return holds(position, row, fit_) ||
           (fit_ == Fit::kScaled && holds(position, row, Fit::kAsGiven));
  }

  /// `query` must outlive `prepared` when it is f32. Its dimension is dimension(), its numbers are
  /// finite.
  void prepare(VectorView query, PreparedQuery& prepared) const {
    prepared.values = as_floats(query, prepared.value_buffer);
    if (kind_ == ScalarKind::kI8) {
      prepared.code_buffer.resize(dimension_);
      const Tail tail = encode(prepared.values, prepared.code_buffer.data());
      prepared.code = prepared.code_buffer.data();
      prepared.scale = tail.scale;
      prepared.norm2 = tail.norm2;
      return;
    }
    prepared.scale = metric_ == Metric::kCosine ? inverse_norm(prepared.values) : 1.0F;
  }

  /// The stored row as a query; valid while the row is.
  void prepare(Position position, PreparedQuery& prepared) const {
    const std::byte* block = rows_.row(position);
    const Tail tail = tail_of(block);
    prepared.scale = tail.scale;
    prepared.norm2 = tail.norm2;
    if (kind_ == ScalarKind::kI8) {
      prepared.code = reinterpret_cast<const std::int8_t*>(block);
    } else if (kind_ == ScalarKind::kF32) {
      prepared.values = reinterpret_cast<const float*>(block);
    } else {
      prepared.value_buffer.resize(dimension_);
      kernels_->f16_to_f32(reinterpret_cast<const Half*>(block), prepared.value_buffer.data(),
                           dimension_);
      prepared.values = prepared.value_buffer.data();
      if (metric_ != Metric::kCosine && tail.scale != 1.0F) {
        for (float& number : prepared.value_buffer) number *= tail.scale;
        prepared.scale = 1.0F;
      }
    }
  }

  float distance(const PreparedQuery& query, Position position) const noexcept {
    return distance_to(query, rows_.row(position));
  }

  /// How far distance() is from that of the rows behind both codes, as a standard deviation, were
  /// each number rounded by chance. `distance`: what it returned. 0 but for 8-bit codes: how far
  /// f16 rounds is seen well enough in the distances themselves.
  float deviation(const PreparedQuery& query, Position position, float distance) const noexcept {
    if (kind_ != ScalarKind::kI8) return 0;
    // A number that is rounded to a step is off by a twelfth of its square, squared.
    const Tail tail = tail_of(rows_.row(position));
    const float of_query = query.scale * query.scale / 12.0F;
    const float of_row = tail.scale * tail.scale / 12.0F;
    if (metric_ != Metric::kL2) return std::sqrt(query.norm2 * of_row + tail.norm2 * of_query);
    const float both = of_query + of_row;
    // What f32 leaves of a small difference of large squares.
    const float lost = std::numeric_limits<float>::epsilon() * (query.norm2 + tail.norm2);
    return std::sqrt(4.0F * distance * both + 2.0F * static_cast<float>(dimension_) * both * both +
                     lost * lost);
  }

  /// out[i] = distance to positions[i]; memory is asked for a few rows ahead.
  void distances(const PreparedQuery& query, const Position* positions, std::size_t count,
                 float* out) const noexcept {
    const std::size_t ahead = std::min(kAhead, count);
    for (std::size_t i = 0; i < ahead; ++i) prefetch(positions[i]);
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) prefetch(positions[i + kAhead]);
      out[i] = distance_to(query, rows_.row(positions[i]));
    }
  }

  void prefetch(Position position) const noexcept {
    const std::byte* block = rows_.address_of(position);
    const std::size_t lines = std::min<std::size_t>((stride() + 63) / 64, kLinesMax);
    for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(block + line * 64, 0, 3);
  }

  /// The stored numbers of an f32 or f16 row.
  VectorView view(Position position) const noexcept {
    return {rows_.row(position), dimension_, kind_};
  }

 private:
  struct Tail {
    float scale = 1.0F;
    float norm2 = 0.0F;
  };
  // More rows in flight than this stopped helping; longer rows are picked up by the hardware after
  // their first lines.
  static constexpr std::size_t kAhead = 5;
  static constexpr std::size_t kLinesMax = 12;

  bool holds(Position position, VectorView row, Fit fit) const {
    std::vector<std::byte> fresh(stride());
    store(row, fresh.data(), fit);
    const std::byte* ours = rows_.row(position);
    const std::byte* theirs = fresh.data();
    if (!alike(tail_of(ours).scale, tail_of(theirs).scale) ||
        !alike(tail_of(ours).norm2, tail_of(theirs).norm2)) {
      return false;
    }
    if (kind_ != ScalarKind::kI8)
      return std::memcmp(ours, theirs, dimension_ * bytes_of(kind_)) == 0;
    for (std::size_t i = 0; i < dimension_; ++i) {
      const int code = static_cast<int>(ours[i]) - static_cast<int>(theirs[i]);
      if (std::abs(static_cast<std::int8_t>(code)) > 1) return false;
    }
    return true;
  }

  static bool alike(float a, float b) noexcept {
    return std::fabs(a - b) <= 1e-4F * std::max(std::fabs(a), std::fabs(b));
  }
  static std::size_t tail_offset(std::size_t dimension, ScalarKind kind) noexcept {
    return (dimension * bytes_of(kind) + 3) / 4 * 4;
  }
  Tail tail_of(const std::byte* block) const noexcept {
    Tail tail;
    std::memcpy(&tail, block + tail_offset(dimension_, kind_), sizeof tail);
    return tail;
  }

  float distance_to(const PreparedQuery& query, const std::byte* block) const noexcept {
    const Tail tail = tail_of(block);
    float dot = 0;
    if (kind_ == ScalarKind::kI8) {
      dot = static_cast<float>(
          kernels_->dot_i8(query.code, reinterpret_cast<const std::int8_t*>(block), dimension_));
      if (metric_ == Metric::kL2) {
        return std::max(0.0F, query.norm2 + tail.norm2 - 2.0F * query.scale * tail.scale * dot);
      }
    } else if (kind_ == ScalarKind::kF32) {
      const auto* row = reinterpret_cast<const float*>(block);
      if (metric_ == Metric::kL2) return kernels_->l2_f32(query.values, row, dimension_);
      dot = kernels_->dot_f32(query.values, row, dimension_);
    } else {
      const auto* row = reinterpret_cast<const Half*>(block);
      if (metric_ == Metric::kL2 && tail.scale == 1.0F)
        return kernels_->l2_f16(query.values, row, dimension_);
      dot = kernels_->dot_f16(query.values, row, dimension_);
      if (metric_ == Metric::kL2) {
        const float query_norm2 = kernels_->dot_f32(query.values, query.values, dimension_);
        return std::max(0.0F, query_norm2 + tail.norm2 - 2.0F * tail.scale * dot);
      }
    }
    const float product = query.scale * tail.scale * dot;
    return metric_ == Metric::kCosine ? 1.0F - product : -product;
  }

  void store(VectorView row, std::byte* block, Fit fit) const {
    std::vector<float> buffer;
    const float* values = as_floats(row, buffer);
    Tail tail;
    if (kind_ == ScalarKind::kI8) {
      tail = encode(values, reinterpret_cast<std::int8_t*>(block));
    } else {
      const int exponent = fit == Fit::kScaled ? exponent_of(values) : 0;
      if (exponent == 0)
        store_numbers(row, values, block);
      else
        store_scaled(values, exponent, reinterpret_cast<Half*>(block));
      tail = float_tail(block, exponent);
    }
    std::memcpy(block + tail_offset(dimension_, kind_), &tail, sizeof tail);
  }

  void store_numbers(VectorView row, const float* values, std::byte* block) const {
    if (row.kind() == kind_)
      std::memcpy(block, row.data(), row.bytes());
    else if (kind_ == ScalarKind::kF16)
      kernels_->f32_to_f16(values, reinterpret_cast<Half*>(block), dimension_);
    else
      std::memcpy(block, values, dimension_ * sizeof(float));
  }

  /// The power of two that numbers are divided by, 0 for one that leaves them as given.
  int exponent_of(const float* values) const noexcept {
    if (kind_ != ScalarKind::kF16) return 0;
    constexpr float kLeastNormal = 0x1p-14F, kLeastInfinite = 65520.0F;
    const float largest = largest_of(values);
    if (largest == 0 || (largest >= kLeastNormal && largest < kLeastInfinite)) return 0;
    int exponent = 0;
    std::frexp(largest, &exponent);
    return exponent;
  }

  void store_scaled(const float* values, int exponent, Half* out) const {
    std::vector<float> scaled(values, values + dimension_);
    for (float& number : scaled) number = std::ldexp(number, -exponent);
    kernels_->f32_to_f16(scaled.data(), out, dimension_);
  }

  /// Of f32 and f16 numbers that were divided by 2^exponent.
  Tail float_tail(const std::byte* block, int exponent) const {
    if (metric_ != Metric::kCosine && exponent == 0) return {};
    std::vector<float> buffer;
    const float* values = as_floats({block, dimension_, kind_}, buffer);
    if (metric_ == Metric::kCosine) return {inverse_norm(values), 1.0F};
    return {std::ldexp(1.0F, exponent),
            static_cast<float>(std::ldexp(norm2_of(values), 2 * exponent))};
  }

  float largest_of(const float* values) const noexcept {
    float largest = 0;
    for (std::size_t i = 0; i < dimension_; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
  }

  double norm2_of(const float* values) const noexcept {
    double norm2 = 0;
    for (std::size_t i = 0; i < dimension_; ++i)
      norm2 += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return norm2;
  }

  float inverse_norm(const float* values) const noexcept {
    const double norm2 = norm2_of(values);
    return norm2 > 0 ? static_cast<float>(1.0 / std::sqrt(norm2)) : 0.0F;
  }

  Tail encode(const float* values, std::int8_t* code) const noexcept {
    const float largest = largest_of(values);
    // Numbers so small that the step would be infinite are zeros; what is none (of a damaged image)
    // becomes -127.
    const float step = largest > 127.0F / std::numeric_limits<float>::max() ? 127.0F / largest : 0;
    std::int64_t sum2 = 0;
    for (std::size_t i = 0; i < dimension_; ++i) {
      const float scaled = values[i] * step;
      const float bounded = scaled >= -127.0F ? std::min(scaled, 127.0F) : -127.0F;
      code[i] = static_cast<std::int8_t>(bounded + (bounded < 0 ? -0.5F : 0.5F));
      sum2 += std::int64_t{code[i]} * code[i];
    }
    float scale = largest / 127.0F;
    if (metric_ == Metric::kCosine) {
      return {sum2 > 0 ? static_cast<float>(1.0 / std::sqrt(static_cast<double>(sum2))) : 0.0F,
              1.0F};
    }
    return {scale, static_cast<float>(static_cast<double>(sum2) * static_cast<double>(scale) *
                                      static_cast<double>(scale))};
  }

  std::size_t dimension_;
  Metric metric_;
  ScalarKind kind_;
  Fit fit_;
  AlignedRows rows_;
  const Kernels* kernels_;
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
