// Slots of records that are gone are given to new ones, once nothing names them any more: no view,
// no index, no image, no row file, no reader.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_slot_reuse_test {

using namespace anear;
using namespace anear::test;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kDocs = 200;

/// Rows that no other round has.
Rows rows_of(std::size_t round) { return clustered_rows({kDocs, kDimension}, 100 + round); }

/// The records of `round`, in place of those of the one before, with keys of their own.
void write_round(Collection& docs, std::size_t round) {
  if (round != 0) REQUIRE(docs.delete_matching({"round = " + std::to_string(round - 1), {}}));
  const std::vector<Value> rounds(kDocs, Value(static_cast<std::int64_t>(round)));
  const Rows rows = rows_of(round);
  Batch batch;
  batch.numbered(round * kDocs, kDocs).vectors("embedding", rows).field("round", rounds);
  REQUIRE(docs.upsert(batch));
}

void expect_round(const Collection& docs, std::size_t round) {
  INFO("round " << round);
  CHECK(must(docs.count({})) == kDocs);
  CHECK(must(docs.count({"round = " + std::to_string(round), {}})) == kDocs);
  const Rows rows = rows_of(round);
  for (std::size_t i = 0; i < kDocs; i += 37) {
    Query query = near_to(rows.row(i), 1);
    query.parts.fields =
        i % 2 == 0;  // Without fields no record is read, which has the key as well.
    const Hits hits = must(docs.search(query));
    REQUIRE(hits.hits.size() == 1);
    CHECK(hits.hits[0].record.key == "k" + std::to_string(round * kDocs + i));
    CHECK(hits.hits[0].distance <= 1e-5F);
  }
}

CollectionSchema schema(const IndexOptions& index) {
  return {.vectors = {{.name = "embedding", .dimension = kDimension, .index = index}},
          .fields = {{"round", FieldType::kInt64}}};
}

std::uint64_t slots_of(const Collection& docs) { return must(docs.stats()).slots; }

}  // namespace

TEST_CASE("A collection whose records are replaced for ever does not run out of slots") {
  const bool in_memory = GENERATE(false, true);
  const IndexOptions index = GENERATE(IndexOptions(FlatOptions{}), IndexOptions(HnswOptions{}));
  const TempDirectory directory;
  Store store = in_memory ? memory_store({.index_inline = true})
                          : must_open(directory / "store", {.index_inline = true});
  Collection docs = must(store.create_collection("docs", schema(index)));
  for (std::size_t round = 0; round < 20; ++round) {
    write_round(docs, round);
    REQUIRE(docs.flush());
    expect_round(docs, round);
  }
  // Those in row files wait until the dead are two fifths of the living and 1,000.
  CHECK(slots_of(docs) <= 8 * kDocs);
  CHECK(store.verify());
}

TEST_CASE("Slots that are free are found again at the next opening") {
  const TempDirectory directory;
  for (std::size_t round = 0; round < 20; ++round) {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = round == 0 ? must(store.create_collection("docs", schema(HnswOptions{})))
                                 : must(store.collection("docs"));
    if (round != 0) expect_round(docs, round - 1);
    write_round(docs, round);
    CHECK(slots_of(docs) <= 10 * kDocs);
    if (round % 2 == 1) REQUIRE(docs.flush());
    CHECK(store.verify());
  }
}

TEST_CASE("A pinned view keeps the slots of its records from being given to others") {
  const bool in_memory = GENERATE(false, true);
  const TempDirectory directory;
  Store store = in_memory ? memory_store({.index_inline = true})
                          : must_open(directory / "store", {.index_inline = true});
  Collection docs = must(store.create_collection("docs", schema(HnswOptions{})));
  write_round(docs, 0);
  REQUIRE(docs.flush());
  const Collection pinned = must(docs.pinned());
  for (std::size_t round = 1; round < 12; ++round) {
    write_round(docs, round);
    REQUIRE(docs.flush());
    expect_round(pinned, 0);
    expect_round(docs, round);
  }
  CHECK(slots_of(docs) >= 12 * kDocs);
}

TEST_CASE("Slots that an index image still has are not given out at the next opening") {
  const TempDirectory directory;
  {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = must(store.create_collection("docs", schema(HnswOptions{})));
    write_round(docs, 0);
    const Collection pinned = must(docs.pinned());  // So they stay in the index.
    write_round(docs, 1);
    REQUIRE(docs.flush());
  }
  for (std::size_t round = 2; round < 4; ++round) {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = must(store.collection("docs"));
    expect_round(docs, round - 1);
    write_round(docs, round);
  }
  const Store store = must_open(directory / "store");
  expect_round(must(store.collection("docs")), 3);
  CHECK(store.verify());
}

TEST_CASE("Rows that come while images are written stay where the next opening finds them") {
  const TempDirectory directory;
  constexpr std::size_t kBatches = 200, kEach = 20;
  const Rows rows = clustered_rows({kBatches * kEach, kDimension}, 7);
  {
    Store store = must_open(directory / "store", {.durability = Durability::kBuffered});
    Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
    std::atomic<bool> done{false}, failed{false};
    std::thread flusher([&] {
      while (!done) failed = failed || !docs.flush();
    });
    for (std::size_t batch = 0; batch < kBatches; ++batch)
      add_docs(docs, rows, batch * kEach, kEach);
    done = true;
    flusher.join();
    CHECK_FALSE(failed);
    CHECK(store.verify());
  }
  const Store store = must_open(directory / "store");
  expect_docs(must(store.collection("docs")), rows, kBatches * kEach);
  CHECK(store.verify());
}

TEST_CASE("A reader sees its own state while slots are given out again, and the newest one then") {
  const bool has_images = GENERATE(false, true);
  const TempDirectory directory;
  Store store = must_open(directory / "store", {.index_inline = true});
  Collection docs = must(store.create_collection("docs", schema(HnswOptions{})));
  write_round(docs, 0);
  if (has_images) REQUIRE(docs.flush());
  Store reader = must_open(directory / "store", {.read_only = true});
  const Collection read = must(reader.collection("docs"));
  std::vector<std::pair<std::size_t, Collection>> pinned;
  for (std::size_t round = 1; round < 16; ++round) {
    pinned.emplace_back(round - 1, must(read.pinned()));
    write_round(docs, round);
    if (round % 3 != 0) REQUIRE(docs.flush());
    expect_round(read, round - 1);
    REQUIRE(reader.refresh());
    expect_round(read, round);
    for (const auto& [seen, handle] : pinned) expect_round(handle, seen);
  }
  CHECK(slots_of(docs) <= 10 * kDocs);
  CHECK(reader.verify());
}

TEST_CASE("Rows are told apart by slot also where an index has to be read from its row files") {
  const TempDirectory directory;
  std::size_t round = 0;
  for (std::size_t opened = 0; opened < 9; ++opened) {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = opened == 0 ? must(store.create_collection("docs", schema(HnswOptions{})))
                                  : must(store.collection("docs"));
    if (opened != 0) expect_round(docs, round - 1);
    for (const std::size_t end = round + 2; round < end; ++round) {
      write_round(docs, round);
      REQUIRE(docs.flush());
      expect_round(docs, round);
    }
    CHECK(store.verify());
    if (opened % 3 != 2) continue;
    // Indexes come from row files then, and slots from the keys or from their image.
    for (const auto& entry : std::filesystem::directory_iterator(directory / "store/images")) {
      const bool is_slots = entry.path().filename().string().find("slots") != std::string::npos;
      if (opened == 5 || !is_slots) std::filesystem::resize_file(entry.path(), 100);
    }
  }
}

TEST_CASE("Slots whose old rows stand in a row file wait until it is replaced") {
  constexpr std::size_t kHalf = kDocs / 2;
  const bool reopened = GENERATE(false, true);
  const TempDirectory directory;
  const Rows rows = rows_of(0);
  std::optional<Store> store = must_open(directory / "store", {.index_inline = true});
  Collection docs = must(store->create_collection("docs", docs_schema(kDimension)));
  add_docs(docs, rows, 0, kDocs);
  REQUIRE(docs.flush());
  const auto begin_again = [&] {
    store.reset();
    store = must_open(directory / "store", {.index_inline = true});
    docs = must(store->collection("docs"));
  };
  REQUIRE(docs.delete_matching({"size < " + std::to_string(kHalf), {}}));
  if (reopened) begin_again();
  REQUIRE(docs.flush());  // No row was added, so the file stays.
  const Rows others = rows_of(1);
  add_docs(docs, others, 0, kHalf);
  store.reset();
  for (const auto& entry : std::filesystem::directory_iterator(directory / "store/images")) {
    if (entry.path().filename().string().starts_with("1-0-"))
      std::filesystem::resize_file(entry.path(), 100);
  }
  begin_again();
  REQUIRE(must(docs.stats()).degraded);
  for (std::size_t i = 0; i < kDocs; ++i) {
    const Hits hits = must(docs.search(near_to((i < kHalf ? others : rows).row(i), 1)));
    REQUIRE(hits.hits.size() == 1);
    CHECK(hits.hits[0].record.key == "k" + std::to_string(i));
  }
  REQUIRE(docs.flush());
  CHECK(store->verify());
}

TEST_CASE("A pinned handle is taken back once its time is over and something is written") {
  const bool in_memory = GENERATE(false, true);
  const TempDirectory directory;
  StoreOptions options{.pinned_seconds_max = 1, .index_inline = true};
  Store store = in_memory ? memory_store(options) : must_open(directory / "store", options);
  Collection docs = must(store.create_collection("docs", schema(HnswOptions{})));
  write_round(docs, 0);
  const Collection pinned = must(docs.pinned());
  expect_round(pinned, 0);
  write_round(docs, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  write_round(docs, 2);
  const Rows rows = rows_of(0);
  for (const auto& error :
       {pinned.count({}).error(), pinned.search(near_to(rows.row(0), 1)).error(),
        pinned.get({}, {}).error(), pinned.scan({}).error(), pinned.stats().error(),
        pinned.pinned().error()}) {
    CHECK(error.code == ErrorCode::kSnapshotExpired);
    CHECK(error.message.find("pin it again") != std::string::npos);
  }
  expect_round(docs, 2);
  expect_round(must(docs.pinned()), 2);
}

}  // namespace rocksdb_slot_reuse_test
