// Text to expressions: every form, every error with its place, and that nothing a parameter holds
// can change the shape of a filter.
#include "anear/filter/parser.hpp"

#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "filter/random_expressions.hpp"

namespace parser_test {

using namespace anear;

namespace {

Expression parsed(std::string_view text, const std::vector<Parameter>& parameters = {}) {
  auto filter = parse_filter(text, parameters);
  INFO(text);
  INFO((filter ? std::string() : filter.error().message));
  REQUIRE(filter);
  return *filter;
}

Error refused(std::string_view text, const std::vector<Parameter>& parameters = {}) {
  auto filter = parse_filter(text, parameters);
  INFO(text);
  REQUIRE_FALSE(filter);
  return filter.error();
}

Expression on(Operator op, std::string field, std::vector<Value> values = {}) {
  return {.op = op, .field = std::move(field), .values = std::move(values)};
}

Expression joined(Operator op, std::vector<Expression> parts) {
  return {.op = op, .parts = std::move(parts)};
}

Expression negated(Expression part) { return joined(Operator::kNot, {std::move(part)}); }

Value text(const char* value) { return std::string(value); }
Value integer(std::int64_t value) { return value; }

}  // namespace

TEST_CASE("An empty text is the filter that every record passes") {
  CHECK(parsed("") == Expression{});
  CHECK(parsed(" \t\r\n") == Expression{});
}

TEST_CASE("Each predicate reads as its operator") {
  CHECK(parsed("a = 'x'") == on(Operator::kEqual, "a", {text("x")}));
  CHECK(parsed("a<5") == on(Operator::kLess, "a", {integer(5)}));
  CHECK(parsed("a <= -5") == on(Operator::kLessEqual, "a", {integer(-5)}));
  CHECK(parsed("a > +5") == on(Operator::kGreater, "a", {integer(5)}));
  CHECK(parsed("a>=.5") == on(Operator::kGreaterEqual, "a", {0.5}));
  CHECK(parsed("a between 1 and 2e3") == on(Operator::kBetween, "a", {integer(1), 2000.0}));
  CHECK(parsed("a in ('x', 'y')") == on(Operator::kIn, "a", {text("x"), text("y")}));
  CHECK(parsed("a in ()") == on(Operator::kIn, "a"));
  CHECK(parsed("'x' in a") == on(Operator::kHas, "a", {text("x")}));
  CHECK(parsed("a is null") == on(Operator::kIsNull, "a"));
  CHECK(parsed("a is missing") == on(Operator::kIsMissing, "a"));
  CHECK(parsed("a exists") == on(Operator::kExists, "a"));
  CHECK(parsed("exists(a)") == on(Operator::kExists, "a"));
  CHECK(parsed("true").op == Operator::kTrue);
  CHECK(parsed("FALSE").op == Operator::kFalse);
  CHECK(parsed("a = true") == on(Operator::kEqual, "a", {true}));
}

TEST_CASE("Negative operators are the negation of the positive ones") {
  CHECK(parsed("a != 5") == negated(on(Operator::kEqual, "a", {integer(5)})));
  CHECK(parsed("a <> 5") == parsed("not (a = 5)"));
  CHECK(parsed("a not in (5)") == parsed("not a in (5)"));
  CHECK(parsed("5 not in a") == parsed("not (5 in a)"));
  CHECK(parsed("a not between 1 and 2") == parsed("not a between 1 and 2"));
  CHECK(parsed("a is not null") == parsed("not a is null"));
  CHECK(parsed("a is not missing") == parsed("not (a is missing)"));
}

TEST_CASE("A value may stand on the left") {
  CHECK(parsed("5 < a") == parsed("a > 5"));
  CHECK(parsed("5 <= a") == parsed("a >= 5"));
  CHECK(parsed("5 > a") == parsed("a < 5"));
  CHECK(parsed("5 >= a") == parsed("a <= 5"));
  CHECK(parsed("'x' = a") == parsed("a = 'x'"));
  CHECK(parsed("'x' != a") == parsed("a != 'x'"));
  CHECK(parsed("true = a") == parsed("a = true"));
  CHECK(parsed("true in a") == on(Operator::kHas, "a", {true}));
}

TEST_CASE("`not` binds tighter than `and`, `and` tighter than `or`") {
  const Expression a = on(Operator::kExists, "a");
  const Expression b = on(Operator::kExists, "b");
  const Expression c = on(Operator::kExists, "c");
  CHECK(parsed("a exists or b exists and not c exists") ==
        joined(Operator::kOr, {a, joined(Operator::kAnd, {b, negated(c)})}));
  CHECK(parsed("(a exists OR b exists) AND c exists") ==
        joined(Operator::kAnd, {joined(Operator::kOr, {a, b}), c}));
  CHECK(parsed("a exists and b exists and c exists") == joined(Operator::kAnd, {a, b, c}));
}

TEST_CASE("Names, texts and timestamps keep every byte") {
  CHECK(parsed("meta.user-name_2 = 'it''s'") ==
        on(Operator::kEqual, "meta.user-name_2", {text("it's")}));
  CHECK(parsed("\"a \"\"b\"\" c\" = ''") == on(Operator::kEqual, "a \"b\" c", {text("")}));
  CHECK(parsed("\"not\" exists") == on(Operator::kExists, "not"));
  CHECK(parsed("timestamp = 5") == on(Operator::kEqual, "timestamp", {integer(5)}));
  CHECK(parsed("a < timestamp '1970-01-01T00:00:01Z'") ==
        on(Operator::kLess, "a", {Timestamp{1'000'000}}));
  CHECK(parsed("timestamp -5 = a") == on(Operator::kEqual, "a", {Timestamp{-5}}));
  CHECK(parsed(std::string_view("a = 'x\0y'", 9)) ==
        on(Operator::kEqual, "a", {std::string("x\0y", 3)}));
}

TEST_CASE("Integers are 64 bits or an error") {
  CHECK(parsed("a = 9223372036854775807") ==
        on(Operator::kEqual, "a", {std::numeric_limits<std::int64_t>::max()}));
  CHECK(parsed("a = -9223372036854775808") ==
        on(Operator::kEqual, "a", {std::numeric_limits<std::int64_t>::min()}));
  const Error error = refused("a = 9223372036854775808");
  CHECK(error.subcode == Subcode::kFilterSyntax);
  CHECK(error.position == 4);
  CHECK(refused("a = 1e999").position == 4);
  CHECK(parsed("a = 9223372036854775808.0") ==
        on(Operator::kEqual, "a", {9'223'372'036'854'775'808.0}));
  CHECK(parsed("a = 12.") == on(Operator::kEqual, "a", {12.0}));
}

TEST_CASE("Parameters become values") {
  const std::vector<Parameter> parameters = {
      {"s", std::string("python")},
      {"n", std::int64_t{5}},
      {"names", std::vector<std::string>{"x", "y"}},
      {"flags", std::vector<bool>{true, false}},
      {"moment", Timestamp{7}},
      {"mixed", std::vector<Value>{std::int64_t{3}, text("x"), 0.5, true, Timestamp{7}}},
      {"empty", std::vector<Value>{}},
  };
  CHECK(parsed("a = $s", parameters) == parsed("a = 'python'"));
  CHECK(parsed("$s in a", parameters) == parsed("'python' in a"));
  CHECK(parsed("a between $n and 9", parameters) == parsed("a between 5 and 9"));
  CHECK(parsed("a in $names", parameters) == parsed("a in ('x', 'y')"));
  CHECK(parsed("a not in $flags", parameters) == parsed("a not in (true, false)"));
  CHECK(parsed("a in ($s, $n)", parameters) == parsed("a in ('python', 5)"));
  CHECK(parsed("a > $moment", parameters) == parsed("a > timestamp 7"));
  CHECK(parsed("a in $mixed", parameters) == parsed("a in (3, 'x', 0.5, true, timestamp 7)"));
  CHECK(parsed("a not in $empty", parameters) == parsed("a not in ()"));
}

TEST_CASE("Wrong parameters are named") {
  const std::vector<Parameter> parameters = {
      {"one", std::int64_t{5}},
      {"none", Null{}},
      {"names", std::vector<std::string>{"x"}},
      {"nan", std::numeric_limits<double>::quiet_NaN()},
      {"infinities", std::vector<double>{std::numeric_limits<double>::infinity()}},
      {"json", Json{"{}"}},
      {"with_null", std::vector<Value>{std::int64_t{5}, Null{}}},
      {"lists", std::vector<Value>{std::vector<bool>{true}}},
  };
  for (const char* wrong : {"a = $absent", "a = $none", "a = $names", "a = $nan", "a = $json",
                            "a in $one", "a in $infinities", "a in ($names)", "a in $with_null",
                            "a in $lists", "a = $with_null", "a in $json"}) {
    const Error error = refused(wrong, parameters);
    INFO(wrong << ": " << error.message);
    CHECK(error.code == ErrorCode::kFilterInvalid);
    CHECK(error.subcode == Subcode::kFilterParameter);
    CHECK(error.position == static_cast<std::int64_t>(std::string_view(wrong).find('$')));
  }
  for (const auto& [text, position] :
       {std::pair{"a = 1", -1}, std::pair{"a = '$p' and b = $pp and c = $p", 29}}) {
    const Error error = refused(text, {{"p", true}, {"p", true}, {"pp", true}});
    CHECK(error.subcode == Subcode::kFilterParameter);
    CHECK(error.message.find("$p was given twice") != std::string::npos);
    CHECK(error.position == position);
  }
  const auto says = [&](const char* wrong, const char* words) {
    return refused(wrong, parameters).message.find(words) != std::string::npos;
  };
  CHECK(says("a in $with_null", "entry 1 of $with_null is null"));
  // Advice is only given where it helps.
  CHECK(says("a in $one", "in ($one)"));
  CHECK_FALSE(says("a in $json", "in ($json)"));
}

TEST_CASE("Syntax errors say where and what was expected") {
  struct Case {
    const char* text;
    std::int64_t position;
    const char* says;
  };
  const Case cases[] = {
      {"a", 1, "operator behind the field"},
      {"a = ", 4, "value"},
      {"a == 5", 2, "one '='"},
      {"a = \"x\"", 4, "single quotes"},
      {"a = x", 4, "single quotes"},
      {"a = null", 4, "is null"},
      {"a = 'x", 4, "closing"},
      {"\"a = 5", 0, "closing"},
      {"\"\" = 5", 0, "empty"},
      {"a in 5", 5, "'('"},
      {"a in (5", 7, "')'"},
      {"a in (5,", 8, "value"},
      {"a is 5", 5, "null"},
      {"a between 1 or 2", 12, "and"},
      {"a not = 5", 6, "`in`"},
      {"(a = 5", 6, "')'"},
      {"a = 5)", 5, "end of the filter"},
      {"a = 5 b = 6", 6, "`and`"},
      {"a = 5 and", 9, "field"},
      {"a = 5 && b = 6", 6, "`and`"},
      {"a = 5 || b = 6", 6, "`or`"},
      {"!a exists", 0, "`not`"},
      {"a = 5;", 5, "unexpected"},
      {"5 + a", 2, "unexpected"},
      {"5 = in", 4, "double quotes"},
      {"5abc = 5", 0, "begin like a number"},
      {"a = 5e", 4, "exponent"},
      {"a = $", 4, "parameter"},
      {"exists a", 7, "'('"},
      {"a = timestamp '2024-01-01T00:00:00'", 14, "zone"},
      {"a = \xFF", 4, "value"},
  };
  for (const Case& one : cases) {
    const Error error = refused(one.text);
    INFO(one.text << ": " << error.message);
    CHECK(error.code == ErrorCode::kFilterInvalid);
    CHECK(error.subcode == Subcode::kFilterSyntax);
    if (one.text != std::string_view("a = \xFF")) {
      CHECK(error.message.find(one.says) != std::string::npos);
    }
    CHECK(error.position == one.position);
  }
}

TEST_CASE("Messages quote what was written as valid text") {
  CHECK(refused("a = 5 \"\xC3\xA4\xE2\x82\xAC\"").message.find("\xC3\xA4\xE2\x82\xAC") !=
        std::string::npos);
  for (const char* wrong : {"\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                            "\xF4\x90\x80\x80", "\x80", "\x01", "\x7F", "\n"}) {
    const std::string message = refused("a = 5 \"" + std::string(wrong) + "\"").message;
    for (const char c : message) CHECK((c >= 0x20 && c < 0x7F));
  }
  CHECK(refused("a = 5 " + std::string(60'000, 'x')).message.size() < 200);
}

TEST_CASE("Nesting ends at its limit with an error") {
  const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
    std::string filter;
    for (std::size_t i = 0; i < depth; ++i) filter += open;
    filter += "a = 5";
    for (std::size_t i = 0; i < depth; ++i) filter += close;
    return filter;
  };
  CHECK(parsed(nested(kFilterDepthMax, "(", ")")) == parsed("a = 5"));
  CHECK(refused(nested(kFilterDepthMax + 1, "(", ")")).position == kFilterDepthMax);
  parsed(nested(kFilterDepthMax, "not ", ""));
  CHECK(refused(nested(kFilterDepthMax + 1, "not ", "")).code == ErrorCode::kLimitExceeded);
  CHECK(refused(nested(60'000, "(", "")).code == ErrorCode::kLimitExceeded);
  CHECK(refused(nested(16'000, "not ", "")).code == ErrorCode::kLimitExceeded);
}

TEST_CASE("Text and lists end at their limits with an error") {
  const std::string most = "a = '" + std::string(kFilterTextMax - 6, 'x') + "'";
  CHECK(most.size() == kFilterTextMax);
  parsed(most);
  CHECK(refused(most + " ").code == ErrorCode::kLimitExceeded);
  const std::vector<std::int64_t> values(kFilterInListMax);
  CHECK(parsed("a in $l", {{"l", values}}).values.size() == kFilterInListMax);
  const std::vector<std::int64_t> more(kFilterInListMax + 1);
  const Error error = refused("a in $l", {{"l", more}});
  CHECK(error.code == ErrorCode::kLimitExceeded);
  CHECK(error.position == 5);
}

TEST_CASE("An expression reads back from its text") {
  CHECK(to_text(parsed("not (a = 5 or b exists) AND c != 'it''s'")) ==
        "not (a = 5 or b exists) and c != 'it''s'");
  CHECK(to_text(parsed("a = 2.0")) == "a = 2.0");
  CHECK(rc::check("parse(to_text(e)) is e", [] {
    const Expression expression = testing::any_expression(3);
    const std::string written = to_text(expression);
    RC_LOG(written);
    const auto back = parse_filter(written);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == expression);
    RC_ASSERT(to_text(*back) == written);
  }));
}

TEST_CASE("A parameter never changes the shape of a filter") {
  const std::vector<Parameter> harmless = {{"p", std::string("x")}};
  const std::string filter = "a = $p and b != $p or $p in c";
  const Expression shape = parsed(filter, harmless);
  const auto with = [&shape](const std::string& value) {
    Expression expression = shape;
    Expression& both = expression.parts[0];
    both.parts[0].values[0] = value;
    both.parts[1].parts[0].values[0] = value;
    expression.parts[1].values[0] = value;
    return expression;
  };
  for (const char* hostile : {"' or 'a' = 'a", "x') or (true", "$p", "\" or true or \"", "--",
                              "x' and exists(a) or '", "\n;drop", "\xFF\xFE", "''"}) {
    CHECK(parsed(filter, {{"p", std::string(hostile)}}) == with(hostile));
  }
  CHECK(rc::check("any bytes", [&](const std::string& value) {
    const std::vector<Parameter> parameters = {{"p", value}};
    const auto result = parse_filter(filter, parameters);
    RC_ASSERT(result.has_value());
    RC_ASSERT(*result == with(value));
    // Written as a literal it is the same text again.
    const auto back = parse_filter(to_text(*result));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == *result);
  }));
}

TEST_CASE("Any bytes parse or fail inside of the text") {
  const auto check = [](const std::string& text) {
    const auto filter = parse_filter(text);
    if (filter) return;
    RC_ASSERT(filter.error().position >= 0);
    RC_ASSERT(filter.error().position <= static_cast<std::int64_t>(text.size()));
    RC_ASSERT(!filter.error().message.empty());
  };
  CHECK(rc::check("random bytes", [&check](const std::string& text) { check(text); }));
  CHECK(rc::check("random words", [&check] {
    const auto words = *rc::gen::container<std::vector<std::string>>(
        rc::gen::elementOf(std::vector<std::string>{"a",         "b.c",
                                                    "'x'",       "5",
                                                    "-1.5",      "(",
                                                    ")",         ",",
                                                    "=",         "!=",
                                                    "<",         ">=",
                                                    "and",       "or",
                                                    "not",       "in",
                                                    "is",        "between",
                                                    "null",      "missing",
                                                    "exists",    "true",
                                                    "$p",        "\"q\"",
                                                    "timestamp", "'2024-01-01T00:00:00Z'"}));
    std::string text;
    for (const std::string& word : words) text += word + " ";
    check(text);
  }));
}

}  // namespace parser_test
