// Product codes: tables against products of decoded vectors, the error of codes, odd widths.
#include "anear/quant/product_codes.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "random_rows.hpp"

namespace anear::product_codes_test {
namespace {

constexpr std::uint64_t kSeed = 43;

Points points_of(const test::Rows& rows) {
  return {rows.values.data(), rows.count(), rows.dimension};
}

ProductCodes trained_on(const test::Rows& rows, std::size_t subspaces, std::size_t threads = 1) {
  return ProductCodes::train(points_of(rows), subspaces,
                             {.iterations = 8, .seed = kSeed, .threads = threads});
}

/// The mean squared error of decoded codes, relative to the mean squared length.
double relative_error(const ProductCodes& codes, const test::Rows& rows) {
  std::vector<std::uint8_t> code(codes.subspaces());
  std::vector<float> table(codes.table_size());
  std::vector<float> decoded(rows.dimension);
  double error = 0, length = 0;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    const float* row = points_of(rows)[i];
    codes.encode(row, code.data(), table.data());
    codes.decode(code.data(), decoded.data());
    for (std::size_t j = 0; j < rows.dimension; ++j) {
      const double difference = static_cast<double>(row[j]) - static_cast<double>(decoded[j]);
      error += difference * difference;
      length += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
  }
  return error / length;
}

TEST_CASE("ProductCodes sums a table to the product of the query with the decoded vector") {
  const std::size_t dimension = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{50});
  const std::size_t subspaces =
      GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{6}, std::size_t{7}, std::size_t{50});
  if (subspaces > dimension) return;
  INFO("seed " << kSeed << ", dimension " << dimension << ", subspaces " << subspaces);
  const test::Rows rows = test::clustered_rows({600, dimension}, kSeed);
  const test::Rows queries = test::clustered_rows({5, dimension}, kSeed + 1);
  const ProductCodes codes = trained_on(rows, subspaces);
  CHECK(codes.subspaces() == subspaces);
  std::vector<std::uint8_t> code(subspaces);
  std::vector<float> table(codes.table_size());
  std::vector<float> decoded(dimension);
  for (std::size_t q = 0; q < queries.count(); ++q) {
    const float* query = points_of(queries)[q];
    for (std::size_t i = 0; i < rows.count(); i += 37) {
      codes.encode(points_of(rows)[i], code.data(), table.data());
      codes.decode(code.data(), decoded.data());
      double expected = 0;
      for (std::size_t j = 0; j < dimension; ++j)
        expected += static_cast<double>(query[j]) * static_cast<double>(decoded[j]);
      codes.make_table(query, table.data());
      CHECK(codes.product(table.data(), code.data()) == Approx(expected).margin(1e-4));
    }
  }
}

TEST_CASE("ProductCodes encodes each part by its nearest word") {
  const test::Rows rows = test::clustered_rows({1'000, 12}, kSeed);
  const ProductCodes codes = trained_on(rows, 5);
  std::vector<std::uint8_t> code(5), changed(5);
  std::vector<float> table(codes.table_size()), decoded(12);
  const auto error = [&](const float* row, const std::vector<std::uint8_t>& of) {
    codes.decode(of.data(), decoded.data());
    double sum = 0;
    for (std::size_t j = 0; j < 12; ++j)
      sum += std::pow(static_cast<double>(row[j] - decoded[j]), 2);
    return sum;
  };
  for (std::size_t i = 0; i < rows.count(); i += 50) {
    const float* row = points_of(rows)[i];
    codes.encode(row, code.data(), table.data());
    const double best = error(row, code);
    for (std::size_t m = 0; m < 5; ++m) {
      changed = code;
      for (int word = 0; word < 256; ++word) {
        changed[m] = static_cast<std::uint8_t>(word);
        CHECK(error(row, changed) >= best - 1e-4);
      }
    }
  }
}

TEST_CASE("ProductCodes loses less with more bytes, on rows it has not seen") {
  const test::Rows rows = test::clustered_rows({4'000, 32}, kSeed);
  const test::Rows unseen = test::clustered_rows({300, 32}, kSeed + 1);
  const double four = relative_error(trained_on(rows, 4), unseen);
  const double eight = relative_error(trained_on(rows, 8), unseen);
  const double sixteen = relative_error(trained_on(rows, 16), unseen);
  INFO("relative errors " << four << ", " << eight << ", " << sixteen);
  CHECK(four < 0.35);
  CHECK(eight < 0.8 * four);
  CHECK(sixteen < 0.6 * eight);
}

TEST_CASE("ProductCodes trained on fewer points than words keeps them exactly") {
  const test::Rows rows = test::clustered_rows({40, 9}, kSeed);
  CHECK(relative_error(trained_on(rows, 4), rows) < 1e-9);
}

TEST_CASE("ProductCodes is the same for any number of threads, and when made from its books",
          "[threads]") {
  const test::Rows rows = test::clustered_rows({700, 10}, kSeed);
  const ProductCodes codes = trained_on(rows, 3);
  CHECK(codes.books() == trained_on(rows, 3, 3).books());
  const ProductCodes again(codes.books(), 10, 3);
  CHECK(relative_error(codes, rows) == relative_error(again, rows));
}

}  // namespace
}  // namespace anear::product_codes_test
