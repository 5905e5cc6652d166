// Conversions between halves and floats, bit by bit, on every ISA of this machine.
#include <xmmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "anear/core/types.hpp"
#include "anear/simd/kernels.hpp"

namespace anear::half_conversion_test {
namespace {

std::vector<Isa> isas() {
  std::vector<Isa> found;
  for (const Isa isa : {Isa::kV2, Isa::kAvx2, Isa::kAvx512}) {
    if (is_available(isa)) found.push_back(isa);
  }
  return found;
}

bool is_nan(Half half) { return (half.bits & 0x7fff) > 0x7c00; }

// By the definition in IEEE 754.
float plain_float(Half half) {
  const int exponent = (half.bits >> 10) & 31;
  const int fraction = half.bits & 1023;
  float value = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  if (exponent == 0) value = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) value = std::numeric_limits<float>::infinity();
  return std::copysign(value, (half.bits & 0x8000) != 0 ? -1.0F : 1.0F);
}

// The nearest half by search among all finite ones, ties to the even one.
Half plain_half(float value) {
  const double magnitude = std::abs(static_cast<double>(value));
  std::uint16_t low = 0;
  std::uint16_t high = 0x7c00;
  while (high - low > 1) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (plain_float(Half{middle}) <= magnitude ? low : high) = middle;
  }
  const double below = plain_float(Half{low});
  const double above = high == 0x7c00 ? 65'536.0 : plain_float(Half{high});
  const bool up = magnitude - below > above - magnitude ||
                  (magnitude - below == above - magnitude && low % 2 == 1);
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  return Half{static_cast<std::uint16_t>(sign | (up ? high : low))};
}

std::vector<Half> all_halves() {
  std::vector<Half> all(65'536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

// Each number alone, which takes the way of a rest, and all of them at once.
std::vector<float> widen(const Kernels& table, const std::vector<Half>& halves, bool one_by_one) {
  std::vector<float> floats(halves.size());
  if (!one_by_one) table.f16_to_f32(halves.data(), floats.data(), halves.size());
  for (std::size_t i = 0; one_by_one && i < halves.size(); ++i) {
    table.f16_to_f32(&halves[i], &floats[i], 1);
  }
  return floats;
}
std::vector<Half> narrow(const Kernels& table, const std::vector<float>& floats, bool one_by_one) {
  std::vector<Half> halves(floats.size());
  if (!one_by_one) table.f32_to_f16(floats.data(), halves.data(), floats.size());
  for (std::size_t i = 0; one_by_one && i < floats.size(); ++i) {
    table.f32_to_f16(&floats[i], &halves[i], 1);
  }
  return halves;
}

std::size_t differences_to_plain(const std::vector<Half>& halves,
                                 const std::vector<float>& floats) {
  std::size_t differences = 0;
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const bool same = is_nan(halves[i]) ? std::isnan(floats[i])
                                        : std::bit_cast<std::uint32_t>(floats[i]) ==
                                              std::bit_cast<std::uint32_t>(plain_float(halves[i]));
    differences += same ? 0 : 1;
  }
  return differences;
}

TEST_CASE("All 65,536 halves become the floats that IEEE 754 says, and the same halves again") {
  const std::vector<Half> halves = all_halves();
  for (const Isa isa : isas()) {
    for (const bool one_by_one : {false, true}) {
      INFO(name_of(isa) << (one_by_one ? ", one by one" : ", at once"));
      const std::vector<float> floats = widen(kernels(isa), halves, one_by_one);
      CHECK(differences_to_plain(halves, floats) == 0);
      const std::vector<Half> back = narrow(kernels(isa), floats, one_by_one);
      std::size_t differences = 0;
      for (std::size_t i = 0; i < halves.size(); ++i) {
        differences += (is_nan(halves[i]) ? is_nan(back[i]) : back[i] == halves[i]) ? 0 : 1;
      }
      CHECK(differences == 0);
    }
  }
}

TEST_CASE("Every ISA gives the same bits for a NaN half") {
  const std::vector<Half> halves = all_halves();
  const std::vector<float> wanted = widen(kernels(Isa::kV2), halves, true);
  for (const Isa isa : isas()) {
    const std::vector<float> found = widen(kernels(isa), halves, false);
    INFO(name_of(isa));
    CHECK(std::equal(found.begin(), found.end(), wanted.begin(), [](float a, float b) {
      return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    }));
  }
}

TEST_CASE("Floats between two halves go to the nearest, and a tie to the even one") {
  std::vector<float> floats;
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float below = plain_float(Half{bits});
    const float above = plain_float(Half{static_cast<std::uint16_t>(bits + 1)});
    const float tie = below + (above - below) / 2;
    for (const float value : {std::nextafter(tie, below), tie, std::nextafter(tie, above)}) {
      floats.push_back(value);
      floats.push_back(-value);
    }
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {65'519.996F, 65'520.0F, 65'536.0F, 1e30F, infinity, 1e-40F, 1e-10F}) {
    floats.push_back(value);
    floats.push_back(-value);
  }
  for (const Isa isa : isas()) {
    for (const bool one_by_one : {false, true}) {
      const std::vector<Half> found = narrow(kernels(isa), floats, one_by_one);
      std::size_t differences = 0;
      for (std::size_t i = 0; i < floats.size(); ++i) {
        if (found[i] == plain_half(floats[i])) continue;
        if (++differences == 1) UNSCOPED_INFO("first at " << floats[i]);
      }
      INFO(name_of(isa) << (one_by_one ? ", one by one" : ", at once"));
      CHECK(differences == 0);
    }
  }
}

// A host that was linked with -ffast-math runs with these bits set.
TEST_CASE("Subnormal halves survive when the processor takes subnormal floats for zero") {
  const std::vector<Half> halves = all_halves();
  for (const Isa isa : isas()) {
    for (const bool one_by_one : {false, true}) {
      const unsigned before = _mm_getcsr();
      _mm_setcsr(before | 0x8040U);
      const std::vector<float> floats = widen(kernels(isa), halves, one_by_one);
      const std::vector<Half> back = narrow(kernels(isa), floats, one_by_one);
      _mm_setcsr(before);
      INFO(name_of(isa) << (one_by_one ? ", one by one" : ", at once"));
      CHECK(differences_to_plain(halves, floats) == 0);
      CHECK(back[1].bits == 1);
    }
  }
}

TEST_CASE("Conversions touch exactly as many numbers as they are told") {
  for (const Isa isa : isas()) {
    for (std::size_t count = 0; count < 40; ++count) {
      INFO(name_of(isa) << ", count " << count);
      std::array<Half, 41> halves{};
      std::array<float, 41> floats{};
      halves.fill(Half{0x3c00});
      floats.fill(2.0F);
      kernels(isa).f16_to_f32(halves.data(), floats.data(), count);
      CHECK(std::count(floats.begin(), floats.end(), 1.0F) == static_cast<long>(count));
      floats.fill(2.0F);
      kernels(isa).f32_to_f16(floats.data(), halves.data(), count);
      CHECK(std::count(halves.begin(), halves.end(), Half{0x4000}) == static_cast<long>(count));
    }
  }
}

}  // namespace
}  // namespace anear::half_conversion_test
