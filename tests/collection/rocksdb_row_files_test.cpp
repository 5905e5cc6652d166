// Row files: each row once at rest, kept while the index grows, reclaimed, missed when damaged.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_row_files_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::must;
using anear::test::must_open;
using anear::test::near_to;
using anear::testing::bytes_of_file;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 128;
constexpr std::uint64_t kRowBytes = kDimension * sizeof(float);

/// The files of a directory and their sizes; not those that the store removes meanwhile.
std::map<std::string, std::uint64_t> files_in(const std::string& directory) {
  std::map<std::string, std::uint64_t> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::error_code gone;
    const std::uint64_t bytes = entry.is_regular_file(gone) ? entry.file_size(gone) : 0;
    if (!gone && bytes != 0) files[entry.path()] = bytes;
  }
  return files;
}

std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& [name, size] : files_in(directory)) bytes += size;
  return bytes;
}

/// Every record has its row, and an exact search finds each row.
void expect_rows(const Collection& docs, const test::Rows& rows, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 37) {
    const std::string key = "k" + std::to_string(i);
    const std::string_view name = key;
    const auto found = docs.get({&name, 1}, {.vectors = true});
    REQUIRE(found);
    REQUIRE(found->front());
    REQUIRE(found->front()->vectors.size() == 1);
    const std::vector<std::byte>& bytes = found->front()->vectors.front().bytes;
    REQUIRE(bytes.size() == kRowBytes);
    CHECK(std::memcmp(bytes.data(), rows.row(i).data(), kRowBytes) == 0);
    Query query = near_to(rows.row(i), 1);
    query.recall = 1;
    const auto hits = docs.search(query);
    REQUIRE(hits);
    CHECK(hits->hits.front().record.key == key);
  }
}

}  // namespace

TEST_CASE("An update does not carry on a row that is another one's") {
  constexpr std::size_t kRecords = 100;
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    Store store = must_open(path);
    CollectionSchema schema = docs_schema(kDimension);
    schema.vectors.push_back({.name = "title", .dimension = 2});
    Collection docs = must(store.create_collection("docs", schema));
    add_docs(docs, clustered_rows({kRecords, kDimension}, 2), 0, kRecords);
    REQUIRE(docs.flush());
  }
  // As a defect would leave it: every checksum of the file fits.
  test::copy_entry(path, {"rows", "1-0-", "rows"}, 10, 20);
  Store store = must_open(path);
  Collection docs = must(store.collection("docs"));
  // A record whose vectors change moves, and takes the others with it.
  const auto titled = [&](std::size_t record) {
    return docs.update(
        test::Batch().numbered(record, 1).vectors("title", test::Rows{2, {1.0F, 2.0F}}));
  };
  const auto refused = titled(20);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCorruption);
  CHECK(refused.error().subcode == Subcode::kChecksum);
  CHECK(refused.error().message.find("'k20'") != std::string::npos);
  CHECK(*docs.count({"size = 20"}) == 1);
  CHECK(titled(21));
}

TEST_CASE("A flat index of a collection keeps the codes that were asked for") {
  constexpr std::size_t kRecords = 2'000, kNearest = 5;
  const TempDirectory directory;
  const auto rows = clustered_rows({kRecords, kDimension}, 2);
  const auto queries = clustered_rows({20, kDimension}, 3);
  CollectionSchema schema = docs_schema(kDimension);
  schema.vectors.front().index = FlatOptions{.codes = ScalarKind::kI8};
  for (const bool again : {false, true}) {
    Store store = must_open(directory / "store");
    Collection docs =
        must(again ? store.collection("docs") : store.create_collection("docs", schema));
    if (!again) add_docs(docs, rows, 0, kRecords);
    REQUIRE(docs.flush());
    CHECK(std::get<FlatOptions>(docs.schema().vectors.front().index).codes == ScalarKind::kI8);
    for (std::size_t q = 0; q < queries.count(); ++q) {
      Query query = near_to(queries.row(q), kNearest);
      query.explain = true;
      const Hits by_codes = must(docs.search(query));
      query.recall = 1;
      const Hits by_rows = must(docs.search(query));
      CHECK(test::keys_of(by_codes) == test::keys_of(by_rows));
      CHECK(by_codes.explain->reranked > kNearest);
      CHECK(by_rows.explain->reranked == kNearest);
    }
  }
}

TEST_CASE("A flushed row stands once on the disk") {
  constexpr std::size_t kRows = 4'000;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kRows, kDimension}, 1);
  Store store = must_open(path);
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  add_docs(*docs, rows, 0, kRows / 2);
  add_docs(*docs, rows, kRows / 2, kRows / 2);
  REQUIRE(docs->flush());
  CHECK(bytes_below(path + "/rows") > kRows * kRowBytes);
  // What is left in the records: header, key and field, no rows.
  CHECK(bytes_below(path + "/records") < kRows * kRowBytes / 2);
  // Rows, codes of a quarter, links; 350 bytes for all else.
  CHECK(bytes_below(path) < kRows * (kRowBytes + kDimension + 8 + 33 * 4 + 350));
  expect_rows(*docs, rows, kRows);
  CHECK(store.verify());
}

TEST_CASE("A row file stays while no row is added, and the last one is replaced when some are") {
  constexpr std::size_t kRows = 3'000;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kRows, kDimension}, 2);
  Store store = must_open(path);
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  add_docs(*docs, rows, 0, 1'000);
  REQUIRE(docs->flush());
  const auto first = files_in(path + "/rows");
  REQUIRE(docs->delete_keys(std::vector<std::string_view>{"k3"}));
  REQUIRE(docs->flush());
  CHECK(files_in(path + "/rows") == first);  // Nothing was added.
  add_docs(*docs, rows, 1'000, 2'000);
  REQUIRE(docs->flush());
  CHECK(files_in(path + "/rows").size() == 1);
  CHECK(files_in(path + "/rows") != first);
  REQUIRE(store.close());
  store = must_open(path);
  docs = store.collection("docs");
  CHECK(*docs->count({}) == kRows - 1);
  add_docs(*docs, rows, 3, 1);
  expect_rows(*docs, rows, kRows);
  CHECK(store.verify());
}

TEST_CASE("Without its image an index is built again from the row files") {
  constexpr std::size_t kRows = 1'500;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kRows, kDimension}, 3);
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, rows, 0, 1'000);
    REQUIRE(docs->flush());
    add_docs(*docs, rows, 1'000, 500);
    REQUIRE(docs->delete_keys(std::vector<std::string_view>{"k1", "k1400"}));
  }
  std::filesystem::remove_all(path + "/images");
  for (const bool read_only : {true, false}) {
    Store store = must_open(path, {.read_only = read_only});
    auto docs = store.collection("docs");
    CHECK(docs->stats()->degraded);
    CHECK(*docs->count({}) == kRows - 2);
    expect_rows(*docs, rows, kRows);  // It asks for neither of the deleted ones.
    if (read_only) continue;
    add_docs(*docs, rows, 1, 1);
    add_docs(*docs, rows, 1'400, 1);
    REQUIRE(docs->flush());
    CHECK_FALSE(docs->stats()->degraded);
    expect_rows(*docs, rows, kRows);
    CHECK(store.verify());
  }
}

TEST_CASE("A store that is closed while an index is built again from its row files has all rows") {
  // Images are due from 20,000 moved rows on, which are moved 4,096 at a time.
  constexpr std::size_t kCount = 26'000, kLeft = 5'600;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kCount, 4}, 11);
  {
    Store store = must_open(path);
    HnswOptions index;
    index.links_max = 4;
    index.ef_construction = 16;
    auto docs = store.create_collection(
        "docs", {.vectors = {{.name = "embedding", .dimension = 4, .index = index}},
                 .fields = {{"size", FieldType::kInt64}}});
    REQUIRE(docs);
    for (std::size_t first = 0; first < kCount; first += 2'000) add_docs(*docs, rows, first, 2'000);
    REQUIRE(docs->flush());
  }
  for (const auto& entry : std::filesystem::directory_iterator(path + "/images")) {
    if (entry.path().filename().string().starts_with("1-0-"))
      std::filesystem::resize_file(entry.path(), 100);
  }
  {
    Store store = must_open(path);
    const auto docs = store.collection("docs");
    REQUIRE(docs);
    while (docs->stats()->tail_records > kLeft)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(store.close());
  }
  Store store = must_open(path);
  auto docs = store.collection("docs");
  REQUIRE(docs);
  REQUIRE(docs->flush());
  CHECK(*docs->count({}) == kCount);
  CHECK(store.verify());  // Each record has the row that was written with it.
}

TEST_CASE("A damaged row file is told at open, with its name, and nothing is changed") {
  constexpr std::size_t kRows = 500;
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", docs_schema(kDimension));
    add_docs(*docs, clustered_rows({kRows, kDimension}, 4), 0, kRows);
    REQUIRE(docs->flush());
  }
  const std::string file = files_in(path + "/rows").begin()->first;
  std::string bytes = bytes_of_file(file);
  SECTION("one bit") {
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 16);
    overwrite_file(file, bytes);
  }
  SECTION("cut") { overwrite_file(file, bytes.substr(0, bytes.size() - 4'096)); }
  SECTION("missing") { std::filesystem::remove(file); }
  const auto before = files_in(path + "/rows");
  for (const bool read_only : {true, false}) {
    const auto opened = Store::open(path, {.read_only = read_only});
    REQUIRE_FALSE(opened);
    INFO(opened.error().message);
    CHECK(opened.error().code == ErrorCode::kCorruption);
    CHECK(opened.error().message.find(".rows") != std::string::npos);
    CHECK(files_in(path + "/rows") == before);
  }
}

TEST_CASE(
    "Replacing half of the records three times leaves at most half as much again on the disk") {
  constexpr std::size_t kRows = 4'000;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kRows, kDimension}, 5);
  const auto others = clustered_rows({kRows, kDimension}, 6);
  const bool hnsw = GENERATE(true, false);
  CollectionSchema schema = docs_schema(kDimension);
  if (!hnsw) schema.vectors.front().index = FlatOptions{};
  Store store = must_open(path);
  auto docs = store.create_collection("docs", schema);
  add_docs(*docs, rows, 0, kRows);
  REQUIRE(docs->flush());
  REQUIRE(store.close());
  const std::uint64_t fresh = bytes_below(path);
  store = must_open(path);
  docs = store.collection("docs");
  for (std::size_t round = 0; round < 3; ++round) {
    add_docs(*docs, round % 2 == 0 ? others : rows, 0, kRows / 2);
    REQUIRE(docs->flush());
    CHECK(bytes_below(path) <= fresh + fresh / 2);
  }
  CHECK(store.verify());
  REQUIRE(store.close());
  CHECK(bytes_below(path) <= fresh + fresh / 2);
}

TEST_CASE(
    "Rows that died beneath a search leave the index and the disk after the store is opened "
    "again") {
  constexpr std::size_t kRows = 4'000;
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto rows = clustered_rows({kRows, kDimension}, 7);
  Store store = must_open(path);
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  add_docs(*docs, rows, 0, kRows);
  REQUIRE(docs->flush());
  const std::uint64_t full = bytes_below(path + "/rows");
  std::vector<std::string> names;
  for (std::size_t i = 500; i < kRows; ++i) names.push_back("k" + std::to_string(i));
  const std::vector<std::string_view> gone(names.begin(), names.end());
  {
    std::atomic<bool> done{false};
    std::thread searching([&] {
      Query query = near_to(rows.row(0), 10);
      query.recall = 1;
      while (!done) (void)docs->search_batch(rows.view().rows_from(0, 200), query, 1);
    });
    const auto deleted = docs->delete_keys(gone);
    const Status flushed = docs->flush();
    done = true;
    searching.join();
    REQUIRE(deleted);
    REQUIRE(flushed);
  }
  REQUIRE(store.close());
  store = must_open(path);
  docs = store.collection("docs");
  add_docs(*docs, rows, 0, 1);
  REQUIRE(docs->flush());
  CHECK(bytes_below(path + "/rows") < full / 4);
  expect_rows(*docs, rows, 500);
  CHECK(store.verify());
}

}  // namespace rocksdb_row_files_test
