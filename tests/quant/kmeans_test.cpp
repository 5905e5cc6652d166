// k-means: nearest centroids against a plain loop, its error, its repeatability, its odd inputs.
#include "anear/quant/kmeans.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <vector>

#include "random_rows.hpp"

namespace anear::kmeans_test {
namespace {

constexpr std::uint64_t kSeed = 41;

Points points_of(const test::Rows& rows) {
  return {rows.values.data(), rows.count(), rows.dimension};
}

double distance2(const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  for (std::size_t j = 0; j < dimension; ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum;
}

double least_distance2(const float* point, const Centroids& centroids) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < centroids.size(); ++c) {
    least = std::min(least, distance2(point, centroids.points()[c], centroids.points().dimension));
  }
  return least;
}

double mean_error(const Points& points, const Centroids& centroids) {
  double sum = 0;
  for (std::size_t i = 0; i < points.count; ++i) sum += least_distance2(points[i], centroids);
  return sum / static_cast<double>(points.count);
}

TEST_CASE("Centroids finds the nearest centroid of a plain loop, narrow and wide") {
  const std::size_t dimension =
      GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{31}, std::size_t{32}, std::size_t{100});
  const std::size_t clusters = GENERATE(std::size_t{1}, std::size_t{15}, std::size_t{70});
  INFO("seed " << kSeed << ", dimension " << dimension << ", clusters " << clusters);
  const test::Rows rows = test::clustered_rows({333, dimension}, kSeed);
  const test::Rows start = test::clustered_rows({clusters, dimension}, kSeed + 1);
  const Centroids centroids(start.values, dimension);
  std::vector<std::uint32_t> nearest(rows.count());
  centroids.nearest(points_of(rows), nearest.data());
  for (std::size_t i = 0; i < rows.count(); ++i) {
    REQUIRE(nearest[i] < clusters);
    const float* row = points_of(rows)[i];
    const double found = distance2(row, centroids.points()[nearest[i]], dimension);
    CHECK(found <= least_distance2(row, centroids) * (1 + 1e-4) + 1e-4);
  }
}

TEST_CASE("kmeans lowers the error round by round and far below that of random centroids") {
  const std::size_t dimension = GENERATE(std::size_t{4}, std::size_t{48});
  INFO("seed " << kSeed << ", dimension " << dimension);
  const test::Rows rows = test::clustered_rows({3'000, dimension}, kSeed);
  const auto error = [&](std::size_t iterations) {
    return mean_error(
        points_of(rows),
        kmeans(points_of(rows), {.clusters = 64, .iterations = iterations, .seed = kSeed}));
  };
  const double start = error(0);
  const double once = error(1);
  const double often = error(12);
  CHECK(once < start);
  CHECK(often < once);
  CHECK(often < 0.75 * start);
}

TEST_CASE("kmeans restarts clusters that ran empty") {
  // Copies of ten values: 64 starts fall together, and most of them win no point.
  std::vector<float> values;
  for (std::size_t i = 0; i < 1'000; ++i) values.push_back(static_cast<float>(i % 10));
  const Points points{values.data(), values.size(), 1};
  const Centroids centroids = kmeans(points, {.clusters = 30, .iterations = 30, .seed = kSeed});
  CHECK(centroids.size() == 30);
  CHECK(mean_error(points, centroids) < 1e-6);
}

TEST_CASE("kmeans gives the same centroids for the same seed and any number of threads",
          "[threads]") {
  const test::Rows rows = test::clustered_rows({2'000, 40}, kSeed);
  const KmeansOptions one{.clusters = 50, .iterations = 5, .seed = kSeed, .threads = 1};
  KmeansOptions three = one;
  three.threads = 3;
  KmeansOptions other = one;
  other.seed = kSeed + 1;
  const Centroids first = kmeans(points_of(rows), one);
  CHECK(first.values() == kmeans(points_of(rows), one).values());
  CHECK(first.values() == kmeans(points_of(rows), three).values());
  CHECK(first.values() != kmeans(points_of(rows), other).values());
}

TEST_CASE("kmeans makes no more clusters than there are points, and accepts equal ones") {
  const test::Rows rows = test::clustered_rows({5, 8}, kSeed);
  const Centroids few = kmeans(points_of(rows), {.clusters = 100, .seed = kSeed});
  CHECK(few.size() == 5);
  CHECK(mean_error(points_of(rows), few) < 1e-9);
  const std::vector<float> ones(400, 1.0F);
  const Centroids equal = kmeans({ones.data(), 100, 4}, {.clusters = 10, .seed = kSeed});
  CHECK(equal.values() == std::vector<float>(40, 1.0F));
}

TEST_CASE("random_subset draws different numbers below the bound") {
  Random random(kSeed);
  const std::vector<std::uint32_t> drawn = random_subset(1'000, 100, random);
  const std::set<std::uint32_t> unique(drawn.begin(), drawn.end());
  CHECK(unique.size() == 100);
  CHECK(*unique.rbegin() < 1'000);
  CHECK(*unique.rbegin() > 800);
  CHECK(random_subset(7, 100, random).size() == 7);
}

}  // namespace
}  // namespace anear::kmeans_test
