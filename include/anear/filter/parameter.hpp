// A bound parameter of a filter. It is a value from beginning to end: nothing ever reads its bytes
// as filter text, so that it cannot change the shape of an expression.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "anear/core/value.hpp"

namespace anear {

/// `$name` in a filter's text stands for `value`: a bool, number, string or timestamp; or, where
/// the text says `in $name`, a list of these. A Value that is a list has entries of one type, a
/// vector of Values entries of any: `in $name` is what `in (…)` with the same values is. `name` is
/// without the `$`.
struct Parameter {
  std::string name;
  std::variant<Value, std::vector<Value>> value;
};

}  // namespace anear
