// Threads that use one store at the same time, in memory, where TSan sees all of it, and on disk.
#include "support/threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace threads_test {

using namespace anear;
using namespace anear::test;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kWriters = 6;

/// Whether a store is in memory, as 0 or 1.
std::vector<int> homes() {
#if defined(ANEAR_WITH_ROCKSDB)
  return {0, 1};
#else
  return {1};
#endif
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

/// Batches of ten records each, all with the number of their batch: there whole or not at all.
class Batches {
 public:
  static constexpr std::size_t kEach = 10;
  static constexpr std::size_t kCount = 20;

  explicit Batches(const Rows& rows) : rows_(rows) {}

  static std::string number(std::size_t batch) { return std::to_string(batch); }
  static std::vector<std::string> keys(std::size_t batch) {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < kEach; ++i) keys.push_back(number(batch) + " " + number(i));
    return keys;
  }
  Status upsert(Collection& docs, std::size_t batch) const {
    const std::vector<Value> numbers(kEach, Value(static_cast<std::int64_t>(batch)));
    auto written =
        docs.upsert(Batch()
                        .keys(keys(batch))
                        .vectors("embedding", rows_.view().rows_from(batch * kEach, kEach))
                        .field("size", numbers));
    return written ? Status{} : Status{written.error()};
  }
  static Status remove(Collection& docs, std::size_t batch) {
    const std::vector<std::string> names = keys(batch);
    auto removed = docs.delete_keys(std::vector<std::string_view>(names.begin(), names.end()));
    return removed ? Status{} : Status{removed.error()};
  }
  /// The nearest records to one of the batch, of those with its number: ten or none, each once.
  bool is_whole(const Collection& docs, std::size_t batch) const {
    const auto hits =
        docs.search(near_to(rows_.row(batch * kEach), 2 * kEach, "size = " + number(batch)));
    if (!hits) throw std::runtime_error(hits.error().message);
    std::vector<std::string> found;
    for (const Hit& hit : hits->hits) found.push_back(hit.record.key);
    std::sort(found.begin(), found.end());
    return found.empty() || found == keys(batch);
  }

 private:
  const Rows& rows_;
};

}  // namespace

TEST_CASE("Each writer of a record sees what the one before it wrote, field and row", "[threads]") {
  constexpr std::size_t kAdds = 40;
  const TempDirectory directory;
  const Rows rows = clustered_rows({kWriters * kAdds + 2, kDimension}, 3);
  const bool in_memory = GENERATE(from_range(homes())) == 1;
  Store store = in_memory ? memory_store() : must_open(directory / "store");
  Collection docs =
      must(store.create_collection("docs", {.vectors = {{.name = "even", .dimension = kDimension},
                                                        {.name = "odd", .dimension = kDimension}},
                                            .fields = {{"count", FieldType::kInt64}}}));
  REQUIRE(docs.upsert(Batch()
                          .keys({"one"})
                          .vectors("even", rows.view().rows_from(0, 1))
                          .vectors("odd", rows.view().rows_from(1, 1))
                          .field("count", {Value(std::int64_t{1})})));
  run_beside(kWriters, [&](std::size_t) {
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

TEST_CASE("Searches beside upserts, deletes and the indexer see each batch whole", "[threads]") {
  const TempDirectory directory;
  const bool in_memory = GENERATE(from_range(homes())) == 1;
  const Rows rows = clustered_rows({Batches::kCount * Batches::kEach, kDimension}, 7);
  // So short a tail that the indexer moves it all the while.
  Store store = in_memory ? memory_store({.tail_records_max = 40})
                          : must_open(directory / "store", {.tail_records_max = 40});
  Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
  const Batches batches(rows);
  constexpr std::size_t kRounds = 150;
  std::atomic<std::size_t> working{3};
  std::atomic<std::size_t> torn{0}, looks{0};
  run_beside(6, [&](std::size_t number) {
    Random random(number);
    if (number < 3) {
      for (std::size_t round = 0; round < kRounds; ++round) {
        const std::size_t batch = random.below(Batches::kCount);
        const bool removes = random.below(4) == 0;
        const Status done = removes ? Batches::remove(docs, batch) : batches.upsert(docs, batch);
        if (!done) throw std::runtime_error(done.error().message);
      }
      --working;
    }
    while (number >= 3 && working != 0) {
      torn += batches.is_whole(docs, random.below(Batches::kCount)) ? 0 : 1;
      ++looks;
    }
  });
  CHECK(torn == 0);
  CHECK(looks > 0);
  REQUIRE(store.flush());
  for (std::size_t batch = 0; batch < Batches::kCount; ++batch)
    CHECK(batches.is_whole(docs, batch));
  CHECK(store.verify());
}

TEST_CASE("A store is closed beside calls, which end or say that it is closed", "[threads]") {
  const Rows rows = clustered_rows({Batches::kCount * Batches::kEach, kDimension}, 8);
  for (int round = 0; round < 5; ++round) {
    Store store = memory_store({.tail_records_max = 40});
    Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
    const Batches batches(rows);
    REQUIRE(batches.upsert(docs, 0));
    std::atomic<std::size_t> calls{0}, wrong{0};
    const auto count = [&docs] {
      const auto counted = docs.count({"size >= 0", {}});
      return counted ? Status{} : Status{counted.error()};
    };
    run_beside(5, [&](std::size_t number) {
      if (number == 0) {
        while (calls < 50) std::this_thread::yield();
        if (!store.close()) ++wrong;
        return;
      }
      for (bool open = true; open; ++calls) {
        const Status done = number % 2 == 0 ? batches.upsert(docs, number) : count();
        open = static_cast<bool>(done);
        if (!done && done.error().code != ErrorCode::kClosed) ++wrong;
      }
    });
    CHECK(wrong == 0);
  }
}

}  // namespace threads_test
