// IvfPqIndex against FlatIndex: recall, filters, deletes, images, concurrency, odd inputs.
#include "anear/index/ivf_pq_index.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/index/flat_index.hpp"
#include "hard_rows.hpp"
#include "index_checks.hpp"
#include "random_rows.hpp"
#include "temp_directory.hpp"

namespace anear::ivf_pq_index_test {
namespace {

const std::size_t kRows = test::takes_few_rows() ? 1'600 : 4'000;
constexpr std::size_t kDimension = 32;

IvfPqOptions small_options(Metric metric = Metric::kCosine) {
  IvfPqOptions options;
  options.metric = metric;
  options.lists = 64;
  options.iterations = 4;
  return options;
}

struct Fixture {
  test::Rows rows = test::clustered_rows({kRows, kDimension}, 1);
  test::Rows queries = test::clustered_rows({200, kDimension}, 2);

  IvfPqIndex index(const IvfPqOptions& options) const {
    auto made = IvfPqIndex::create(rows.dimension, options);
    REQUIRE(made);
    REQUIRE(made->train(rows.view()));
    REQUIRE(made->insert(rows.view(), test::first_slots(kRows)));
    return std::move(*made);
  }
  FlatIndex oracle(Metric metric = Metric::kCosine) const {
    auto made = FlatIndex::create(rows.dimension, {.metric = metric});
    REQUIRE(made);
    REQUIRE(made->insert(rows.view(), test::first_slots(kRows)));
    return std::move(*made);
  }
};

TEST_CASE("IvfPqIndex keeps its recall promise for every metric and kind of row", "[isa]") {
  const Metric metric = GENERATE(Metric::kL2, Metric::kInnerProduct, Metric::kCosine);
  const auto [rows, rotate] = GENERATE(table<ScalarKind, bool>(
      {{ScalarKind::kF32, true}, {ScalarKind::kF16, true}, {ScalarKind::kF32, false}}));
  const Fixture data;
  IvfPqOptions options = small_options(metric);
  options.rows = rows;
  options.rotate = rotate;
  auto oracle = FlatIndex::create(kDimension, {.metric = metric, .rows = rows});
  REQUIRE(oracle->insert(data.rows.view(), test::first_slots(kRows)));
  IvfPqIndex index = data.index(options);
  REQUIRE(index.calibrate());
  INFO("metric " << static_cast<int>(metric) << ", rows " << static_cast<int>(rows) << ", rotate "
                 << rotate);
  CHECK(test::recall_against(*oracle, index, data.queries, {.k = 10, .recall = 0.9F}) >= 0.88);
  CHECK(test::recall_against(*oracle, index, data.queries, {.k = 10, .recall = 0.95F}) >= 0.935);
  CHECK(test::recall_against(*oracle, index, data.queries, {.k = 10, .recall = 0.99F}) >= 0.975);
  CHECK(test::recall_against(*oracle, index, data.queries, {.k = 100, .recall = 0.95F}) >= 0.935);
}

TEST_CASE("IvfPqIndex reads few lists for a target, and few codes") {
  const Fixture data;
  IvfPqIndex index = data.index(small_options());
  REQUIRE(index.calibrate());
  Scratch scratch;
  SearchCost cost;
  for (std::size_t q = 0; q < data.queries.count(); ++q)
    REQUIRE(index.search(data.queries.row(q), {.k = 10, .recall = 0.9F}, scratch, &cost));
  CHECK(cost.hops > 0);
  CHECK(cost.hops < data.queries.count() * 64 / 2);
  CHECK(cost.distances < data.queries.count() * kRows / 2);
}

TEST_CASE("IvfPqIndex finds more with more probes, and everything with all of them") {
  const Fixture data;
  const IvfPqIndex index = data.index(small_options());
  const FlatIndex oracle = data.oracle();
  const auto recall = [&](std::size_t probes) {
    return test::recall_against(oracle, index, data.queries, {.k = 10, .effort = probes});
  };
  const double one = recall(1);
  const double eight = recall(8);
  CHECK(one < eight);
  CHECK(eight <= recall(64));
  CHECK(recall(64) >= 0.995);
}

TEST_CASE("IvfPqIndex returns only wanted slots and never fewer than k, however few are wanted") {
  const std::size_t every = GENERATE(std::size_t{2}, std::size_t{5}, std::size_t{20},
                                     std::size_t{200}, std::size_t{1'000});
  const bool calibrated = GENERATE(true, false);
  const Fixture data;
  IvfPqIndex index = data.index(small_options());
  if (calibrated) REQUIRE(index.calibrate());
  const FlatIndex oracle = data.oracle();
  SlotSet set;
  for (Slot slot = 0; slot < kRows; slot += static_cast<Slot>(every)) set.insert(slot);
  const Wanted wanted(set.words(), set.count());
  INFO("one in " << every << ", calibrated " << calibrated);
  const double target = calibrated ? 0.935 : 0.8;
  CHECK(test::recall_against(oracle, index, data.queries, {.k = 10, .wanted = &wanted}) >= target);
  CHECK(test::recall_against(oracle, index, data.queries,
                             {.k = 10, .effort = 1, .wanted = &wanted}) > 0.0);
}

TEST_CASE("IvfPqIndex holds the target when the wanted slots lie far from the query") {
  // The farther half, third, … of the rows from each query: the nearest lists hold none of them.
  const std::size_t part = GENERATE(std::size_t{2}, std::size_t{3}, std::size_t{5});
  // Wanted slots that have no row here: they must not pass for "nothing is filtered".
  const std::size_t rowless = GENERATE(std::size_t{0}, kRows + 1);
  const Fixture data;
  IvfPqIndex index = data.index(small_options());
  REQUIRE(index.calibrate());
  const FlatIndex oracle = data.oracle();
  Scratch scratch;
  std::size_t hits = 0, all = 0;
  for (std::size_t q = 0; q < data.queries.count(); ++q) {
    const auto ranked = oracle.search(data.queries.row(q), {.k = kRows}, scratch);
    REQUIRE(ranked);
    const std::size_t first = kRows - kRows / part;
    SlotSet set;
    for (std::size_t i = first; i < kRows; ++i) set.insert((*ranked)[i].reference);
    for (std::size_t i = 0; i < rowless; ++i) set.insert(static_cast<Slot>(kRows + i));
    const Wanted wanted(set.words(), set.count());
    const auto found =
        index.search(data.queries.row(q), {.k = 10, .recall = 0.95F, .wanted = &wanted}, scratch);
    REQUIRE(found);
    REQUIRE(found->size() == 10);
    for (const Neighbor& neighbor : *found) {
      CHECK(set.contains(neighbor.reference));
      hits += neighbor.distance <= (*ranked)[first + 9].distance + 1e-5F ? 1 : 0;
    }
    all += 10;
  }
  CHECK(static_cast<double>(hits) / static_cast<double>(all) >= 0.93);
}

TEST_CASE("IvfPqIndex holds the target where a filter or deletes exclude the query's cluster") {
  // Rows and queries of the first clusters: all but the queries' own may be returned.
  constexpr std::size_t kClusters = 40;
  const std::size_t excluded = GENERATE(std::size_t{3}, std::size_t{20});
  const bool deleted = GENERATE(false, true);
  const Metric metric = GENERATE(Metric::kL2, Metric::kCosine);
  Random random(11);
  std::vector<float> centres(kClusters * kDimension);
  for (float& number : centres) number = 2.0F * test::normal(random);
  const auto rows_of = [&](std::size_t count, std::size_t clusters) {
    test::Rows rows{kDimension, {}};
    for (std::size_t i = 0; i < count * kDimension; ++i) {
      const std::size_t cluster = i / kDimension % clusters;
      rows.values.push_back(centres[cluster * kDimension + i % kDimension] +
                            0.6F * test::normal(random));
    }
    return rows;
  };
  const test::Rows rows = rows_of(2 * kRows, kClusters);
  const test::Rows queries = rows_of(60, 3);
  auto oracle = FlatIndex::create(kDimension, {.metric = metric});
  auto index = IvfPqIndex::create(kDimension, {.metric = metric, .iterations = 4});
  REQUIRE(oracle->insert(rows.view(), test::first_slots(2 * kRows)));
  REQUIRE(index->train(rows.view()));
  REQUIRE(index->insert(rows.view(), test::first_slots(2 * kRows)));
  REQUIRE(index->calibrate());
  SlotSet set;
  for (Slot slot = 0; slot < 2 * kRows; ++slot) {
    if (slot % kClusters >= excluded) set.insert(slot);
    if (slot % kClusters < excluded && deleted) REQUIRE(index->mark_deleted(slot));
  }
  const Wanted wanted(set.words(), set.count());
  INFO("excluded " << excluded << ", deleted " << deleted << ", metric "
                   << static_cast<int>(metric));
  for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{100}}) {
    INFO("k " << k);
    const SearchOptions options{.k = k, .wanted = &wanted, .filtered = !deleted};
    CHECK(test::recall_against(*oracle, *index, queries, options) >= (k == 1 ? 0.91 : 0.93));
  }
}

TEST_CASE("IvfPqIndex holds the target for every k under a filter that passes at random") {
  const Fixture data;
  IvfPqIndex index = data.index(small_options());
  REQUIRE(index.calibrate());
  const FlatIndex oracle = data.oracle();
  Random random(3);
  SlotSet set;
  for (Slot slot = 0; slot < kRows; ++slot) {
    if (random.below(10) < 7) set.insert(slot);
  }
  const Wanted wanted(set.words(), set.count());
  for (const std::size_t k : {1U, 2U, 5U, 10U, 11U, 20U, 21U, 60U, 100U, 300U, 1'100U}) {
    INFO("k " << k);
    CHECK(test::recall_against(oracle, index, data.queries, {.k = k, .wanted = &wanted}) >= 0.935);
  }
}

TEST_CASE("IvfPqIndex holds the target under filters where all queries have the same neighbours",
          "[threads]") {
  const test::HardRows kind{
      .name = "hubs", .metric = Metric::kInnerProduct, .dimension = 128, .first = 60};
  const Fixture data{.rows = kind.draw(kRows, 1), .queries = kind.draw(20, 2)};
  IvfPqOptions options;
  options.metric = kind.metric;
  IvfPqIndex index = data.index(options);
  REQUIRE(index.calibrate({.threads = 2}));
  const FlatIndex oracle = data.oracle(kind.metric);
  // Each bound leaves other neighbours, the same for all queries: which of their codes are behind
  // is one draw for all of them.
  for (std::size_t step = 0; step < 16; ++step) {
    const float below = 54.0F + 0.5F * static_cast<float>(step);
    SlotSet set;
    for (Slot slot = 0; slot < kRows; ++slot) {
      if (data.rows.values[slot * kind.dimension] < below) set.insert(slot);
    }
    const Wanted wanted(set.words(), set.count());
    for (const std::size_t k : {1U, 10U, 100U}) {
      INFO("below " << below << ", k " << k);
      CHECK(test::recall_against(oracle, index, data.queries,
                                 {.k = k, .recall = 0.99F, .wanted = &wanted}) >= 0.98);
    }
  }
}

TEST_CASE("IvfPqIndex never returns a deleted row, and stays right when most are deleted") {
  const Fixture data;
  IvfPqIndex index = data.index(small_options());
  FlatIndex oracle = data.oracle();
  for (Slot slot = 0; slot < kRows; ++slot) {
    if (slot % 10 == 0) continue;
    REQUIRE(index.mark_deleted(slot));
    REQUIRE(oracle.mark_deleted(slot));
  }
  CHECK_FALSE(index.mark_deleted(1));
  CHECK_FALSE(index.contains(1));
  CHECK(index.contains(10));
  CHECK(index.size() == kRows / 10);
  CHECK(index.positions() == kRows);
  CHECK(index.needs_calibration());
  REQUIRE(index.calibrate());
  CHECK_FALSE(index.needs_calibration());
  CHECK(test::recall_against(oracle, index, data.queries, {.k = 10}) >= 0.935);
  Scratch scratch;
  const auto found = index.search(data.rows.row(1), {.k = 10, .effort = 64}, scratch);
  REQUIRE(found);
  for (const Neighbor& neighbor : *found) CHECK(neighbor.reference % 10 == 0);
}

TEST_CASE("IvfPqIndex gives all there are when k is larger, and nothing while it is empty") {
  auto index = IvfPqIndex::create(kDimension, small_options());
  REQUIRE(index);
  const test::Rows rows = test::clustered_rows({30, kDimension}, 5);
  Scratch scratch;
  CHECK(index->search(rows.row(0), {.k = 5}, scratch)->empty());
  CHECK(index->nearest_of(rows.row(0), {.k = 5}, scratch)->empty());
  REQUIRE(index->train(rows.view()));
  CHECK(index->search(rows.row(0), {.k = 5}, scratch)->empty());
  CHECK(index->calibrate());
  REQUIRE(index->insert(rows.view(), test::first_slots(30)));
  CHECK(index->search(rows.row(0), {.k = 100}, scratch)->size() == 30);
  CHECK(index->search(rows.row(0), {.k = 100, .effort = 1}, scratch)->size() == 30);
}

TEST_CASE("IvfPqIndex wants a sample before rows, once, and without bad rows") {
  auto index = IvfPqIndex::create(2, small_options());
  REQUIRE(index);
  const std::vector<float> rows = {1, 2, 0, 0, 3, 4};
  const MatrixView bad(rows.data(), {3, 2}, ScalarKind::kF32);
  const auto early = index->insert(bad, test::first_slots(3));
  REQUIRE_FALSE(early);
  CHECK(early.error().code == ErrorCode::kInvalidArgument);
  CHECK(early.error().subcode == Subcode::kNotTrained);
  CHECK_FALSE(index->is_trained());
  const auto zero = index->train(bad);
  REQUIRE_FALSE(zero);
  CHECK(zero.error().record == 1);
  CHECK(zero.error().subcode == Subcode::kZeroVector);
  CHECK_FALSE(index->train(bad.rows_from(0, 0)));
  const std::vector<float> wide = {1, 2, 3};
  CHECK(index->train(VectorView(std::span<const float>(wide))).error().subcode ==
        Subcode::kDimensionMismatch);
  CHECK_FALSE(index->is_trained());
  REQUIRE(index->train(bad.rows_from(0, 1)));
  CHECK(index->is_trained());
  CHECK_FALSE(index->train(bad.rows_from(0, 1)));
  CHECK(index->insert(bad, test::first_slots(3)).error().record == 1);
  CHECK(index->size() == 0);
}

TEST_CASE("IvfPqIndex refuses options that make no sense") {
  CHECK_FALSE(IvfPqIndex::create(0, {}));
  CHECK_FALSE(IvfPqIndex::create(4, {.rows = ScalarKind::kI8}));
  CHECK_FALSE(IvfPqIndex::create(4, {.lists = IvfPqIndex::kListsMax + 1}));
  CHECK_FALSE(IvfPqIndex::create(4, {.subspaces = 5}));
  CHECK_FALSE(IvfPqIndex::create(4, {.iterations = 0}));
  CHECK(IvfPqIndex::create(4, {.subspaces = 4}));
}

TEST_CASE("IvfPqIndex takes rows that are all equal, and one dimension") {
  const std::size_t dimension = GENERATE(std::size_t{1}, std::size_t{6});
  const std::vector<float> ones(600 * dimension, 1.0F);
  const MatrixView rows(ones.data(), {600, dimension}, ScalarKind::kF32);
  auto index = IvfPqIndex::create(dimension, {.metric = Metric::kL2});
  REQUIRE(index->train(rows));
  REQUIRE(index->insert(rows, test::first_slots(600)));
  REQUIRE(index->calibrate());
  Scratch scratch;
  const auto query = std::span<const float>(ones).first(dimension);
  for (const std::size_t effort : {std::size_t{0}, std::size_t{1}}) {
    const auto found = index->search(query, {.k = 20, .effort = effort}, scratch);
    REQUIRE(found);
    REQUIRE(found->size() == 20);
    for (const Neighbor& neighbor : *found) CHECK(neighbor.distance == 0.0F);
  }
}

TEST_CASE("IvfPqIndex takes a dimension that its subspaces do not divide, and a tiny sample") {
  const std::size_t dimension = GENERATE(std::size_t{7}, std::size_t{23});
  const std::uint32_t subspaces = GENERATE(3U, 5U, 7U);
  const test::Rows rows = test::clustered_rows({2'000, dimension}, 6);
  auto oracle = FlatIndex::create(dimension, {.metric = Metric::kL2});
  auto index =
      IvfPqIndex::create(dimension, {.metric = Metric::kL2, .lists = 500, .subspaces = subspaces});
  REQUIRE(oracle->insert(rows.view(), test::first_slots(2'000)));
  // Fewer rows than lists, and than words of a book.
  REQUIRE(index->train(rows.view().rows_from(0, 100)));
  CHECK(index->lists() == 100);
  REQUIRE(index->insert(rows.view(), test::first_slots(2'000)));
  REQUIRE(index->calibrate());
  const test::Rows queries = test::clustered_rows({40, dimension}, 7);
  CHECK(test::recall_against(*oracle, *index, queries, {.k = 10, .recall = 0.95F}) >= 0.93);
}

TEST_CASE("IvfPqIndex is the same for the same seed and order, on any number of threads",
          "[isa][threads]") {
  const Fixture data;
  const auto build = [&](std::size_t threads) {
    auto index = IvfPqIndex::create(kDimension, small_options());
    REQUIRE(index->train(data.rows.view(), {.threads = threads}));
    REQUIRE(index->insert(data.rows.view(), test::first_slots(kRows), {.threads = threads}));
    REQUIRE(index->calibrate({.threads = threads}));
    return std::move(*index);
  };
  const IvfPqIndex first = build(1);
  const IvfPqIndex second = build(GENERATE(std::size_t{1}, std::size_t{3}));
  const auto a = first.sections();
  const auto b = second.sections();
  REQUIRE(a.size() == b.size());
  for (std::size_t s = 0; s < a.size(); ++s) {
    INFO("section " << a[s].name);
    REQUIRE(a[s].pieces.size() == b[s].pieces.size());
    for (std::size_t p = 0; p < a[s].pieces.size(); ++p) {
      CHECK(std::equal(a[s].pieces[p].begin(), a[s].pieces[p].end(), b[s].pieces[p].begin()));
    }
  }
}

TEST_CASE("IvfPqIndex stays as it was when an insertion is cancelled") {
  const Fixture data;
  auto index = IvfPqIndex::create(kDimension, small_options());
  REQUIRE(index->train(data.rows.view()));
  const BuildOptions stop{
      .progress = {[](void*, std::size_t done, std::size_t) { return done < 500; }}};
  const auto status = index->insert(data.rows.view(), test::first_slots(kRows), stop);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kCancelled);
  CHECK(index->positions() == 0);
  CHECK_FALSE(index->contains(0));
  CHECK(index->insert(data.rows.view(), test::first_slots(kRows)));
}

TEST_CASE("IvfPqIndex answers beside training, inserts, deletes and calibration", "[threads]") {
  const Fixture data;
  auto index = IvfPqIndex::create(kDimension, small_options());
  std::atomic<bool> done{false};
  std::atomic<bool> good{true};
  std::atomic<std::size_t> present{0};
  std::thread searcher([&] {
    Scratch scratch;
    for (std::size_t q = 0; !done.load(); q = (q + 1) % data.queries.count()) {
      const std::size_t least = std::min<std::size_t>(10, present.load());
      const auto found =
          index->search(data.queries.row(q), {.k = 10, .effort = q % 2 * 8}, scratch);
      if (!found || found->size() < least) good = false;
    }
  });
  REQUIRE(index->train(data.rows.view().rows_from(0, 1'000)));
  const auto slots = test::first_slots(kRows);
  std::thread deleter([&] {
    while (present.load() < kRows / 4) std::this_thread::yield();
    for (Slot slot = 0; slot < kRows / 5; slot += 2) index->mark_deleted(slot);
    if (!index->calibrate()) good = false;
  });
  for (std::size_t first = 0; first < kRows; first += 100) {
    REQUIRE(index->insert(data.rows.view().rows_from(first, 100),
                          std::span(slots).subspan(first, 100), {.threads = 2}));
    present = first + 100;
  }
  deleter.join();
  done = true;
  searcher.join();
  CHECK(good);
  CHECK(index->size() == kRows - kRows / 10);
  Scratch scratch;
  for (Slot slot = 1; slot < kRows; slot += 50) {
    const auto found = index->search(data.rows.row(slot), {.k = 1, .effort = 16}, scratch);
    REQUIRE(found);
    CHECK(found->front().reference == slot);
  }
}

TEST_CASE("IvfPqIndex is the same after save and load, and can grow further") {
  const Fixture data;
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  auto index = IvfPqIndex::create(kDimension, small_options());
  REQUIRE(index->train(data.rows.view()));
  REQUIRE(index->insert(data.rows.view().rows_from(0, kRows / 2), test::first_slots(kRows / 2)));
  REQUIRE(index->mark_deleted(3));
  REQUIRE(index->calibrate());
  REQUIRE(index->save(path));
  auto loaded = IvfPqIndex::load(path);
  REQUIRE(loaded);
  CHECK(loaded->size() == kRows / 2 - 1);
  CHECK(loaded->bytes() == index->bytes());
  CHECK_FALSE(loaded->needs_calibration());
  const auto slots = test::first_slots(kRows);
  for (IvfPqIndex* grown : {&*index, &*loaded}) {
    REQUIRE(grown->insert(data.rows.view().rows_from(kRows / 2, kRows / 2),
                          std::span(slots).subspan(kRows / 2)));
  }
  test::expect_same_answers(*index, *loaded, data.queries);
}

TEST_CASE("IvfPqIndex can be saved before it is trained, and trained after") {
  const Fixture data;
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  REQUIRE(IvfPqIndex::create(kDimension, small_options())->save(path));
  auto loaded = IvfPqIndex::load(path);
  REQUIRE(loaded);
  CHECK_FALSE(loaded->is_trained());
  REQUIRE(loaded->train(data.rows.view()));
  CHECK(loaded->insert(data.rows.view(), test::first_slots(kRows)));
}

TEST_CASE("A truncated or flipped IVF-PQ file is refused with a typed error") {
  const test::Rows rows = test::clustered_rows({300, 16}, 5);
  auto index = IvfPqIndex::create(16, {.lists = 10});
  REQUIRE(index->train(rows.view()));
  REQUIRE(index->insert(rows.view(), test::first_slots(300)));
  test::expect_damage_refused(*index, 200);
}

TEST_CASE("Every flip and cut of the head of an IVF-PQ file is refused") {
  const test::Rows rows = test::clustered_rows({40, 4}, 5);
  auto index = IvfPqIndex::create(4, {.lists = 2});
  REQUIRE(index->train(rows.view()));
  REQUIRE(index->insert(rows.view(), test::first_slots(40)));
  test::expect_damaged_head_refused(*index);
}

/// The sections of an index as a store hands them back, in memory of their own.
struct Image {
  std::vector<std::string> names;
  std::vector<std::uint64_t> strides;
  std::vector<std::vector<std::byte>> bytes;

  explicit Image(const IvfPqIndex& index) {
    for (const SectionOut& section : index.sections()) {
      names.push_back(section.name);
      strides.push_back(section.stride);
      bytes.emplace_back();
      for (const auto& piece : section.pieces)
        bytes.back().insert(bytes.back().end(), piece.begin(), piece.end());
    }
  }
  SectionSet set() {
    SectionSet set;
    for (std::size_t s = 0; s < names.size(); ++s)
      set.sections.push_back({names[s], strides[s], bytes[s].size() / strides[s], bytes[s]});
    return set;
  }
};

TEST_CASE("Damaged sections of an IVF-PQ index are refused or searched without harm") {
  // Without checksums between: attach() itself has to keep every number inside.
  constexpr std::size_t kCount = 400;
  const test::Rows rows = test::clustered_rows({kCount, 16}, 5);
  auto index = IvfPqIndex::create(16, {.lists = 12});
  REQUIRE(index->train(rows.view()));
  REQUIRE(index->insert(rows.view(), test::first_slots(kCount)));
  REQUIRE(index->calibrate());
  const Image image(*index);
  Random random(7);
  int refused = 0, accepted = 0;
  const int rounds = test::takes_few_rows() ? 50 : 150;
  for (int round = 0; round < rounds; ++round) {
    Image damaged = image;
    const std::size_t s = random.below(damaged.bytes.size());
    std::vector<std::byte>& bytes = damaged.bytes[s];
    switch (random.below(4)) {
      case 0:
        bytes.resize(random.below(bytes.size() / damaged.strides[s]) * damaged.strides[s]);
        break;
      case 1:
        bytes.resize(bytes.size() + damaged.strides[s]);
        break;
      default:
        for (std::size_t i = 0; i < 4; ++i)
          bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
    }
    SectionSet set = damaged.set();
    auto attached = IvfPqIndex::attach(16, index->options(), set);
    if (!attached) {
      ++refused;
      CHECK(attached.error().code == ErrorCode::kCorruption);
      continue;
    }
    ++accepted;
    Scratch scratch;
    for (const std::size_t effort : {std::size_t{0}, std::size_t{12}})
      CHECK(attached->search(rows.row(0), {.k = 10, .effort = effort}, scratch));
    if (accepted % 4 == 1) CHECK(attached->calibrate());
    const std::vector<Slot> slot = {kCount + 1};
    CHECK(attached->insert(rows.view().rows_from(0, 1), slot));
  }
  CHECK(refused > rounds / 3);
  CHECK(accepted > rounds / 12);
}

}  // namespace
}  // namespace anear::ivf_pq_index_test
