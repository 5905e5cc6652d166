// Borrowed, typed, read-only views of the caller's vectors: one (VectorView) or many rows
// (MatrixView). They own nothing and copy nothing; the memory must outlive the call they are passed
// to.
#pragma once

#include <cstddef>
#include <span>

#include "anear/core/types.hpp"

namespace anear {

/// One vector of `dimension()` numbers, contiguous, of kind f32 or f16. Any alignment.
class VectorView {
 public:
  VectorView() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a span of numbers is a vector.
  VectorView(std::span<const float> values) noexcept
      : data_(values.data()), dimension_(values.size()), kind_(ScalarKind::kF32) {}
  // NOLINTNEXTLINE(google-explicit-constructor): a span of numbers is a vector.
  VectorView(std::span<const Half> values) noexcept
      : data_(values.data()), dimension_(values.size()), kind_(ScalarKind::kF16) {}
  VectorView(const void* data, std::size_t dimension, ScalarKind kind) noexcept
      : data_(data), dimension_(dimension), kind_(kind) {}

  const void* data() const noexcept { return data_; }
  std::size_t dimension() const noexcept { return dimension_; }
  ScalarKind kind() const noexcept { return kind_; }
  std::size_t bytes() const noexcept { return dimension_ * bytes_of(kind_); }
  bool empty() const noexcept { return dimension_ == 0; }

 private:
  const void* data_ = nullptr;
  std::size_t dimension_ = 0;
  ScalarKind kind_ = ScalarKind::kF32;
};

/// The shape of a matrix, named so that the two numbers cannot be swapped.
struct MatrixShape {
  std::size_t rows = 0;
  std::size_t dimension = 0;
};

/// `rows()` vectors of one dimension and kind; row i starts `i * stride_bytes()` after `data()`.
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(const void* data, MatrixShape shape, ScalarKind kind) noexcept
      : MatrixView(data, shape, kind, shape.dimension * bytes_of(kind)) {}
  MatrixView(const void* data, MatrixShape shape, ScalarKind kind,
             std::size_t stride_bytes) noexcept
      : data_(static_cast<const std::byte*>(data)),
        shape_(shape),
        stride_bytes_(stride_bytes),
        kind_(kind) {}
  // NOLINTNEXTLINE(google-explicit-constructor): one vector is a matrix of one row.
  MatrixView(VectorView row) noexcept : MatrixView(row.data(), {1, row.dimension()}, row.kind()) {}

  VectorView row(std::size_t index) const noexcept {
    return {data_ + index * stride_bytes_, shape_.dimension, kind_};
  }
  /// Rows [begin, begin + count).
  MatrixView rows_from(std::size_t begin, std::size_t count) const noexcept {
    return {data_ + begin * stride_bytes_, {count, shape_.dimension}, kind_, stride_bytes_};
  }
  const void* data() const noexcept { return data_; }
  std::size_t rows() const noexcept { return shape_.rows; }
  std::size_t dimension() const noexcept { return shape_.dimension; }
  std::size_t stride_bytes() const noexcept { return stride_bytes_; }
  ScalarKind kind() const noexcept { return kind_; }
  bool empty() const noexcept { return shape_.rows == 0; }

 private:
  const std::byte* data_ = nullptr;
  MatrixShape shape_;
  std::size_t stride_bytes_ = 0;
  ScalarKind kind_ = ScalarKind::kF32;
};

}  // namespace anear
