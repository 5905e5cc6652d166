// Whether a text is JSON, for values on their way into a store.
#pragma once

#include <cstddef>
#include <string_view>

namespace anear {

inline constexpr std::size_t kJsonDepthMax = 64;

/// Whether `text` is exactly one JSON document (RFC 8259) in valid UTF-8, nested at most
/// kJsonDepthMax deep, with numbers that fit a float64. Takes time linear in the text and a
/// constant depth of stack.
bool is_valid_json(std::string_view text);

}  // namespace anear
