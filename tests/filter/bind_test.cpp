// Fitting expressions to a schema, and what they match: each operator on each type in each of the
// three states.
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "anear/filter/parser.hpp"

namespace bind_test {

using namespace anear;

namespace {

const FieldTypes kTypes{.declared = {{"flag", FieldType::kBool},
                                     {"size", FieldType::kInt64},
                                     {"ratio", FieldType::kFloat64},
                                     {"section", FieldType::kString},
                                     {"made", FieldType::kTimestamp},
                                     {"flags", FieldType::kBoolList},
                                     {"sizes", FieldType::kInt64List},
                                     {"ratios", FieldType::kFloat64List},
                                     {"tags", FieldType::kStringList},
                                     {"moments", FieldType::kTimestampList},
                                     {"meta", FieldType::kJson}}};
const FieldTypes kDynamic{.declared = {{"size", FieldType::kInt64}}, .dynamic = true};

BoundFilter bound(std::string_view text, const FieldTypes& types = kTypes) {
  auto parsed = parse_filter(text);
  INFO(text);
  REQUIRE(parsed);
  auto filter = bind(*parsed, types);
  INFO((filter ? std::string() : filter.error().message));
  REQUIRE(filter);
  return *filter;
}

Error refused(std::string_view text, const FieldTypes& types = kTypes) {
  auto parsed = parse_filter(text);
  INFO(text);
  REQUIRE(parsed);
  auto filter = bind(*parsed, types);
  REQUIRE_FALSE(filter);
  return filter.error();
}

bool holds(std::string_view text, const Fields& fields, const FieldTypes& types = kTypes) {
  return matches(bound(text, types), fields);
}

constexpr std::int64_t kBig = (std::int64_t{1} << 53) + 1;

}  // namespace

TEST_CASE("Every operator on every type with a value, null and missing") {
  struct Case {
    const char* text;
    const char* field;
    std::vector<Value> yes;
    std::vector<Value> no;
  };
  const Case cases[] = {
      {"flag = true", "flag", {true}, {false}},
      {"flag > false", "flag", {true}, {false}},
      {"flag in (false)", "flag", {false}, {true}},
      {"flag between false and true", "flag", {true, false}, {}},
      {"size = 5", "size", {std::int64_t{5}}, {std::int64_t{4}, std::int64_t{-5}}},
      {"size = 5.0", "size", {std::int64_t{5}}, {std::int64_t{4}}},
      {"size = 5.5", "size", {}, {std::int64_t{5}, std::int64_t{6}}},
      {"size < 5.5", "size", {std::int64_t{5}}, {std::int64_t{6}}},
      {"size <= 5", "size", {std::int64_t{5}, std::int64_t{-9}}, {std::int64_t{6}}},
      {"size > 5", "size", {std::int64_t{6}}, {std::int64_t{5}}},
      {"size >= 5", "size", {std::int64_t{5}}, {std::int64_t{4}}},
      {"size between 2 and 4", "size", {std::int64_t{2}, std::int64_t{4}}, {std::int64_t{5}}},
      {"size between 4 and 2", "size", {}, {std::int64_t{2}, std::int64_t{3}, std::int64_t{4}}},
      {"size in (9, 5, 5.0, 7)", "size", {std::int64_t{5}, std::int64_t{7}}, {std::int64_t{8}}},
      {"size in ()", "size", {}, {std::int64_t{0}}},
      {"size = 9007199254740993", "size", {kBig}, {kBig - 1, kBig + 1}},
      {"size > 9007199254740992.0", "size", {kBig}, {kBig - 1}},
      {"ratio = 0", "ratio", {0.0, -0.0}, {5e-324}},
      {"ratio < 9007199254740993", "ratio", {9007199254740992.0}, {9007199254740994.0}},
      {"ratio >= 0.5",
       "ratio",
       {0.5, std::numeric_limits<double>::infinity()},
       {0.4, std::numeric_limits<double>::quiet_NaN()}},
      {"ratio in (1, 0.5)", "ratio", {1.0, 0.5}, {2.0, std::numeric_limits<double>::quiet_NaN()}},
      {"section = 'x'", "section", {std::string("x")}, {std::string("X"), std::string()}},
      {"section < 'b'", "section", {std::string("a"), std::string()}, {std::string("b")}},
      {"section >= 'z'",
       "section",
       {std::string("z"), std::string("\xC3\xA4")},
       {std::string("y")}},
      {"section between 'a' and 'b'", "section", {std::string("ab")}, {std::string("bb")}},
      {"section in ('x', 'y')", "section", {std::string("y")}, {std::string("z")}},
      {"made = '1970-01-01T00:00:01Z'", "made", {Timestamp{1'000'000}}, {Timestamp{1}}},
      {"made < '1970-01-01T02:00:01+02:00'", "made", {Timestamp{0}}, {Timestamp{1'000'000}}},
      {"made > timestamp 5", "made", {Timestamp{6}}, {Timestamp{5}}},
      {"made in (timestamp 5, '1970-01-01T00:00:01Z')", "made", {Timestamp{5}}, {Timestamp{6}}},
      {"true in flags",
       "flags",
       {std::vector<bool>{false, true}},
       {std::vector<bool>{false}, std::vector<bool>{}}},
      {"5 in sizes", "sizes", {std::vector<std::int64_t>{4, 5}}, {std::vector<std::int64_t>{}}},
      {"0.5 in ratios", "ratios", {std::vector<double>{0.5}}, {std::vector<double>{1}}},
      {"'x' in tags",
       "tags",
       {std::vector<std::string>{"y", "x"}},
       {std::vector<std::string>{"xx"}, std::vector<std::string>{}}},
      {"timestamp 5 in moments",
       "moments",
       {std::vector<Timestamp>{{5}}},
       {std::vector<Timestamp>{{6}}}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    const std::string opposite = "not (" + std::string(one.text) + ")";
    for (const Value& value : one.yes) {
      CHECK(holds(one.text, {{one.field, value}}));
      CHECK_FALSE(holds(opposite, {{one.field, value}}));
    }
    std::vector<Value> no = one.no;
    no.emplace_back(Null{});
    no.emplace_back(Missing{});
    for (const Value& value : no) {
      CHECK_FALSE(holds(one.text, {{one.field, value}}));
      CHECK(holds(opposite, {{one.field, value}}));
    }
    CHECK_FALSE(holds(one.text, {}));
    CHECK(holds(opposite, {}));
  }
}

TEST_CASE("Value, null and missing are three states of every type") {
  const std::vector<Field> fields = {
      {"flag", false},
      {"size", std::int64_t{0}},
      {"ratio", std::numeric_limits<double>::quiet_NaN()},
      {"section", std::string()},
      {"made", Timestamp{}},
      {"flags", std::vector<bool>{}},
      {"sizes", std::vector<std::int64_t>{}},
      {"ratios", std::vector<double>{}},
      {"tags", std::vector<std::string>{}},
      {"moments", std::vector<Timestamp>{}},
      {"meta", Json{"null"}},
  };
  for (const Field& field : fields) {
    INFO(field.first);
    const Fields states[] = {{field}, {{field.first, Null{}}}, {{field.first, Missing{}}}, {}};
    const char* tests[] = {" exists", " is null", " is missing", " is missing"};
    for (std::size_t state = 0; state < 4; ++state) {
      for (const char* test : {" exists", " is null", " is missing"}) {
        const bool expected = test == std::string_view(tests[state]);
        CHECK(holds(field.first + test, states[state]) == expected);
        CHECK(holds("not " + field.first + test, states[state]) == !expected);
      }
    }
  }
}

TEST_CASE("Constants and connectives") {
  const Fields fields = {{"size", std::int64_t{5}}};
  CHECK(holds("", {}));
  CHECK(bound("").matches_all());
  CHECK_FALSE(holds("false", {}));
  CHECK(holds("size = 5 and not size = 6", fields));
  CHECK_FALSE(holds("size = 5 and size = 6", fields));
  CHECK(holds("size = 6 or size = 5", fields));
  CHECK_FALSE(holds("size = 6 or size = 7", fields));
}

TEST_CASE("Undeclared fields compare within the class of each value") {
  CHECK(holds("a = 5", {{"a", 5.0}}, kDynamic));
  CHECK(holds("a = 5", {{"a", std::int64_t{5}}}, kDynamic));
  CHECK_FALSE(holds("a = 5", {{"a", std::string("5")}}, kDynamic));
  CHECK_FALSE(holds("a > 'x'", {{"a", std::int64_t{5}}}, kDynamic));
  CHECK(holds("a != 5", {{"a", std::string("5")}}, kDynamic));
  CHECK(holds("a in (5, 'x')", {{"a", std::string("x")}}, kDynamic));
  CHECK(holds("'x' in a", {{"a", std::vector<std::string>{"x"}}}, kDynamic));
  CHECK_FALSE(holds("'x' in a", {{"a", std::string("x")}}, kDynamic));
  CHECK_FALSE(holds("a = 'x'", {{"a", std::vector<std::string>{"x"}}}, kDynamic));
  CHECK(refused("size = 'x'", kDynamic).subcode == Subcode::kFilterType);
  CHECK(refused("\"" + std::string(129, 'x') + "\" exists", kDynamic).subcode ==
        Subcode::kUnknownField);
}

TEST_CASE("An unknown field is refused and the nearest one named") {
  const Error error = refused("size = 5 and sectoin = 'x'");
  CHECK(error.code == ErrorCode::kFilterInvalid);
  CHECK(error.subcode == Subcode::kUnknownField);
  CHECK(error.position == 13);
  CHECK(error.message.find("did you mean 'section'?") != std::string::npos);
  CHECK(refused("qqqqqq = 5").message.find("did you mean") == std::string::npos);
  CHECK(refused("a = 5", {}).subcode == Subcode::kUnknownField);
}

TEST_CASE("Values and operators that a field's type does not have are refused") {
  struct Case {
    const char* text;
    std::int64_t position;
  };
  const Case cases[] = {
      {"section = 5", 10},     {"size = '5'", 7},
      {"size < true", 7},      {"flag = 1", 7},
      {"made = 5", 7},         {"made > '2024-01-01T00:00:00'", 7},
      {"made > 'soon'", 7},    {"section = timestamp 5", 10},
      {"size in (1, 'x')", 8}, {"size between 1 and 'x'", 13},
      {"tags = 'x'", 0},       {"tags in ('x')", 0},
      {"tags < 'x'", 0},       {"5 in tags", 0},
      {"'x' in section", 7},   {"meta = 'x'", 0},
      {"'x' in meta", 7},      {"meta in ('x')", 0},
      {"not meta = 'x'", 4},   {"true in sizes", 0},
  };
  for (const Case& one : cases) {
    const Error error = refused(one.text);
    INFO(one.text << ": " << error.message);
    CHECK(error.code == ErrorCode::kFilterInvalid);
    CHECK(error.subcode == Subcode::kFilterType);
    CHECK(error.position == one.position);
  }
  CHECK(refused("a between 1 and 'x'", kDynamic).subcode == Subcode::kFilterType);
}

TEST_CASE("An expression made by hand is checked as well") {
  const auto code = [](Expression expression) {
    const auto filter = bind(std::move(expression), kDynamic);
    return filter ? ErrorCode::kOk : filter.error().code;
  };
  CHECK(code({.op = Operator::kEqual, .field = "a"}) == ErrorCode::kFilterInvalid);
  CHECK(code({.op = Operator::kEqual, .field = "a", .values = {Null{}}}) ==
        ErrorCode::kFilterInvalid);
  CHECK(code({.op = Operator::kEqual,
              .field = "a",
              .values = {std::numeric_limits<double>::quiet_NaN()}}) == ErrorCode::kFilterInvalid);
  CHECK(code({.op = Operator::kNot}) == ErrorCode::kFilterInvalid);
  CHECK(code({.op = Operator::kAnd, .parts = {Expression{}}}) == ErrorCode::kFilterInvalid);
  CHECK(code({.op = Operator::kIn,
              .field = "a",
              .values = std::vector<Value>(kFilterInListMax + 1, Value(true))}) ==
        ErrorCode::kLimitExceeded);
  Expression deep;
  for (int i = 0; i < 1'000; ++i) {
    Expression outer{.op = Operator::kNot};
    outer.parts.push_back(std::move(deep));
    deep = std::move(outer);
  }
  CHECK(code(std::move(deep)) == ErrorCode::kLimitExceeded);
}

TEST_CASE("Binding makes one form of equal lists") {
  CHECK(to_text(bound("size in (9, 5, 5.0, 5, 7)").expression()) == "size in (5, 7, 9)");
  CHECK(to_text(bound("made = '1970-01-01T02:00:00+02:00'").expression()) ==
        "made = timestamp '1970-01-01T00:00:00Z'");
}

}  // namespace bind_test
