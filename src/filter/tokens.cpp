#include "filter/tokens.hpp"

#include <array>

#include "filter/messages.hpp"

namespace anear::filter {
namespace {

constexpr std::array<std::string_view, 11> kKeywords = {
    "and", "or", "not", "in", "is", "null", "missing", "exists", "between", "true", "false"};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool starts_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_parameter(char c) noexcept { return starts_name(c) || is_digit(c); }
bool continues_name(char c) noexcept { return continues_parameter(c) || c == '.' || c == '-'; }
bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool equal_in_any_case(std::string_view word, std::string_view keyword) noexcept;

/// Cuts one token at a time from the front.
class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}
  Result<Token> next();

 private:
  char at(std::size_t position) const noexcept {
    return position < text_.size() ? text_[position] : '\0';
  }
  Token take(TokenKind kind, std::size_t end);
  Result<Token> quoted(TokenKind kind);
  Result<Token> number();
  Result<Token> parameter();
  Result<Token> symbol();
  bool starts_number() const noexcept;
  std::size_t behind_digits(std::size_t position) const noexcept;
  Error error(std::string message) const;

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

Result<std::vector<Token>> split_tokens(std::string_view text) {
  Splitter splitter(text);
  std::vector<Token> tokens;
  do {
    Result<Token> token = splitter.next();
    if (!token) return std::move(token).error();
    tokens.push_back(*token);
  } while (tokens.back().kind != TokenKind::kEnd);
  return tokens;
}

std::string unquoted(const Token& token) {
  const char quote = token.text.front();
  std::string out;
  for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
    out.push_back(token.text[i]);
    if (token.text[i] == quote) ++i;  // A doubled quote stands for one.
  }
  return out;
}

bool is_word(const Token& token, std::string_view keyword) noexcept {
  return token.kind == TokenKind::kWord && equal_in_any_case(token.text, keyword);
}

bool is_keyword(std::string_view word) noexcept {
  for (const std::string_view keyword : kKeywords) {
    if (equal_in_any_case(word, keyword)) return true;
  }
  return false;
}

bool is_plain_name(std::string_view name) noexcept {
  if (name.empty() || !starts_name(name.front()) || is_keyword(name)) return false;
  for (const char c : name) {
    if (!continues_name(c)) return false;
  }
  return true;
}

namespace {

bool equal_in_any_case(std::string_view word, std::string_view keyword) noexcept {
  if (word.size() != keyword.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char lower = word[i] >= 'A' && word[i] <= 'Z' ? static_cast<char>(word[i] + 32) : word[i];
    if (lower != keyword[i]) return false;
  }
  return true;
}

Result<Token> Splitter::next() {
  while (position_ < text_.size() && is_space(text_[position_])) ++position_;
  if (position_ == text_.size()) return take(TokenKind::kEnd, position_);
  const char c = text_[position_];
  if (c == '\'') return quoted(TokenKind::kText);
  if (c == '"') return quoted(TokenKind::kName);
  if (c == '$') return parameter();
  if (starts_number()) return number();
  if (!starts_name(c)) return symbol();
  std::size_t end = position_;
  while (continues_name(at(end))) ++end;
  return take(TokenKind::kWord, end);
}

Token Splitter::take(TokenKind kind, std::size_t end) {
  const Token token{kind, text_.substr(position_, end - position_), position_};
  position_ = end;
  return token;
}

Result<Token> Splitter::quoted(TokenKind kind) {
  const char quote = text_[position_];
  for (std::size_t end = position_ + 1; end < text_.size(); ++end) {
    if (text_[end] != quote) continue;
    if (at(end + 1) == quote) {
      ++end;
    } else if (kind == TokenKind::kName && end == position_ + 1) {
      return error("a field's name is empty");
    } else {
      return take(kind, end + 1);
    }
  }
  return error(kind == TokenKind::kText
                   ? "the text that begins here has no closing '; a ' inside of it is written ''"
                   : "the name that begins here has no closing \"; text stands in single quotes");
}

bool Splitter::starts_number() const noexcept {
  std::size_t i = position_;
  if (at(i) == '+' || at(i) == '-') ++i;
  return is_digit(at(i)) || (at(i) == '.' && is_digit(at(i + 1)));
}

Result<Token> Splitter::number() {
  std::size_t end = position_;
  if (at(end) == '+' || at(end) == '-') ++end;
  end = behind_digits(end);
  TokenKind kind = TokenKind::kInteger;
  if (at(end) == '.') {
    kind = TokenKind::kFloat;
    end = behind_digits(end + 1);
  }
  if (at(end) == 'e' || at(end) == 'E') {
    const std::size_t digits = end + (at(end + 1) == '+' || at(end + 1) == '-' ? 2 : 1);
    if (!is_digit(at(digits))) return error("a number needs digits behind its exponent");
    kind = TokenKind::kFloat;
    end = behind_digits(digits);
  }
  if (continues_name(at(end))) {
    return error("a name cannot begin like a number: '" +
                 shown(text_.substr(position_, end + 1 - position_)) +
                 "'; put it in double quotes, or text in single quotes");
  }
  return take(kind, end);
}

std::size_t Splitter::behind_digits(std::size_t position) const noexcept {
  while (is_digit(at(position))) ++position;
  return position;
}

Result<Token> Splitter::parameter() {
  std::size_t end = position_ + 1;
  if (!starts_name(at(end))) return error("expected the name of a parameter behind '$'");
  while (continues_parameter(at(end))) ++end;
  return take(TokenKind::kParameter, end);
}

Result<Token> Splitter::symbol() {
  const char c = text_[position_];
  const char following = at(position_ + 1);
  if (c == '=' && following == '=') return error("equality is written with one '='");
  if (c == '&') return error("write `and` instead of '&'");
  if (c == '|') return error("write `or` instead of '|'");
  if (c == '!' && following != '=') return error("write `not` instead of '!'");
  const bool two =
      (following == '=' && (c == '!' || c == '<' || c == '>')) || (c == '<' && following == '>');
  if (two) return take(TokenKind::kSymbol, position_ + 2);
  if (std::string_view("=<>(),").find(c) != std::string_view::npos) {
    return take(TokenKind::kSymbol, position_ + 1);
  }
  return error("unexpected '" + shown(text_.substr(position_, 4)) +
               "'; names with characters beyond A-Z a-z 0-9 _ . - stand in double quotes");
}

Error Splitter::error(std::string message) const {
  return Error{ErrorCode::kFilterInvalid,
               "filter, byte " + std::to_string(position_) + ": " + std::move(message),
               Subcode::kFilterSyntax}
      .at_position(static_cast<std::int64_t>(position_));
}

}  // namespace
}  // namespace anear::filter
