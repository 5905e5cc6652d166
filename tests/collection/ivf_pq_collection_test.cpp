// Collections whose vectors ask for inverted lists: exact search first, training by the store, and
// what holds for every index from then on, against brute force.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "anear/collection/collection.hpp"
#include "anear/collection/store.hpp"
#include "collection/indexes.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace ivf_pq_collection_test {

using namespace anear;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::memory_store;
using anear::test::near_to;

namespace {

constexpr std::size_t kDimension = 16;
constexpr std::size_t kRows = 12'000;
constexpr std::size_t kAtOnce = 2'000;
constexpr std::size_t kTrainedFrom = IvfPqOptions{}.train_from;

IvfPqOptions quick(std::uint32_t lists = 100) {
  IvfPqOptions options;
  options.lists = lists;
  options.subspaces = 8;
  options.iterations = 2;
  return options;
}

Result<Collection> create(Store& store, const IvfPqOptions& options) {
  return store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kDimension, .index = options}},
               .fields = {{"size", FieldType::kInt64}}});
}

/// Records k<first> … with size i.
void add(Collection& docs, const test::Rows& rows, std::size_t first, std::size_t count) {
  for (std::size_t begin = first; begin < first + count; begin += kAtOnce) {
    const std::size_t some = std::min(kAtOnce, first + count - begin);
    std::vector<Value> sizes;
    for (std::size_t i = 0; i < some; ++i) sizes.emplace_back(static_cast<std::int64_t>(begin + i));
    Batch batch;
    batch.numbered(begin, some)
        .vectors("embedding", rows.view().rows_from(begin, some))
        .field("size", sizes);
    REQUIRE(docs.upsert(batch));
  }
}

double cosine_distance(VectorView a, VectorView b) {
  const auto* x = static_cast<const float*>(a.data());
  const auto* y = static_cast<const float*>(b.data());
  double dot = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < a.dimension(); ++i) {
    dot += double{x[i]} * double{y[i]};
    xx += double{x[i]} * double{x[i]};
    yy += double{y[i]} * double{y[i]};
  }
  return 1.0 - dot / std::sqrt(xx * yy);
}

/// The mean share of the true nearest of rows `i` with is_in(i) that searches under `filter` find.
/// Checks that none is too short.
template <typename IsIn>
double recall_under(const Collection& docs, const test::Rows& rows, const std::string& filter,
                    IsIn&& is_in) {
  constexpr std::size_t kNearest = 10;
  const auto queries = clustered_rows({40, kDimension}, 77);
  std::size_t found = 0, wanted = 0;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    std::vector<double> exact;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      if (is_in(i)) exact.push_back(cosine_distance(queries.row(q), rows.row(i)));
    }
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min(exact.size(), kNearest));
    const auto hits = docs.search(near_to(queries.row(q), kNearest, filter));
    REQUIRE(hits);
    REQUIRE(hits->hits.size() == exact.size());
    for (const Hit& hit : hits->hits)
      found += static_cast<double>(hit.distance) <= exact.back() + 1e-5 ? 1 : 0;
    wanted += exact.size();
  }
  return wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted);
}

Explain explained(const Collection& docs, const test::Rows& rows, const std::string& filter = {}) {
  Query query = near_to(rows.row(0), 10, filter);
  query.explain = true;
  const auto hits = docs.search(query);
  REQUIRE(hits);
  REQUIRE(hits->explain);
  return *hits->explain;
}

}  // namespace

TEST_CASE("A collection is searched exactly until its inverted lists are trained") {
  Store store = memory_store();
  const auto rows = clustered_rows({kRows, kDimension}, 1);
  auto docs = create(store, quick());
  REQUIRE(docs);
  add(*docs, rows, 0, kTrainedFrom - 1);
  REQUIRE(docs->flush());
  CHECK(explained(*docs, rows).plan == "flat scan");
  CHECK(recall_under(*docs, rows, "", [](std::size_t i) { return i < kTrainedFrom - 1; }) == 1.0);
  add(*docs, rows, kTrainedFrom - 1, kRows - kTrainedFrom + 1);
  REQUIRE(docs->flush());
  const Explain explain = explained(*docs, rows);
  CHECK(explain.plan == "inverted lists");
  CHECK(explain.distances < kRows / 2);
  CHECK(recall_under(*docs, rows, "", [](std::size_t) { return true; }) >= 0.94);
  CHECK(store.verify());
}

TEST_CASE(
    "Inverted lists hold the target under filters, updates and deletes, and are never short") {
  Store store = memory_store();
  auto rows = clustered_rows({kRows, kDimension}, 2);
  auto docs = create(store, quick());
  REQUIRE(docs);
  add(*docs, rows, 0, kRows);
  REQUIRE(docs->flush());
  // Every fifth record goes, every seventh moves to where another one is; also before indexing.
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kRows; i += 5) names.push_back("k" + std::to_string(i));
  REQUIRE(docs->delete_keys(std::vector<std::string_view>(names.begin(), names.end())));
  const auto moved = clustered_rows({kRows, kDimension}, 3);
  for (std::size_t i = 1; i < kRows; i += 7) {
    if (i % 5 == 0) continue;
    const auto row = moved.view().rows_from(i, 1);
    REQUIRE(docs->update(Batch().numbered(i, 1).vectors("embedding", row)));
    const auto* values = static_cast<const float*>(row.row(0).data());
    std::copy(values, values + kDimension, rows.values.begin() + static_cast<long>(i * kDimension));
  }
  if (GENERATE(false, true)) REQUIRE(docs->flush());
  const auto is_live = [](std::size_t i) { return i % 5 != 0; };
  CHECK(recall_under(*docs, rows, "", is_live) >= 0.94);
  for (const std::size_t below : {0U, 4U, 30U, 900U, 3'000U, 9'000U}) {
    INFO("size < " << below);
    CHECK(recall_under(*docs, rows, "size < " + std::to_string(below),
                       [&](std::size_t i) { return is_live(i) && i < below; }) >= 0.94);
  }
  CHECK(explained(*docs, rows, "size < 30").plan == "exact scan of the matches");
  CHECK(explained(*docs, rows, "size < 9000").plan == "filtered inverted lists");
  CHECK(store.verify());
}

TEST_CASE("Searches and writes go on while inverted lists are trained", "[threads]") {
  Store store = memory_store({.tail_records_max = 500});
  const std::size_t count = test::takes_few_rows() ? 4'000 : kRows;
  const auto rows = clustered_rows({count, kDimension}, 4);
  IvfPqOptions options = quick();
  if (test::takes_few_rows()) options.train_from = 2'000;
  auto docs = create(store, options);
  REQUIRE(docs);
  std::atomic<bool> done{false};
  std::atomic<std::size_t> failed{0}, asked{0}, found{0};
  std::atomic<std::size_t> present{0};
  std::thread reader([&] {
    for (std::size_t i = 0; !done.load(); i = (i + 97) % count) {
      if (i >= present.load()) continue;
      const auto hits = docs->search(near_to(rows.row(i), 1));
      ++asked;
      if (!hits || hits->hits.size() != 1) {
        ++failed;
      } else if (hits->hits[0].distance < 1e-4F) {
        ++found;
      }
    }
  });
  for (std::size_t first = 0; first < count; first += 400) {
    add(*docs, rows, first, 400);
    present = first + 400;
  }
  REQUIRE(docs->flush());
  done = true;
  reader.join();
  CHECK(failed == 0);
  CHECK(static_cast<double>(found) >= 0.95 * static_cast<double>(asked));
  CHECK(explained(*docs, rows).plan == "inverted lists");
  CHECK(*docs->count({}) == count);
  CHECK(store.verify());
}

TEST_CASE("Inverted lists are due with four times the rows, and given up when few are left") {
  IvfPqOptions options = quick(0);
  options.subspaces = 2;
  VectorSchema vector{.name = "v", .dimension = 4, .metric = Metric::kL2, .index = options};
  auto index = make_index(vector);
  REQUIRE(index);
  const auto rows = clustered_rows({4 * kTrainedFrom, 4}, 5);
  const auto slots = test::first_slots(rows.count());
  const auto grow_to = [&](AnyIndex& to, std::size_t count) {
    const std::size_t first = to.positions();
    REQUIRE(to.insert(rows.view().rows_from(first, count - first),
                      std::span(slots).subspan(first, count - first)));
  };
  grow_to(*index, kTrainedFrom - 1);
  CHECK_FALSE(needs_rebuild(vector, *index, kDeletedMost));
  grow_to(*index, kTrainedFrom);
  REQUIRE(needs_rebuild(vector, *index, kDeletedMost));
  auto trained = rebuild_index(vector, *index, {});
  REQUIRE(trained);
  REQUIRE(trained->ivf_pq() != nullptr);
  CHECK(trained->ivf_pq()->lists() == 400);
  CHECK(trained->size() == kTrainedFrom);
  CHECK_FALSE(trained->needs_calibration());
  grow_to(*trained, 4 * kTrainedFrom - 1);
  CHECK_FALSE(needs_rebuild(vector, *trained, kDeletedMost));
  grow_to(*trained, 4 * kTrainedFrom);
  REQUIRE(needs_rebuild(vector, *trained, kDeletedMost));
  const BuildOptions stop{.progress = {[](void*, std::size_t, std::size_t) { return false; }}};
  CHECK(rebuild_index(vector, *trained, stop).error().code == ErrorCode::kCancelled);

  for (const Slot slot : slots) {
    if (slot % 8 != 3) REQUIRE(trained->mark_deleted(slot));
  }
  REQUIRE(needs_rebuild(vector, *trained, kDeletedMost));
  auto few = rebuild_index(vector, *trained, {});
  REQUIRE(few);
  CHECK(few->is_flat());
  CHECK(few->size() == kTrainedFrom / 2);
  CHECK(few->positions() == kTrainedFrom / 2);
  CHECK(few->contains(11));
  CHECK_FALSE(few->contains(12));
  CHECK_FALSE(needs_rebuild(vector, *few, kDeletedMost));

  vector.index = HnswOptions{};
  CHECK_FALSE(needs_rebuild(vector, *few, kDeletedMost));
}

TEST_CASE("Options that inverted lists refuse are refused with the collection") {
  Store store = memory_store();
  IvfPqOptions options;
  options.subspaces = kDimension + 1;
  const auto refused = create(store, options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  IvfPqOptions never;
  never.train_from = 0;
  CHECK(create(store, never).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("Inverted lists can be trained from fewer rows, if their options say so") {
  Store store = memory_store();
  IvfPqOptions options = quick(20);
  options.train_from = 500;
  auto docs = create(store, options);
  REQUIRE(docs);
  const auto rows = clustered_rows({2'000, kDimension}, 8);
  add(*docs, rows, 0, 499);
  REQUIRE(docs->flush());
  CHECK(explained(*docs, rows).plan == "flat scan");
  add(*docs, rows, 499, 1'501);
  REQUIRE(docs->flush());
  CHECK(explained(*docs, rows).plan == "inverted lists");
  CHECK(recall_under(*docs, rows, "", [](std::size_t) { return true; }) >= 0.94);
}

#if defined(ANEAR_WITH_ROCKSDB)
TEST_CASE("After flush() the trained lists are on disk and nothing is left to index") {
  const testing::TempDirectory directory;
  const std::string path = directory / "store";
  IvfPqOptions options = quick(20);
  options.train_from = 1'000;
  const auto rows = clustered_rows({3'000, kDimension}, 9);
  {
    Store store = test::must_open(path);
    auto docs = create(store, options);
    REQUIRE(docs);
    add(*docs, rows, 0, 3'000);
    REQUIRE(docs->flush());
    CHECK(docs->stats()->image_sequence == docs->stats()->last_sequence);
  }
  // Read-only: nothing is indexed behind the answer.
  Store reader = test::must_open(path, {.read_only = true});
  auto docs = reader.collection("docs");
  REQUIRE(docs);
  CHECK(docs->stats()->tail_records == 0);
  CHECK(explained(*docs, rows).plan == "inverted lists");
  CHECK(std::get<IvfPqOptions>(docs->schema().vectors[0].index).train_from == 1'000);
}
#endif

}  // namespace ivf_pq_collection_test
