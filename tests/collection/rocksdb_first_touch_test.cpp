// Large row files are checked as they are read: a store opens at once, and what is damaged is never
// served, nor written anew.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/store_directory.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_first_touch_test {

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

// Of such rows and their codes an index takes the first ones in place: 2 MiB are the unit.
constexpr std::size_t kDimension = 1'536, kRows = 1'400;
constexpr std::uint64_t kNothing = 0, kAll = std::numeric_limits<std::uint64_t>::max();

StoreOptions checked(std::uint64_t at_open, bool read_only = false) {
  return {.read_only = read_only, .checked_at_open_bytes = at_open, .index_inline = true};
}

/// A closed store whose collection "docs" stands in row files and images.
struct ClosedStore {
  TempDirectory directory;
  std::string path = directory / "store";
  test::Rows rows = clustered_rows({kRows, kDimension}, 3);

  explicit ClosedStore(const IndexOptions& index = HnswOptions{}) {
    Store store = must_open(path, checked(kAll));
    CollectionSchema schema = docs_schema(kDimension);
    schema.vectors.front().index = index;
    Collection docs = must(store.create_collection("docs", schema));
    add_docs(docs, rows, 0, kRows);
    REQUIRE(docs.flush());
    REQUIRE(store.close());
  }
  std::string row_file() const { return path + "/rows/" + test::file_in(path + "/rows", ""); }

  /// Turns a bit in the middle of entry `at` of a section of the row file.
  void damage(std::string_view section, std::size_t at) const {
    const auto files = storage::os_file_system();
    const auto identity = must(storage::read_identity(*files, path));
    const auto image = must(storage::open_image(*files, path + "/rows",
                                                test::file_in(path + "/rows", ""), identity.id));
    const auto found = std::find_if(image.sections.begin(), image.sections.end(),
                                    [&](const auto& each) { return each.name == section; });
    REQUIRE(found != image.sections.end());
    // The header's page stands in front of the blocks, and all is mapped in one piece.
    const auto first = std::min_element(
        image.sections.begin(), image.sections.end(),
        [](const auto& a, const auto& b) { return a.bytes.data() < b.bytes.data(); });
    const auto offset = 4'096 + (found->bytes.data() - first->bytes.data()) +
                        static_cast<std::ptrdiff_t>(at * found->stride + found->stride / 2);
    std::string bytes = bytes_of_file(row_file());
    bytes[static_cast<std::size_t>(offset)] ^= 4;
    overwrite_file(row_file(), bytes);
  }
};

Query exactly(VectorView vector) {
  Query query = near_to(vector, 3);
  query.recall = 1;
  return query;
}

ErrorCode code_of(const Result<Hits>& hits) { return hits ? ErrorCode::kOk : hits.error().code; }

Result<std::vector<std::optional<Record>>> row_of_record(const Collection& docs, std::size_t i) {
  const std::string key = "k" + std::to_string(i);
  const std::string_view name = key;
  return docs.get({&name, 1}, {.vectors = true});
}

}  // namespace

TEST_CASE("A store whose rows are checked as they are read answers as one that checks them first") {
  const IndexOptions index = GENERATE(IndexOptions(FlatOptions{}), IndexOptions(HnswOptions{}),
                                      IndexOptions(IvfPqOptions{.lists = 4, .train_from = 1'000}));
  const ClosedStore closed(index);
  std::vector<std::string> keys;
  for (const std::uint64_t at_open : {kAll, kNothing}) {
    Store store = must_open(closed.path, checked(at_open));
    CHECK(store.recovery().clean);
    Collection docs = must(store.collection("docs"));
    std::vector<std::string> found;
    for (std::size_t i = 0; i < kRows; i += 100) {
      for (const Query& query : {near_to(closed.rows.row(i), 3), exactly(closed.rows.row(i))}) {
        const Hits hits = must(docs.search(query));
        for (const Hit& hit : hits.hits) found.push_back(hit.record.key);
      }
      const auto record = must(row_of_record(docs, i));
      REQUIRE(record.front());
      CHECK(std::memcmp(record.front()->vectors.front().bytes.data(), closed.rows.row(i).data(),
                        kDimension * sizeof(float)) == 0);
    }
    if (keys.empty()) keys = found;
    CHECK(found == keys);
    CHECK(must(docs.stats()).damaged_files == 0);
    // What is written meanwhile is in the next image, with the rows that were never read.
    const test::Rows more = clustered_rows({kRows + 300, kDimension}, 3);
    add_docs(docs, more, kRows, 300);
    REQUIRE(docs.flush());
    REQUIRE(store.verify());
    REQUIRE(docs.delete_matching({"size >= " + std::to_string(kRows)}));
  }
}

TEST_CASE("A damaged row is found when it is read, and nothing is made of it") {
  const ClosedStore closed;
  constexpr std::size_t kDamaged = 100;
  closed.damage("rows", kDamaged);
  CHECK(Store::open(closed.path, checked(kAll)).error().code == ErrorCode::kCorruption);
  const std::string before = bytes_of_file(closed.row_file());
  {
    Store store = must_open(closed.path, checked(kNothing));
    Collection docs = must(store.collection("docs"));
    CHECK(must(docs.stats()).damaged_files == 0);
    // Others are served as long as nothing was read near it.
    const auto far = must(row_of_record(docs, 1'000));
    CHECK(std::memcmp(far.front()->vectors.front().bytes.data(), closed.rows.row(1'000).data(),
                      kDimension * sizeof(float)) == 0);
    const auto record = row_of_record(docs, kDamaged);
    REQUIRE_FALSE(record);
    CHECK(record.error().code == ErrorCode::kCorruption);
    CHECK(record.error().message.find("repair()") != std::string::npos);
    CHECK(record.error().message.find(closed.row_file()) != std::string::npos);
    const CollectionStats stats = must(docs.stats());
    CHECK(stats.damaged_files == 1);
    CHECK(stats.reason.find("damaged") != std::string::npos);
    // From then on no search trusts the index.
    CHECK(code_of(docs.search(near_to(closed.rows.row(1'000), 3))) == ErrorCode::kCorruption);
    // Writes are taken, and wait for an index.
    const test::Rows more = clustered_rows({kRows + 10, kDimension}, 3);
    add_docs(docs, more, kRows, 10);
    CHECK_FALSE(docs.flush());
    CHECK(must(docs.stats()).degraded);
    CHECK_FALSE(store.verify());
    CHECK(store.close());
  }
  CHECK(bytes_of_file(closed.row_file()) == before);
  const RepairReport report = must(Store::repair(closed.path));
  REQUIRE(report.lost.size() == 1);
  CHECK(report.lost.front().key == "k" + std::to_string(kDamaged));
  Store store = must_open(closed.path, checked(kAll));
  Collection docs = must(store.collection("docs"));
  CHECK(*docs.count({}) == kRows + 10);
  CHECK(must(docs.search(near_to(closed.rows.row(1'000), 1))).hits.front().record.key == "k1000");
}

TEST_CASE("Beside a damaged vector the others of its records are indexed no further, nor again") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const test::Rows rows = clustered_rows({kRows + 10, kDimension}, 3);
  const test::Rows small = clustered_rows({kRows + 10, 8}, 4);
  const auto add = [&](Collection& docs, std::size_t first, std::size_t count) {
    REQUIRE(docs.upsert(test::Batch()
                            .numbered(first, count)
                            .vectors("small", small.view().rows_from(first, count))
                            .vectors("embedding", rows.view().rows_from(first, count))
                            .field("size", test::numbers(first, count))));
  };
  {
    Store store = must_open(path, checked(kAll));
    CollectionSchema schema = docs_schema(kDimension);
    schema.vectors.insert(schema.vectors.begin(), {.name = "small", .dimension = 8});
    Collection docs = must(store.create_collection("docs", schema));
    add(docs, 0, kRows);
    REQUIRE(docs.flush());
  }
  const std::string name = "/rows/" + test::file_in(path + "/rows", "1-1-");
  std::string bytes = bytes_of_file(path + name);
  bytes[bytes.size() / 4] ^= 4;
  overwrite_file(path + name, bytes);
  Store store = must_open(path, checked(kNothing));
  Collection docs = must(store.collection("docs"));
  Query query = exactly(rows.row(0));
  query.legs.front().vector = "embedding";
  REQUIRE(code_of(docs.search(query)) == ErrorCode::kCorruption);
  add(docs, kRows, 10);
  const std::uint64_t memory = must(docs.stats()).memory_bytes;
  const auto files = std::distance(std::filesystem::directory_iterator(path + "/images"), {});
  for (int round = 0; round < 20; ++round) CHECK_FALSE(docs.flush());
  CHECK(must(docs.stats()).memory_bytes == memory);
  CHECK(std::distance(std::filesystem::directory_iterator(path + "/images"), {}) == files);
  query = near_to(small.row(kRows + 5), 1);
  query.legs.front().vector = "small";
  CHECK(must(docs.search(query)).hits.front().record.key == "k" + std::to_string(kRows + 5));
}

TEST_CASE("What is damaged and was not read gets no checksum that fits") {
  const ClosedStore closed(IndexOptions(HnswOptions{}));
  closed.damage("rows", 100);
  const std::string before = bytes_of_file(closed.row_file());
  Store store = must_open(closed.path, checked(kNothing));
  Collection docs = must(store.collection("docs"));
  add_docs(docs, clustered_rows({kRows + 10, kDimension}, 3), kRows, 10);
  const Status flushed = docs.flush();
  REQUIRE_FALSE(flushed);
  CHECK(flushed.error().code == ErrorCode::kCorruption);
  CHECK(store.close());
  CHECK(bytes_of_file(closed.row_file()) == before);
  CHECK(Store::open(closed.path, checked(kAll)).error().code == ErrorCode::kCorruption);
}

TEST_CASE("A search that compares a damaged row or code has no answer") {
  const bool walks = GENERATE(false, true);
  const ClosedStore closed;
  closed.damage(walks ? "codes" : "rows", 500);
  Store store = must_open(closed.path, checked(kNothing));
  const Collection docs = must(store.collection("docs"));
  const VectorView near = closed.rows.row(500);
  CHECK(code_of(docs.search(walks ? near_to(near, 3) : exactly(near))) == ErrorCode::kCorruption);
}

TEST_CASE("Every bit of a row file that is turned is missed by nobody who reads all") {
  const ClosedStore closed;
  const std::string whole = bytes_of_file(closed.row_file());
  for (std::size_t at = 4'000; at < whole.size(); at += whole.size() / 40) {
    std::string bytes = whole;
    bytes[at] ^= 1;
    overwrite_file(closed.row_file(), bytes);
    INFO("byte " << at);
    const auto opened = Store::open(closed.path, checked(kNothing, /*read_only=*/true));
    if (!opened) {
      CHECK(opened.error().code == ErrorCode::kCorruption);
      continue;
    }
    const Collection docs = must(opened->collection("docs"));
    const auto hits = docs.search(exactly(closed.rows.row(7)));
    if (hits) CHECK(hits->hits.front().record.key == "k7");
    CHECK_FALSE(opened->verify());
  }
}

TEST_CASE("Without its image an index is built of rows that are checked") {
  const bool damaged = GENERATE(false, true);
  const ClosedStore closed;
  if (damaged) closed.damage("rows", 1'100);
  const std::string images = closed.path + "/images/";
  std::filesystem::remove(images + test::file_in(images, "1-0-"));
  const auto store = Store::open(closed.path, checked(kNothing));
  CHECK(store.has_value() != damaged);
  if (!store) {
    CHECK(store.error().code == ErrorCode::kCorruption);
    return;
  }
  const Collection docs = must(store->collection("docs"));
  CHECK(must(docs.search(near_to(closed.rows.row(9), 1))).hits.front().record.key == "k9");
}

}  // namespace rocksdb_first_touch_test
