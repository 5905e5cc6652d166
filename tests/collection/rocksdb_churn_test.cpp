// A collection whose records are replaced for ever takes no more than one that was just written.
#include <catch2/catch.hpp>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/storage/byte_store.hpp"
#include "collection/field_container.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_churn_test {

using namespace anear;
using namespace anear::test;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kLive = 1'000;
// Beyond what is let lie because it is little: 16,384 keys, and twice what is live.
constexpr std::size_t kRounds = 60;
/// What these may take beyond a fresh collection: keys of some 40 bytes with their places.
constexpr std::size_t kFewBytes = (16'384 + 4 * kLive) * 64;

Collection make_docs(Store& store) {
  return must(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kDimension, .index = FlatOptions{}}},
               .fields = {{"written", FieldType::kInt64}}}));
}

std::string key_of(std::size_t i) {
  return "a key of about forty bytes, number " + std::to_string(i);
}

std::vector<std::string> all_keys() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kLive; ++i) keys.push_back(key_of(i));
  return keys;
}

/// All records, with a value in `written` that no other round has.
void write_round(Collection& docs, const Rows& rows, std::size_t round) {
  std::vector<Value> written;
  for (std::size_t i = 0; i < kLive; ++i)
    written.emplace_back(static_cast<std::int64_t>(round * kLive + i));
  Batch batch;
  batch.keys(all_keys()).vectors("embedding", rows.view()).field("written", written);
  REQUIRE(docs.upsert(batch));
}

void expect_last_round(const Collection& docs, const Rows& rows) {
  CHECK(must(docs.count({})) == kLive);
  CHECK(must(docs.count({"written >= " + std::to_string((kRounds - 1) * kLive), {}})) == kLive);
  for (const std::size_t i : {std::size_t{0}, std::size_t{7}, kLive - 1}) {
    const Hits hits = must(docs.search(near_to(rows.row(i), 1)));
    REQUIRE(hits.hits.size() == 1);
    CHECK(hits.hits[0].record.key == key_of(i));
  }
}

std::uint64_t bytes_of(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().extension() != ".log") bytes += entry.file_size();
  }
  return bytes;
}

std::size_t containers_of(const std::string& store) {
  const auto bytes = must(storage::open_rocksdb_store(
      {.directory = store + "/records", .read_only = true, .merge = merge_containers}));
  std::size_t count = 0;
  const auto entry = bytes->iterate({storage::Family::kFields, {}, {}}, nullptr);
  for (; entry->valid(); entry->next()) ++count;
  CHECK(entry->status());
  return count;
}

}  // namespace

TEST_CASE("Records that are replaced for ever take no more memory, on disk and in memory") {
  const bool in_memory = GENERATE(false, true);
  const TempDirectory directory;
  const Rows rows = clustered_rows({kLive, kDimension}, 3);
  Store store = in_memory ? memory_store({.index_inline = true})
                          : must_open(directory / "store", {.index_inline = true});
  Collection docs = make_docs(store);
  write_round(docs, rows, 0);
  const std::uint64_t fresh = must(docs.stats()).memory_bytes;
  const std::uint64_t fresh_store = must(store.state()).memory_bytes;
  for (std::size_t round = 1; round < kRounds; ++round) write_round(docs, rows, round);
  expect_last_round(docs, rows);
  INFO(fresh << " bytes fresh");
  CHECK(must(docs.stats()).memory_bytes <= 2 * fresh + kFewBytes);
  // The byte store as well; on disk it holds buffers of a fixed size.
  if (in_memory) CHECK(must(store.state()).memory_bytes <= 2 * fresh_store + kFewBytes);
}

TEST_CASE("What is updated for ever without vectors leaves no log that each opening reads") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({kLive, kDimension}, 6);
  Store store = must_open(directory / "store", {.index_inline = true});
  Collection docs = make_docs(store);
  write_round(docs, rows, 0);
  REQUIRE(docs.flush());
  const Sequence before = must(docs.stats()).image_sequence;
  for (std::int64_t round = 0; round < 100; ++round) {
    const std::vector<Value> written(kLive, Value(round));
    REQUIRE(docs.update(Batch().keys(all_keys()).field("written", written)));
  }
  CHECK(must(docs.stats()).image_sequence > before);
  CHECK(must(docs.count({"written = 99", {}})) == kLive);
  CHECK(store.verify());
}

TEST_CASE("A pinned view keeps the keys of records that were replaced since") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({kLive, kDimension}, 4);
  Store store = must_open(directory / "store", {.index_inline = true});
  Collection docs = make_docs(store);
  write_round(docs, rows, 0);
  const Collection before = must(docs.pinned());
  for (std::size_t round = 1; round < kRounds; ++round) write_round(docs, rows, round);
  CHECK(must(before.count({"written < " + std::to_string(kLive), {}})) == kLive);
  const Hits hits = must(before.search(near_to(rows.row(7), 1)));
  CHECK(hits.hits[0].record.key == key_of(7));
  expect_last_round(docs, rows);
}

TEST_CASE("Records that are replaced for ever take no more of the disk, and open as they were") {
  const TempDirectory directory;
  const Rows rows = clustered_rows({kLive, kDimension}, 5);
  std::uint64_t fresh = 0;
  {
    Store store = must_open(directory / "fresh", {.index_inline = true});
    Collection docs = make_docs(store);
    write_round(docs, rows, 0);
    REQUIRE(docs.flush());
  }
  fresh = bytes_of(directory / "fresh");
  {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = make_docs(store);
    for (std::size_t round = 0; round < kRounds; ++round) {
      write_round(docs, rows, round);
      if (round % 10 == 9) REQUIRE(docs.flush());
    }
    CHECK(store.verify());
  }
  // Of each value that nobody has any more stood a container.
  CHECK(containers_of(directory / "store") < kRounds * kLive / 3);
  INFO(fresh << " bytes fresh");
  CHECK(bytes_of(directory / "store") <= 4 * fresh + kFewBytes);
  const Store store = must_open(directory / "store");
  const Collection docs = must(store.collection("docs"));
  expect_last_round(docs, rows);
  CHECK(must(docs.stats()).slots <= 25 * kLive);  // What is between two images.
  CHECK(store.verify());
}

}  // namespace rocksdb_churn_test
