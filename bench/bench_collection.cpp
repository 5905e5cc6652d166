// A store on disk: upserts, searches with and without a filter, opening again.
//
// Names read upsert/durability/records a batch, search/share of the records the filter keeps.
// "recall" is recall@10 against the same search asked for exact answers. Durable upserts measure
// the disk of the temporary directory too: quote ratios of two lines of one run.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"

namespace {

using namespace anear;

constexpr std::size_t kDimension = 96, kRecords = 20'000, kClusters = 140, kQueries = 100;

template <typename Outcome>
Outcome checked(Outcome outcome) {
  if (outcome) return outcome;
  std::cerr << outcome.error().message << '\n';
  std::exit(1);
}

std::vector<float> rows_of(Random& random, std::size_t count) {
  std::vector<float> rows;
  for (std::size_t i = 0; i < count; ++i) {
    Random centre(random.below(kClusters));
    for (std::size_t d = 0; d < kDimension; ++d)
      rows.push_back(static_cast<float>(centre.uniform() + random.uniform() - 1));
  }
  return rows;
}

/// A store in a directory of its own, removed at the end.
struct OnDisk {
  explicit OnDisk(const StoreOptions& with) : options(with) {
    if (::mkdtemp(directory.data()) == nullptr) std::exit(1);
  }
  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;
  ~OnDisk() { std::filesystem::remove_all(directory); }

  Store open() const { return std::move(*checked(Store::open(directory + "/store", options))); }
  /// Adds `count` records; "share" is below n for n thousandths of them.
  void add(Collection& docs, std::size_t count) {
    std::vector<std::string> names;
    std::vector<Value> shares;
    for (std::size_t i = 0; i < count; ++i) {
      names.push_back("k" + std::to_string(next + i));
      shares.emplace_back(static_cast<std::int64_t>(random.below(1'000)));
    }
    const std::vector<std::string_view> keys(names.begin(), names.end());
    RecordBatch batch;
    batch.keys = keys;
    batch.vectors.push_back({"embedding",
                             {rows.data() + next % (kRecords - count + 1) * kDimension,
                              {count, kDimension},
                              ScalarKind::kF32}});
    batch.fields.push_back({"share", shares});
    (void)checked(docs.upsert(batch));
    next += count;
  }

  std::string directory = std::filesystem::temp_directory_path() / "anear_bench_XXXXXX";
  StoreOptions options;
  Random random{1};
  std::vector<float> rows = rows_of(random, kRecords);  ///< Of the records, again and again.
  std::size_t next = 0;
};

Collection create_docs(Store& store) {
  return *checked(
      store.create_collection("docs", {.vectors = {{.name = "embedding", .dimension = kDimension}},
                                       .fields = {{"share", FieldType::kInt64}}}));
}

Store filled(OnDisk& disk) {
  Store store = disk.open();
  Collection docs = create_docs(store);
  disk.add(docs, kRecords);
  (void)checked(docs.flush());
  return store;
}

void bench_upsert(benchmark::State& state, Durability durability) {
  OnDisk disk({.durability = durability});
  Store store = disk.open();
  Collection docs = create_docs(store);
  for (auto _ : state) disk.add(docs, static_cast<std::size_t>(state.range(0)));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void bench_search(benchmark::State& state, const std::string& filter) {
  OnDisk disk({.durability = Durability::kBuffered});
  const Store store = filled(disk);
  const Collection docs = *checked(store.collection("docs"));
  const std::vector<float> rows = rows_of(disk.random, kQueries);
  std::vector<Query> queries(kQueries);
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries[i].filter.text = filter;
    queries[i].legs.push_back(
        {.query = VectorView(std::span(rows).subspan(i * kDimension, kDimension))});
  }
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(docs.search(queries[i++ % kQueries]));
  double right = 0, all = 0;
  for (Query& query : queries) {
    const auto found = checked(docs.search(query));
    query.recall = 1;
    const auto exact = checked(docs.search(query));
    for (const Hit& hit : found->hits) right += hit.distance <= exact->hits.back().distance ? 1 : 0;
    all += static_cast<double>(exact->hits.size());
  }
  state.counters["recall"] = right / all;
}

void bench_open(benchmark::State& state) {
  OnDisk disk({.durability = Durability::kBuffered});
  (void)checked(filled(disk).close());
  for (auto _ : state) (void)checked(disk.open().close());
}

const std::vector<std::vector<std::int64_t>> kBatches = {{1, 32, 1'000}};
BENCHMARK_CAPTURE(bench_upsert, durable, Durability::kDurable)
    ->ArgsProduct(kBatches)
    ->UseRealTime();
BENCHMARK_CAPTURE(bench_upsert, buffered, Durability::kBuffered)
    ->ArgsProduct(kBatches)
    ->UseRealTime();
BENCHMARK_CAPTURE(bench_search, all, std::string());
BENCHMARK_CAPTURE(bench_search, tenth, std::string("share < 100"));
BENCHMARK_CAPTURE(bench_search, hundredth, std::string("share < 10"));
BENCHMARK(bench_open)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
