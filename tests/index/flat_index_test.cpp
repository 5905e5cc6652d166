// FlatIndex against a plain loop in double precision: the oracle has to be right itself.
#include "anear/index/flat_index.hpp"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "random_rows.hpp"

namespace anear::flat_index_test {
namespace {

double reference_distance(Metric metric, const float* a, const float* b, std::size_t dimension) {
  double dot = 0, a2 = 0, b2 = 0, l2 = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    a2 += x * x;
    b2 += y * y;
    l2 += (x - y) * (x - y);
  }
  if (metric == Metric::kL2) return l2;
  return metric == Metric::kInnerProduct ? -dot : 1 - dot / std::sqrt(a2 * b2);
}

TEST_CASE("FlatIndex answers the nearest rows of a plain loop under every metric") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const std::size_t dimension = GENERATE(std::size_t{1}, std::size_t{33}, std::size_t{384});
  const test::Rows rows = test::clustered_rows({500, dimension}, 11);
  const test::Rows queries = test::clustered_rows({20, dimension}, 12);
  auto index = FlatIndex::create(dimension, {.metric = metric});
  REQUIRE(index);
  REQUIRE(index->insert(rows.view(), test::first_slots(500)));
  Scratch scratch;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    std::vector<double> expected;
    for (std::size_t i = 0; i < 500; ++i) {
      expected.push_back(reference_distance(metric, queries.values.data() + q * dimension,
                                            rows.values.data() + i * dimension, dimension));
    }
    std::sort(expected.begin(), expected.end());
    const auto found = index->search(queries.row(q), {.k = 10}, scratch);
    REQUIRE(found);
    REQUIRE(found->size() == 10);
    for (std::size_t i = 0; i < 10; ++i) {
      CHECK((*found)[i].distance ==
            Approx(expected[i]).margin(1e-5 * std::max(1.0, std::fabs(expected[i]))));
    }
  }
}

bool same(const std::vector<Neighbor>& a, const std::vector<Neighbor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.reference == other.reference && one.distance == other.distance;
  });
}

TEST_CASE("FlatIndex with codes finds nearly all by code, all with recall 1, and keeps distances") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const ScalarKind kind = GENERATE(ScalarKind::kF32, ScalarKind::kF16);
  const test::Rows rows = test::clustered_rows({4'000, 48}, 21);
  const test::Rows queries = test::clustered_rows({50, 48}, 22);
  auto oracle = FlatIndex::create(48, {.metric = metric, .rows = kind});
  auto coded = FlatIndex::create(48, {.metric = metric, .rows = kind, .codes = ScalarKind::kI8});
  REQUIRE(oracle);
  REQUIRE(coded);
  REQUIRE(oracle->insert(rows.view(), test::first_slots(4'000)));
  REQUIRE(coded->insert(rows.view(), test::first_slots(4'000)));
  CHECK(coded->bytes() > oracle->bytes() + 4'000 * 48);
  Scratch scratch;
  std::size_t shared = 0;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    const auto truth = oracle->search(queries.row(q), {.k = 10}, scratch);
    const auto exact = coded->search(queries.row(q), {.k = 10, .recall = 1.0F}, scratch);
    SearchCost cost;
    const auto found = coded->search(queries.row(q), {.k = 10}, scratch, &cost);
    REQUIRE(truth);
    REQUIRE(exact);
    REQUIRE(found);
    CHECK(same(*exact, *truth));
    // More rows than asked for were re-ranked, and far from all: codes decided which.
    CHECK(cost.reranked > 10);
    CHECK(cost.reranked < 100);
    for (const Neighbor& neighbor : *found) {
      shared += std::any_of(truth->begin(), truth->end(),
                            [&](const Neighbor& other) { return same({neighbor}, {other}); });
    }
  }
  CHECK(shared >= 50 * 10 * 99 / 100);
}

TEST_CASE("FlatIndex with codes is the same after save and load") {
  const test::Rows rows = test::clustered_rows({300, 24}, 23);
  auto index = FlatIndex::create(24, {.codes = ScalarKind::kI8});
  REQUIRE(index);
  REQUIRE(index->insert(rows.view(), test::first_slots(300)));
  const std::string path = "flat_index_test." + std::to_string(::getpid()) + ".index";
  REQUIRE(index->save(path));
  const auto loaded = FlatIndex::load(path);
  std::remove(path.c_str());
  REQUIRE(loaded);
  Scratch scratch;
  CHECK(loaded->options().codes == ScalarKind::kI8);
  CHECK(same(*loaded->search(rows.row(5), {.k = 7}, scratch),
             *index->search(rows.row(5), {.k = 7}, scratch)));
}

TEST_CASE("An index file whose options have another size is another version's, not damaged") {
  const auto index = FlatIndex::create(24, {});
  REQUIRE(index);
  const std::string path = "flat_index_test." + std::to_string(::getpid()) + ".index";
  REQUIRE(index->save(path));
  std::FILE* const file = std::fopen(path.c_str(), "r+b");
  REQUIRE(file != nullptr);
  image_io::Header header;
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&header, 1));
  REQUIRE(std::fread(bytes.data(), bytes.size(), 1, file) == 1);
  header.option_bytes += 4;
  header.checksum = crc32c(bytes.first(offsetof(image_io::Header, checksum)));
  std::rewind(file);
  REQUIRE(std::fwrite(bytes.data(), bytes.size(), 1, file) == 1);
  REQUIRE(std::fclose(file) == 0);
  const auto loaded = FlatIndex::load(path);
  std::remove(path.c_str());
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == ErrorCode::kUnsupportedFormat);
  CHECK(loaded.error().message.find("another version") != std::string::npos);
}

TEST_CASE("FlatIndex refuses a bad row, names it, and changes nothing") {
  auto index = FlatIndex::create(2, {});
  REQUIRE(index);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, infinite, 0.0F}) {
    const std::vector<float> rows = {1, 2, bad, 0, 3, 4};
    const auto status =
        index->insert({rows.data(), {3, 2}, ScalarKind::kF32}, test::first_slots(3));
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::kInvalidArgument);
    CHECK(status.error().record == 1);
    CHECK(index->size() == 0);
  }
}

TEST_CASE("An index says of a bad query that it is the query") {
  auto index = FlatIndex::create(3, {});
  REQUIRE(index);
  Scratch scratch;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto refusal = [&](const std::vector<float>& query) {
    return index->search(std::span<const float>(query), {}, scratch).error();
  };
  CHECK(refusal({1, 2}).message == "query vector has dimension 2, expected 3");
  CHECK(refusal({1, nan, 2}).message ==
        "query vector holds a number that is not finite at dimension 1");
  CHECK(refusal({0, 0, 0}).message.find("query vector is zero") == 0);
}

TEST_CASE("FlatIndex refuses another dimension, k of 0 and k beyond the limit") {
  auto index = FlatIndex::create(3, {});
  REQUIRE(index);
  Scratch scratch;
  const std::vector<float> two = {1, 2};
  const std::vector<float> three = {1, 2, 3};
  CHECK(index->search(std::span<const float>(two), {}, scratch).error().subcode ==
        Subcode::kDimensionMismatch);
  CHECK(index->search(std::span<const float>(three), {.k = 0}, scratch).error().subcode ==
        Subcode::kKTooLarge);
  CHECK(index->search(std::span<const float>(three), {.k = 10'001}, scratch).error().subcode ==
        Subcode::kKTooLarge);
  CHECK_FALSE(FlatIndex::create(0, {}));
  CHECK_FALSE(FlatIndex::create(65'536, {}));
}

TEST_CASE("FlatIndex never returns a deleted row and gives all there are when k is larger") {
  const test::Rows rows = test::clustered_rows({50, 8}, 3);
  auto index = FlatIndex::create(8, {});
  REQUIRE(index);
  REQUIRE(index->insert(rows.view(), test::first_slots(50)));
  REQUIRE(index->mark_deleted(7));
  CHECK_FALSE(index->mark_deleted(7));
  Scratch scratch;
  const auto found = index->search(rows.row(7), {.k = 100}, scratch);
  REQUIRE(found);
  CHECK(found->size() == 49);
  for (const Neighbor& neighbor : *found) CHECK(neighbor.reference != 7);
}

}  // namespace
}  // namespace anear::flat_index_test
