// Random expressions, values and fields for properties. Few names and values, so that they meet.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "anear/filter/expression.hpp"

namespace anear::testing {

inline const std::vector<std::string>& field_names() {
  static const std::vector<std::string> kNames = {"a", "b", "c.d-e", "not", "Ä \"x\"'"};
  return kNames;
}

/// Strings that share 128 bytes, and what else is likely to be confused.
inline const std::vector<std::string>& some_strings() {
  const auto repeated = [](std::size_t times, char letter, std::string_view end = {}) {
    return std::string(times, letter).append(end);
  };
  static const std::vector<std::string> kStrings = {"",
                                                    "x",
                                                    "xy",
                                                    "it's",
                                                    "5",
                                                    std::string("x\0", 2),
                                                    std::string("x\0\xFF", 3),
                                                    "\xFF\xFF",
                                                    repeated(127, 'l'),
                                                    repeated(128, 'l'),
                                                    repeated(129, 'l'),
                                                    repeated(128, 'l', "a"),
                                                    repeated(128, 'l', "b"),
                                                    repeated(300, 'l'),
                                                    repeated(128, 'm', "a")};
  return kStrings;
}

inline const std::vector<std::int64_t>& some_integers() {
  static const std::vector<std::int64_t> kIntegers = {0,
                                                      1,
                                                      -1,
                                                      2,
                                                      5,
                                                      255,
                                                      256,
                                                      (std::int64_t{1} << 53) - 1,
                                                      std::int64_t{1} << 53,
                                                      (std::int64_t{1} << 53) + 1,
                                                      -(std::int64_t{1} << 53) - 1,
                                                      (std::int64_t{1} << 62) + 1,
                                                      std::numeric_limits<std::int64_t>::max(),
                                                      std::numeric_limits<std::int64_t>::max() - 1,
                                                      std::numeric_limits<std::int64_t>::min(),
                                                      std::numeric_limits<std::int64_t>::min() + 1};
  return kIntegers;
}

inline const std::vector<double>& some_reals() {
  static const std::vector<double> kReals = {0.0,
                                             -0.0,
                                             1.0,
                                             -1.0,
                                             0.5,
                                             -0.5,
                                             2.0,
                                             5e-324,
                                             9007199254740992.0,
                                             9007199254740994.0,
                                             -9007199254740992.0,
                                             9223372036854775808.0,
                                             -9223372036854775808.0,
                                             1.7976931348623157e308};
  return kReals;
}

inline const std::vector<std::int64_t>& some_moments() {
  static const std::vector<std::int64_t> kMoments = {0,
                                                     1,
                                                     -1,
                                                     5,
                                                     1'700'000'000'000'000,
                                                     std::numeric_limits<std::int64_t>::min(),
                                                     std::numeric_limits<std::int64_t>::max()};
  return kMoments;
}

template <typename T>
T any_of(const std::vector<T>& values) {
  return *rc::gen::elementOf(values);
}

inline int any_number(int below) { return *rc::gen::inRange(0, below); }

/// Bool, int64, float64 (finite), string or timestamp.
inline Value any_scalar() {
  switch (any_number(6)) {
    case 0:
      return any_number(2) == 1;
    case 1:
      return any_of(some_integers());
    case 2:
      return any_of(some_reals());
    case 3:
      return Timestamp{any_of(some_moments())};
    default:
      return any_of(some_strings());
  }
}

/// Of every type a field can have, with null, missing, infinities and NaN.
inline Value any_value() {
  const auto list = [](const auto& values) {
    std::decay_t<decltype(values)> out;
    for (int count = any_number(4); count > 0; --count) out.push_back(any_of(values));
    return out;
  };
  switch (any_number(16)) {
    case 0:
      return Null{};
    case 1:
      return Missing{};
    case 2:
      return Json{"{}"};
    case 3:
      return std::vector<bool>{any_number(2) == 1};
    case 4:
      return list(some_integers());
    case 5:
      return list(some_reals());
    case 6:
      return list(some_strings());
    case 7:
      return std::vector<Timestamp>{{any_of(some_moments())}, {any_of(some_moments())}};
    case 8:
      return any_of(std::vector<double>{std::numeric_limits<double>::quiet_NaN(),
                                        std::numeric_limits<double>::infinity(),
                                        -std::numeric_limits<double>::infinity()});
    default:
      return any_scalar();
  }
}

inline Value any_scalar_of(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return any_number(2) == 1;
    case FieldType::kInt64:
      return any_of(some_integers());
    case FieldType::kFloat64:
      return any_of(some_reals());
    case FieldType::kTimestamp:
      return Timestamp{any_of(some_moments())};
    default:
      return any_of(some_strings());
  }
}

inline Expression any_predicate() {
  const int kind = any_number(11);
  Expression predicate{.field = any_of(field_names())};
  predicate.op = static_cast<Operator>(static_cast<int>(Operator::kEqual) + kind);
  if (predicate.op == Operator::kIn) {
    for (int count = any_number(4); count > 0; --count) predicate.values.push_back(any_scalar());
  } else if (predicate.op == Operator::kBetween) {
    const Value low = any_scalar();
    predicate.values = {low, any_scalar_of(type_of(low))};
  } else if (predicate.op <= Operator::kHas) {
    predicate.values = {any_scalar()};
  }
  return predicate;
}

/// At most `depth` operators over predicates; fits every dynamic schema.
inline Expression any_expression(int depth) {
  const int kind = any_number(8);
  if (depth == 0 || kind < 3) return any_predicate();
  if (kind == 3) return {.op = any_number(2) == 0 ? Operator::kTrue : Operator::kFalse};
  Expression expression{.op = kind < 5    ? Operator::kNot
                              : kind == 5 ? Operator::kOr
                                          : Operator::kAnd};
  const int parts = expression.op == Operator::kNot ? 1 : 2 + any_number(2);
  for (int i = 0; i < parts; ++i) expression.parts.push_back(any_expression(depth - 1));
  return expression;
}

inline Fields any_fields() {
  Fields fields;
  for (const std::string& name : field_names()) {
    if (any_number(4) != 0) fields.emplace_back(name, any_value());
  }
  return fields;
}

}  // namespace anear::testing
