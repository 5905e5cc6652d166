#include <algorithm>
#include <compare>

#include "anear/filter/compare.hpp"
#include "anear/filter/expression.hpp"

namespace anear {
namespace {

bool predicate_holds(const Expression& predicate, const Value& value);
bool list_has(const Value& list, const Value& wanted);
/// Whether sorted `values` have one that is equal to `value`.
bool has_equal(const std::vector<Value>& values, const Value& value);
const Value& value_of(const Fields& fields, const std::string& name) noexcept;

}  // namespace

bool matches(const BoundFilter& filter, const Fields& fields) {
  return matches(filter.expression(), fields);
}

bool matches(const Expression& bound, const Fields& fields) {
  const auto part_matches = [&fields](const Expression& part) { return matches(part, fields); };
  switch (bound.op) {
    case Operator::kTrue:
      return true;
    case Operator::kFalse:
      return false;
    case Operator::kAnd:
      return std::all_of(bound.parts.begin(), bound.parts.end(), part_matches);
    case Operator::kOr:
      return std::any_of(bound.parts.begin(), bound.parts.end(), part_matches);
    case Operator::kNot:
      return !part_matches(bound.parts.front());
    default:
      return predicate_holds(bound, value_of(fields, bound.field));
  }
}

namespace {

bool predicate_holds(const Expression& predicate, const Value& value) {
  const auto order = [&](std::size_t i) { return compare_values(value, predicate.values[i]); };
  switch (predicate.op) {
    case Operator::kEqual:
      return order(0) == 0;
    case Operator::kLess:
      return order(0) < 0;
    case Operator::kLessEqual:
      return order(0) <= 0;
    case Operator::kGreater:
      return order(0) > 0;
    case Operator::kGreaterEqual:
      return order(0) >= 0;
    case Operator::kBetween:
      return order(0) >= 0 && order(1) <= 0;
    case Operator::kIn:
      return has_equal(predicate.values, value);
    case Operator::kHas:
      return list_has(value, predicate.values.front());
    case Operator::kIsNull:
      return std::holds_alternative<Null>(value);
    case Operator::kIsMissing:
      return std::holds_alternative<Missing>(value);
    case Operator::kExists:
      return !std::holds_alternative<Null>(value) && !std::holds_alternative<Missing>(value);
    default:
      return false;
  }
}

bool list_has(const Value& list, const Value& wanted) {
  const auto any = [&wanted](const auto& values) {
    return std::any_of(values.begin(), values.end(),
                       [&wanted](const auto& one) { return compare_values(one, wanted) == 0; });
  };
  switch (type_of(list)) {
    case FieldType::kBoolList: {
      const auto& flags = *std::get_if<std::vector<bool>>(&list);
      const auto* flag = std::get_if<bool>(&wanted);
      return flag != nullptr && std::find(flags.begin(), flags.end(), *flag) != flags.end();
    }
    case FieldType::kInt64List:
      return any(*std::get_if<std::vector<std::int64_t>>(&list));
    case FieldType::kFloat64List:
      return any(*std::get_if<std::vector<double>>(&list));
    case FieldType::kStringList:
      return any(*std::get_if<std::vector<std::string>>(&list));
    case FieldType::kTimestampList:
      return any(*std::get_if<std::vector<Timestamp>>(&list));
    default:
      return false;
  }
}

bool has_equal(const std::vector<Value>& values, const Value& value) {
  const auto at =
      std::lower_bound(values.begin(), values.end(), value,
                       [](const Value& a, const Value& b) { return total_order(a, b) < 0; });
  return at != values.end() && compare_values(*at, value) == 0;
}

const Value& value_of(const Fields& fields, const std::string& name) noexcept {
  static const Value missing = Missing{};
  for (const Field& field : fields) {
    if (field.first == name) return field.second;
  }
  return missing;
}

}  // namespace
}  // namespace anear
