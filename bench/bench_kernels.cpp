// Nanoseconds a row for each distance kernel, beside the plain loop that a compiler makes of the
// same sum.
//
// Names read kernel/isa/dimension: "plain" is the loop. "_one" calls the one-to-one kernel for a
// row that stays in the first cache; "_many" hands over 32 rows at random places of a table that is
// larger than the caches, as a search does. The ratio of two lines of one run is the figure to
// quote: absolute times belong to the machine and to what else it does.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "anear/core/types.hpp"
#include "anear/simd/kernels.hpp"

namespace {

using anear::Half;
using anear::Isa;
using anear::Kernels;

constexpr std::size_t kTableBytes = std::size_t{96} << 20;
constexpr std::size_t kRowsAtOnce = 32;
constexpr std::array<std::size_t, 4> kDimensions{96, 384, 768, 1536};

std::uint32_t next(std::uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

template <typename Number>
Number number_of(std::uint32_t bits) {
  const float value = static_cast<float>(bits % 255) / 127.0F - 1.0F;
  if constexpr (std::is_same_v<Number, Half>) {
    Half half;
    anear::kernels(Isa::kV2).f32_to_f16(&value, &half, 1);
    return half;
  } else if constexpr (std::is_same_v<Number, std::int8_t>) {
    return static_cast<std::int8_t>(static_cast<int>(bits % 255) - 127);
  } else {
    return value;
  }
}

// A query and a table of rows of one dimension, with the order in which rows are visited.
template <typename Query, typename Number>
struct Rows {
  explicit Rows(std::size_t dimension)
      : query(dimension), numbers(kTableBytes / sizeof(Number) / dimension * dimension) {
    std::uint32_t state = 2'463'534'242U;
    for (Query& value : query) value = number_of<Query>(next(state));
    std::array<Number, 4'093> pattern{};
    for (Number& value : pattern) value = number_of<Number>(next(state));
    for (std::size_t i = 0; i < numbers.size(); i += pattern.size()) {
      std::memcpy(numbers.data() + i, pattern.data(),
                  std::min(pattern.size(), numbers.size() - i) * sizeof(Number));
    }
    const std::size_t rows = numbers.size() / dimension;
    visits.resize(std::size_t{1} << 16);
    for (const Number*& row : visits) row = numbers.data() + next(state) % rows * dimension;
  }
  std::vector<Query> query;
  std::vector<Number> numbers;
  std::vector<const Number*> visits;
};

template <typename Query, typename Number, typename Out>
void bench_one(benchmark::State& state, std::size_t dimension,
               Out (*kernel)(const Query*, const Number*, std::size_t) noexcept) {
  const Rows<Query, Number> rows(dimension);
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernel(rows.query.data(), rows.numbers.data(), dimension));
  }
}

template <typename Query, typename Number, typename Out>
void bench_many(benchmark::State& state, std::size_t dimension,
                void (*kernel)(const Query*, const Number* const*, std::size_t, std::size_t,
                               Out*) noexcept) {
  const Rows<Query, Number> rows(dimension);
  std::array<Out, kRowsAtOnce> out{};
  std::size_t at = 0;
  while (state.KeepRunningBatch(kRowsAtOnce)) {
    kernel(rows.query.data(), rows.visits.data() + at, kRowsAtOnce, dimension, out.data());
    benchmark::DoNotOptimize(out);
    benchmark::ClobberMemory();
    at = (at + kRowsAtOnce) % rows.visits.size();
  }
}

float plain_l2(const float* query, const float* row, std::size_t dimension) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += (query[i] - row[i]) * (query[i] - row[i]);
  return sum;
}
float plain_dot(const float* query, const float* row, std::size_t dimension) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += query[i] * row[i];
  return sum;
}
std::int32_t plain_dot_i8(const std::int8_t* query, const std::int8_t* code,
                          std::size_t dimension) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += std::int32_t{query[i]} * code[i];
  return sum;
}
template <auto kOne, typename Query, typename Number, typename Out>
void plain_many(const Query* query, const Number* const* rows, std::size_t count,
                std::size_t dimension, Out* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) out[i] = kOne(query, rows[i], dimension);
}

template <typename Kernel>
void add_one(const std::string& name, Kernel kernel) {
  for (const std::size_t dimension : kDimensions) {
    benchmark::RegisterBenchmark(
        (name + "/" + std::to_string(dimension)).c_str(),
        [=](benchmark::State& state) { bench_one(state, dimension, kernel); });
  }
}
template <typename Kernel>
void add_many(const std::string& name, Kernel kernel) {
  for (const std::size_t dimension : kDimensions) {
    benchmark::RegisterBenchmark(
        (name + "/" + std::to_string(dimension)).c_str(),
        [=](benchmark::State& state) { bench_many(state, dimension, kernel); });
  }
}

void add_conversions(const std::string& isa, const Kernels& table) {
  for (const std::size_t dimension : kDimensions) {
    const std::string suffix = "/" + isa + "/" + std::to_string(dimension);
    benchmark::RegisterBenchmark(("f16_to_f32" + suffix).c_str(), [=, &table](auto& state) {
      const std::vector<Half> from(dimension, Half{0x3555});
      std::vector<float> to(dimension);
      for (auto _ : state) {
        table.f16_to_f32(from.data(), to.data(), dimension);
        benchmark::ClobberMemory();
      }
    });
    benchmark::RegisterBenchmark(("f32_to_f16" + suffix).c_str(), [=, &table](auto& state) {
      const std::vector<float> from(dimension, 0.333F);
      std::vector<Half> to(dimension);
      for (auto _ : state) {
        table.f32_to_f16(from.data(), to.data(), dimension);
        benchmark::ClobberMemory();
      }
    });
  }
}

void add_isa(const Kernels& table) {
  const std::string isa = anear::name_of(table.isa);
  add_one("l2_f32_one/" + isa, table.l2_f32);
  add_one("l2_f16_one/" + isa, table.l2_f16);
  add_one("dot_f32_one/" + isa, table.dot_f32);
  add_one("dot_f16_one/" + isa, table.dot_f16);
  add_one("dot_i8_one/" + isa, table.dot_i8);
  add_many("l2_f32_many/" + isa, table.l2_f32_many);
  add_many("l2_f16_many/" + isa, table.l2_f16_many);
  add_many("dot_f32_many/" + isa, table.dot_f32_many);
  add_many("dot_f16_many/" + isa, table.dot_f16_many);
  add_many("dot_i8_many/" + isa, table.dot_i8_many);
  add_conversions(isa, table);
}

void add_plain() {
  add_one("l2_f32_one/plain", &plain_l2);
  add_one("dot_f32_one/plain", &plain_dot);
  add_one("dot_i8_one/plain", &plain_dot_i8);
  add_many("l2_f32_many/plain", &plain_many<&plain_l2, float, float, float>);
  add_many("dot_f32_many/plain", &plain_many<&plain_dot, float, float, float>);
  add_many("dot_i8_many/plain", &plain_many<&plain_dot_i8, std::int8_t, std::int8_t, std::int32_t>);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  add_plain();
  for (const Isa isa : {Isa::kV2, Isa::kAvx2, Isa::kAvx512}) {
    if (anear::is_available(isa)) add_isa(anear::kernels(isa));
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
