// Searches and inserts of FlatIndex and HnswIndex on seeded rows, with the recall beside the speed.
//
// Names read operation/index/codes/rows x dimension/effort; an effort of 0 asks for a recall of .95
// by calibration. "recall" is recall@10 against an exact scan over the f32 rows, counted by
// distance; "bytes" are those of the index, a row. Rows lie in overlapping clusters whose variance
// falls from dimension to dimension, as that of embeddings does. One thread.
//
// These are for changes of our own code: quote a ratio of two lines of one run, and compare with
// other libraries by compare.py.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/random.hpp"
#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"

namespace {

using anear::FlatIndex;
using anear::HnswIndex;
using anear::MatrixView;
using anear::Random;
using anear::ScalarKind;
using anear::Scratch;
using anear::Slot;

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kNearest = 10;
constexpr std::size_t kQueries = 200;
constexpr std::size_t kInserted = 5'000;
constexpr std::size_t kEfforts[] = {0, 16, 64, 256};

template <typename Value>
Value checked(anear::Result<Value> result) {
  if (!result) {
    std::cerr << result.error().message << '\n';
    std::exit(1);
  }
  return std::move(*result);
}
void check(const anear::Status& status) {
  if (status) return;
  std::cerr << status.error().message << '\n';
  std::exit(1);
}

float normal(Random& random) {
  const double u = 1.0 - random.uniform();
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) *
                            std::cos(6.283185307179586 * random.uniform()));
}

/// Rows, queries from the same clusters, and how far the true k-th nearest row of each query is.
struct Data {
  explicit Data(anear::MatrixShape shape) : dimension(shape.dimension) {
    Random random(kSeed);
    std::vector<float> spread(dimension);
    for (std::size_t d = 0; d < dimension; ++d) {
      spread[d] = std::pow(static_cast<float>(d + 1), -0.25F);
    }
    const auto centres = static_cast<std::size_t>(std::sqrt(static_cast<double>(shape.rows)));
    std::vector<float> centre(centres * dimension);
    for (float& value : centre) value = normal(random);
    const auto draw = [&](std::size_t count) {
      std::vector<float> values(count * dimension);
      for (std::size_t i = 0; i < count; ++i) {
        const float* middle = centre.data() + random.below(centres) * dimension;
        for (std::size_t d = 0; d < dimension; ++d) {
          values[i * dimension + d] = (middle[d] + normal(random)) * spread[d];
        }
      }
      return values;
    };
    rows = draw(shape.rows);
    queries = draw(kQueries);
    find_truth();
  }

  std::size_t count() const { return rows.size() / dimension; }
  MatrixView view(std::size_t begin, std::size_t count) const {
    return {rows.data() + begin * dimension, {count, dimension}, ScalarKind::kF32};
  }
  std::span<const float> query(std::size_t i) const {
    return std::span(queries).subspan(i % kQueries * dimension, dimension);
  }

  /// Cosine distance of query `q` to the f32 row of `slot`, whatever an index made of that row.
  double distance(std::size_t q, Slot slot) const {
    double dot = 0, query2 = 0, row2 = 0;
    for (std::size_t d = 0; d < dimension; ++d) {
      const double a = queries[q * dimension + d];
      const double b = rows[slot * dimension + d];
      dot += a * b;
      query2 += a * a;
      row2 += b * b;
    }
    return 1 - dot / std::sqrt(query2 * row2);
  }

  std::size_t dimension;
  std::vector<float> rows, queries;
  std::vector<double> farthest;

 private:
  void find_truth() {
    FlatIndex exact = checked(FlatIndex::create(dimension, {}));
    std::vector<Slot> slots(count());
    std::iota(slots.begin(), slots.end(), Slot{0});
    check(exact.insert(view(0, count()), slots));
    Scratch scratch;
    for (std::size_t q = 0; q < kQueries; ++q) {
      const auto found = checked(exact.search(query(q), {.k = kNearest}, scratch));
      farthest.push_back(distance(q, found.back().reference));
    }
  }
};

template <typename Index>
using Maker = std::function<Index()>;

template <typename Index>
void insert(Index& index, const Data& data, std::size_t begin, std::size_t count) {
  std::vector<Slot> slots(count);
  std::iota(slots.begin(), slots.end(), static_cast<Slot>(begin));
  check(index.insert(data.view(begin, count), slots));
}

template <typename Index>
std::shared_ptr<Index> built(const Data& data, const Maker<Index>& make) {
  auto index = std::make_shared<Index>(make());
  insert(*index, data, 0, data.count());
  check(index->calibrate());
  return index;
}

template <typename Index>
double recall_of(const Index& index, const Data& data, const anear::SearchOptions& options) {
  Scratch scratch;
  std::size_t right = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    const double bound = data.farthest[q] + 1e-6 * std::max(1.0, std::fabs(data.farthest[q]));
    for (const auto& neighbor : checked(index.search(data.query(q), options, scratch))) {
      right += data.distance(q, neighbor.reference) <= bound ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(kQueries * kNearest);
}

template <typename Index>
void bench_search(benchmark::State& state, const Data& data, const Index& index,
                  std::size_t effort) {
  const anear::SearchOptions options{.k = kNearest, .effort = effort};
  Scratch scratch;
  std::size_t q = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(index.search(data.query(q++), options, scratch));
  }
  state.counters["recall"] = recall_of(index, data, options);
  state.counters["bytes"] = static_cast<double>(index.bytes()) / static_cast<double>(index.size());
  state.SetItemsProcessed(state.iterations());
}

// The last kInserted rows are added to an index of the others.
template <typename Index>
void bench_insert(benchmark::State& state, const Data& data, const Maker<Index>& make) {
  const std::size_t first = data.count() - kInserted;
  for (auto _ : state) {
    state.PauseTiming();
    Index index = make();
    insert(index, data, 0, first);
    state.ResumeTiming();
    insert(index, data, first, kInserted);
    state.PauseTiming();
    check(index.calibrate());
    state.counters["recall"] = recall_of(index, data, {.k = kNearest});
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kInserted));
}

template <typename Index>
void add(const std::string& name, const std::shared_ptr<const Data>& data, const Maker<Index>& make,
         std::span<const std::size_t> efforts) {
  const std::string suffix =
      "/" + name + "/" + std::to_string(data->count()) + "x" + std::to_string(data->dimension);
  // Built by the first benchmark that is not filtered out, shared by those after it.
  const auto shared = std::make_shared<std::shared_ptr<Index>>();
  for (const std::size_t effort : efforts) {
    benchmark::RegisterBenchmark(("search" + suffix + "/" + std::to_string(effort)).c_str(),
                                 [=](benchmark::State& state) {
                                   if (!*shared) *shared = built(*data, make);
                                   bench_search(state, *data, **shared, effort);
                                 })
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark(("insert" + suffix).c_str(),
                               [=](benchmark::State& state) { bench_insert(state, *data, make); })
      ->Unit(benchmark::kMillisecond)
      ->Iterations(1);
}

void add_shape(anear::MatrixShape shape) {
  const auto data = std::make_shared<const Data>(shape);
  for (const auto& [name, codes] :
       {std::pair{"i8", ScalarKind::kI8}, {"f16", ScalarKind::kF16}, {"f32", ScalarKind::kF32}}) {
    const ScalarKind rows = codes == ScalarKind::kF16 ? codes : ScalarKind::kF32;
    const std::size_t dimension = shape.dimension;
    add<FlatIndex>(
        std::string("flat/") + name, data,
        [=] { return checked(FlatIndex::create(dimension, {.rows = rows, .codes = codes})); },
        std::span(kEfforts).first(1));
    add<HnswIndex>(
        std::string("hnsw/") + name, data,
        [=] { return checked(HnswIndex::create(dimension, {.codes = codes, .rows = rows})); },
        kEfforts);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  add_shape({20'000, 96});
  add_shape({20'000, 384});
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
