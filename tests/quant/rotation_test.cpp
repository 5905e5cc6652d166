// Rotations: lengths and products are kept, variance is spread, codes become better.
#include "anear/quant/rotation.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "anear/quant/product_codes.hpp"
#include "random_rows.hpp"

namespace anear::rotation_test {
namespace {

constexpr std::uint64_t kSeed = 47;

Points points_of(const test::Rows& rows) {
  return {rows.values.data(), rows.count(), rows.dimension};
}

/// Rows whose first numbers vary much more than the last ones, so that plain parts are uneven.
test::Rows uneven_rows(MatrixShape shape, std::uint64_t seed) {
  Random random(seed);
  test::Rows rows{shape.dimension, std::vector<float>(shape.rows * shape.dimension)};
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    const auto j = static_cast<float>(i % shape.dimension);
    rows.values[i] = 4.0F * std::exp(-0.25F * j) * test::normal(random);
  }
  return rows;
}

test::Rows rotated(const Rotation& rotation, const test::Rows& rows) {
  test::Rows out{rows.dimension, std::vector<float>(rows.values.size())};
  rotation.apply(points_of(rows), out.values.data());
  return out;
}

double product(const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  for (std::size_t j = 0; j < dimension; ++j)
    sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

double code_error(const test::Rows& rows, std::size_t subspaces) {
  const ProductCodes codes =
      ProductCodes::train(points_of(rows), subspaces, {.iterations = 8, .seed = kSeed});
  std::vector<std::uint8_t> code(subspaces);
  std::vector<float> table(codes.table_size()), decoded(rows.dimension);
  double error = 0;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    codes.encode(points_of(rows)[i], code.data(), table.data());
    codes.decode(code.data(), decoded.data());
    for (std::size_t j = 0; j < rows.dimension; ++j)
      error += std::pow(static_cast<double>(points_of(rows)[i][j] - decoded[j]), 2);
  }
  return error;
}

TEST_CASE("Rotation keeps products, for every dimension and number of rows") {
  const std::size_t dimension = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{33});
  const std::size_t count = GENERATE(std::size_t{1}, std::size_t{20}, std::size_t{1'500});
  INFO("seed " << kSeed << ", dimension " << dimension << ", rows " << count);
  const test::Rows rows = test::clustered_rows({count, dimension}, kSeed);
  const test::Rows others = test::clustered_rows({10, dimension}, kSeed + 1);
  const Rotation rotation = Rotation::learn(points_of(rows), std::min<std::size_t>(4, dimension));
  REQUIRE_FALSE(rotation.is_identity());
  const test::Rows turned = rotated(rotation, others);
  for (std::size_t i = 0; i < others.count(); ++i) {
    const float* a = points_of(others)[0];
    const float* b = points_of(others)[i];
    const double before = product(a, b, dimension);
    const double after = product(points_of(turned)[0], points_of(turned)[i], dimension);
    CHECK(after == Approx(before).margin(1e-3));
  }
}

TEST_CASE("Rotation deals the variance out evenly between parts") {
  const test::Rows rows = uneven_rows({3'000, 32}, kSeed);
  const test::Rows turned = rotated(Rotation::learn(points_of(rows), 4), rows);
  std::vector<double> logs(4, 0.0);
  for (std::size_t j = 0; j < 32; ++j) {
    double variance = 0;
    for (std::size_t i = 0; i < turned.count(); ++i)
      variance += std::pow(static_cast<double>(points_of(turned)[i][j]), 2);
    logs[j / 8] += std::log(variance / static_cast<double>(turned.count()));
  }
  const auto [least, most] = std::minmax_element(logs.begin(), logs.end());
  // As given, the first and the last part differ by 96.
  CHECK(*most - *least < 3.0);
}

TEST_CASE("Rotation makes product codes of uneven rows better") {
  const test::Rows rows = uneven_rows({3'000, 32}, kSeed);
  const double plain = code_error(rows, 4);
  const double turned = code_error(rotated(Rotation::learn(points_of(rows), 4), rows), 4);
  INFO("errors " << plain << ", " << turned);
  CHECK(turned < 0.6 * plain);
}

TEST_CASE("Rotation of equal points, and of too many dimensions, keeps vectors") {
  const std::vector<float> zeros(50 * 6, 0.0F);
  const Rotation flat = Rotation::learn({zeros.data(), 50, 6}, 3);
  const test::Rows rows = test::clustered_rows({3, 6}, kSeed);
  const test::Rows turned = rotated(flat, rows);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(product(points_of(turned)[i], points_of(turned)[i], 6) ==
          Approx(product(points_of(rows)[i], points_of(rows)[i], 6)));
  }
  const std::size_t wide = Rotation::kDimensionMax + 1;
  const test::Rows long_rows = test::clustered_rows({2, wide}, kSeed);
  const Rotation none = Rotation::learn(points_of(long_rows), 8);
  CHECK(none.is_identity());
  CHECK(rotated(none, long_rows).values == long_rows.values);
}

TEST_CASE("Rotation is the same for the same points") {
  const test::Rows rows = uneven_rows({500, 24}, kSeed);
  CHECK(Rotation::learn(points_of(rows), 5).matrix() ==
        Rotation::learn(points_of(rows), 5).matrix());
}

}  // namespace
}  // namespace anear::rotation_test
