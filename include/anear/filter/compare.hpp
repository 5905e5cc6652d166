// How values compare: exactly, by value, and only within one class.
//
// int64 and float64 are one class, numbers: 2^53 + 1 and 2^53 as float64 differ, 2 and 2.0 are
// equal, -0.0 is 0.0. Strings compare by unsigned bytes, which is the order of code points in
// UTF-8. false is less than true. Threads: pure functions.
#pragma once

#include <compare>
#include <cstdint>

#include "anear/core/value.hpp"

namespace anear {

/// What can be compared with each other. The numbers order values of different classes in
/// total_order().
enum class ValueClass : std::uint8_t {
  kNothing = 0,  ///< Missing and null.
  kBool = 1,
  kNumber = 2,
  kString = 3,
  kTimestamp = 4,
  kList = 5,
  kJson = 6,
};

ValueClass class_of(const Value& value) noexcept;
/// The class of a declared field's values. kNothing for kAny.
ValueClass class_of(FieldType type) noexcept;
/// The type of the values inside a list; kAny when `type` is no list.
FieldType type_inside(FieldType type) noexcept;

/// Exact: neither number is rounded. Unordered when `b` is NaN.
std::partial_ordering compare_numbers(std::int64_t a, double b) noexcept;

/// The order of two scalars; unordered for different classes, for NaN, and when either is missing,
/// null, a list or json: every comparison of a filter is false then.
std::partial_ordering compare_values(const Value& a, const Value& b) noexcept;

/// A total order of scalars that agrees with compare_values() where that says anything: by class,
/// then by value, NaN behind all other numbers. Values of the classes kNothing, kList and kJson are
/// equal among themselves.
std::weak_ordering total_order(const Value& a, const Value& b) noexcept;

}  // namespace anear
