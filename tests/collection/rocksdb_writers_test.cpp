// Writers beside each other: while one commit is synced the next one is staged and written.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

using namespace anear;
using namespace anear::test;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kWriters = 6;

/// Runs `work(writer)` in as many threads as there are writers.
template <typename Work>
void write_beside(Work work) {
  std::vector<std::thread> threads;
  for (std::size_t writer = 0; writer < kWriters; ++writer)
    threads.emplace_back([&work, writer] { work(writer); });
  for (std::thread& thread : threads) thread.join();
}

/// A record with two vectors and a count, and what a thread does to it.
struct Counter {
  Collection docs;
  const Rows& rows;
  const char* key;

  Record read() const {
    const std::string_view keys[] = {key};
    auto records = docs.get(keys, {.vectors = true});
    if (!records || !(*records)[0]) throw std::runtime_error("the record is not there");
    return *(*records)[0];
  }
  /// Adds one and replaces one of the vectors, by the row of the new count; false when another
  /// writer was first.
  bool try_add() {
    const Record now = read();
    const auto count = std::get<std::int64_t>(now.fields.at(0).second) + 1;
    const Sequence expected[] = {now.sequence};
    Batch batch;
    batch.keys({key})
        .vectors(count % 2 == 0 ? "even" : "odd", rows.view().rows_from(std::size_t(count), 1))
        .field("count", {Value(count)});
    batch.batch.expected = expected;
    const auto done = docs.update(batch);
    if (!done && done.error().code != ErrorCode::kConflict)
      throw std::runtime_error(done.error().message);
    return done.has_value();
  }
};

}  // namespace

TEST_CASE("Each writer of a record sees what the one before it wrote, field and row", "[threads]") {
  constexpr std::size_t kAdds = 40;
  const TempDirectory directory;
  const Rows rows = clustered_rows({kWriters * kAdds + 2, kDimension}, 3);
  Store store = must_open(directory / "store");
  Collection docs =
      must(store.create_collection("docs", {.vectors = {{.name = "even", .dimension = kDimension},
                                                        {.name = "odd", .dimension = kDimension}},
                                            .fields = {{"count", FieldType::kInt64}}}));
  REQUIRE(docs.upsert(Batch()
                          .keys({"one"})
                          .vectors("even", rows.view().rows_from(0, 1))
                          .vectors("odd", rows.view().rows_from(1, 1))
                          .field("count", {Value(std::int64_t{1})})));
  write_beside([&](std::size_t) {
    Counter counter{docs, rows, "one"};
    for (std::size_t added = 0; added < kAdds;) added += counter.try_add() ? 1 : 0;
  });
  const Record last = Counter{docs, rows, "one"}.read();
  const std::size_t count = kWriters * kAdds + 1;
  CHECK(std::get<std::int64_t>(last.fields.at(0).second) == std::int64_t(count));
  // The last count is odd, the one before it even.
  for (const auto& [vector, row] : {std::pair{"odd", count}, std::pair{"even", count - 1}}) {
    Query query = near_to(rows.row(row), 1);
    query.legs[0].vector = vector;
    const Hits hits = must(docs.search(query));
    REQUIRE(hits.hits.size() == 1);
    CHECK(hits.hits[0].distance < 1e-6F);
  }
  REQUIRE(store.verify());
}

TEST_CASE("A sync that fails leaves no write beside it acknowledged and lost", "[threads]") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const Rows rows = clustered_rows({1, kDimension}, 5);
  const auto files = std::make_shared<FaultFileSystem>();
  std::mutex mutex;
  std::set<std::string> acknowledged, absent;
  std::map<ErrorCode, std::size_t> failures;
  {
    Store store = must_open(path, {.file_system = files});
    Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
    files->fail({.operation = Operation::kSync,
                 .name = ".log",
                 .after = 50,
                 .times = 1,
                 .loses_unsynced = true});
    write_beside([&](std::size_t writer) {
      for (std::size_t i = 0; i < 100; ++i) {
        const std::string key = std::to_string(writer) + " " + std::to_string(i);
        const auto written = docs.upsert(
            Batch().keys({key}).vectors("embedding", rows).field("size", numbers(i, 1)));
        const std::lock_guard hold(mutex);
        if (written) acknowledged.insert(key);
        if (written) continue;
        ++failures[written.error().code];
        if (written.error().code != ErrorCode::kOutcomeUnknown) absent.insert(key);
      }
    });
  }
  CHECK(acknowledged.size() >= 50);
  CHECK(failures[ErrorCode::kOutcomeUnknown] >= 1);
  CHECK(failures.size() == 2);  // The others were refused.
  CHECK(failures[ErrorCode::kReadOnly] == absent.size());
  files->heal();
  Store store = must_open(path, {.file_system = files});
  REQUIRE(store.verify());
  const Collection docs = must(store.collection("docs"));
  for (const std::string& key : acknowledged) {
    const std::string_view keys[] = {key};
    INFO(key);
    CHECK(must(docs.get(keys, {}))[0]);
  }
  for (const std::string& key : absent) {
    const std::string_view keys[] = {key};
    INFO(key);
    CHECK_FALSE(must(docs.get(keys, {}))[0]);
  }
}
