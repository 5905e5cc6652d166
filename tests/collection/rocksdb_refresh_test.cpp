// Readers that follow a writer: refresh(), pinned handles, what they do when something is missing.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "anear/collection/store.hpp"
#include "fault_file_system.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_refresh_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::must_open;
using anear::test::near_to;
using anear::test::numbers;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 16;

Sequence must_refresh(Store& reader) {
  const auto sequence = reader.refresh();
  INFO((sequence ? "" : sequence.error().message));
  REQUIRE(sequence);
  return *sequence;
}

/// A writer with `count` of `rows` in "docs", and a reader beside it.
struct Pair {
  explicit Pair(std::size_t count, StoreOptions reading = {})
      : rows(clustered_rows({2 * count + 400, kDimension}, 21)),
        writer(must_open(directory / "store", {.index_inline = true})),
        docs(*writer.create_collection("docs", docs_schema(kDimension))),
        reader([&] {
          if (count != 0) add_docs(docs, rows, 0, count);
          reading.read_only = true;
          return must_open(directory / "store", reading);
        }()),
        seen(*reader.collection("docs")) {}

  TempDirectory directory;
  test::Rows rows;
  Store writer;
  Collection docs;
  Store reader;
  Collection seen;
};

/// Records k<first> … are there with their rows and fields, and nothing else.
void expect_docs(const Collection& docs, const test::Rows& rows, std::size_t first,
                 std::size_t end) {
  REQUIRE(*docs.count({}) == end - first);
  for (std::size_t i = first; i < end; i += 1 + (end - first) / 40) {
    const auto hits = docs.search(near_to(rows.row(i), 1, "size = " + std::to_string(i)));
    REQUIRE(hits);
    REQUIRE(hits->hits.size() == 1);
    CHECK(hits->hits[0].record.key == "k" + std::to_string(i));
    CHECK(docs.search(near_to(rows.row(i), 1))->hits.at(0).record.key == "k" + std::to_string(i));
  }
}

void delete_docs(Collection& docs, std::size_t first, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("k" + std::to_string(first + i));
  const std::vector<std::string_view> keys(names.begin(), names.end());
  REQUIRE(*docs.delete_keys(keys) == count);
}

/// All records, page by page; what `between` does happens after each page.
template <typename Between>
std::vector<Record> all_pages(const Collection& docs, std::size_t limit, Between&& between) {
  std::vector<Record> all;
  Scan scan{.filter = {"size >= 0", {}}, .after = {}, .limit = limit, .parts = {.vectors = true}};
  for (;;) {
    const auto page = docs.scan(scan);
    INFO((page ? "" : page.error().message));
    REQUIRE(page);
    all.insert(all.end(), page->begin(), page->end());
    if (page->size() < limit) return all;
    scan.after = page->back().key;
    between();
  }
}

bool same_records(const std::vector<Record>& a, const std::vector<Record>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Record& x, const Record& y) {
    return x.key == y.key && x.sequence == y.sequence && x.fields == y.fields &&
           x.vectors.at(0).bytes == y.vectors.at(0).bytes;
  });
}

}  // namespace

TEST_CASE("A reader sees what is committed after its refresh, and not before") {
  Pair pair(100);
  const auto& rows = pair.rows;
  const Sequence first = *pair.reader.refresh();
  CHECK(first == 2);
  for (std::size_t round = 0; round < 6; ++round) {
    const std::size_t before = 100 + 20 * round;
    add_docs(pair.docs, rows, before, 20);
    delete_docs(pair.docs, 10 * round, 10);
    if (round % 3 == 1) REQUIRE(pair.docs.flush());
    expect_docs(pair.seen, rows, 10 * round, before);
    CHECK(must_refresh(pair.reader) == first + 2 * (round + 1));
    CHECK(must_refresh(pair.reader) == first + 2 * (round + 1));
    expect_docs(pair.seen, rows, 10 * (round + 1), before + 20);
    const auto verified = pair.reader.verify();
    INFO((verified ? "" : verified.error().message));
    // The writer may have replaced files since.
    CHECK((verified || verified.error().code == ErrorCode::kSnapshotExpired));
  }
  CHECK(pair.seen.search(near_to(rows.row(150), 1))->sequence == first + 12);
}

TEST_CASE("A reader's cached filters follow its refreshes") {
  Pair pair(50);
  const FilterText some{"size < 100", {}};
  CHECK(*pair.seen.count(some) == 50);
  const Collection then = *pair.seen.pinned();
  for (std::size_t round = 1; round <= 3; ++round) {
    add_docs(pair.docs, pair.rows, 40 + 10 * round, 10);
    must_refresh(pair.reader);
    CHECK(*pair.seen.count(some) == 50 + 10 * round);
    CHECK(*then.count(some) == 50);
  }
}

TEST_CASE("A refresh of a store that writes, or is in memory, says where it is") {
  Pair pair(10);
  CHECK(*pair.writer.refresh() == 2);
  add_docs(pair.docs, pair.rows, 10, 10);
  CHECK(*pair.writer.refresh() == 3);
  CHECK(*pair.docs.count({}) == 20);
  Store memory = test::memory_store();
  CHECK(*memory.refresh() == 0);
  REQUIRE(pair.reader.close());
  CHECK(pair.reader.refresh().error().code == ErrorCode::kClosed);
}

TEST_CASE("Collections that are made and dropped meanwhile appear and disappear at a refresh") {
  Pair pair(30);
  auto other = pair.writer.create_collection("other", docs_schema(kDimension));
  add_docs(*other, pair.rows, 0, 10);
  CHECK(pair.reader.collection("other").error().code == ErrorCode::kNotFound);
  must_refresh(pair.reader);
  CHECK(*pair.reader.collections() == std::vector<std::string>{"docs", "other"});
  expect_docs(*pair.reader.collection("other"), pair.rows, 0, 10);

  REQUIRE(pair.writer.drop_collection("docs"));
  expect_docs(pair.seen, pair.rows, 0, 30);
  auto again = pair.writer.create_collection("docs", docs_schema(kDimension));
  add_docs(*again, pair.rows, 5, 10);
  must_refresh(pair.reader);
  CHECK(pair.seen.count({}).error().code == ErrorCode::kNotFound);
  CHECK(pair.seen.search(near_to(pair.rows.row(0), 1)).error().code == ErrorCode::kNotFound);
  expect_docs(*pair.reader.collection("docs"), pair.rows, 5, 15);

  REQUIRE(pair.writer.drop_collection("other"));
  must_refresh(pair.reader);
  CHECK(*pair.reader.collections() == std::vector<std::string>{"docs"});
}

TEST_CASE("Pages of a pinned handle are of one state, across refreshes, flushes and rebuilds") {
  const std::size_t count = 1'500;
  Pair pair(count);
  REQUIRE(pair.docs.flush());
  must_refresh(pair.reader);
  const bool by_reader = GENERATE(true, false);
  const Collection pinned = *(by_reader ? pair.seen : pair.docs).pinned();
  const auto before = all_pages(pinned, count, [] {});
  REQUIRE(before.size() == count);
  // Enough is replaced for the index to be built anew, and its files to be replaced.
  std::size_t next = 0;
  const auto pages = all_pages(pinned, 100, [&] {
    add_docs(pair.docs, pair.rows, next % count, 100);
    add_docs(pair.docs, pair.rows, count + next / 100, 1);
    next += 100;
    if (next % 300 == 0) REQUIRE(pair.docs.flush());
    must_refresh(pair.reader);
    CHECK(*pinned.count({}) == count);
    const auto hits = pinned.search(near_to(pair.rows.row(next / 100), 1));
    REQUIRE(hits);
    CHECK(hits->hits.at(0).record.key == "k" + std::to_string(next / 100));
  });
  CHECK(same_records(pages, before));
  CHECK(*pair.seen.count({}) == count + next / 100);
  CHECK_FALSE(same_records(all_pages(pair.seen, count + 100, [] {}), before));
}

TEST_CASE("A pinned handle refuses writes and ends with its store") {
  Pair pair(10);
  Collection pinned = *pair.docs.pinned();
  CHECK(pinned.upsert(Batch().numbered(0, 1)).error().code == ErrorCode::kReadOnly);
  CHECK(pinned.update(Batch().numbered(0, 1)).error().code == ErrorCode::kReadOnly);
  CHECK(pinned.delete_matching({"size = 1", {}}).error().code == ErrorCode::kReadOnly);
  const std::string_view key = "k1";
  CHECK(pinned.delete_keys({&key, 1}).error().code == ErrorCode::kReadOnly);
  CHECK(pinned.flush().error().code == ErrorCode::kReadOnly);
  delete_docs(pair.docs, 1, 1);
  CHECK(pinned.get({&key, 1}, {})->at(0).has_value());
  CHECK(pinned.pinned()->get({&key, 1}, {})->at(0).has_value());
  CHECK_FALSE(pair.docs.get({&key, 1}, {})->at(0).has_value());
  CHECK(pinned.stats()->records == 10);
  REQUIRE(pair.writer.close());
  CHECK(pinned.count({}).error().code == ErrorCode::kClosed);
}

TEST_CASE("A refresh maps only the files that are new") {
  const auto files = std::make_shared<FaultFileSystem>();
  Pair pair(300, {.file_system = files});
  REQUIRE(pair.docs.flush());
  must_refresh(pair.reader);
  const auto maps = [&] {
    const auto events = files->take_events();
    return std::count_if(events.begin(), events.end(), [](const testing::Event& event) {
      return event.operation == Operation::kMap;
    });
  };
  CHECK(maps() > 0);
  add_docs(pair.docs, pair.rows, 300, 100);
  must_refresh(pair.reader);
  CHECK(maps() == 0);
  expect_docs(pair.seen, pair.rows, 0, 400);
  REQUIRE(pair.docs.flush());
  must_refresh(pair.reader);
  CHECK(maps() == 2);  // The image of the index and its one file of rows, which was not full.
  files->take_events();
  must_refresh(pair.reader);
  // Nothing was written: one look at the names and at where the logs end.
  const auto events = files->take_events();
  CHECK(std::all_of(events.begin(), events.end(), [](const testing::Event& event) {
    return event.path.find("CURRENT") != std::string::npos || event.path.ends_with(".log");
  }));
}

TEST_CASE("A refresh maps no row file again that its new image still names") {
  constexpr std::size_t kLong = 65'535;  // A full row file has 128 rows of this dimension.
  constexpr std::size_t kRows = 140;
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  Store writer = must_open(directory / "store", {.index_inline = true});
  auto docs = *writer.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kLong, .index = FlatOptions{}}}});
  test::Rows rows{kLong, std::vector<float>(kRows * kLong, 1.0F)};
  for (std::size_t i = 0; i < kRows; ++i) rows.values[i * kLong + i] = 1'000.0F;
  const auto add = [&](std::size_t first, std::size_t count) {
    Batch batch;
    batch.numbered(first, count).vectors("embedding", rows.view().rows_from(first, count));
    REQUIRE(docs.upsert(batch));
    REQUIRE(docs.flush());
  };
  add(0, kRows - 1);
  Store reader = must_open(directory / "store", {.read_only = true, .file_system = files});
  const auto seen = *reader.collection("docs");
  add(kRows - 1, 1);
  files->take_events();
  must_refresh(reader);
  std::size_t mapped = 0;
  for (const auto& event : files->take_events()) {
    if (event.operation == Operation::kMap && event.path.ends_with(".rows")) ++mapped;
  }
  CHECK(mapped == 1);
  for (const std::size_t i : {std::size_t{0}, std::size_t{127}, std::size_t{128}, kRows - 1}) {
    const auto hits = seen.search(near_to(rows.row(i), 1));
    REQUIRE(hits);
    CHECK(hits->hits.at(0).record.key == "k" + std::to_string(i));
  }
}

TEST_CASE("A reader catches up where the log no longer reaches back to it") {
  const TempDirectory directory;
  Store writer = must_open(directory / "store", {.durability = Durability::kBuffered});
  auto docs = writer.create_collection("docs", docs_schema(kDimension));
  const auto rows = clustered_rows({60, kDimension}, 22);
  add_docs(*docs, rows, 0, 40);
  Store reader = must_open(directory / "store", {.read_only = true});
  const auto seen = reader.collection("docs");
  const Collection pinned = *seen->pinned();
  delete_docs(*docs, 0, 10);
  for (std::int64_t i = 0; i < 10'100; ++i)
    REQUIRE(docs->update(Batch().keys({"k39"}).field("size", {Value(i % 2 + 39)})));
  add_docs(*docs, rows, 39, 21);
  REQUIRE(docs->flush());  // Cuts the log.
  CHECK(must_refresh(reader) == 10'100 + 4);
  expect_docs(*seen, rows, 10, 60);
  CHECK(*pinned.count({}) == 40);
  add_docs(*docs, rows, 0, 10);
  must_refresh(reader);
  expect_docs(*seen, rows, 0, 60);
  const auto verified = reader.verify();
  INFO((verified ? "" : verified.error().message));
  // The writer may have replaced files since.
  CHECK((verified || verified.error().code == ErrorCode::kSnapshotExpired));
}

TEST_CASE("A refresh that fails leaves the reader as it was and says so") {
  const auto files = std::make_shared<FaultFileSystem>();
  Pair pair(40, {.file_system = files});
  add_docs(pair.docs, pair.rows, 40, 20);
  const char* const name = GENERATE("MARK", "MANIFEST-", ".log", "CURRENT");
  INFO(name);
  files->fail({.operation = Operation::kRead, .name = name, .times = testing::Fault::kAlways});
  const auto failed = pair.reader.refresh();
  REQUIRE_FALSE(failed);
  CHECK((failed.error().code == ErrorCode::kIo || failed.error().code == ErrorCode::kCorruption));
  CHECK(failed.error().message.find("stays at sequence 2") != std::string::npos);
  expect_docs(pair.seen, pair.rows, 0, 40);
  files->heal();
  CHECK(must_refresh(pair.reader) == 3);
  expect_docs(pair.seen, pair.rows, 0, 60);
}

TEST_CASE("A reader whose store was put back keeps what it has and says so") {
  Pair pair(40);
  const std::string path = pair.directory / "store";
  const std::string old = pair.directory / "old";
  REQUIRE(pair.writer.close());
  std::filesystem::copy(path, old, std::filesystem::copy_options::recursive);
  {
    Store writer = must_open(path, {.index_inline = true});
    auto docs = *writer.collection("docs");
    add_docs(docs, pair.rows, 40, 20);
    add_docs(docs, pair.rows, 60, 20);
  }
  CHECK(must_refresh(pair.reader) == 4);
  std::filesystem::remove_all(path);
  std::filesystem::rename(old, path);
  CHECK(pair.reader.refresh().error().code == ErrorCode::kLostWrites);
  expect_docs(pair.seen, pair.rows, 0, 80);
  // Also when it has gone on to other commits of the same numbers.
  Store writer = must_open(path, {.index_inline = true});
  auto docs = *writer.collection("docs");
  for (std::size_t i = 0; i < 4; ++i) add_docs(docs, pair.rows, 100 + i, 1);
  const auto error = pair.reader.refresh();
  REQUIRE_FALSE(error);
  CHECK(error.error().code == ErrorCode::kLostWrites);
  CHECK(error.error().message.find("stays at sequence 4") != std::string::npos);
  expect_docs(pair.seen, pair.rows, 0, 80);
}

TEST_CASE("A reader tells a restored store from its own, though it has other commits by now") {
  Pair pair(40);
  const std::string path = pair.directory / "store";
  const bool flushed = GENERATE(false, true);
  CAPTURE(flushed);
  REQUIRE(pair.writer.backup(pair.directory / "backups"));
  add_docs(pair.docs, pair.rows, 40, 20);
  if (flushed) REQUIRE(pair.docs.flush());
  CHECK(must_refresh(pair.reader) == 3);
  REQUIRE(pair.writer.close());
  std::filesystem::remove_all(path);
  CHECK_FALSE(pair.reader.refresh());
  REQUIRE(Store::restore(pair.directory / "backups", path));
  const auto expect_told = [&] {
    const auto error = pair.reader.refresh();
    REQUIRE_FALSE(error);
    CHECK(error.error().code == ErrorCode::kLostWrites);
    CHECK(error.error().message.find("stays at sequence 3") != std::string::npos);
    expect_docs(pair.seen, pair.rows, 0, 60);
  };
  expect_told();
  Store writer = must_open(path, {.index_inline = true});
  auto docs = *writer.collection("docs");
  // The same keys with other rows.
  Batch batch;
  batch.numbered(40, 20).vectors("embedding", pair.rows.view().rows_from(200, 20));
  batch.field("size", numbers(40, 20));
  REQUIRE(docs.upsert(batch));
  if (flushed) REQUIRE(docs.flush());
  expect_told();
  add_docs(docs, pair.rows, 60, 20);
  expect_told();
  Store reader = must_open(path, {.read_only = true});
  CHECK(*reader.collection("docs")->count({}) == 80);
  add_docs(docs, pair.rows, 80, 20);
  CHECK(must_refresh(reader) == 5);
}

TEST_CASE("A reader goes on without its writer, and follows the next one") {
  Pair pair(40);
  add_docs(pair.docs, pair.rows, 40, 20);
  REQUIRE(pair.writer.close());
  CHECK(must_refresh(pair.reader) == 3);
  expect_docs(pair.seen, pair.rows, 0, 60);
  Store next = must_open(pair.directory / "store");
  auto docs = *next.collection("docs");
  add_docs(docs, pair.rows, 60, 20);
  CHECK(must_refresh(pair.reader) == 4);
  expect_docs(pair.seen, pair.rows, 0, 80);
  CHECK(*pair.reader.refresh() == *next.refresh());
}

TEST_CASE("A reader that is asked to follow does so by itself, until it is closed") {
  Pair pair(40, {.follow_every_ms = 5});
  add_docs(pair.docs, pair.rows, 40, 20);
  while (*pair.seen.count({}) != 60) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  expect_docs(pair.seen, pair.rows, 0, 60);
  REQUIRE(pair.reader.close());
  CHECK(pair.seen.count({}).error().code == ErrorCode::kClosed);
}

TEST_CASE("A forked child cannot refresh its parent's reader") {
  Pair pair(10);
  const ::pid_t child = ::fork();
  if (child == 0) ::_exit(pair.reader.refresh().error().code == ErrorCode::kForked ? 0 : 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(must_refresh(pair.reader) == 2);
}

TEST_CASE("Threads of a reader see whole batches while it refreshes") {
  Pair pair(0);
  constexpr std::size_t kBatch = 20;
  std::atomic<bool> done{false};
  std::atomic<std::size_t> torn{0};
  std::atomic<std::size_t> looks{0};
  const auto look = [&] {
    while (!done) {
      const auto pinned = pair.seen.pinned();
      const auto count = pinned->count({});
      const auto page = pinned->scan({.filter = {}, .after = {}, .limit = 1'000, .parts = {}});
      const auto hits = pinned->search(near_to(pair.rows.row(0), 50, "size >= 0"));
      ++looks;
      if (!count || !page || !hits || *count % kBatch != 0 || page->size() != *count ||
          hits->hits.size() != std::min<std::size_t>(*count, 50)) {
        ++torn;
      }
    }
  };
  std::thread one(look);
  std::thread two(look);
  for (std::size_t i = 0; i < 15; ++i) {
    add_docs(pair.docs, pair.rows, kBatch * i, kBatch);
    if (i % 5 == 4) {
      delete_docs(pair.docs, kBatch * (i - 4), kBatch);
      REQUIRE(pair.docs.flush());
    }
    must_refresh(pair.reader);
  }
  while (looks < 20) std::this_thread::yield();
  done = true;
  one.join();
  two.join();
  CHECK(torn == 0);
}

}  // namespace rocksdb_refresh_test
