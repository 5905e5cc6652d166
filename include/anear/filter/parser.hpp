// Filters as text, in the manner of SQL's WHERE.
//
//   filter     = [ or ]                                   empty: every record
//   or         = and { "or" and }
//   and        = not { "and" not }
//   not        = "not" not | "(" or ")" | predicate
//   predicate  = field ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value     and turned round
//              | field [ "not" ] "between" value "and" value
//              | field [ "not" ] "in" ( "(" [ value { "," value } ] ")" | $list )
//              | value [ "not" ] "in" field               the field is a list and holds the value
//              | field "is" [ "not" ] ( "null" | "missing" )
//              | field "exists" | "exists" "(" field ")"
//              | "true" | "false"
//   value      = 'text' ('' is a quote) | 12 | -1.5e3 | true | false | $name
//              | "timestamp" ( '2024-05-06T07:08:09Z' | microseconds )
//   field      = letter or _, then letters, digits, _ . -  | "any name" ("" is a quote)
//
// Keywords in any case. A field named like a keyword stands in double quotes.
#pragma once

#include <span>
#include <string_view>

#include "anear/core/error.hpp"
#include "anear/filter/expression.hpp"
#include "anear/filter/parameter.hpp"

namespace anear {

/// Reads `text`, putting the values of `parameters` where it names them; those it does not name are
/// ignored. kFilterInvalid with the byte position, what was expected there, and
///   kFilterSyntax: the text is no filter, or a number does not fit its type,
///   kFilterParameter: a parameter is not given, given twice, or not a value that can be compared;
/// kLimitExceeded: see expression.hpp.
Result<Expression> parse_filter(std::string_view text, std::span<const Parameter> parameters = {});

}  // namespace anear
