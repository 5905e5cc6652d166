// What work in the background may take: the rate at which it writes.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_background_budget_test {

using namespace anear;
using namespace anear::test;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 64;
constexpr std::size_t kCount = 4'000;
using Clock = std::chrono::steady_clock;

/// Records "k0" … of these rows.
void fill(Store& store, const Rows& rows) {
  Collection docs = must(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kDimension}}}));
  Batch batch;
  batch.numbered(0, rows.count()).vectors("embedding", rows.view());
  must(docs.upsert(batch));
}

void check_whole(const std::string& path, const Rows& rows) {
  const Store store = must_open(path);
  CHECK(store.recovery().clean);
  const Collection docs = must(store.collection("docs"));
  CHECK(must(docs.count({})) == rows.count());
  const Hits hits = must(docs.search(near_to(rows.row(7), 1, {})));
  CHECK(hits.hits[0].record.key == "k7");
  CHECK(store.verify());
}

}  // namespace

TEST_CASE("Row files and images are written at the rate a store is opened with") {
  constexpr std::uint64_t kRate = 4'000'000;
  const TempDirectory directory;
  const Rows rows = clustered_rows({kCount, kDimension}, 5);
  const auto begin = Clock::now();
  {
    Store store = must_open(directory / "store", {.background_bytes_per_second = kRate});
    fill(store, rows);
    REQUIRE(store.flush());
    const storage::WrittenBytes written = must(store.state()).written;
    const std::uint64_t row_bytes = kCount * kDimension * sizeof(float);
    CHECK(written.rows > row_bytes);
    CHECK(written.log > row_bytes);
    CHECK(written.images > kCount * kDimension);
    // A sleep is never too short, so that this holds on any machine.
    const auto paced = written.rows + written.images;
    const std::chrono::duration<double> passed = Clock::now() - begin;
    CHECK(passed.count() >= static_cast<double>(paced) / kRate * 0.9);
  }
  check_whole(directory / "store", rows);
}

TEST_CASE("A store closes at once though a file in the background would take days at its rate") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({kCount, kDimension}, 6);
  {
    Store store = must_open(directory / "store", {.background_bytes_per_second = 1});
    fill(store, rows);
    Status flushed;
    std::thread waiting([&] { flushed = store.flush(); });
    const auto paced = [&] {
      const storage::WrittenBytes written = must(store.state()).written;
      return written.rows + written.images;
    };
    while (paced() == 0) std::this_thread::yield();
    CHECK(store.close());
    waiting.join();
    CHECK(flushed);
  }
  check_whole(directory / "store", rows);
}

TEST_CASE("Nothing is counted as written in memory, and for a store that is read") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({100, kDimension}, 7);
  {
    Store store = must_open(directory / "store");
    fill(store, rows);
    CHECK(must(store.state()).written.log > 0);
  }
  Store in_memory = memory_store();
  fill(in_memory, rows);
  CHECK(must(in_memory.state()).written.total() == 0);
  const Store reader = must_open(directory / "store", {.read_only = true});
  CHECK(must(reader.state()).written.total() == 0);
}

}  // namespace rocksdb_background_budget_test
