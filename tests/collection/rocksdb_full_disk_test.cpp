// A store on a disk that gets full (QuotaFileSystem): what is refused, what goes on, and that it
// takes writes again by itself once there is space.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "anear/index/flat_index.hpp"
#include "anear/index/scratch.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/stores.hpp"
#include "support/quota_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_full_disk_test {

using namespace anear;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::near_to;
using anear::testing::QuotaFileSystem;
using anear::testing::TempDirectory;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kDimension = 64;
constexpr std::size_t kAtOnce = 200;

struct FullDisk {
  explicit FullDisk(std::uint64_t capacity = 24 * kMiB)
      : files(std::make_shared<QuotaFileSystem>(capacity)) {}

  Store open(std::optional<std::uint64_t> reserved_bytes = {}) const {
    return test::must_open(
        path,
        {.reserved_bytes = reserved_bytes, .index_inline = index_inline, .file_system = files});
  }

  TempDirectory directory;
  std::string path = directory / "store";
  std::shared_ptr<QuotaFileSystem> files;
  bool index_inline = true;
};

Collection must_create(Store& store, const IndexOptions& index = HnswOptions{}) {
  return test::must(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kDimension, .index = index}},
               .fields = {{"size", FieldType::kInt64}}}));
}

void expect_ok(const Status& done) {
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
}

/// What is in the store: the number whose row each key has.
using Model = std::map<std::string, std::size_t>;

/// Records of 64 numbers and some kilobytes, under keys "k<number>".
class Records {
 public:
  explicit Records(std::uint64_t seed) : rows_(clustered_rows({kRows, kDimension}, seed)) {}

  Result<Sequence> upsert(Collection& docs, std::size_t first, std::size_t count,
                          std::size_t payload_bytes) {
    std::vector<std::string> keys, payloads;
    std::vector<Value> sizes;
    for (std::size_t i = first; i < first + count; ++i) {
      keys.push_back(key(i));
      payloads.push_back(noise(payload_bytes));
      sizes.emplace_back(static_cast<std::int64_t>(i % kRows));
    }
    const auto written = docs.upsert(Batch()
                                         .keys(keys)
                                         .vectors("embedding", rows_at(first, count))
                                         .field("size", sizes)
                                         .payloads(payloads));
    for (std::size_t i = first; written && i < first + count; ++i) model_[key(i)] = i % kRows;
    return written;
  }
  /// Batches until one is refused; the refusal.
  Error fill(Collection& docs, std::size_t payload_bytes = 1'000) {
    for (std::size_t i = 0; i < 10'000; ++i) {
      const auto written = upsert(docs, next_, kAtOnce, payload_bytes);
      if (!written) return written.error();
      next_ += kAtOnce;
    }
    return Error{ErrorCode::kInternal, "the disk does not get full"};
  }
  /// Deletes the oldest part of what is there.
  void remove_oldest(Collection& docs, double part) {
    const auto count = static_cast<std::size_t>(static_cast<double>(next_ - first_) * part);
    for (std::size_t done = 0; done < count; done += kAtOnce) {
      std::vector<std::string> keys;
      for (std::size_t i = 0; i < kAtOnce; ++i) keys.push_back(key(first_++));
      const std::vector<std::string_view> views(keys.begin(), keys.end());
      const auto removed = docs.delete_keys(views);
      INFO((removed ? "" : removed.error().message));
      REQUIRE(removed);
      CHECK(*removed == kAtOnce);
      for (const std::string& gone : keys) model_.erase(gone);
    }
  }
  /// The collection is the model, and searches find what an exact search of the model finds.
  void expect_in(const Collection& docs) const {
    REQUIRE(*docs.count({}) == model_.size());
    const auto page = docs.scan({.limit = model_.size() + 1, .parts = {.payload = true}});
    REQUIRE(page);
    auto wanted = model_.begin();
    for (const Record& record : *page) {
      REQUIRE(wanted != model_.end());
      REQUIRE(record.key == wanted->first);
      REQUIRE(std::get<std::int64_t>(record.fields.at(0).second) ==
              static_cast<std::int64_t>(wanted->second));
      ++wanted;
    }
    for (std::size_t number = 0; number < kRows; number += 61) {
      Query query = near_to(rows_.row(number), 10);
      query.recall = 1;
      const auto hits = docs.search(query);
      REQUIRE(hits);
      CHECK(distances_of(*hits) == nearest(number, 10));
    }
  }
  std::size_t size() const { return model_.size(); }
  std::size_t next() const { return next_; }

 private:
  static constexpr std::size_t kRows = 1'000;
  /// Bytes that no table makes smaller.
  std::string noise(std::size_t bytes) {
    std::string text(bytes, ' ');
    for (char& each : text) each = static_cast<char>(random_.below(256));
    return text;
  }
  static std::string key(std::size_t i) {
    const std::string digits = std::to_string(i);
    return "k" + std::string(8 - digits.size(), '0') + digits;
  }
  MatrixView rows_at(std::size_t first, std::size_t count) const {
    return rows_.view().rows_from(first % kRows, count);
  }
  static std::vector<float> distances_of(const Hits& hits) {
    std::vector<float> distances;
    for (const Hit& hit : hits.hits) distances.push_back(hit.distance);
    return distances;
  }
  /// Exact: the distance to each record's row by an index of its own.
  std::vector<float> nearest(std::size_t number, std::size_t k) const {
    FlatIndex exact = test::must(FlatIndex::create(kDimension, {.metric = Metric::kCosine}));
    test::Rows rows{kDimension, {}};
    std::vector<Slot> slots;
    for (const auto& [key, row] : model_) {
      const auto first = rows_.values.begin() + static_cast<std::ptrdiff_t>(row * kDimension);
      rows.values.insert(rows.values.end(), first, first + kDimension);
      slots.push_back(static_cast<Slot>(slots.size()));
    }
    std::vector<float> distances;
    if (slots.empty()) return distances;
    REQUIRE(exact.insert(rows.view(), slots));
    Scratch scratch;
    const auto found = exact.search(rows_.row(number), {.k = k, .recall = 1}, scratch);
    REQUIRE(found);
    for (const Neighbor& each : *found) distances.push_back(each.distance);
    return distances;
  }

  test::Rows rows_;
  Random random_{1};
  Model model_;
  std::size_t first_ = 0;
  std::size_t next_ = 0;
};

/// What was deleted gives its space back when the indexer has come to it.
void until_writable(const Store& store, Collection& docs) {
  StoreState state = *store.state();
  // Compaction takes of the reserve while it makes room, so what one look says the next may not.
  for (int i = 0; i < 200 && state.writes != WriteState::kWritable; ++i) {
    if (i % 50 == 49) expect_ok(docs.flush());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    state = *store.state();
  }
  INFO(state.reason);
  REQUIRE(state.writes == WriteState::kWritable);
}

void expect_full(Store& store, Collection& docs) {
  const StoreState full = *store.state();
  CHECK(full.writes == WriteState::kFull);
  CHECK(full.reason == docs.stats()->reason);
  CHECK(full.reserved_bytes > 24 * kMiB / 8);
  CHECK(full.reserved_bytes <= 24 * kMiB / 2);
  CHECK(docs.update(Batch().keys({"k00000000"}).field("size", {Value(std::int64_t{1})}))
            .error()
            .code == ErrorCode::kNoSpace);
  CHECK(store.create_collection("more", docs.schema()).error().code == ErrorCode::kNoSpace);
}

}  // namespace

TEST_CASE("On a full disk deletes and compaction go on, and give writes their space back") {
  FullDisk disk;
  disk.index_inline = GENERATE(true, false);
  Store store = disk.open();
  Collection docs = must_create(store);
  Records records(1);
  const Error refused = records.fill(docs);
  CHECK(refused.code == ErrorCode::kNoSpace);
  CHECK(refused.message.find("reserved") != std::string::npos);
  CHECK(refused.message.find("Nothing was written") != std::string::npos);
  CHECK(records.size() > 2'000);
  CHECK(disk.files->refusals() == 0);
  records.expect_in(docs);
  // The indexer may have made room again meanwhile.
  if (disk.index_inline) expect_full(store, docs);

  records.remove_oldest(docs, 0.6);
  expect_ok(docs.flush());
  CHECK(disk.files->refusals() == 0);
  const StoreState state = *store.state();
  INFO(state.reason);
  CHECK(state.writes == WriteState::kWritable);
  CHECK(state.reason.empty());
  CHECK(docs.stats()->reason.empty());
  const std::size_t before = records.size();
  CHECK(records.fill(docs).code == ErrorCode::kNoSpace);
  CHECK(records.size() > before);
  records.expect_in(docs);
  CHECK(store.verify());
}

TEST_CASE("A disk is filled and freed again and again without a restart, and nothing is lost") {
  const std::uint64_t seed = testing::setting("ANEAR_SEED", 1);
  const std::uint64_t cycles = testing::setting("ANEAR_CYCLES", 20);
  INFO("ANEAR_SEED=" << seed);
  FullDisk disk(16 * kMiB);
  disk.index_inline = false;
  Random random(seed);
  Records records(seed);
  {
    Store store = disk.open();
    Collection docs = must_create(store, FlatOptions{});
    std::uint64_t took_none = 0;  // A batch may not fit where a smaller one would.
    for (std::uint64_t cycle = 0; cycle < cycles; ++cycle) {
      INFO("cycle " << cycle << ", ANEAR_SEED=" << seed);
      const std::size_t before = records.next();
      CHECK(records.fill(docs, 1'500 + random.below(1'500)).code == ErrorCode::kNoSpace);
      took_none += records.next() == before ? 1 : 0;
      records.remove_oldest(docs, 0.5 + 0.3 * random.uniform());
      if (random.below(2) == 0) expect_ok(docs.flush());
      until_writable(store, docs);
      if (cycle % 5 == 0) records.expect_in(docs);
      CHECK(disk.files->refusals() == 0);
    }
    CHECK(took_none <= cycles / 4);
    records.expect_in(docs);
  }
  Store store = disk.open();
  records.expect_in(*store.collection("docs"));
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
  testing::report("cycles", cycles);
}

TEST_CASE("A disk that somebody else fills has writes refused, and taken when it is freed") {
  FullDisk disk(256 * kMiB);
  Store store = disk.open(std::uint64_t{32} * kMiB);
  Collection docs = must_create(store);
  Records records(1);
  REQUIRE(records.upsert(docs, 0, 10, 100));
  CHECK(store.state()->writes == WriteState::kWritable);
  CHECK(store.state()->free_bytes == disk.files->free_bytes());
  CHECK(store.state()->reserved_bytes == 32 * kMiB);
  disk.files->take(240 * kMiB);
  CHECK(store.state()->writes == WriteState::kFull);
  const auto refused = records.upsert(docs, 10, 10, 100);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNoSpace);
  CHECK(refused.error().message.find("32 MiB are reserved") != std::string::npos);
  CHECK(refused.error().message.find("15 MiB free") != std::string::npos);
  records.expect_in(docs);

  disk.files->take(256 * kMiB - 36 * kMiB);
  CHECK_FALSE(records.upsert(docs, 10, 10, 100));  // Not at the reserve's edge.
  disk.files->take(200 * kMiB);
  REQUIRE(records.upsert(docs, 10, 10, 100));
  records.expect_in(docs);
  CHECK(store.state()->writes == WriteState::kWritable);
  CHECK(disk.files->refusals() == 0);
}

TEST_CASE("A batch that does not fit above the reserve is refused alone") {
  FullDisk disk(64 * kMiB);
  Store store = disk.open(std::uint64_t{16} * kMiB);
  Collection docs = must_create(store);
  Records records(1);
  const auto refused = records.upsert(docs, 0, 20, 2 * kMiB);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNoSpace);
  CHECK(refused.error().message.find("this batch") != std::string::npos);
  CHECK(store.state()->writes == WriteState::kWritable);
  REQUIRE(records.upsert(docs, 0, 2, 2 * kMiB));
  records.expect_in(docs);
}

TEST_CASE("Without a reserve writes go on until the disk is full, and images take what is left") {
  FullDisk disk(8 * kMiB);
  Store store = disk.open(std::uint64_t{0});
  CHECK(store.state()->reserved_bytes == 0);
  Collection docs = must_create(store);
  Records records(1);
  CHECK(records.fill(docs, 20'000).code != ErrorCode::kInternal);
  CHECK(disk.files->refusals() != 0);
  CHECK(store.state()->writes == WriteState::kStopped);
  CHECK(store.state()->reason.find("the simulated disk is full") != std::string::npos);
}

TEST_CASE("Images are not written into the part of the reserve that the log needs") {
  FullDisk disk(256 * kMiB);
  Store store = disk.open(std::uint64_t{64} * kMiB);
  Collection docs = must_create(store);
  Records records(1);
  for (std::size_t i = 0; i < 10; ++i) REQUIRE(records.upsert(docs, i * 200, 200, 10));
  disk.files->take(disk.files->free_bytes() - 4 * kMiB);
  const Status refused = docs.flush();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNoSpace);
  CHECK(docs.stats()->image_bytes == 0);
  records.expect_in(docs);
  disk.files->take(0);
  expect_ok(docs.flush());
  CHECK(docs.stats()->image_bytes != 0);
  CHECK(docs.stats()->reason.empty());
}

TEST_CASE("A store that cannot be written, or has no files, says so in its state") {
  const Store memory = test::memory_store();
  CHECK(memory.state()->writes == WriteState::kWritable);
  CHECK(memory.state()->reserved_bytes == 0);
  FullDisk disk;
  {
    const Store made = disk.open();
  }
  const Store reader = test::must_open(disk.path, {.read_only = true, .file_system = disk.files});
  CHECK(reader.state()->writes == WriteState::kReadOnly);
  CHECK(reader.state()->reason.find("read-only") != std::string::npos);
  Store closed = disk.open();
  REQUIRE(closed.close());
  CHECK(closed.state().error().code == ErrorCode::kClosed);
}

}  // namespace rocksdb_full_disk_test
