// Pieces of error messages that quote what a user wrote.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "anear/core/value.hpp"

namespace anear::filter {

/// The beginning of `text`, fit for a message: at most 40 bytes, valid UTF-8, without control
/// characters.
std::string shown(std::string_view text);

/// A value with the name of its type: "the string 'vim'".
std::string shown_value(const Value& value);

}  // namespace anear::filter
