// A process that writes is killed again and again: nothing that was acknowledged may be missing,
// no batch may be there in part, and searches must answer as brute force does.
//
// The child acknowledges a batch by writing its number into a pipe after the call returned; the
// parent kills it at a random moment. Runs 50 kills a durability, 20 under a sanitizer; ANEAR_KILLS
// changes that. The seed is fixed and printed; ANEAR_SEED changes it.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <sstream>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/temp_directory.hpp"
#include "support/worker.hpp"

namespace rocksdb_kill_test {

using namespace anear;
using anear::test::Batch;
using anear::testing::report;
using anear::testing::say;
using anear::testing::setting;
using anear::testing::TempDirectory;
using anear::testing::Worker;
using anear::testing::worker_task;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kBatch = 20;
constexpr std::size_t kKeys = 2'000;  // More than are always compared one by one.

IvfPqOptions quickly_trained() {
  IvfPqOptions options;
  options.lists = 16;
  options.iterations = 2;
  options.train_from = 150;
  return options;
}

/// What batch `number` writes: a function of its number alone, so that the parent knows it too.
/// The first one has all keys; every seventh deletes what it would have written.
struct Work {
  explicit Work(std::uint64_t of) : number(of), rows{kDimension, {}} {
    Random random(of * 7'919);
    const std::size_t first = random.below(kKeys);
    const std::size_t count = of == 0 ? kKeys : kBatch;
    for (std::size_t i = 0; i < count; ++i) {
      keys.push_back("k" + std::to_string(of == 0 ? i : (first + i * 3) % kKeys));
      for (std::size_t d = 0; d < kDimension; ++d) rows.values.push_back(test::normal(random));
    }
  }
  bool deletes() const { return number % 7 == 6; }

  std::uint64_t number;
  std::vector<std::string> keys;
  test::Rows rows;
};

struct ModelRecord {
  std::uint64_t batch = 0;
  std::vector<float> row;
};
using Model = std::map<std::string, ModelRecord>;

void bring_up_to(const Work& work, Model& model) {
  for (std::size_t i = 0; i < work.keys.size(); ++i) {
    const float* row = work.rows.values.data() + i * kDimension;
    if (work.deletes())
      model.erase(work.keys[i]);
    else
      model[work.keys[i]] = {work.number, {row, row + kDimension}};
  }
}

bool write(Collection& docs, const Work& work) {
  if (work.deletes()) {
    const std::vector<std::string_view> keys(work.keys.begin(), work.keys.end());
    return docs.delete_keys(keys).has_value();
  }
  const Value number(static_cast<std::int64_t>(work.number));
  Batch batch;
  batch.keys(work.keys)
      .vectors("v", work.rows)
      .vectors("coded", work.rows)
      .field("batch", std::vector<Value>(work.keys.size(), number));
  return docs.upsert(batch).has_value();
}

/// The child: writes batches from `first` on until it is killed.
[[noreturn]] void write_until_killed(const std::string& path, Durability durability,
                                     std::uint64_t first) {
  auto store = Store::open(path, {.durability = durability, .tail_records_max = 100});
  if (!store) ::_exit(3);
  auto docs = store->collection("docs");
  if (!docs) ::_exit(4);
  if (!say(first - 1)) ::_exit(7);  // "Nothing new yet": the store is open.
  for (std::uint64_t number = first;; ++number) {
    if (!write(*docs, Work(number))) ::_exit(5);
    if (!say(number)) ::_exit(7);
    if (number % 23 == 0 && !docs->flush()) ::_exit(8);
  }
}

constexpr const char* kWriter = "The writer that is killed";

/// Starts a child, kills it a random time after it has opened the store. Returns the last batch it
/// acknowledged.
std::uint64_t run_and_kill(const std::string& path, Durability durability, std::uint64_t first,
                           Random& random) {
  Worker writer(kWriter, std::to_string(static_cast<int>(durability)) + " " +
                             std::to_string(first) + " " + path);
  auto last = writer.hear<std::uint64_t>();
  // Every other time at least one batch gets through, however slow the machine is.
  if (random.below(2) == 0) last = writer.hear<std::uint64_t>();
  REQUIRE(last);
  writer.kill_after(random.below(50'000));
  while (const auto more = writer.hear<std::uint64_t>()) last = more;
  return *last;
}

Model stored_in(const Collection& docs) {
  Model stored;
  const auto page =
      docs.scan({.filter = {}, .after = {}, .limit = kKeys, .parts = {.vectors = true}});
  REQUIRE(page);
  for (const Record& record : *page) {
    const auto* row = reinterpret_cast<const float*>(record.vectors.at(0).bytes.data());
    stored[record.key] = {
        static_cast<std::uint64_t>(std::get<std::int64_t>(record.fields.at(0).second)),
        {row, row + kDimension}};
  }
  return stored;
}

bool same(const Model& a, const Model& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.batch == y.second.batch && x.second.row == y.second.row;
  });
}

float distance(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (std::size_t d = 0; d < kDimension; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

using Walks = std::map<std::string, std::uint64_t>;

/// Of the answers of a walk each is the record's own row, and few are missing.
void expect_near(const Hits& hits, const Model& model, const std::vector<float>& query,
                 const std::vector<float>& exact) {
  REQUIRE(hits.hits.size() == exact.size());
  std::size_t found = 0;
  for (const Hit& hit : hits.hits) {
    REQUIRE(model.contains(hit.record.key));
    CHECK(hit.distance == Approx(distance(query, model.at(hit.record.key).row)).epsilon(1e-4));
    found += hit.distance <= exact.back() * 1.0001F ? 1 : 0;
  }
  CHECK(found >= exact.size() - 2);
}

/// Notes how the indexes were searched.
void expect_searches(const Collection& docs, const Model& model, Random& random, Walks& walks) {
  for (int i = 0; i < 5; ++i) {
    std::vector<float> query;
    for (std::size_t d = 0; d < kDimension; ++d) query.push_back(test::normal(random));
    std::vector<float> exact;
    for (const auto& [key, record] : model) exact.push_back(distance(query, record.row));
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min<std::size_t>(exact.size(), 10));
    Query asked = test::near_to(VectorView(std::span<const float>(query)), 10);
    asked.explain = true;
    for (const char* vector : {"v", "coded"}) {
      asked.legs.front().vector = vector;
      asked.recall = 1.0F;
      const auto hits = docs.search(asked);
      REQUIRE(hits);
      REQUIRE(hits->hits.size() == exact.size());
      for (std::size_t j = 0; j < exact.size(); ++j)
        CHECK(hits->hits[j].distance == Approx(exact[j]).epsilon(1e-4));
      asked.recall = 0.95F;
      asked.effort = *vector == 'v' ? 200 : 12;  // Candidates, lists of 16.
      const auto near = docs.search(asked);
      REQUIRE(near);
      expect_near(*near, model, query, exact);
      ++walks[near->explain->plan];
      asked.effort = 0;
    }
  }
}

void kill_again_and_again(Durability durability) {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'260'101);
  const std::uint64_t kills = setting("ANEAR_KILLS", test::takes_few_rows() ? 20 : 50);
  UNSCOPED_INFO("ANEAR_SEED=" << seed);
  Random random(seed + static_cast<std::uint64_t>(durability));
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    auto store = Store::open(path);
    REQUIRE(store);
    auto docs = store->create_collection(
        "docs", {.vectors = {{.name = "v", .dimension = kDimension, .metric = Metric::kL2},
                             {.name = "coded",
                              .dimension = kDimension,
                              .metric = Metric::kL2,
                              .index = quickly_trained()}},
                 .fields = {{"batch", FieldType::kInt64}}});
    REQUIRE(docs);
    REQUIRE(write(*docs, Work(0)));
    REQUIRE(docs->flush());
  }
  Model model;
  bring_up_to(Work(0), model);
  std::uint64_t next = 1;
  std::uint64_t written = 0;
  Walks walks;
  for (std::uint64_t i = 0; i < kills; ++i) {
    const std::uint64_t last = run_and_kill(path, durability, next, random);
    for (; next <= last; ++next) bring_up_to(Work(next), model);
    written = last;
    auto store = Store::open(path);
    INFO("ANEAR_SEED=" << seed << ", kill " << i << ", acknowledged up to batch " << last);
    REQUIRE(store);
    CHECK_FALSE(store->recovery().clean);
    auto docs = store->collection("docs");
    REQUIRE(docs);
    const Model stored = stored_in(*docs);
    if (!same(stored, model)) {
      // The batch in flight may have been committed without being acknowledged, but only whole.
      bring_up_to(Work(next), model);
      ++next;
      REQUIRE(same(stored, model));
    }
    // A graph is walked once the tail is in it; the next child finds that then.
    if (i % 3 == 2) REQUIRE(docs->flush());
    expect_searches(*docs, model, random, walks);
    const auto verified = store->verify();
    INFO((verified ? "" : verified.error().message));
    REQUIRE(verified);
  }
  CHECK(written >= kills / 8);  // The children did get to write.
  CHECK(walks["graph walk"] >= kills);
  CHECK(walks["inverted lists"] >= 4 * kills);
  report("kills", kills);
}

}  // namespace

TEST_CASE("The writer that is killed", "[.]") {
  const char* what = worker_task();
  if (what == nullptr) return;  // Started by the tests below alone.
  std::istringstream words(what);
  int durability = 0;
  std::uint64_t first = 0;
  std::string path;
  words >> durability >> first;
  std::getline(words >> std::ws, path);
  write_until_killed(path, static_cast<Durability>(durability), first);
}

TEST_CASE("A killed durable writer loses nothing that it acknowledged") {
  kill_again_and_again(Durability::kDurable);
}

TEST_CASE("A killed buffered writer loses nothing that it acknowledged") {
  kill_again_and_again(Durability::kBuffered);
}

}  // namespace rocksdb_kill_test
