// Writers beside each other: while one commit is synced the next one is staged and written.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <memory>
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
#include "support/threads.hpp"

namespace rocksdb_writers_test {

using namespace anear;
using namespace anear::test;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kWriters = 6;

}  // namespace

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
    run_beside(kWriters, [&](std::size_t writer) {
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

TEST_CASE("The mark that names a commit is synced soon after it, though nobody asks") {
  const auto durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  const TempDirectory directory;
  const Rows rows = clustered_rows({2, kDimension}, 5);
  const auto files = std::make_shared<FaultFileSystem>();
  Store store = must_open(directory / "store", {.durability = durability, .file_system = files});
  Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
  for (std::size_t commit = 0; commit < 2; ++commit) {
    (void)files->take_events();
    add_docs(docs, rows, commit, 1);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool is_written = false, is_synced = false;
    while (!is_synced && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      for (const auto& event : files->take_events()) {
        if (!event.path.ends_with("MARK")) continue;
        is_written = is_written || event.operation == Operation::kWrite;
        is_synced = is_synced || (is_written && event.operation == Operation::kSync);
      }
    }
    CHECK(is_synced);
  }
}

TEST_CASE("A round of the indexer that succeeds ends `degraded`, though others go on writing") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({256, kDimension}, 5);
  const auto files = std::make_shared<FaultFileSystem>();
  Store store =
      must_open(directory / "store", {.durability = Durability::kBuffered, .file_system = files});
  Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
  std::atomic<bool> goes_on{true};
  std::atomic<std::size_t> refused{0}, written{0};
  std::thread writers([&] {
    run_beside(3, [&](std::size_t writer) {
      const std::string name = std::to_string(writer) + "-";
      for (std::size_t i = 0; goes_on; ++i) {
        Batch batch;
        std::vector<std::string> keys;
        for (std::size_t k = 0; k < 100; ++k) keys.push_back(name + std::to_string(100 * i + k));
        const auto done = docs.upsert(batch.keys(keys)
                                          .vectors("embedding", rows.view().rows_from(0, 100))
                                          .field("size", numbers(0, 100)));
        refused += done ? 0 : 1;
        ++written;
      }
    });
  });
  while (written < 20) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  files->fail({.operation = Operation::kCreate, .name = "images"});
  CHECK(!docs.flush());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool is_degraded = true;
  while (is_degraded && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    is_degraded = must(docs.stats()).degraded;
  }
  goes_on = false;
  writers.join();
  CHECK(!is_degraded);
  CHECK(refused == 0);
}

}  // namespace rocksdb_writers_test
