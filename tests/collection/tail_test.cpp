// Records that are committed and not yet in the index: found like all others, and never many while
// somebody searches.
#include "collection/tail.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>

#include "anear/collection/store.hpp"
#include "anear/index/wanted.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/random_rows.hpp"

namespace tail_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::memory_store;

namespace {

constexpr std::size_t kDimension = 48, kRows = 3'000, kQueries = 40, kNearest = 10;

struct Filled {
  Tail tail;
  std::size_t segments = 0;
};

/// The rows in segments of at most 700, under slots 5, 8, 11 …
Filled filled(const test::Rows& rows, Metric metric, ScalarKind kind) {
  constexpr std::uint32_t kSegmentRows = 700;
  Filled filled;
  std::shared_ptr<TailSegment> segment;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    if (segment == nullptr || segment->is_full() || segment->size() == kSegmentRows) {
      segment = std::make_shared<TailSegment>(rows.dimension, metric, kind);
      ++filled.segments;
    }
    const std::uint32_t place = segment->append(rows.row(i), static_cast<Slot>(5 + 3 * i));
    filled.tail.extend({segment, place, place + 1});
  }
  return filled;
}

/// How many of the neighbours that rows alone give are among those found by code, of all. Distances
/// are exact in both.
double found_by_code(const Tail& tail, const test::Rows& queries, const Wanted* wanted) {
  Scratch scratch;
  std::size_t right = 0, all = 0;
  for (std::size_t i = 0; i < queries.count(); ++i) {
    SearchOptions options{.k = kNearest, .recall = 1, .wanted = wanted};
    const auto exact = tail.nearest(queries.row(i), options, scratch, nullptr);
    options.recall = 0.95F;
    SearchCost cost;
    const auto found = tail.nearest(queries.row(i), options, scratch, &cost);
    REQUIRE(found.size() == exact.size());
    REQUIRE(std::is_sorted(found.begin(), found.end()));
    CHECK(cost.reranked < cost.distances);
    all += exact.size();
    for (const Neighbor& neighbor : found) {
      const auto same = [&](const Neighbor& other) {
        return other.reference == neighbor.reference && other.distance == neighbor.distance;
      };
      right += std::any_of(exact.begin(), exact.end(), same) ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(all);
}

}  // namespace

TEST_CASE("The tail finds by code what its rows say, with the distances of rows") {
  const auto rows = clustered_rows({kRows, kDimension}, 1);
  const auto queries = clustered_rows({kQueries, kDimension}, 2);
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kInnerProduct}) {
    for (const ScalarKind kind : {ScalarKind::kF32, ScalarKind::kF16}) {
      INFO("metric " << static_cast<int>(metric) << ", kind " << static_cast<int>(kind));
      Filled all = filled(rows, metric, kind);
      REQUIRE(all.segments == 5);
      CHECK(found_by_code(all.tail, queries, nullptr) >= 0.999);

      Tail moved;  // The index has taken one segment and a part of the next.
      moved.extend({all.tail.parts()[0].segment, 0, 700});
      moved.extend({all.tail.parts()[1].segment, 0, 123});
      all.tail.drop_prefix(moved);
      REQUIRE(all.tail.rows() == kRows - 823);
      CHECK(all.tail.slots().count() == kRows - 823);
      CHECK(all.tail.row(5 + 3 * 822).empty());
      CHECK(all.tail.row(5 + 3 * 823).dimension() == kDimension);
      CHECK(found_by_code(all.tail, queries, nullptr) >= 0.999);
    }
  }
}

TEST_CASE("The tail finds wanted slots alone, and all of them where they are few") {
  const auto rows = clustered_rows({kRows, kDimension}, 1);
  const auto queries = clustered_rows({kQueries, kDimension}, 2);
  const Tail tail = filled(rows, Metric::kCosine, ScalarKind::kF32).tail;
  for (const std::size_t every : {2, 10, 1'000}) {
    INFO("one row in " << every);
    std::array<std::uint64_t, Wanted::kChunkWords> bits{};
    std::set<Slot> slots;
    for (std::size_t i = 0; i < kRows; i += every) {
      const auto slot = static_cast<Slot>(5 + 3 * i);
      slots.insert(slot);
      bits[slot / 64] |= std::uint64_t{1} << (slot % 64);
    }
    const std::uint64_t* const chunk = bits.data();
    const Wanted wanted({&chunk, 1}, slots.size());
    Scratch scratch;
    const auto found = tail.nearest(queries.row(0), {.k = 5, .wanted = &wanted}, scratch, nullptr);
    CHECK(found.size() == std::min<std::size_t>(5, slots.size()));
    for (const Neighbor& neighbor : found) CHECK(slots.count(neighbor.reference) == 1);
  }
}

TEST_CASE("While somebody searches, writers keep the tail shorter than its bound") {
  constexpr std::size_t kMax = 20'000, kSearchedMax = kMax / 16, kBatch = 1'500;
  const std::size_t all = test::takes_few_rows() ? 2 * kBatch : 8 * kBatch;
  Store store = memory_store({.tail_records_max = kMax});
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  REQUIRE(docs);
  const auto rows = clustered_rows({all, kDimension}, 3);
  Query query;
  query.legs.push_back({.query = rows.row(7)});
  REQUIRE(docs->search(query));
  std::atomic<bool> done{false};
  std::thread searcher([&] {
    while (!done) {
      (void)docs->search(query);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  std::size_t longest = 0;
  for (std::size_t first = 0; first < all; first += kBatch) {
    add_docs(*docs, rows, first, kBatch);
    longest = std::max<std::size_t>(longest, docs->stats()->tail_records);
  }
  done = true;
  searcher.join();
  CHECK(longest <= kSearchedMax);
  CHECK(docs->stats()->stalls > 0);
}

}  // namespace tail_test
