// Comparison of values, timestamps as text, and JSON.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "anear/filter/compare.hpp"
#include "anear/filter/json.hpp"
#include "anear/filter/timestamp.hpp"
#include "filter/random_expressions.hpp"

namespace value_test {

using namespace anear;

TEST_CASE("Numbers of both kinds compare exactly") {
  constexpr std::int64_t kTwoTo53 = std::int64_t{1} << 53;
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  CHECK((compare_numbers(2, 2.0) == 0));
  CHECK((compare_numbers(0, -0.0) == 0));
  CHECK((compare_numbers(kTwoTo53 + 1, 9007199254740992.0) > 0));
  CHECK((compare_numbers(kMost, 9223372036854775808.0) < 0));
  CHECK((compare_numbers(kLeast, -9223372036854775808.0) == 0));
  CHECK((compare_numbers(kLeast, -9223372036854777856.0) > 0));
  CHECK((compare_numbers(-1, -1.5) > 0));
  CHECK((compare_numbers(-1, -0.5) < 0));
  CHECK((compare_numbers(kMost, std::numeric_limits<double>::infinity()) < 0));
  CHECK((compare_numbers(kLeast, -std::numeric_limits<double>::infinity()) > 0));
  CHECK((compare_numbers(0, std::nan("")) == std::partial_ordering::unordered));
}

TEST_CASE("The total order is one and agrees with comparison") {
  CHECK(rc::check("antisymmetric, transitive, agreeing", [] {
    const Value a = testing::any_value();
    const Value b = testing::any_value();
    const Value c = testing::any_value();
    RC_ASSERT((total_order(a, b) == (0 <=> total_order(b, a))));
    if (total_order(a, b) <= 0 && total_order(b, c) <= 0) RC_ASSERT((total_order(a, c) <= 0));
    const std::partial_ordering order = compare_values(a, b);
    if (order != std::partial_ordering::unordered) {
      RC_ASSERT((order < 0) == (total_order(a, b) < 0));
      RC_ASSERT((order == 0) == (total_order(a, b) == 0));
    }
  }));
}

TEST_CASE("Timestamps read in every allowed form") {
  const auto micros = [](const char* text) {
    const auto timestamp = parse_timestamp(text);
    INFO(text);
    REQUIRE(timestamp);
    return timestamp->micros;
  };
  CHECK(micros("1970-01-01T00:00:00Z") == 0);
  CHECK(micros("1970-01-01 00:00z") == 0);
  CHECK(micros("1969-12-31T23:59:59.999999Z") == -1);
  CHECK(micros("2024-02-29T12:34:56.5Z") == 1'709'210'096'500'000);
  CHECK(micros("2024-02-29T14:34:56.500000000+02:00") == 1'709'210'096'500'000);
  CHECK(micros("2024-02-29T04:04:56.5-0830") == 1'709'210'096'500'000);
  CHECK(micros("1970-01-01T01:00:00+01") == 0);
  CHECK(micros("0000-01-01T00:00:00Z") == -62'167'219'200'000'000);
  CHECK(micros("9999-12-31T23:59:59.999999Z") == 253'402'300'799'999'999);
}

TEST_CASE("Timestamps that are none say at which byte") {
  struct Case {
    const char* text;
    std::int64_t position;
  };
  const Case cases[] = {{"", 0},
                        {"24-01-01T00:00:00Z", 0},
                        {"2024/01/01T00:00:00Z", 4},
                        {"2024-13-01T00:00:00Z", 5},
                        {"2023-02-29T00:00:00Z", 8},
                        {"2024-01-00T00:00:00Z", 8},
                        {"2024-01-01", 10},
                        {"2024-01-01T24:00:00Z", 11},
                        {"2024-01-01T00:00:60Z", 17},
                        {"2024-01-01T00:00:00", 19},
                        {"2024-01-01T00:00:00.Z", 20},
                        {"2024-01-01T00:00:00.0000001Z", 26},
                        {"2024-01-01T00:00:00Zx", 20},
                        {"2024-01-01T00:00:00+2", 20},
                        {"2024-01-01T00:00:00+24:00", 20}};
  for (const Case& one : cases) {
    const auto timestamp = parse_timestamp(one.text);
    INFO(one.text);
    REQUIRE_FALSE(timestamp);
    CHECK(timestamp.error().position == one.position);
  }
  CHECK(parse_timestamp("2024-01-01T00:00:00").error().message.find("zone") != std::string::npos);
}

TEST_CASE("Timestamps read back from their text") {
  CHECK(to_text(Timestamp{0}) == "1970-01-01T00:00:00Z");
  CHECK(to_text(Timestamp{-1}) == "1969-12-31T23:59:59.999999Z");
  CHECK(to_text(Timestamp{std::numeric_limits<std::int64_t>::max()}) == "9223372036854775807");
  CHECK(rc::check("parse(to_text(t)) is t", [] {
    const Timestamp timestamp{
        *rc::gen::inRange<std::int64_t>(-62'167'219'200'000'000, 253'402'300'800'000'000)};
    const auto back = parse_timestamp(to_text(timestamp));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == timestamp);
  }));
}

TEST_CASE("JSON is accepted exactly when it is JSON") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  for (const std::string& good :
       {std::string("{}"), std::string(" [1, -2.5e3, \"\\u00e4\", true, null, {\"a\": []}] "),
        std::string("\"x\""), std::string("0"), nested(kJsonDepthMax)}) {
    INFO(good);
    CHECK(is_valid_json(good));
  }
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string("{'a': 1}"), std::string("[1,]"),
        std::string("01"), std::string("nan"), std::string("{} {}"), std::string("\"\xFF\""),
        std::string("\"\n\""), std::string("{}\0", 3), std::string("{}\0garbage", 10),
        std::string("\xEF\xBB\xBF{}"), std::string("/* */ {}"), std::string("1e999"),
        nested(kJsonDepthMax + 1), std::string(1'000'000, '[')}) {
    INFO(bad.substr(0, 40));
    CHECK_FALSE(is_valid_json(bad));
  }
  CHECK(rc::check("any bytes", [](const std::string& bytes) { (void)is_valid_json(bytes); }));
}

}  // namespace value_test
