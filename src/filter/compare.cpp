#include "anear/filter/compare.hpp"

#include <cmath>

namespace anear {
namespace {

constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;

/// NaN behind everything, otherwise by value.
std::weak_ordering total_order_of_numbers(const Value& a, const Value& b) noexcept;
std::partial_ordering compare_number_values(const Value& a, const Value& b) noexcept;
bool is_nan(const Value& value) noexcept;
std::partial_ordering reversed(std::partial_ordering order) noexcept;

}  // namespace

ValueClass class_of(const Value& value) noexcept { return class_of(type_of(value)); }

ValueClass class_of(FieldType type) noexcept {
  switch (type) {
    case FieldType::kAny:
      return ValueClass::kNothing;
    case FieldType::kBool:
      return ValueClass::kBool;
    case FieldType::kInt64:
    case FieldType::kFloat64:
      return ValueClass::kNumber;
    case FieldType::kString:
      return ValueClass::kString;
    case FieldType::kTimestamp:
      return ValueClass::kTimestamp;
    case FieldType::kJson:
      return ValueClass::kJson;
    default:
      return ValueClass::kList;
  }
}

FieldType type_inside(FieldType type) noexcept {
  switch (type) {
    case FieldType::kBoolList:
      return FieldType::kBool;
    case FieldType::kInt64List:
      return FieldType::kInt64;
    case FieldType::kFloat64List:
      return FieldType::kFloat64;
    case FieldType::kStringList:
      return FieldType::kString;
    case FieldType::kTimestampList:
      return FieldType::kTimestamp;
    default:
      return FieldType::kAny;
  }
}

std::partial_ordering compare_numbers(std::int64_t a, double b) noexcept {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= kTwoTo63) return std::partial_ordering::less;
  if (b < -kTwoTo63) return std::partial_ordering::greater;
  const double whole = std::trunc(b);
  const auto integer = static_cast<std::int64_t>(whole);
  if (a != integer) return a <=> integer;
  return whole <=> b;
}

std::partial_ordering compare_values(const Value& a, const Value& b) noexcept {
  const ValueClass shared = class_of(a);
  if (shared != class_of(b)) return std::partial_ordering::unordered;
  switch (shared) {
    case ValueClass::kBool:
      return *std::get_if<bool>(&a) <=> *std::get_if<bool>(&b);
    case ValueClass::kNumber:
      return compare_number_values(a, b);
    case ValueClass::kString:
      return *std::get_if<std::string>(&a) <=> *std::get_if<std::string>(&b);
    case ValueClass::kTimestamp:
      return *std::get_if<Timestamp>(&a) <=> *std::get_if<Timestamp>(&b);
    default:
      return std::partial_ordering::unordered;
  }
}

std::weak_ordering total_order(const Value& a, const Value& b) noexcept {
  const ValueClass of_a = class_of(a);
  const ValueClass of_b = class_of(b);
  if (of_a != of_b) return of_a <=> of_b;
  if (of_a == ValueClass::kNumber) return total_order_of_numbers(a, b);
  const std::partial_ordering order = compare_values(a, b);
  if (order < 0) return std::weak_ordering::less;
  if (order > 0) return std::weak_ordering::greater;
  return std::weak_ordering::equivalent;
}

namespace {

std::weak_ordering total_order_of_numbers(const Value& a, const Value& b) noexcept {
  if (is_nan(a) || is_nan(b)) return is_nan(a) <=> is_nan(b);
  const std::partial_ordering order = compare_number_values(a, b);
  if (order < 0) return std::weak_ordering::less;
  if (order > 0) return std::weak_ordering::greater;
  return std::weak_ordering::equivalent;
}

std::partial_ordering compare_number_values(const Value& a, const Value& b) noexcept {
  const auto* integer_a = std::get_if<std::int64_t>(&a);
  const auto* integer_b = std::get_if<std::int64_t>(&b);
  if (integer_a != nullptr && integer_b != nullptr) return *integer_a <=> *integer_b;
  if (integer_a != nullptr) return compare_numbers(*integer_a, *std::get_if<double>(&b));
  const double double_a = *std::get_if<double>(&a);
  if (integer_b != nullptr) return reversed(compare_numbers(*integer_b, double_a));
  return double_a <=> *std::get_if<double>(&b);
}

bool is_nan(const Value& value) noexcept {
  const auto* number = std::get_if<double>(&value);
  return number != nullptr && std::isnan(*number);
}

std::partial_ordering reversed(std::partial_ordering order) noexcept { return 0 <=> order; }

}  // namespace
}  // namespace anear
