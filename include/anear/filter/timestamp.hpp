// Timestamps as text, in the ISO 8601 form of RFC 3339. Always with a zone: a time without one
// means another moment on another machine.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "anear/core/error.hpp"
#include "anear/core/value.hpp"

namespace anear {

/// `2024-05-06T07:08:09.123456Z`, or with an offset (`+02:00`, `+0200`, `+02`); a space or `t` for
/// the `T`, and seconds and fraction may be left out. Fractions finer than microseconds are
/// refused, not rounded. kInvalidArgument, `position` being a byte of `text`.
Result<Timestamp> parse_timestamp(std::string_view text);

/// `2024-05-06T07:08:09Z`, with as many digits of a fraction as it needs. Outside of the years 0 to
/// 9999, which that form cannot write: the number of microseconds.
std::string to_text(Timestamp timestamp);

}  // namespace anear
