// Filter text: read, written, read again, fitted to schemas, evaluated. Also the two other texts
// that come in with records and filters: timestamps and JSON.
#include <limits>

#include "anear/filter/expression.hpp"
#include "anear/filter/json.hpp"
#include "anear/filter/parser.hpp"
#include "anear/filter/timestamp.hpp"
#include "target.hpp"

namespace anear::fuzz {
namespace filter_target {
namespace {

const std::vector<Parameter>& parameters() {
  static const std::vector<Parameter> kParameters = {
      {"b", Value(true)},
      {"n", Value(std::int64_t{-7})},
      {"r", Value(2.5)},
      {"s", Value(std::string("it's\n\"quoted\""))},
      {"t", Value(Timestamp{1'700'000'000'000'001})},
      {"many", std::vector<Value>{std::int64_t{1}, 2.0, std::string("x"), true}},
      {"words", Value(std::vector<std::string>{"cli", ""})},
      {"none", std::vector<Value>{}}};
  return kParameters;
}

const FieldTypes kDeclared = {.declared = {{"section", FieldType::kString},
                                           {"size", FieldType::kInt64},
                                           {"ratio", FieldType::kFloat64},
                                           {"flag", FieldType::kBool},
                                           {"at", FieldType::kTimestamp},
                                           {"tags", FieldType::kStringList},
                                           {"sizes", FieldType::kInt64List},
                                           {"times", FieldType::kTimestampList},
                                           {"extra", FieldType::kJson}}};
const FieldTypes kDynamic = {.declared = {{"size", FieldType::kInt64}}, .dynamic = true};

const std::vector<Fields>& records() {
  static const std::vector<Fields> kRecords = {
      {},
      {{"section", "admin"},
       {"size", std::int64_t{7}},
       {"ratio", 2.5},
       {"flag", true},
       {"at", Timestamp{1'700'000'000'000'000}},
       {"tags", std::vector<std::string>{"cli", "x"}},
       {"sizes", std::vector<std::int64_t>{1, std::numeric_limits<std::int64_t>::max()}},
       {"times", std::vector<Timestamp>{Timestamp{0}}},
       {"extra", Json{"{}"}}},
      {{"section", Null{}},
       {"size", Null{}},
       {"ratio", std::numeric_limits<double>::quiet_NaN()},
       {"tags", std::vector<std::string>{}}},
      {{"ratio", -std::numeric_limits<double>::infinity()},
       {"size", std::numeric_limits<std::int64_t>::min()}}};
  return kRecords;
}

/// Every record passes a filter or its negation, never both.
void evaluate(const Expression& expression, const FieldTypes& types) {
  const auto bound = bind(expression, types);
  Expression negation{.op = Operator::kNot};
  negation.parts.push_back(expression);
  const auto opposite = bind(negation, types);
  if (!opposite && opposite.error().code == ErrorCode::kLimitExceeded) return;
  require(bound.has_value() == opposite.has_value(), "a filter fits a schema as its negation does");
  if (!bound) {
    require(!bound.error().message.empty(), "a refusal says why");
    return;
  }
  for (const Fields& fields : records())
    require(matches(*bound, fields) != matches(*opposite, fields), "not p is the rest of p");
}

void read_filter(std::string_view text) {
  const auto expression = parse_filter(text, parameters());
  if (!expression) {
    const Error& error = expression.error();
    require(error.code == ErrorCode::kFilterInvalid || error.code == ErrorCode::kLimitExceeded,
            "text that is no filter is refused as such");
    require(error.position <= static_cast<std::int64_t>(text.size()),
            "the position of a mistake is in the text");
    return;
  }
  const auto again = parse_filter(to_text(*expression));
  if (again) {
    require(*again == *expression, "a filter that was written reads as it was");
  } else {
    require(again.error().code == ErrorCode::kLimitExceeded,
            "a filter that was written can be read");
  }
  evaluate(*expression, kDeclared);
  evaluate(*expression, kDynamic);
}

void run(std::string_view bytes) {
  const Exact exact(bytes);
  const std::string_view text = exact.view();
  read_filter(text);
  (void)is_valid_json(text);
  const auto moment = parse_timestamp(text);
  if (!moment) return;
  const auto again = parse_timestamp(to_text(*moment));
  require(again && *again == *moment, "a timestamp that was written reads as it was");
}

std::vector<std::string> seeds() {
  return {"section = $s and size < 100 and 'cli' in tags",
          "not (size between -5 and 7.5 or ratio >= 1e3) and flag = true",
          "section in ('admin', 'it''s') or size not in $many",
          "at > timestamp '2024-05-06T07:08:09.123456Z' and at <= $t",
          "exists(extra) or tags is not missing or \"strange name\" is null",
          "3 in sizes and timestamp 0 in times and $b = flag",
          "section in $words and size in $none",
          "true and not false",
          "size = 9223372036854775807 or size <> -9223372036854775808",
          "2024-05-06T07:08:09.123456+02:00",
          R"({"a":[1,2.5e-3,null,true,"\u00e9"],"b":{}})"};
}

}  // namespace
}  // namespace filter_target

extern const Target kFilterTarget;
const Target kFilterTarget = {"filter", filter_target::run, filter_target::seeds, 10'000};

}  // namespace anear::fuzz
