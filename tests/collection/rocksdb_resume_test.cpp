// A store that has stopped after a failure of the disk and takes writes again without being closed:
// what is there afterwards, what readers see meanwhile, and what a resumption that fails leaves.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/quota_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_resume_test {

using namespace anear;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::expect_docs;
using anear::test::near_to;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::QuotaFileSystem;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;

struct Stopped {
  explicit Stopped(Durability durability = Durability::kDurable, bool index_inline = true)
      : store(test::must_open(
            path, {.durability = durability, .index_inline = index_inline, .file_system = files})),
        docs(test::must(store.create_collection("docs", test::docs_schema(kDimension)))) {}

  Result<Sequence> upsert(std::size_t first, std::size_t count) {
    return docs.upsert(Batch()
                           .numbered(first, count)
                           .vectors("embedding", rows.view().rows_from(first, count))
                           .field("size", test::numbers(first, count)));
  }
  void fail_syncs(bool loses, std::size_t times = 1) const {
    files->fail(
        {.operation = Operation::kSync, .name = ".log", .times = times, .loses_unsynced = loses});
  }
  void expect(const Collection& in, std::size_t count) const { expect_docs(in, rows, count); }
  void reopen() {
    (void)store.close();
    store = test::must_open(path, {.file_system = files});
    docs = test::must(store.collection("docs"));
  }

  TempDirectory directory;
  std::string path = directory / "store";
  std::shared_ptr<FaultFileSystem> files = std::make_shared<FaultFileSystem>();
  test::Rows rows = clustered_rows({400, kDimension}, 1);
  Store store;
  Collection docs;
};

void expect_ok(const Status& done) {
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
}

}  // namespace

TEST_CASE("A store whose sync failed resumes with all that was acknowledged, in the same handles") {
  const bool loses = GENERATE(false, true);
  const bool flushed = GENERATE(false, true);
  const bool index_inline = GENERATE(false, true);
  Stopped of(Durability::kDurable, index_inline);
  REQUIRE(of.upsert(0, 100));
  if (flushed) REQUIRE(of.docs.flush());
  REQUIRE(of.upsert(100, 20));
  const Collection pinned = *of.docs.pinned();
  of.fail_syncs(loses);
  const auto unknown = of.upsert(120, 30);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::kOutcomeUnknown);
  CHECK(of.store.state()->writes == WriteState::kStopped);
  CHECK(of.upsert(0, 1).error().code ==
        ErrorCode::kReadOnly);  // Not by itself: the disk may be bad.

  expect_ok(of.store.resume());
  CHECK(of.store.state()->writes == WriteState::kWritable);
  CHECK(of.docs.stats()->reason.empty());
  const std::size_t there = loses ? 120 : 150;
  of.expect(of.docs, there);
  of.expect(pinned, 120);
  CHECK(of.store.verify());
  expect_ok(of.store.resume());  // Nothing to do.

  REQUIRE(of.upsert(120, 100));
  const std::vector<std::string_view> keys = {"k219", "k218"};
  CHECK(*of.docs.delete_keys(keys) == 2);
  REQUIRE(of.docs.flush());
  of.expect(of.docs, 218);
  of.expect(pinned, 120);
  CHECK(of.store.verify());
  of.reopen();
  of.expect(of.docs, 218);
  CHECK(of.store.verify());
}

TEST_CASE("Resuming again and again loses nothing, and knows collections that came and went") {
  Stopped of;
  std::size_t there = 0;
  for (std::size_t round = 0; round < 8; ++round) {
    const std::string name = "other" + std::to_string(round);
    REQUIRE(of.upsert(there, 20));
    there += 20;
    of.fail_syncs(false, 2);
    // Its outcome is unknown; it is in the log.
    if (round % 2 == 0) {
      CHECK_FALSE(of.store.create_collection(name, of.docs.schema()));
    } else {
      Collection dropped = *of.store.collection("other" + std::to_string(round - 1));
      CHECK_FALSE(of.store.drop_collection("other" + std::to_string(round - 1)));
      CHECK_FALSE(of.upsert(there, 5));
      of.files->heal();
      expect_ok(of.store.resume());
      CHECK(dropped.count({}).error().code == ErrorCode::kNotFound);
    }
    of.files->heal();
    expect_ok(of.store.resume());
    CHECK(of.store.collections()->size() == (round % 2 == 0 ? 2 : 1));
    of.expect(of.docs, there);
    if (round % 3 == 0) REQUIRE(of.docs.flush());
  }
  of.reopen();
  of.expect(of.docs, there);
  CHECK(of.store.collections()->size() == 1);
  CHECK(of.store.verify());
}

TEST_CASE("Whichever change of the disk fails while a store resumes, it can be tried again") {
  for (std::size_t step = 0;; step += test::takes_few_rows() ? 3 : 1) {
    INFO("step " << step);
    Stopped of;
    REQUIRE(of.upsert(0, 60));
    REQUIRE(of.docs.flush());
    REQUIRE(of.upsert(60, 20));
    of.fail_syncs(false);
    REQUIRE_FALSE(of.upsert(80, 10));
    of.files->heal();
    const std::size_t before = of.files->failures();
    of.files->fail_change(step, step % 2 == 0 ? ErrorCode::kIo : ErrorCode::kNoSpace, 1);
    const Status resumed = of.store.resume();
    const bool failed = of.files->failures() != before;
    of.files->heal();
    if (!resumed) {
      CHECK(of.store.state()->writes == WriteState::kStopped);
      of.expect(of.docs, 80);
    }
    expect_ok(of.store.resume());
    of.expect(of.docs, 90);
    REQUIRE(of.upsert(90, 10));
    of.expect(of.docs, 100);
    if (step % 3 == 0) CHECK(of.store.verify());
    of.reopen();
    of.expect(of.docs, 100);
    if (!failed) {
      CHECK(step > 10);
      break;
    }
  }
}

TEST_CASE("A commit that was seen and is lost is not given up by resuming") {
  Stopped of(Durability::kBuffered);
  REQUIRE(of.docs.flush());
  of.fail_syncs(true, Fault::kAlways);
  REQUIRE(of.upsert(0, 50));
  while (of.store.state()->writes != WriteState::kStopped) (void)of.docs.flush();
  of.files->heal();
  for (int i = 0; i < 2; ++i) {
    const Status refused = of.store.resume();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kLostWrites);
    of.expect(of.docs, 50);
  }
  of.reopen();
  CHECK(*of.docs.count({}) == 0);
}

TEST_CASE("Searches, views and writers beside a store that stops and resumes see whole batches",
          "[threads]") {
  Stopped of(Durability::kDurable, /*index_inline=*/false);
  REQUIRE(of.upsert(0, 100));
  std::atomic<bool> done{false};
  std::atomic<std::size_t> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Collection docs = *of.store.collection("docs");
      for (std::size_t i = 0; !done; ++i) {
        const auto hits = docs.search(near_to(of.rows.row((i + t) % 100), 1));
        wrong += !hits || hits->hits.empty() ? 1 : 0;
        const auto count = docs.count({});
        wrong += !count || *count % 10 != 0 ? 1 : 0;
        const auto filtered = docs.count({"size < 100", {}});
        const bool expired = !filtered && filtered.error().code == ErrorCode::kSnapshotExpired;
        wrong += !expired && (!filtered || *filtered != 100) ? 1 : 0;
      }
    });
  }
  threads.emplace_back([&] {
    Collection docs = *of.store.collection("docs");
    for (std::size_t i = 0; !done; ++i) {
      const std::size_t first = 100 + i % 20 * 10;
      std::vector<Value> sizes(10, Value(std::int64_t{1'000}));
      const auto written =
          docs.upsert(Batch()
                          .numbered(first, 10)
                          .vectors("embedding", of.rows.view().rows_from(first, 10))
                          .field("size", sizes));
      if (written) continue;
      const ErrorCode code = written.error().code;
      wrong += code != ErrorCode::kReadOnly && code != ErrorCode::kOutcomeUnknown ? 1 : 0;
    }
  });
  const int rounds = test::takes_few_rows() ? 5 : 20;
  for (int round = 0; round < rounds; ++round) {
    of.fail_syncs(false);
    while (of.store.state()->writes != WriteState::kStopped)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    of.files->heal();
    for (int i = 0; i < 50 && of.store.state()->writes == WriteState::kStopped; ++i) {
      const Status resumed = of.store.resume();
      wrong += !resumed && resumed.error().code != ErrorCode::kReadOnly ? 1 : 0;
    }
    CHECK(of.store.state()->writes == WriteState::kWritable);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(*of.docs.count({"size < 100", {}}) == 100);
  CHECK(of.store.verify());
}

TEST_CASE("A full disk without a reserve is left by itself, cycle after cycle") {
  const std::uint64_t seed = testing::setting("ANEAR_SEED", 1);
  INFO("ANEAR_SEED=" << seed);
  const TempDirectory directory;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const auto files = std::make_shared<QuotaFileSystem>(64 * kMiB);
  const std::string path = directory / "store";
  const test::Rows rows = clustered_rows({100, kDimension}, seed);
  std::map<std::string, std::string> acknowledged, unknown;
  std::size_t next = 0;
  const auto write = [&](Collection& docs) {
    std::vector<std::string> keys, payloads;
    for (int i = 0; i < 20; ++i) {
      keys.push_back("k" + std::to_string(next++ % 2'000));
      payloads.push_back(std::to_string(next) + std::string(1'000, 'x'));
    }
    const auto written = docs.upsert(
        Batch().keys(keys).vectors("embedding", rows.view().rows_from(0, 20)).payloads(payloads));
    if (written || written.error().code == ErrorCode::kOutcomeUnknown) {
      auto& batch = written ? acknowledged : unknown;
      for (std::size_t i = 0; i < keys.size(); ++i) batch[keys[i]] = payloads[i];
    }
    return written;
  };
  const auto expect_in = [&](const Collection& docs) {
    const auto page = docs.scan({.limit = 10'000, .parts = {.payload = true}});
    REQUIRE(page);
    std::map<std::string, std::string> there;
    for (const Record& record : *page) there[record.key] = record.payload;
    // A batch whose outcome was unknown is there or not, as a whole: later ones were refused.
    const auto first = unknown.empty() ? there.end() : there.find(unknown.begin()->first);
    if (first != there.end() && first->second == unknown.begin()->second) {
      for (const auto& [key, payload] : unknown) acknowledged[key] = payload;
    }
    unknown.clear();
    CHECK(there == acknowledged);
  };
  {
    Store store = test::must_open(path, {.reserved_bytes = 0, .file_system = files});
    Collection docs = test::must(store.create_collection(
        "docs", {.vectors = {{.name = "embedding", .dimension = kDimension}}}));
    const int cycles = test::takes_few_rows() ? 5 : 20;
    for (int cycle = 0; cycle < cycles; ++cycle) {
      INFO("cycle " << cycle);
      files->take(files->free_bytes() - 100'000);
      while (write(docs)) {
      }
      REQUIRE(docs.count({}));
      CHECK(store.state()->writes == WriteState::kStopped);
      files->take(0);
      bool resumed = false;
      for (int i = 0; i < 300 && !resumed; ++i) {
        resumed = write(docs).has_value();
        if (!resumed) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      REQUIRE(resumed);
      expect_in(docs);
    }
    CHECK(store.verify());
  }
  const Store store = test::must_open(path, {.file_system = files});
  expect_in(*store.collection("docs"));
  CHECK(store.verify());
}

TEST_CASE("A store that was opened read-only, or is closed, does not resume") {
  Stopped of;
  const Store reader = test::must_open(of.path, {.read_only = true, .file_system = of.files});
  Store again = test::must_open(of.path, {.read_only = true, .file_system = of.files});
  CHECK(again.resume().error().code == ErrorCode::kReadOnly);
  REQUIRE(of.store.close());
  CHECK(of.store.resume().error().code == ErrorCode::kClosed);
  Store memory = test::memory_store();
  expect_ok(memory.resume());
}

}  // namespace rocksdb_resume_test
