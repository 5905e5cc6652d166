#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/filter/compare.hpp"
#include "anear/filter/expression.hpp"
#include "anear/filter/timestamp.hpp"
#include "filter/messages.hpp"

namespace anear {
namespace {

using filter::shown;
using filter::shown_value;

// A parsed filter has at most an `and` and an `or` for each level of nesting; this stops trees that
// were made by hand before they exhaust the stack.
constexpr std::size_t kTreeDepthMax = 4 * kFilterDepthMax;

// No field has a longer name.
constexpr std::size_t kNameBytesMax = 128;

Status bind_tree(Expression& expression, const FieldTypes& types, std::size_t depth);
Status bind_predicate(Expression& predicate, const FieldTypes& types);
/// Whether operator, values and parts fit together, which parse_filter() guarantees.
Status check_shape(const Expression& expression);
bool parts_fit(const Expression& expression) noexcept;
bool values_fit(const Expression& expression) noexcept;
Result<FieldType> type_of_field(const Expression& predicate, const FieldTypes& types);
/// Whether a field of this type has the operator at all.
Status check_operator(const Expression& predicate, FieldType type);
Status bind_value(Value& value, const Expression& predicate, FieldType compared);
Error incomparable(const Value& value, const Expression& predicate, FieldType compared);
void sort_distinct(std::vector<Value>& values);
std::string nearest_name(std::string_view name, const FieldTypes& types);
std::size_t edit_distance(std::string_view a, std::string_view b);
Error refused(std::int64_t position, std::string message, Subcode subcode);

}  // namespace

Result<BoundFilter> bind(Expression expression, const FieldTypes& types) {
  if (Status status = bind_tree(expression, types, 1); !status) return std::move(status).error();
  return BoundFilter(std::move(expression));
}

namespace {

Status bind_tree(Expression& expression, const FieldTypes& types, std::size_t depth) {
  if (depth > kTreeDepthMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "the filter is nested deeper than " + std::to_string(kTreeDepthMax)}
        .at_position(expression.position);
  }
  if (Status shape = check_shape(expression); !shape) return shape;
  if (expression.op >= Operator::kEqual) return bind_predicate(expression, types);
  for (Expression& part : expression.parts) {
    if (Status status = bind_tree(part, types, depth + 1); !status) return status;
  }
  return {};
}

Status bind_predicate(Expression& predicate, const FieldTypes& types) {
  const auto type = type_of_field(predicate, types);
  if (!type) return type.error();
  if (Status status = check_operator(predicate, *type); !status) return status;
  const FieldType compared = predicate.op == Operator::kHas ? type_inside(*type) : *type;
  for (Value& value : predicate.values) {
    if (Status status = bind_value(value, predicate, compared); !status) return status;
  }
  if (predicate.op == Operator::kBetween &&
      class_of(predicate.values[0]) != class_of(predicate.values[1])) {
    return refused(predicate.value_position,
                   "`between` needs two values of one type, not " +
                       shown_value(predicate.values[0]) + " and " +
                       shown_value(predicate.values[1]),
                   Subcode::kFilterType);
  }
  if (predicate.op == Operator::kIn) sort_distinct(predicate.values);
  return {};
}

Status check_shape(const Expression& expression) {
  if (parts_fit(expression) && values_fit(expression)) {
    if (expression.values.size() <= kFilterInListMax) return {};
    return Error{ErrorCode::kLimitExceeded,
                 "a list of " + std::to_string(expression.values.size()) +
                     " values behind `in`; at most " + std::to_string(kFilterInListMax)}
        .at_position(expression.value_position);
  }
  return refused(expression.position,
                 "the expression has the wrong number of parts or values, or values that cannot be "
                 "compared",
                 Subcode::kFilterSyntax);
}

bool parts_fit(const Expression& expression) noexcept {
  switch (expression.op) {
    case Operator::kAnd:
    case Operator::kOr:
      return expression.parts.size() >= 2;
    case Operator::kNot:
      return expression.parts.size() == 1;
    default:
      return expression.parts.empty();
  }
}

bool values_fit(const Expression& expression) noexcept {
  for (const Value& value : expression.values) {
    const ValueClass of = class_of(value);
    if (of < ValueClass::kBool || of > ValueClass::kTimestamp) return false;
    const auto* real = std::get_if<double>(&value);
    if (real != nullptr && !std::isfinite(*real)) return false;
  }
  switch (expression.op) {
    case Operator::kIn:
      return true;
    case Operator::kBetween:
      return expression.values.size() == 2;
    case Operator::kEqual:
    case Operator::kLess:
    case Operator::kLessEqual:
    case Operator::kGreater:
    case Operator::kGreaterEqual:
    case Operator::kHas:
      return expression.values.size() == 1;
    default:
      return expression.values.empty();
  }
}

Result<FieldType> type_of_field(const Expression& predicate, const FieldTypes& types) {
  for (const auto& [name, type] : types.declared) {
    if (name == predicate.field) return type;
  }
  if (types.dynamic && predicate.field.size() <= kNameBytesMax) return FieldType::kAny;
  const std::string nearest = nearest_name(predicate.field, types);
  return refused(predicate.position,
                 "unknown field '" + shown(predicate.field) + "'" +
                     (nearest.empty() ? std::string(types.declared.empty()
                                                        ? "; the collection declares no fields"
                                                        : "; the schema does not declare it")
                                      : "; did you mean '" + nearest + "'?"),
                 Subcode::kUnknownField);
}

Status check_operator(const Expression& predicate, FieldType type) {
  const bool asks_state = predicate.op == Operator::kIsNull ||
                          predicate.op == Operator::kIsMissing || predicate.op == Operator::kExists;
  if (asks_state || type == FieldType::kAny) return {};
  const std::string field = "the field '" + shown(predicate.field) + "'";
  if (type == FieldType::kJson) {
    return refused(predicate.position,
                   field + " is json: only `is null`, `is missing` and `exists` can be asked of it",
                   Subcode::kFilterType);
  }
  const bool is_list = class_of(type) == ValueClass::kList;
  if (is_list && predicate.op != Operator::kHas) {
    return refused(predicate.position,
                   field + " is a " + name_of(type) + ": write value in " + predicate.field +
                       " to ask for one of its values",
                   Subcode::kFilterType);
  }
  if (!is_list && predicate.op == Operator::kHas) {
    return refused(predicate.position,
                   field + " is of type " + name_of(type) + " and no list: write " +
                       predicate.field + " = value",
                   Subcode::kFilterType);
  }
  return {};
}

Status bind_value(Value& value, const Expression& predicate, FieldType compared) {
  if (compared == FieldType::kAny) return {};
  const auto* text = std::get_if<std::string>(&value);
  if (compared == FieldType::kTimestamp && text != nullptr) {
    const auto moment = parse_timestamp(*text);
    if (!moment) {
      return refused(predicate.value_position,
                     "the field '" + shown(predicate.field) + "' is a timestamp and '" +
                         shown(*text) + "' is none: " + moment.error().message,
                     Subcode::kFilterType);
    }
    value = *moment;
  }
  if (class_of(value) == class_of(compared)) return {};
  return incomparable(value, predicate, compared);
}

Error incomparable(const Value& value, const Expression& predicate, FieldType compared) {
  std::string hint;
  if (compared == FieldType::kTimestamp) {
    hint = "; write '2024-05-06T07:08:09Z', or `timestamp` and microseconds since 1970";
  } else if (compared == FieldType::kString) {
    hint = "; text stands in single quotes";
  } else if (class_of(value) == ValueClass::kString) {
    hint = std::string("; write the ") + name_of(compared) + " without quotes";
  }
  return refused(predicate.value_position,
                 "the field '" + shown(predicate.field) + "' holds " + name_of(compared) +
                     " and cannot be compared with " + shown_value(value) + hint,
                 Subcode::kFilterType);
}

void sort_distinct(std::vector<Value>& values) {
  // Equal numbers of both kinds are one value; of these the one written first stays.
  std::stable_sort(values.begin(), values.end(),
                   [](const Value& a, const Value& b) { return total_order(a, b) < 0; });
  values.erase(std::unique(values.begin(), values.end(),
                           [](const Value& a, const Value& b) { return total_order(a, b) == 0; }),
               values.end());
}

std::string nearest_name(std::string_view name, const FieldTypes& types) {
  if (name.size() > kNameBytesMax) return {};
  std::string nearest;
  std::size_t least = 1 + name.size() / 3;  // More different ones are no misspellings.
  for (const auto& [declared, type] : types.declared) {
    if (declared.size() > kNameBytesMax) continue;
    const std::size_t distance = edit_distance(name, declared);
    if (distance > least || (distance == least && !nearest.empty())) continue;
    least = distance;
    nearest = declared;
  }
  return nearest;
}

/// Levenshtein's: bytes to insert, remove or replace.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

Error refused(std::int64_t position, std::string message, Subcode subcode) {
  const std::string place = position < 0 ? "" : ", byte " + std::to_string(position);
  return Error{ErrorCode::kFilterInvalid, "filter" + place + ": " + std::move(message), subcode}
      .at_position(position);
}

}  // namespace
}  // namespace anear
