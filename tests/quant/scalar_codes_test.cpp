// Codes of rows whose numbers are at the ends of what a float holds.
#include "anear/quant/scalar_codes.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "anear/core/random.hpp"
#include "random_rows.hpp"

namespace anear::scalar_codes_test {
namespace {

std::vector<int> code_of(const std::vector<float>& row) {
  ScalarCodes codes(row.size(), Metric::kL2, ScalarKind::kI8);
  codes.grow_to(1);
  codes.set(0, std::span<const float>(row));
  const auto* bytes = reinterpret_cast<const std::int8_t*>(codes.storage().row(0));
  return {bytes, bytes + row.size()};
}

TEST_CASE("A byte of a code is the number's share of the largest one, rounded") {
  CHECK(code_of({1.0F, -1.0F, 0.0F, 0.5F}) == std::vector<int>{127, -127, 0, 64});
  CHECK(code_of({1e18F, -2e18F, 3e17F}) == std::vector<int>{64, -127, 19});
  CHECK(code_of({1e-36F, -1e-36F, 4e-37F}) == std::vector<int>{127, -127, 51});
}

TEST_CASE("Numbers too small for a step between codes are coded as zero") {
  CHECK(code_of({1e-38F, -1e-38F, 0.0F}) == std::vector<int>{0, 0, 0});
  CHECK(code_of({std::numeric_limits<float>::denorm_min(), 0.0F}) == std::vector<int>{0, 0});
  CHECK(code_of({0.0F, 0.0F}) == std::vector<int>{0, 0});
}

/// The numbers that a code of `kind` stands for, in double precision.
std::vector<double> decoded(ScalarKind kind, const float* row, std::size_t dimension) {
  std::vector<double> numbers(row, row + dimension);
  if (kind == ScalarKind::kF32) return numbers;
  if (kind == ScalarKind::kF16) {
    std::vector<Half> halves(dimension);
    std::vector<float> rounded(dimension);
    kernels().f32_to_f16(row, halves.data(), dimension);
    kernels().f16_to_f32(halves.data(), rounded.data(), dimension);
    return {rounded.begin(), rounded.end()};
  }
  double largest = 0;
  for (const double number : numbers) largest = std::max(largest, std::abs(number));
  for (double& number : numbers) number = std::round(number * 127 / largest) * largest / 127;
  return numbers;
}

/// By definition, and what rounding errors are relative to.
struct Distance {
  double value = 0;
  double magnitude = 0;
};
Distance distance_of(Metric metric, const std::vector<double>& a, const std::vector<double>& b) {
  double dot = 0, sizes = 0, aa = 0, bb = 0, l2 = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    sizes += std::abs(a[i] * b[i]);
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    l2 += (a[i] - b[i]) * (a[i] - b[i]);
  }
  if (metric == Metric::kL2) return {l2, aa + bb};
  if (metric == Metric::kInnerProduct) return {-dot, sizes};
  return {1 - dot / std::sqrt(aa * bb), 2};
}

TEST_CASE("Distances of every metric are those of the numbers that codes stand for") {
  std::vector<std::size_t> dimensions;
  for (std::size_t dimension = 1; dimension <= 130; ++dimension) dimensions.push_back(dimension);
  for (const std::size_t dimension : {384, 768, 1536}) dimensions.push_back(dimension);
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const ScalarKind kind = GENERATE(ScalarKind::kF32, ScalarKind::kF16, ScalarKind::kI8);
  for (const std::size_t dimension : dimensions) {
    constexpr std::size_t kRows = 5;
    const test::Rows rows = test::clustered_rows({kRows + 1, dimension}, 100 + dimension);
    ScalarCodes codes(dimension, metric, kind);
    codes.grow_to(kRows);
    std::vector<Position> positions;
    for (std::size_t i = 0; i < kRows; ++i) {
      codes.set(static_cast<Position>(i), rows.row(i));
      positions.push_back(static_cast<Position>(i));
    }
    PreparedQuery query;
    codes.prepare(rows.row(kRows), query);
    std::vector<float> found(kRows);
    codes.distances(query, positions.data(), kRows, found.data());
    const auto* numbers = rows.values.data();
    // A query is only rounded where codes are bytes.
    const ScalarKind of_query = kind == ScalarKind::kI8 ? kind : ScalarKind::kF32;
    const auto asked = decoded(of_query, numbers + kRows * dimension, dimension);
    for (std::size_t i = 0; i < kRows; ++i) {
      INFO("metric " << static_cast<int>(metric) << ", kind " << static_cast<int>(kind)
                     << ", dimension " << dimension << ", row " << i);
      const Distance wanted =
          distance_of(metric, asked, decoded(kind, numbers + i * dimension, dimension));
      const double tolerance = 2e-7 * static_cast<double>(dimension + 20) * wanted.magnitude;
      CHECK(std::abs(static_cast<double>(found[i]) - wanted.value) <= tolerance + 1e-30);
      CHECK(codes.distance(query, positions[i]) == found[i]);
    }
  }
}

TEST_CASE("Scaled codes of f16 err by a part of each number, of whatever size numbers are") {
  constexpr std::size_t kRows = 6, kDimension = 37;
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const float size = GENERATE(1e-17F, 1e-9F, 1e-5F, 1.0F, 1e5F, 1e17F);
  INFO("metric " << static_cast<int>(metric) << ", numbers of about " << size);
  test::Rows rows = test::clustered_rows({kRows, kDimension}, 5);
  for (float& number : rows.values) number *= size;
  ScalarCodes codes(kDimension, metric, ScalarKind::kF16, Fit::kScaled);
  codes.grow_to(kRows);
  for (Position i = 0; i < kRows; ++i) codes.set(i, rows.row(i));
  const auto numbers = [&](std::size_t row) {
    const float* first = rows.values.data() + row * kDimension;
    return std::vector<double>(first, first + kDimension);
  };
  PreparedQuery given, stored;
  for (Position i = 0; i < kRows; ++i) {
    CHECK(codes.holds(i, rows.row(i)));
    codes.prepare(rows.row(i), given);
    codes.prepare(i, stored);
    for (Position j = 0; j < kRows; ++j) {
      const Distance wanted = distance_of(metric, numbers(i), numbers(j));
      const double tolerance = 2e-3 * wanted.magnitude;
      CHECK(std::abs(static_cast<double>(codes.distance(given, j)) - wanted.value) <= tolerance);
      CHECK(std::abs(static_cast<double>(codes.distance(stored, j)) - wanted.value) <= tolerance);
    }
  }
}

TEST_CASE("Rows and queries may stand at any address") {
  constexpr std::size_t kDimension = 37;
  const test::Rows rows = test::clustered_rows({1, kDimension}, 9);
  std::vector<Half> halves(kDimension);
  kernels().f32_to_f16(rows.values.data(), halves.data(), kDimension);
  for (const ScalarKind given : {ScalarKind::kF32, ScalarKind::kF16}) {
    const void* numbers = rows.values.data();
    if (given == ScalarKind::kF16) numbers = halves.data();
    const std::size_t bytes = kDimension * bytes_of(given);
    for (const ScalarKind kind : {ScalarKind::kF32, ScalarKind::kF16, ScalarKind::kI8}) {
      ScalarCodes codes(kDimension, Metric::kL2, kind);
      codes.grow_to(2);
      codes.set(0, {numbers, kDimension, given});
      for (std::size_t at = 0; at < 8; ++at) {
        std::vector<std::byte> memory(bytes + at);
        std::memcpy(memory.data() + at, numbers, bytes);
        const VectorView moved(memory.data() + at, kDimension, given);
        CHECK(check_vector(moved, kDimension, Metric::kL2, kind));
        codes.set(1, moved);
        CHECK(codes.are_equal(0, 1));
        PreparedQuery query;
        codes.prepare(moved, query);
        CHECK(codes.distance(query, 0) <= 1e-3F);
      }
    }
  }
}

}  // namespace
}  // namespace anear::scalar_codes_test
