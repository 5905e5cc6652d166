// A store on disk: opened again, by others, damaged, foreign, newer.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/directory_state.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_store_on_disk_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::expect_docs;
using anear::test::must_open;
using anear::test::near_to;
using anear::test::numbers;
using anear::testing::bytes_of_file;
using anear::testing::copy_as_after_a_kill;
using anear::testing::overwrite_file;
using anear::testing::state_of;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 16;

std::vector<std::string> images_of(const std::string& store) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(store + "/images"))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Opens the store at `path` and asks for all of `rows`. What it says when it cannot answer; no
/// value when every answer was right. A wrong answer fails the test.
std::optional<Error> damage_found(const std::string& path, StoreOptions options,
                                  const test::Rows& rows) {
  options.create_if_missing = false;
  const auto store = Store::open(path, options);
  if (!store) return store.error();
  const auto docs = store->collection("docs");
  if (!docs) return docs.error();
  const auto all = docs->count({});
  if (!all) return all.error();
  CHECK(*all == rows.view().rows());
  const auto some = docs->count(FilterText{"size < 100", {}});
  if (!some) return some.error();
  CHECK(*some == 100);
  for (std::size_t i = 0; i < rows.view().rows(); i += 37) {
    for (const std::string& filter : {std::string(), "size = " + std::to_string(i)}) {
      const auto hits = docs->search(near_to(rows.row(i), 1, filter));
      if (!hits) return hits.error();
      REQUIRE(hits->hits.size() == 1);
      CHECK(hits->hits[0].record.key == "k" + std::to_string(i));
    }
  }
  return {};
}

bool is_damage(ErrorCode code) {
  return code == ErrorCode::kCorruption || code == ErrorCode::kLostWrites ||
         code == ErrorCode::kIo || code == ErrorCode::kNotFound ||
         code == ErrorCode::kUnsupportedFormat;
}

/// Lengths to cut a file to: some of any file, many of the list of the database's files.
std::set<std::uint64_t> cuts_of(const std::filesystem::directory_entry& entry) {
  const std::uint64_t size = entry.file_size();
  std::set<std::uint64_t> cuts;
  if (size == 0) return cuts;
  cuts = {0, size / 4, size / 2, size - 1};
  if (entry.path().filename().string().starts_with("MANIFEST")) {
    for (std::uint64_t i = 1; i < 24; ++i) cuts.insert(size * i / 24);
  }
  return cuts;
}

}  // namespace

TEST_CASE("A store opened again holds what was committed, with and without images") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({3'000, kDimension}, 1);
  const bool flushed = GENERATE(false, true);
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    REQUIRE(docs);
    add_docs(*docs, rows, 0, 2'000);
    if (flushed) REQUIRE(docs->flush());
    add_docs(*docs, rows, 2'000, 1'000);
    REQUIRE(store.close());
  }
  CHECK(images_of(path).size() == (flushed ? 2 : 0));
  Store store = must_open(path);
  CHECK(store.recovery().clean);
  CHECK(store.recovery().recovered_sequence == 3);
  CHECK(store.recovery().tail_records == (flushed ? 1'000 : 3'000));
  auto docs = store.collection("docs");
  REQUIRE(docs);
  CHECK(docs->schema().fields[0].name == "size");
  expect_docs(*docs, rows, 3'000);
  REQUIRE(docs->flush());
  expect_docs(*docs, rows, 3'000);
  const auto report = store.verify();
  REQUIRE(report);
  CHECK(report->records == 3'000);
  CHECK(report->rows == 3'000);
  CHECK(report->images == 2);
}

TEST_CASE("Deletes and updates behind an image are replayed at open") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({500, kDimension}, 2);
  {
    Store store = must_open(path, {.index_inline = true});
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 500);
    REQUIRE(docs->flush());
    const std::vector<std::string_view> gone = {"k10", "k20"};
    REQUIRE(docs->delete_keys(gone));
    REQUIRE(docs->update(Batch().numbered(30, 1).field("size", {std::int64_t{-30}})));
    REQUIRE(docs->update(Batch().numbered(40, 1).vectors("embedding", rows.row(10))));
  }
  Store store = must_open(path);
  auto docs = store.collection("docs");
  CHECK(*docs->count({}) == 498);
  CHECK(*docs->count({"size = -30", {}}) == 1);
  const auto hits = docs->search(near_to(rows.row(10), 498));
  CHECK(hits->hits.size() == 498);
  CHECK(hits->hits[0].record.key == "k40");
  CHECK(store.verify());
  REQUIRE(docs->flush());
  CHECK(docs->search(near_to(rows.row(10), 498))->hits.size() == 498);
  CHECK(store.verify());
}

TEST_CASE("A damaged or missing image costs time, not answers") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({1'000, kDimension}, 3);
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 1'000);
    REQUIRE(docs->flush());
    const std::vector<std::string_view> gone = {"k999"};
    REQUIRE(docs->delete_keys(gone));
  }
  const std::vector<std::string> images = images_of(path);
  REQUIRE(images.size() == 2);
  const std::string& image = images[GENERATE(0, 1)];
  std::string bytes = bytes_of_file(image);
  SECTION("missing") { std::filesystem::remove(image); }
  SECTION("cut") { overwrite_file(image, bytes.substr(0, bytes.size() - 100)); }
  SECTION("empty") { overwrite_file(image, ""); }
  SECTION("one bit") {
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    overwrite_file(image, bytes);
  }
  Store store = must_open(path, {.index_inline = true});
  auto docs = store.collection("docs");
  CHECK(docs->stats()->degraded);
  CHECK_FALSE(docs->stats()->reason.empty());
  expect_docs(*docs, rows, 999);
  REQUIRE(docs->flush());
  CHECK_FALSE(docs->stats()->degraded);
  expect_docs(*docs, rows, 999);
  CHECK(store.verify());
}

TEST_CASE("A second writer is refused and told who holds the store") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  Store store = must_open(path);
  const auto second = Store::open(path);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kLocked);
  CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
  REQUIRE(store.close());
  CHECK(Store::open(path));
}

TEST_CASE("A read-only store answers, takes no lock and refuses writes") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  CHECK(Store::open(path, {.read_only = true}).error().code == ErrorCode::kNotFound);
  const auto rows = clustered_rows({300, kDimension}, 4);
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 300);
  }
  Store reader = must_open(path, {.read_only = true});
  const Store other = must_open(path, {.read_only = true});
  auto docs = reader.collection("docs");
  expect_docs(*docs, rows, 300);
  CHECK(docs->upsert(Batch().numbered(0, 1)).error().code == ErrorCode::kReadOnly);
  CHECK(docs->delete_matching({"size = 1", {}}).error().code == ErrorCode::kReadOnly);
  CHECK(docs->flush().error().code == ErrorCode::kReadOnly);
  CHECK(reader.create_collection("x", docs_schema(kDimension)).error().code ==
        ErrorCode::kReadOnly);
  CHECK(reader.drop_collection("docs").error().code == ErrorCode::kReadOnly);
  CHECK(docs->stats()->reason.find("read-only") != std::string::npos);
}

TEST_CASE("After close every handle says closed") {
  const TempDirectory directory;
  Store store = must_open(directory / "store");
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  REQUIRE(store.close());
  REQUIRE(store.close());
  const auto rows = clustered_rows({1, kDimension}, 5);
  CHECK(docs->count({}).error().code == ErrorCode::kClosed);
  CHECK(docs->search(near_to(rows.row(0), 1)).error().code == ErrorCode::kClosed);
  CHECK(docs->upsert(Batch().numbered(0, 1)).error().code == ErrorCode::kClosed);
  CHECK(store.collection("docs").error().code == ErrorCode::kClosed);
  CHECK(store.collections().error().code == ErrorCode::kClosed);
}

TEST_CASE("A store that is closed and still held takes nothing from its successor") {
  const TempDirectory directory;
  const auto rows = clustered_rows({60, kDimension}, 9);
  std::optional<Store> first = must_open(directory / "store");
  auto docs = first->create_collection("docs", docs_schema(kDimension));
  add_docs(*docs, rows, 0, 20);
  REQUIRE(first->close());
  {
    Store second = must_open(directory / "store");
    auto again = second.collection("docs");
    add_docs(*again, rows, 20, 20);
    REQUIRE(second.verify());
    first.reset();
    docs = *again;
    REQUIRE(second.verify());
    expect_docs(*again, rows, 40);
  }
  Store third = must_open(directory / "store");
  REQUIRE(third.verify());
  expect_docs(*third.collection("docs"), rows, 40);
}

TEST_CASE("A reader beside a writer takes nothing from it, and is right or says that it is late") {
  const TempDirectory directory;
  const auto rows = clustered_rows({400, kDimension}, 10);
  Store writer = must_open(directory / "store");
  auto docs = writer.create_collection("docs", docs_schema(kDimension));
  add_docs(*docs, rows, 0, 100);
  REQUIRE(docs->flush());
  for (std::size_t round = 0; round < 3; ++round) {
    const Store reader = must_open(directory / "store", {.read_only = true});
    const auto seen = reader.collection("docs");
    REQUIRE(*seen->count({}) == 100 * (round + 1));
    add_docs(*docs, rows, 100 * (round + 1), 100);
    REQUIRE(docs->flush());
    REQUIRE(writer.verify());  // Writes out what stands in the log.
    for (std::size_t i = 0; i < 100; i += 7) {
      const auto hits = seen->search(near_to(rows.row(i), 1, "size >= 0"));
      if (hits) {
        CHECK(hits->hits.at(0).record.key == "k" + std::to_string(i));
      } else {
        CHECK(hits.error().code == ErrorCode::kSnapshotExpired);
      }
    }
  }
  REQUIRE(writer.verify());
  expect_docs(*docs, rows, 400);
}

TEST_CASE("A directory that holds something else is left alone") {
  const TempDirectory directory;
  SECTION("files of another program") {
    overwrite_file(directory / "notes.txt", "mine");
    const auto store = Store::open(directory.path());
    CHECK(store.error().code == ErrorCode::kUnsupportedFormat);
    CHECK(bytes_of_file(directory / "notes.txt") == "mine");
    CHECK_FALSE(std::filesystem::exists(directory / "LOCK"));
  }
  SECTION("a file") {
    overwrite_file(directory / "store", "x");
    CHECK(Store::open(directory / "store").error().code == ErrorCode::kUnsupportedFormat);
  }
  SECTION("nothing, where the parent is missing") {
    CHECK(Store::open(directory / "a/b/c").error().code == ErrorCode::kNotFound);
  }
  SECTION("nothing, when it must exist") {
    CHECK(Store::open(directory / "store", {.create_if_missing = false}).error().code ==
          ErrorCode::kNotFound);
    CHECK_FALSE(std::filesystem::exists(directory / "store"));
  }
}

TEST_CASE("A log that lost acknowledged commits is noticed") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string copy = directory / "copy";
  const auto rows = clustered_rows({50, kDimension}, 6);
  Store store = must_open(path, {.index_inline = true});
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  for (std::size_t i = 0; i < 50; i += 10) add_docs(*docs, rows, i, 10);
  copy_as_after_a_kill(path, copy);
  for (const auto& entry : std::filesystem::directory_iterator(copy + "/records")) {
    if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
    std::string log = testing::held_by_log(entry.path());
    SECTION("cut") { overwrite_file(entry.path(), log.substr(0, log.size() - 200)); }
    SECTION("one bit") {
      log[log.size() / 2] = static_cast<char>(log[log.size() / 2] ^ 1);
      overwrite_file(entry.path(), log);
    }
    const auto damaged = Store::open(copy);
    REQUIRE_FALSE(damaged);
    CHECK(damaged.error().code == ErrorCode::kLostWrites);
    CHECK(damaged.error().message.find("to 6") != std::string::npos);
    CHECK(Store::open(copy).error().code == ErrorCode::kLostWrites);
  }
}

TEST_CASE("A damaged mark is told by verify, and renewed when the store is opened for writing") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, clustered_rows({10, kDimension}, 6), 0, 10);
  }
  std::string marks = bytes_of_file(path + "/MARK");
  const std::size_t byte = GENERATE(20U, 4'096U + 20U);
  marks[byte] = static_cast<char>(marks[byte] ^ 1);
  overwrite_file(path + "/MARK", marks);
  {
    const auto checked = must_open(path, {.read_only = true}).verify();
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::kCorruption);
    CHECK(checked.error().message.find("'" + path + "/MARK': one of its two") != std::string::npos);
  }
  std::string log;
  const auto keep = [](void* context, const char* message) {
    *static_cast<std::string*>(context) += message;
  };
  CHECK(must_open(path, {.log = {keep, &log}}).verify());
  CHECK(log.find("'" + path + "/MARK': one of its two marks was not readable") != log.npos);
  CHECK(must_open(path, {.read_only = true}).verify());
}

TEST_CASE("Any file cut anywhere is a typed error or harmless, after a close and after a kill") {
  const TempDirectory directory;
  const std::string closed = directory / "closed";
  const std::string killed = directory / "killed";
  const auto rows = clustered_rows({300, kDimension}, 7);
  {
    Store store = must_open(closed);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 200);
    REQUIRE(docs->flush());
    add_docs(*docs, rows, 200, 100);
    copy_as_after_a_kill(closed, killed);
  }
  for (const std::string& whole : {closed, killed}) {
    REQUIRE_FALSE(damage_found(whole, {.read_only = true}, rows));
    std::size_t refused = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(whole)) {
      if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
      const std::string name = std::filesystem::relative(entry.path(), whole);
      for (const std::uint64_t length : cuts_of(entry)) {
        INFO(name + " cut from " + std::to_string(entry.file_size()) + " to " +
             std::to_string(length));
        for (const bool read_only : {true, false}) {
          const std::string copy = directory / "copy";
          std::filesystem::copy(whole, copy, std::filesystem::copy_options::recursive);
          std::filesystem::resize_file(copy + "/" + name, length);
          const auto error = damage_found(copy, {.read_only = read_only}, rows);
          if (error) {
            INFO(error->message);
            CHECK(is_damage(error->code));
            // Of the database's own files it is the database that says which.
            CHECK(error->message.find(copy) != std::string::npos);
            if (!name.starts_with("records/"))
              CHECK(error->message.find(copy + "/" + name) != std::string::npos);
            ++refused;
          }
          std::filesystem::remove_all(copy);
        }
      }
    }
    CHECK(refused > 20);
  }
}

TEST_CASE("A forked child is told that the store is its parent's") {
  const TempDirectory directory;
  Store store = must_open(directory / "store");
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  const ::pid_t child = ::fork();
  if (child == 0) {
    const bool refused = docs->count({}).error().code == ErrorCode::kForked &&
                         store.close().error().code == ErrorCode::kForked;
    {
      const Store gone = std::move(store);
    }
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(docs->count({}));
}

TEST_CASE("A child that was forked from an open store ends by exit()") {
  const TempDirectory directory;
  Store store = must_open(directory / "store");
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);  // It must not wait for threads that it does not have.
    std::exit(7);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(store.verify());
}

TEST_CASE("A buffered store holds what was committed when it is opened again") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({200, kDimension}, 8);
  {
    Store store = must_open(path, {.durability = Durability::kBuffered});
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 200);
  }
  Store store = must_open(path);
  expect_docs(*store.collection("docs"), rows, 200);
}

TEST_CASE("A writer waits when the tail is full, and the tail stays bounded") {
  const TempDirectory directory;
  Store store = must_open(directory / "store", {.tail_records_max = 100});
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  const auto rows = clustered_rows({3'000, kDimension}, 9);
  for (std::size_t i = 0; i < 3'000; i += 200) {
    add_docs(*docs, rows, i, 200);
    CHECK(docs->stats()->tail_records <= 100);
  }
  CHECK(docs->stats()->stalls > 0);
  expect_docs(*docs, rows, 3'000);
}

TEST_CASE(
    "A writer whose LOCK was removed or whose store was replaced harms nothing that is there") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string aside = directory / "aside";
  const std::string how = GENERATE("removed LOCK", "moved", "removed");
  const Durability durability = GENERATE(Durability::kDurable, Durability::kBuffered);
  CAPTURE(how, durability);
  const auto rows = clustered_rows({600, kDimension}, 33);
  Store old = must_open(path, {.durability = durability});
  Collection docs = *old.create_collection("docs", docs_schema(kDimension));
  add_docs(docs, rows, 0, 200);
  REQUIRE(docs.flush());
  add_docs(docs, rows, 200, 100);
  if (how == "removed LOCK") std::filesystem::remove(path + "/LOCK");
  if (how == "moved") std::filesystem::rename(path, aside);
  if (how == "removed") testing::remove_directory(path);

  Store store = must_open(path, {.index_inline = true});
  const bool same = how == "removed LOCK";
  Collection next =
      same ? *store.collection("docs") : *store.create_collection("docs", docs_schema(kDimension));
  const std::size_t first = same ? 300 : 0;
  add_docs(next, rows, first, 50);
  REQUIRE(store.close());  // RocksDB tidies up in the background.
  const auto before = state_of(path);
  Batch batch;
  batch.numbered(500, 1).vectors("embedding", rows.view().rows_from(500, 1));
  batch.field("size", numbers(500, 1));
  const auto refused = docs.upsert(batch);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kIo);
  CHECK(refused.error().message.find("open it again") != std::string::npos);
  CHECK_FALSE(docs.flush());
  CHECK_FALSE(old.create_collection("more", docs_schema(kDimension)));
  CHECK_FALSE(old.drop_collection("docs"));
  CHECK_FALSE(old.backup(directory / "backups"));
  expect_docs(docs, rows, 300);
  CHECK_FALSE(old.close());
  CHECK((state_of(path) == before));

  store = must_open(path);
  next = *store.collection("docs");
  expect_docs(next, rows, first + 50);
  add_docs(next, rows, first + 50, 50);
  REQUIRE(next.flush());
  expect_docs(next, rows, first + 100);
  REQUIRE(store.close());
  store = must_open(path);
  expect_docs(*store.collection("docs"), rows, first + 100);
  CHECK(store.verify());
  if (how != "moved") return;
  const Store found = must_open(aside);
  expect_docs(*found.collection("docs"), rows, 300);
  CHECK(found.verify());
}

TEST_CASE("A hundred collections are there again after opening, but for one that was dropped") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    Store store = must_open(path);
    for (int i = 0; i < 100; ++i)
      REQUIRE(store.create_collection("c" + std::to_string(i), docs_schema(kDimension)));
    REQUIRE(store.drop_collection("c50"));
  }
  Store store = must_open(path);
  CHECK(store.collections()->size() == 99);
  CHECK_FALSE(store.collection("c50"));
}

TEST_CASE(
    "Trained inverted lists are attached at open, and retrained when their image is damaged") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({11'000, kDimension}, 31);
  IvfPqOptions options;
  options.lists = 50;
  options.iterations = 1;
  const auto plan_of = [&](const Collection& docs) {
    Query query = near_to(rows.row(0), 10);
    query.explain = true;
    const auto hits = docs.search(query);
    REQUIRE(hits);
    CHECK(hits->hits[0].record.key == "k0");
    return hits->explain->plan;
  };
  {
    Store store = must_open(path);
    CollectionSchema schema = docs_schema(kDimension);
    schema.vectors[0].index = options;
    auto docs = store.create_collection("docs", schema);
    REQUIRE(docs);
    add_docs(*docs, rows, 0, 10'500);
    REQUIRE(docs->flush());
    CHECK(plan_of(*docs) == "inverted lists");
    add_docs(*docs, rows, 10'500, 500);
  }
  {
    // Without the right to write nothing can be trained.
    Store store = must_open(path, {.read_only = true});
    CHECK(store.recovery().tail_records == 500);
    auto docs = store.collection("docs");
    CHECK(plan_of(*docs) == "inverted lists");
    CHECK(store.verify());
  }
  const std::string image = images_of(path).front();
  overwrite_file(image, bytes_of_file(image).substr(0, 10'000));
  Store store = must_open(path);
  auto docs = store.collection("docs");
  CHECK(docs->search(near_to(rows.row(10'999), 1))->hits[0].record.key == "k10999");
  REQUIRE(docs->flush());
  CHECK(plan_of(*docs) == "inverted lists");
  CHECK_FALSE(docs->stats()->degraded);
  CHECK(store.verify());
}

}  // namespace rocksdb_store_on_disk_test
