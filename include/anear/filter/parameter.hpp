// A bound parameter of a filter. It is a value from beginning to end: nothing ever reads its bytes
// as filter text, so that it cannot change the shape of an expression.
#pragma once

#include <string>

#include "anear/core/value.hpp"

namespace anear {

/// `$name` in a filter's text stands for `value`: a bool, number, string or timestamp; or a list of
/// these where the text says `in $name`. `name` is without the `$`.
struct Parameter {
  std::string name;
  Value value;
};

}  // namespace anear
