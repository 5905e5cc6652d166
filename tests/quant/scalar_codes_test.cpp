// Codes of rows whose numbers are at the ends of what a float holds.
#include "anear/quant/scalar_codes.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

namespace anear {
namespace {

std::vector<int> code_of(const std::vector<float>& row) {
  ScalarCodes codes(row.size(), Metric::kL2, ScalarKind::kI8);
  codes.grow_to(1);
  codes.set(0, std::span<const float>(row));
  const auto* bytes = reinterpret_cast<const std::int8_t*>(codes.storage().row(0));
  return {bytes, bytes + row.size()};
}

TEST_CASE("A byte of a code is the number's share of the largest one, rounded") {
  CHECK(code_of({1.0F, -1.0F, 0.0F, 0.5F}) == std::vector<int>{127, -127, 0, 64});
  CHECK(code_of({1e18F, -2e18F, 3e17F}) == std::vector<int>{64, -127, 19});
  CHECK(code_of({1e-36F, -1e-36F, 4e-37F}) == std::vector<int>{127, -127, 51});
}

TEST_CASE("Numbers too small for a step between codes are coded as zero") {
  CHECK(code_of({1e-38F, -1e-38F, 0.0F}) == std::vector<int>{0, 0, 0});
  CHECK(code_of({std::numeric_limits<float>::denorm_min(), 0.0F}) == std::vector<int>{0, 0});
  CHECK(code_of({0.0F, 0.0F}) == std::vector<int>{0, 0});
}

}  // namespace
}  // namespace anear
