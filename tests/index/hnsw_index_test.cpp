// HnswIndex against FlatIndex: recall, filters, deletes, images, concurrency, bad input.
#include "anear/index/hnsw_index.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/index/flat_index.hpp"
#include "hard_rows.hpp"
#include "index_checks.hpp"
#include "random_rows.hpp"
#include "temp_directory.hpp"

namespace anear::hnsw_index_test {
namespace {

const std::size_t kRows = test::takes_few_rows() ? 1'600 : 4'000;
constexpr std::size_t kDimension = 48;

struct Fixture {
  test::Rows rows = test::clustered_rows({kRows, kDimension}, 1);
  test::Rows queries = test::clustered_rows({50, kDimension}, 2);
};

TEST_CASE("HnswIndex keeps its recall promise for every metric and kind of code", "[isa]") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const ScalarKind codes = GENERATE(ScalarKind::kI8, ScalarKind::kF16, ScalarKind::kF32);
  const Fixture data;
  auto oracle = FlatIndex::create(kDimension, {.metric = metric});
  auto index = HnswIndex::create(kDimension, {.metric = metric, .codes = codes});
  REQUIRE(oracle);
  REQUIRE(index);
  REQUIRE(oracle->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->calibrate());
  CHECK(test::recall_against(*oracle, *index, data.queries, {.k = 10, .recall = 0.95F}) >= 0.935);
  CHECK(test::recall_against(*oracle, *index, data.queries, {.k = 10, .recall = 0.99F}) >= 0.975);
}

TEST_CASE("HnswIndex returns only wanted slots and never fewer than k, however few are wanted") {
  const std::size_t every =
      GENERATE(std::size_t{2}, std::size_t{10}, std::size_t{100}, std::size_t{1'000});
  const Fixture data;
  auto oracle = FlatIndex::create(kDimension, {});
  auto index = HnswIndex::create(kDimension, {});
  REQUIRE(oracle->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows)));
  SlotSet set;
  for (Slot slot = 0; slot < kRows; slot += static_cast<Slot>(every)) set.insert(slot);
  const Wanted wanted(set.words(), set.count());
  CHECK(test::recall_against(*oracle, *index, data.queries,
                             {.k = 10, .effort = 400, .wanted = &wanted}) >= 0.95);
}

/// Mean recall when each query may not find the `excluded` rows nearest to it.
double recall_beyond(const HnswIndex& index, const FlatIndex& oracle, const test::Rows& queries,
                     std::size_t excluded, float recall) {
  Scratch scratch;
  double sum = 0;
  SlotSet all;
  for (Slot slot = 0; slot < kRows; ++slot) all.insert(slot);
  for (std::size_t q = 0; q < queries.count(); ++q) {
    SlotSet set = all;
    const auto nearest = oracle.search(queries.row(q), {.k = excluded}, scratch);
    REQUIRE(nearest);
    for (const Neighbor& neighbor : *nearest) set.remove(neighbor.reference);
    const Wanted wanted(set.words(), set.count());
    test::Rows one{queries.dimension, {}};
    const auto* values = static_cast<const float*>(queries.row(q).data());
    one.values.assign(values, values + queries.dimension);
    sum += test::recall_against(oracle, index, one, {.k = 10, .recall = recall, .wanted = &wanted});
  }
  return sum / static_cast<double>(queries.count());
}

TEST_CASE("HnswIndex keeps its promise where a filter excludes the neighbourhood of the query") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kCosine);
  Fixture data;
  data.queries.values.resize(30 * kDimension);
  auto oracle = FlatIndex::create(kDimension, {.metric = metric});
  auto index = HnswIndex::create(kDimension, {.metric = metric});
  REQUIRE(oracle->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->calibrate());
  for (const float recall : {0.90F, 0.95F, 0.99F}) {
    for (const std::size_t excluded : {std::size_t{50}, kRows / 4, kRows * 7 / 10}) {
      INFO(recall << " beyond " << excluded);
      CHECK(recall_beyond(*index, *oracle, data.queries, excluded, recall) >= recall - 0.015);
    }
  }
}

TEST_CASE("HnswIndex keeps its promise for queries whose neighbourhood was deleted") {
  const Fixture data;
  auto oracle = FlatIndex::create(kDimension, {.metric = Metric::kL2});
  auto index = HnswIndex::create(kDimension, {.metric = Metric::kL2});
  REQUIRE(oracle->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(index->calibrate());
  Scratch scratch;
  for (std::size_t q = 0; q < 5; ++q) {
    const auto nearest = oracle->search(data.queries.row(q), {.k = 100}, scratch);
    for (const Neighbor& neighbor : *nearest) {
      REQUIRE(oracle->mark_deleted(neighbor.reference));
      REQUIRE(index->mark_deleted(neighbor.reference));
    }
  }
  test::Rows queries = data.queries;
  queries.values.resize(5 * kDimension);
  for (const float recall : {0.90F, 0.95F, 0.99F}) {
    INFO(recall);
    CHECK(test::recall_against(*oracle, *index, queries, {.k = 10, .recall = recall}) >=
          recall - 0.015);
  }
}

TEST_CASE("HnswIndex built on one thread is the same for the same seed and order", "[isa]") {
  const Fixture data;
  auto first = HnswIndex::create(kDimension, {});
  auto second = HnswIndex::create(kDimension, {});
  REQUIRE(first->insert(data.rows.view(), test::first_slots(kRows)));
  REQUIRE(second->insert(data.rows.view(), test::first_slots(kRows)));
  const auto a = first->sections();
  const auto b = second->sections();
  REQUIRE(a.size() == b.size());
  for (std::size_t s = 0; s < a.size(); ++s) {
    REQUIRE(a[s].pieces.size() == b[s].pieces.size());
    for (std::size_t p = 0; p < a[s].pieces.size(); ++p) {
      CHECK(std::equal(a[s].pieces[p].begin(), a[s].pieces[p].end(), b[s].pieces[p].begin()));
    }
  }
}

TEST_CASE("HnswIndex answers beside inserts and deletes, and finds everything afterwards",
          "[threads]") {
  const Fixture data;
  auto index = HnswIndex::create(kDimension, {.ef_construction = 60});
  REQUIRE(index->insert(data.rows.view().rows_from(0, kRows / 4), test::first_slots(kRows / 4)));
  std::atomic<bool> done{false};
  std::atomic<bool> good{true};
  std::thread searcher([&] {
    Scratch scratch;
    for (std::size_t q = 0; !done.load(); q = (q + 1) % data.queries.count()) {
      const auto found = index->search(data.queries.row(q), {.k = 10}, scratch);
      if (!found || found->size() != 10) good = false;
    }
  });
  std::thread deleter([&] {
    for (Slot slot = 0; slot < kRows / 5; slot += 2) index->mark_deleted(slot);
  });
  const auto slots = test::first_slots(kRows);
  const auto status = index->insert(data.rows.view().rows_from(kRows / 4, kRows - kRows / 4),
                                    std::span(slots).subspan(kRows / 4), {.threads = 2});
  deleter.join();
  done = true;
  searcher.join();
  REQUIRE(status);
  CHECK(good);
  CHECK(index->size() == kRows - kRows / 10);
  Scratch scratch;
  for (Slot slot = 1; slot < kRows; slot += 50) {
    const auto found = index->search(data.rows.row(slot), {.k = 1, .recall = 0.99F}, scratch);
    REQUIRE(found);
    CHECK(found->front().reference == slot);
  }
}

TEST_CASE("HnswIndex accepts rows that are all equal, one dimension, and k above the count") {
  const std::vector<float> ones(300, 1.0F);
  auto index = HnswIndex::create(1, {.metric = Metric::kL2});
  REQUIRE(index->insert({ones.data(), {300, 1}, ScalarKind::kF32}, test::first_slots(300)));
  Scratch scratch;
  const auto found = index->search(std::span<const float>(ones).first(1), {.k = 1'000}, scratch);
  REQUIRE(found);
  CHECK(found->size() == 300);
}

TEST_CASE("HnswIndex is the same after save and load, and can grow further") {
  const Fixture data;
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  auto index = HnswIndex::create(kDimension, {});
  REQUIRE(index->insert(data.rows.view().rows_from(0, kRows / 2), test::first_slots(kRows / 2)));
  REQUIRE(index->calibrate());
  REQUIRE(index->save(path));
  auto loaded = HnswIndex::load(path);
  REQUIRE(loaded);
  test::expect_same_answers(*index, *loaded, data.queries);
  const auto slots = test::first_slots(kRows);
  CHECK(loaded->insert(data.rows.view().rows_from(kRows / 2, kRows / 2),
                       std::span(slots).subspan(kRows / 2)));
  CHECK(loaded->unreachable() == 0);
}

/// So that insert() itself does not reconnect but at the start.
void insert_singly(HnswIndex& index, const test::Rows& rows) {
  for (Slot slot = 0; slot < rows.count(); ++slot)
    REQUIRE(index.insert(rows.view().rows_from(slot, 1), std::span(&slot, 1)));
}

TEST_CASE("After reconnect() a link leads to every live row, also where pruning cut the last one") {
  // Two links a position are too few to stay in one piece.
  const Fixture data;
  auto index = HnswIndex::create(kDimension, {.links_max = 2, .ef_construction = 8});
  insert_singly(*index, data.rows);
  for (Slot slot = 0; slot < kRows; slot += 3) index->mark_deleted(slot);
  CHECK(index->unreachable() > 0);
  CHECK(index->verify());  // It is not known yet to be damage.
  index->reconnect();
  CHECK(index->unreachable() == 0);
  CHECK(index->verify());
}

constexpr std::size_t kCopies = 201;

/// Rows of which every fifth of the first 1,005 is the same.
test::Rows rows_with_copies() {
  test::Rows rows = test::clustered_rows({kRows, kDimension}, 8);
  for (std::size_t copy = 1; copy < kCopies; ++copy)
    std::copy_n(rows.values.begin(), kDimension, rows.values.begin() + 5 * copy * kDimension);
  return rows;
}

/// How many of the k nearest to the row that has copies are copies of it.
std::size_t copies_found(const HnswIndex& index, const test::Rows& rows,
                         const SearchOptions& options) {
  Scratch scratch;
  const auto found = index.search(rows.row(0), options, scratch);
  REQUIRE(found);
  REQUIRE(found->size() == options.k);
  return static_cast<std::size_t>(std::count_if(found->begin(), found->end(), [&](Neighbor each) {
    return each.reference % 5 == 0 && each.reference < 5 * kCopies;
  }));
}

TEST_CASE("After reconnect() a link leads to every row where they crowd into one direction") {
  const std::size_t count = test::takes_few_rows() ? 2'000 : 8'000;
  test::Rows rows{2, {}};
  for (std::size_t i = 0; i < count; ++i) {
    rows.values.push_back(1.0F);
    rows.values.push_back(1.0F / static_cast<float>(1 + i));
  }
  auto index = HnswIndex::create(2, {.metric = Metric::kCosine, .codes = ScalarKind::kF32});
  insert_singly(*index, rows);
  CHECK(index->unreachable() > 0);
  index->reconnect();
  CHECK(index->unreachable() == 0);
  CHECK(index->verify());
}

/// The rows with the greatest first number are the nearest of every query by inner product.
test::Rows rows_over_hubs(std::size_t count, std::uint64_t seed) {
  const test::HardRows kind{
      .name = "hubs", .metric = Metric::kInnerProduct, .dimension = kDimension, .first = 60};
  return kind.draw(count, seed);
}

TEST_CASE("insert() leaves none of many rows without a link that leads to it") {
  const std::size_t threads = GENERATE(std::size_t{1}, std::size_t{2});
  const test::Rows rows = rows_over_hubs(test::takes_few_rows() ? 1'000 : 8'000, 1);
  auto index = HnswIndex::create(rows.dimension, {.metric = Metric::kInnerProduct});
  REQUIRE(index->insert(rows.view(), test::first_slots(rows.count()), {.threads = threads}));
  CHECK(index->unreachable() == 0);
  CHECK(index->verify());
}

TEST_CASE("A walk that ends in one part of the graph does not answer for the others") {
  const ScalarKind codes = GENERATE(ScalarKind::kI8, ScalarKind::kF32);
  const test::Rows rows = rows_over_hubs(1'000, 1);
  const HnswOptions options{.metric = Metric::kInnerProduct, .codes = codes};
  auto index = HnswIndex::create(rows.dimension, options);
  auto oracle = FlatIndex::create(rows.dimension, {.metric = Metric::kInnerProduct});
  insert_singly(*index, rows);
  REQUIRE(oracle->insert(rows.view(), test::first_slots(rows.count())));
  CHECK(index->unreachable() > 0);
  SlotSet set;
  for (Slot slot = 0; slot < rows.count(); slot += 3) set.insert(slot);
  const Wanted wanted(set.words(), set.count());
  CHECK(test::recall_against(*oracle, *index, rows_over_hubs(50, 2),
                             {.k = 10, .effort = 100, .wanted = &wanted}) == 1);
}

TEST_CASE("Rows that are equal hide neither each other nor what is near them", "[threads]") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kCosine);
  const ScalarKind codes = GENERATE(ScalarKind::kI8, ScalarKind::kF32);
  const std::size_t threads = GENERATE(std::size_t{1}, std::size_t{2});
  const test::Rows rows = rows_with_copies();
  auto oracle = FlatIndex::create(kDimension, {.metric = metric});
  auto index = HnswIndex::create(kDimension, {.metric = metric, .codes = codes});
  REQUIRE(oracle->insert(rows.view(), test::first_slots(kRows)));
  REQUIRE(index->insert(rows.view(), test::first_slots(kRows), {.threads = threads}));
  for (const std::size_t k : {std::size_t{10}, std::size_t{100}, std::size_t{300}})
    CHECK(copies_found(*index, rows, {.k = k, .effort = k}) == std::min(k, kCopies));
  REQUIRE(index->calibrate());
  CHECK(index->unreachable() == 0);
  CHECK(copies_found(*index, rows, {.k = 10, .recall = 0.9F}) == 10);
  CHECK(copies_found(*index, rows, {.k = 100, .recall = 0.95F}) == 100);
  CHECK(copies_found(*index, rows, {.k = 300, .recall = 0.95F}) == kCopies);
  // The first ones may not be returned, nor found.
  SlotSet late;
  for (Slot slot = 5 * 150; slot < kRows; ++slot) late.insert(slot);
  const Wanted wanted(late.words(), late.count());
  CHECK(copies_found(*index, rows, {.k = 10, .recall = 0.9F, .wanted = &wanted}) == 10);
  CHECK(copies_found(*index, rows, {.k = 100, .recall = 0.9F, .wanted = &wanted}) == 51);
  for (Slot slot = 0; slot < 5 * 150; ++slot) {
    index->mark_deleted(slot);
    oracle->mark_deleted(slot);
  }
  CHECK(copies_found(*index, rows, {.k = 50, .recall = 0.9F}) == 50);
  const test::Rows queries = test::clustered_rows({50, kDimension}, 2);
  CHECK(test::recall_against(*oracle, *index, queries, {.k = 10, .recall = 0.95F}) >= 0.935);
  CHECK(index->verify());
  const testing::TempDirectory directory;
  REQUIRE(index->save(directory / "index"));
  const auto loaded = HnswIndex::load(directory / "index");
  REQUIRE(loaded);
  CHECK(copies_found(*loaded, rows, {.k = 50, .recall = 0.9F}) == 50);
  CHECK(loaded->unreachable() == 0);
}

TEST_CASE("verify() of a graph tells of a code that is another row's") {
  const Fixture data;
  auto index = HnswIndex::create(kDimension, {});
  REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows)));
  CHECK(index->verify());
  for (SectionOut& section : index->sections()) {
    if (section.name != "codes") continue;
    const std::span<const std::byte> piece = section.pieces.front();
    auto* const code = const_cast<std::byte*>(piece.data());
    std::memcpy(code, code + section.stride, section.stride);
  }
  const Status told = index->verify();
  REQUIRE_FALSE(told);
  CHECK(told.error().message.find("position 0") != std::string::npos);
}

TEST_CASE("A truncated or flipped index file is refused with a typed error") {
  const test::Rows rows = test::clustered_rows({200, 16}, 5);
  auto index = HnswIndex::create(16, {});
  REQUIRE(index->insert(rows.view(), test::first_slots(200)));
  test::expect_damage_refused(*index, 300);
  CHECK(HnswIndex::load("/nonexistent/index").error().code == ErrorCode::kNotFound);
  const testing::TempDirectory directory;
  REQUIRE(index->save(directory / "index"));
  CHECK(FlatIndex::load(directory / "index").has_value() == false);
  CHECK(HnswIndex::load(directory / ".").error().code == ErrorCode::kIo);
}

TEST_CASE("Every flip and cut of the head of a graph's or a flat index's file is refused") {
  const test::Rows rows = test::clustered_rows({12, 4}, 5);
  auto flat = FlatIndex::create(4, {.codes = ScalarKind::kI8});
  REQUIRE(flat->insert(rows.view(), test::first_slots(12)));
  test::expect_damaged_head_refused(*flat);
  auto index = HnswIndex::create(4, {.links_max = 4});
  REQUIRE(index->insert(rows.view(), test::first_slots(12)));
  test::expect_damaged_head_refused(*index);
}

TEST_CASE("A recall that was measured and never reached means an exact search") {
  Calibration calibration;
  CHECK(calibration.effort_for(0.99F, 10, 1'000, Reach::kNearest) > 0);
  calibration.clear(1'000);
  calibration.add({.which = 0}, {0.999F, 40});
  calibration.add({.which = 1}, {0.96F, 800});
  for (const std::size_t k : {std::size_t{11}, std::size_t{50}, std::size_t{100}, std::size_t{400}})
    CHECK(calibration.effort_for(0.99F, k, 1'000, Reach::kNearest) == 0);
  CHECK(calibration.effort_for(0.99F, 10, 1'000, Reach::kNearest) == 40);
  CHECK(calibration.effort_for(0.90F, 50, 1'000, Reach::kNearest) > 40);
  CHECK(calibration.effort_for(1.0F, 10, 1'000, Reach::kNearest) == 0);
}

}  // namespace
}  // namespace anear::hnsw_index_test
