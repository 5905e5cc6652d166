// Every ISA of this machine against plain loops in double precision (64-bit integers for codes).
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "anear/core/types.hpp"
#include "anear/simd/kernels.hpp"
#include "support/guarded_bytes.hpp"

namespace anear::kernels_agree_test {
namespace {

using test::GuardedBytes;

std::vector<Isa> isas() {
  std::vector<Isa> found;
  for (const Isa isa : {Isa::kV2, Isa::kAvx2, Isa::kAvx512}) {
    if (is_available(isa)) found.push_back(isa);
  }
  return found;
}

std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all;
  for (std::size_t dimension = 1; dimension <= 130; ++dimension) all.push_back(dimension);
  for (const std::size_t dimension : {384, 767, 768, 1536}) all.push_back(dimension);
  return all;
}

std::uint64_t next(std::uint64_t& state) {
  state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
  return state >> 33;
}

double plain(float value) { return value; }
double plain(std::int8_t value) { return value; }
// Sign, exponent and fraction by their definition in IEEE 754; finite numbers only.
double plain(Half half) {
  const int exponent = (half.bits >> 10) & 31;
  const double fraction = half.bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (half.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <typename Number>
Number draw(std::uint64_t& state) {
  const std::uint64_t bits = next(state);
  if constexpr (std::is_same_v<Number, float>) {
    return static_cast<float>(static_cast<double>(bits % 2'000'001) / 1e6 - 1.0);
  } else if constexpr (std::is_same_v<Number, Half>) {
    // Magnitudes up to 2, subnormal ones and both zeros among them.
    return Half{static_cast<std::uint16_t>((bits % 0x4000) | ((bits >> 20) & 1) << 15)};
  } else {
    return static_cast<std::int8_t>(static_cast<int>(bits % 255) - 127);
  }
}

enum class Term { kSquaredDifference, kProduct };

struct Expected {
  double sum = 0;
  double magnitude = 0;  // What rounding errors are relative to.
};

template <typename Query, typename Row>
Expected expected(Term term, const Query* query, const Row* row, std::size_t dimension) {
  Expected expected;
  for (std::size_t i = 0; i < dimension; ++i) {
    const double a = plain(query[i]);
    const double b = plain(row[i]);
    const double value = term == Term::kProduct ? a * b : (a - b) * (a - b);
    expected.sum += value;
    expected.magnitude += std::abs(value);
  }
  return expected;
}

bool agrees(std::int32_t found, const Expected& wanted, std::size_t) {
  return static_cast<double>(found) == wanted.sum;
}
// One rounding for each number that is added, at worst.
bool agrees(float found, const Expected& wanted, std::size_t dimension) {
  const double tolerance = wanted.magnitude * 0x1p-24 * static_cast<double>(dimension + 4) + 1e-30;
  return std::abs(static_cast<double>(found) - wanted.sum) <= tolerance;
}

template <typename Query, typename Row, typename Out>
struct Pair {
  std::string name;
  Term term;
  Out (*one)(const Query*, const Row*, std::size_t) noexcept;
  void (*many)(const Query*, const Row* const*, std::size_t, std::size_t, Out*) noexcept;
};

// Calls `check` with every pair of kernels of every ISA.
template <typename Check>
void for_each_pair(Check check) {
  for (const Isa isa : isas()) {
    const Kernels& k = kernels(isa);
    REQUIRE(k.isa == isa);
    const std::string of = std::string(" of ") + name_of(isa);
    const Term l2 = Term::kSquaredDifference;
    check(Pair<float, float, float>{"l2_f32" + of, l2, k.l2_f32, k.l2_f32_many});
    check(Pair<float, Half, float>{"l2_f16" + of, l2, k.l2_f16, k.l2_f16_many});
    check(Pair<float, float, float>{"dot_f32" + of, Term::kProduct, k.dot_f32, k.dot_f32_many});
    check(Pair<float, Half, float>{"dot_f16" + of, Term::kProduct, k.dot_f16, k.dot_f16_many});
    check(Pair<std::int8_t, std::int8_t, std::int32_t>{"dot_i8" + of, Term::kProduct, k.dot_i8,
                                                       k.dot_i8_many});
  }
}

// Memory for one query or row, placed as a test wants it.
template <typename Number>
Number* place(std::byte* at, std::size_t dimension, std::uint64_t& state) {
  auto* numbers = reinterpret_cast<Number*>(at);
  for (std::size_t i = 0; i < dimension; ++i) {
    const Number number = draw<Number>(state);
    std::memcpy(at + i * sizeof(Number), &number, sizeof(Number));
  }
  return numbers;
}

TEST_CASE("Kernels of every ISA agree with plain loops and stay between guard pages") {
  const GuardedBytes query_bytes(1536 * 4);
  const GuardedBytes row_bytes(1536 * 4);
  for_each_pair([&]<typename Query, typename Row, typename Out>(const Pair<Query, Row, Out>& pair) {
    std::uint64_t state = 42;
    for (const std::size_t dimension : dimensions()) {
      INFO(pair.name << ", dimension " << dimension << ", seed 42");
      const std::size_t query_size = dimension * sizeof(Query);
      const std::size_t row_size = dimension * sizeof(Row);
      const auto* query = place<Query>(query_bytes.last(query_size), dimension, state);
      const auto* row = place<Row>(row_bytes.last(row_size), dimension, state);
      const Expected at_end = expected(pair.term, query, row, dimension);
      CHECK(agrees(pair.one(query, row, dimension), at_end, dimension));

      query = place<Query>(query_bytes.first(), dimension, state);
      row = place<Row>(row_bytes.first(), dimension, state);
      const Expected at_start = expected(pair.term, query, row, dimension);
      CHECK(agrees(pair.one(query, row, dimension), at_start, dimension));
    }
  });
}

TEST_CASE("Kernels accept every alignment of their numbers") {
  const GuardedBytes query_bytes(4096);
  const GuardedBytes row_bytes(4096);
  for_each_pair([&]<typename Query, typename Row, typename Out>(const Pair<Query, Row, Out>& pair) {
    std::uint64_t state = 43;
    for (std::size_t query_at = 0; query_at < 64; query_at += 5 * sizeof(Query)) {
      for (std::size_t row_at = 0; row_at < 64; row_at += sizeof(Row)) {
        const std::size_t dimension = 130 - (row_at + query_at) % 67;
        INFO(pair.name << ", dimension " << dimension << ", offsets " << query_at << " and "
                       << row_at << ", seed 43");
        const auto* query = place<Query>(query_bytes.first() + query_at, dimension, state);
        const auto* row = place<Row>(row_bytes.first() + row_at, dimension, state);
        const Expected wanted = expected(pair.term, query, row, dimension);
        CHECK(agrees(pair.one(query, row, dimension), wanted, dimension));
        const std::vector<const Row*> rows(7, row);
        std::vector<Out> out(rows.size());
        pair.many(query, rows.data(), rows.size(), dimension, out.data());
        for (const Out one : out) CHECK(agrees(one, wanted, dimension));
      }
    }
  });
}

TEST_CASE("One-to-many kernels give what the one-to-one kernels give") {
  constexpr std::size_t kRows = 13;
  const GuardedBytes query_bytes(1536 * 4);
  const GuardedBytes a(1536 * 4), b(1536 * 4), c(1536 * 4);
  for_each_pair([&]<typename Query, typename Row, typename Out>(const Pair<Query, Row, Out>& pair) {
    std::uint64_t state = 44;
    for (const std::size_t dimension : dimensions()) {
      const std::size_t row_size = dimension * sizeof(Row);
      const auto* query =
          place<Query>(query_bytes.last(dimension * sizeof(Query)), dimension, state);
      const Row* distinct[3] = {place<Row>(a.last(row_size), dimension, state),
                                place<Row>(b.first(), dimension, state),
                                place<Row>(c.last(row_size), dimension, state)};
      std::vector<const Row*> rows;
      for (std::size_t i = 0; i < kRows; ++i) rows.push_back(distinct[next(state) % 3]);
      for (std::size_t count = 0; count <= kRows; ++count) {
        INFO(pair.name << ", dimension " << dimension << ", rows " << count << ", seed 44");
        std::vector<Out> out(kRows + 1, Out{77});
        pair.many(query, rows.data(), count, dimension, out.data());
        for (std::size_t i = 0; i < count; ++i) {
          CHECK(agrees(out[i], expected(pair.term, query, rows[i], dimension), dimension));
        }
        CHECK(out[count] == Out{77});
      }
    }
  });
}

TEST_CASE("Kernels of codes are exact at ±127 in every dimension") {
  const GuardedBytes bytes(65'535);
  auto* codes = reinterpret_cast<std::int8_t*>(bytes.first());
  for (const Isa isa : isas()) {
    for (const int a : {-127, 127}) {
      for (const std::size_t dimension : {1, 16, 32, 33, 64, 127, 1536, 65'535}) {
        INFO(name_of(isa) << ", " << a << ", dimension " << dimension);
        std::memset(codes, a, dimension);
        const std::vector<std::int8_t> query(dimension, 127);
        const auto wanted = 127 * a * static_cast<std::int32_t>(dimension);
        CHECK(kernels(isa).dot_i8(query.data(), codes, dimension) == wanted);
      }
    }
  }
}

TEST_CASE("Kernels of halves handle the largest, the smallest and negative zero") {
  for (const Isa isa : isas()) {
    for (const unsigned bits : {0x7bffU, 0xfbffU, 0x0001U, 0x8001U, 0x03ffU, 0x0400U, 0x8000U}) {
      for (const std::size_t dimension : {1, 7, 8, 40}) {
        INFO(name_of(isa) << ", half " << bits << ", dimension " << dimension);
        const std::vector<Half> row(dimension, Half{static_cast<std::uint16_t>(bits)});
        const std::vector<float> query(dimension, -3.0F);
        const Kernels& k = kernels(isa);
        CHECK(agrees(k.dot_f16(query.data(), row.data(), dimension),
                     expected(Term::kProduct, query.data(), row.data(), dimension), dimension));
        CHECK(agrees(k.l2_f16(query.data(), row.data(), dimension),
                     expected(Term::kSquaredDifference, query.data(), row.data(), dimension),
                     dimension));
      }
    }
  }
}

TEST_CASE("Kernels of an empty vector return zero") {
  for_each_pair([]<typename Query, typename Row, typename Out>(const Pair<Query, Row, Out>& pair) {
    INFO(pair.name);
    CHECK(pair.one(nullptr, nullptr, 0) == Out{0});
  });
}

}  // namespace
}  // namespace anear::kernels_agree_test
