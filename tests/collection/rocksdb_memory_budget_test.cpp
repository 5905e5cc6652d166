// A bound on what a store takes of memory: what is refused, what goes on, and that writes are taken
// again by themselves.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_memory_budget_test {

using namespace anear;
using anear::test::Batch;
using anear::testing::TempDirectory;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kDimension = 512;
constexpr std::size_t kAtOnce = 100;

CollectionSchema schema_with(const IndexOptions& index) {
  return {.vectors = {{.name = "embedding", .dimension = kDimension, .index = index}},
          .fields = {{"size", FieldType::kInt64}}};
}

StoreOptions bounded(std::uint64_t bytes, bool in_memory = false) {
  return {.memory_bytes_max = bytes, .index_inline = true, .in_memory = in_memory};
}

Result<Sequence> upsert(Collection& docs, const test::Rows& rows, std::size_t first,
                        std::size_t count) {
  Batch batch;
  batch.numbered(first, count)
      .vectors("embedding", rows.view().rows_from(first, count))
      .field("size", test::numbers(first, count));
  return docs.upsert(batch);
}

/// Writes records "k<count>" … until one batch is refused; returns what was said then.
std::string fill(const Store& store, Collection& docs, const test::Rows& rows, std::size_t& count,
                 std::uint64_t most) {
  for (; count + kAtOnce <= rows.count(); count += kAtOnce) {
    auto written = upsert(docs, rows, count, kAtOnce);
    // Now and then only: it is a look at what is left.
    if (!written || count % (7 * kAtOnce) == 0) CHECK(store.state()->memory_bytes <= most);
    if (written) continue;
    CHECK(written.error().code == ErrorCode::kLimitExceeded);
    return written.error().message;
  }
  FAIL("nothing was refused");
  return {};
}

void remove_first(Collection& docs, std::size_t count) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back("k" + std::to_string(i));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  REQUIRE(*docs.delete_keys(views) == count);
}

}  // namespace

TEST_CASE("Writes that add are refused before a store takes more memory than it may") {
  constexpr std::uint64_t kMost = 16 * kMiB;
  const bool in_memory = GENERATE(false, true);
  const TempDirectory directory;
  const std::string path = directory / "store";
  const test::Rows rows = test::clustered_rows({8'000, kDimension}, 3);
  std::size_t count = 0;
  {
    Store store = test::must_open(path, bounded(kMost, in_memory));
    CHECK(store.state()->memory_bytes < kMost);
    Collection docs = test::must(store.create_collection("docs", schema_with(HnswOptions{})));
    const std::string refused = fill(store, docs, rows, count, kMost);
    CHECK(refused.find("memory_bytes_max") != std::string::npos);
    CHECK(count > 5 * kAtOnce);
    while (upsert(docs, rows, count, 1)) ++count;  // The batch may have been too large alone.
    CHECK(store.state()->writes == WriteState::kFull);
    CHECK(store.state()->reason == docs.stats()->reason);
    // A copy of the index, which is nearly all that a collection takes, has room beside it.
    CHECK(store.state()->memory_bytes + docs.stats()->memory_bytes <= kMost);
    CHECK_FALSE(store.create_collection("other", schema_with(FlatOptions{})));
    test::expect_docs(docs, rows, count);
    remove_first(docs, 1);
    CHECK(*docs.count({}) == count - 1);
    REQUIRE(docs.flush());
  }
  if (in_memory) return;
  Store larger = test::must_open(path, bounded(2 * kMost));
  Collection docs = test::must(larger.collection("docs"));
  REQUIRE(upsert(docs, rows, 0, 1));
  CHECK(larger.state()->writes == WriteState::kWritable);
  CHECK(larger.state()->reason.empty());
  test::expect_docs(docs, rows, count);
}

TEST_CASE("A store that takes all the memory it may has writes again once records were deleted") {
  constexpr std::uint64_t kMost = 32 * kMiB;
  constexpr std::size_t kRemoved = 1'000;
  StoreOptions options = bounded(kMost);
  options.index_inline = GENERATE(true, false);
  const TempDirectory directory;
  const test::Rows rows = test::clustered_rows({8'000, kDimension}, 4);
  Store store = test::must_open(directory / "store", options);
  Collection docs = test::must(store.create_collection("docs", schema_with(FlatOptions{})));
  std::size_t count = 0;
  fill(store, docs, rows, count, kMost);
  INFO(count << " fit");
  // Fewer than an index holds on to where there is room.
  CHECK(kRemoved < (count - kRemoved) * 2 / 5);
  remove_first(docs, kRemoved);

  bool taken = false;
  for (int i = 0; i < 400 && !taken; ++i) {
    taken = upsert(docs, rows, 0, kAtOnce).has_value();
    if (!taken) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  REQUIRE(taken);
  CHECK(*docs.count({}) == count - kRemoved + kAtOnce);
  CHECK(store.state()->memory_bytes <= kMost);
  // What was refused has deleted rows give their memory back, in the background.
  std::size_t again = kAtOnce;
  for (int i = 0; i < 2; ++i) {
    fill(store, docs, rows, again, kMost);
    REQUIRE(docs.flush());
  }
  CHECK(again >= kRemoved / 2);
}

TEST_CASE(
    "What was deleted before a store takes all its memory gives way to what is written then") {
  constexpr std::uint64_t kMost = 16 * kMiB;
  const TempDirectory directory;
  const test::Rows rows = test::clustered_rows({4'000, kDimension}, 7);
  std::size_t fit = 0, count = 0;
  {
    Store store = test::must_open(directory / "fresh", bounded(kMost));
    Collection docs = test::must(store.create_collection("docs", schema_with(FlatOptions{})));
    fill(store, docs, rows, fit, kMost);
  }
  Store store = test::must_open(directory / "store", bounded(kMost));
  Collection docs = test::must(store.create_collection("docs", schema_with(FlatOptions{})));
  for (; count < fit / 2; count += kAtOnce) REQUIRE(upsert(docs, rows, count, kAtOnce));
  const std::size_t removed = count / 3;
  remove_first(docs, removed);
  fill(store, docs, rows, count, kMost);
  CHECK(count - removed + 2 * kAtOnce >= fit);
  CHECK(*docs.count({}) == count - removed);
}

TEST_CASE("A few large rows that were deleted give their memory back") {
  const TempDirectory directory;
  constexpr std::size_t kLarge = 8'192;
  const test::Rows rows = test::clustered_rows({400, kLarge}, 8);
  Store store = test::must_open(directory / "store", bounded(16 * kMiB));
  Collection docs = test::must(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kLarge, .index = FlatOptions{}}},
               .fields = {{"size", FieldType::kInt64}}}));
  std::size_t count = 0;
  while (count < rows.count() && upsert(docs, rows, count, 1)) ++count;
  CHECK(count > 20);
  CHECK(count < rows.count());
  remove_first(docs, count);
  REQUIRE(upsert(docs, rows, 0, 1));
  test::expect_docs(docs, rows, 1);
}

TEST_CASE(
    "A store that takes all the memory it may has writes again once a collection was dropped") {
  const TempDirectory directory;
  const test::Rows rows = test::clustered_rows({8'000, kDimension}, 6);
  Store store = test::must_open(directory / "store", bounded(16 * kMiB));
  {
    Collection docs = test::must(store.create_collection("docs", schema_with(FlatOptions{})));
    std::size_t count = 0;
    fill(store, docs, rows, count, 16 * kMiB);
  }
  REQUIRE(store.drop_collection("docs"));
  Collection other = test::must(store.create_collection("other", schema_with(FlatOptions{})));
  REQUIRE(upsert(other, rows, 0, 10 * kAtOnce));
  test::expect_docs(other, rows, 10 * kAtOnce);
}

TEST_CASE("A batch for which there is no memory is refused alone") {
  const TempDirectory directory;
  const test::Rows rows = test::clustered_rows({8'000, kDimension}, 5);
  Store store = test::must_open(directory / "store", bounded(16 * kMiB));
  Collection docs = test::must(store.create_collection("docs", schema_with(FlatOptions{})));
  const auto refused = upsert(docs, rows, 0, rows.count());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kLimitExceeded);
  CHECK(refused.error().message.find("this batch") != std::string::npos);
  CHECK(store.state()->writes == WriteState::kWritable);
  REQUIRE(upsert(docs, rows, 0, kAtOnce));
  test::expect_docs(docs, rows, kAtOnce);
}

TEST_CASE("A bound in which the database has no room is refused") {
  const TempDirectory directory;
  const auto refused = Store::open(directory / "store", bounded(1'000));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.find("16777216") != std::string::npos);
}

}  // namespace rocksdb_memory_budget_test
