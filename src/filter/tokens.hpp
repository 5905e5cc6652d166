// The words of a filter's text.
//
// Threads: pure functions; tokens point into the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"

namespace anear::filter {

enum class TokenKind : std::uint8_t {
  kEnd,
  kWord,       ///< A keyword or a field's name.
  kName,       ///< "a field's name"
  kText,       ///< 'a string'
  kInteger,    ///< Digits with an optional sign.
  kFloat,      ///< With a point or an exponent.
  kParameter,  ///< $name
  kSymbol,     ///< = != <> < <= > >= ( ) ,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text{};   ///< As written, with its quotes.
  std::size_t position = 0;  ///< Its first byte.
};

/// The tokens of `text`, the last one being kEnd. kFilterInvalid for bytes that are none, and for
/// quotes that do not end.
Result<std::vector<Token>> split_tokens(std::string_view text);

/// What stands between the quotes of a kText or kName.
std::string unquoted(const Token& token);

/// Whether a kWord is `keyword` (lower case) in any case.
bool is_word(const Token& token, std::string_view keyword) noexcept;
/// Whether `word` is a keyword and so needs quotes as a name.
bool is_keyword(std::string_view word) noexcept;
/// Whether `name` can stand without quotes.
bool is_plain_name(std::string_view name) noexcept;

}  // namespace anear::filter
