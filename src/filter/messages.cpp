#include "filter/messages.hpp"

#include <cstddef>
#include <cstdint>

#include "anear/filter/expression.hpp"

namespace anear::filter {
namespace {

constexpr std::size_t kShownBytes = 40;

/// How many bytes the character at the front takes; 0 when it is none that may be shown.
std::size_t character_bytes(std::string_view text) noexcept;
// The second byte tells overlong forms, surrogates and numbers past U+10FFFF from characters.
std::uint8_t least_second(std::uint8_t first) noexcept;
std::uint8_t most_second(std::uint8_t first) noexcept;

}  // namespace

std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (out.size() + (bytes == 0 ? 1 : bytes) > kShownBytes) return out + "...";
    out.append(bytes == 0 ? std::string_view("?") : text.substr(0, bytes));
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

std::string shown_value(const Value& value) {
  switch (type_of(value)) {
    case FieldType::kString:
      return "the string '" + shown(*std::get_if<std::string>(&value)) + "'";
    case FieldType::kBool:
    case FieldType::kInt64:
    case FieldType::kFloat64:
    case FieldType::kTimestamp: {
      const Expression equal{.op = Operator::kEqual, .field = "x", .values = {value}};
      const std::string text = to_text(equal).substr(4);  // Behind "x = ".
      return type_of(value) == FieldType::kTimestamp
                 ? text
                 : std::string("the ") + name_of(type_of(value)) + " " + text;
    }
    default:
      return value.index() <= 1 ? "nothing" : std::string("a ") + name_of(type_of(value));
  }
}

namespace {

std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [text](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return byte(1) >= least_second(first) && byte(1) <= most_second(first) ? bytes : 0;
}

std::uint8_t least_second(std::uint8_t first) noexcept {
  return first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
}

std::uint8_t most_second(std::uint8_t first) noexcept {
  return first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
}

}  // namespace
}  // namespace anear::filter
