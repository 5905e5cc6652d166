#include "anear/filter/parser.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "anear/filter/compare.hpp"
#include "anear/filter/timestamp.hpp"
#include "filter/messages.hpp"
#include "filter/tokens.hpp"

namespace anear {
namespace {

using filter::is_word;
using filter::shown;
using filter::shown_value;
using filter::Token;
using filter::TokenKind;

constexpr const char* kComparison = "a comparison (= != < <= > >=), `in` or `not in`";
constexpr const char* kIsList = "is a list; a list stands behind `in` without parentheses";

Error error_at(std::size_t position, std::string message, Subcode subcode);
Status check_names(std::span<const Token> tokens, std::span<const Parameter> parameters);
/// The operator that `symbol` stands for; kTrue when it is no comparison. `!=` is kNot.
Operator comparison_of(std::string_view symbol) noexcept;
/// The same comparison with its sides exchanged.
Operator turned(Operator op) noexcept;
Expression negated(Expression expression);
bool is_name(const Token& token) noexcept;
/// Why `value` cannot stand behind an operator; null when it can.
const char* why_not_scalar(const Value& value) noexcept;
/// The values of a list, each on its own.
std::vector<Value> values_of(const Value& list);

/// Reads tokens by recursive descent: one function a rule of the grammar in parser.hpp.
class Parser {
 public:
  Parser(std::vector<Token> tokens, std::span<const Parameter> parameters)
      : tokens_(std::move(tokens)), parameters_(parameters) {}
  Result<Expression> whole();

 private:
  using Rule = Result<Expression> (Parser::*)();

  Result<Expression> either();
  Result<Expression> both();
  Result<Expression> joined(Operator op, const char* word, Rule part);
  Result<Expression> negation();
  Result<Expression> nested(Rule inner);
  Result<Expression> predicate();
  Result<Expression> about_field();
  Result<Expression> about_state(Expression predicate);
  Result<Expression> about_value();
  Result<Expression> existence();
  Result<Expression> constant();
  Result<Expression> compared(Expression predicate);
  Result<Expression> between(Expression predicate);
  Result<Expression> in_list(Expression predicate);
  Status read_list(std::vector<Value>& values);

  Result<std::string> field();
  Result<Value> value();
  Result<Value> number(const Token& token);
  Result<Value> timestamp();
  Result<Value> scalar_parameter(const Token& token);
  Status list_parameter(const Token& token, std::vector<Value>& values);
  Result<const Parameter*> parameter(const Token& token) const;

  const Token& here() const noexcept { return tokens_[next_]; }
  const Token& following() const noexcept {
    return tokens_[next_ + 1 < tokens_.size() ? next_ + 1 : next_];
  }
  Token take() noexcept { return tokens_[here().kind == TokenKind::kEnd ? next_ : next_++]; }
  bool take_word(std::string_view word) noexcept;
  bool take_symbol(std::string_view symbol) noexcept;
  bool is_symbol(const Token& token, std::string_view symbol) const noexcept {
    return token.kind == TokenKind::kSymbol && token.text == symbol;
  }
  /// Whether the token at hand begins a value that is compared with a field behind it.
  bool begins_value() const noexcept;
  bool begins_timestamp() const noexcept;
  Error expected(const char* what) const;

  std::vector<Token> tokens_;
  std::span<const Parameter> parameters_;
  std::size_t next_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Result<Expression> parse_filter(std::string_view text, std::span<const Parameter> parameters) {
  if (text.size() > kFilterTextMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "a filter of " + std::to_string(text.size()) + " bytes; at most " +
                     std::to_string(kFilterTextMax) + ": give long lists as parameters"}
        .at_position(static_cast<std::int64_t>(kFilterTextMax));
  }
  auto tokens = filter::split_tokens(text);
  if (!tokens) return std::move(tokens).error();
  if (const Status names = check_names(*tokens, parameters); !names) return names.error();
  return Parser(*std::move(tokens), parameters).whole();
}

namespace {

Result<Expression> Parser::whole() {
  if (here().kind == TokenKind::kEnd) return Expression{};
  auto filter = either();
  if (filter && here().kind != TokenKind::kEnd) {
    return expected("`and`, `or` or the end of the filter");
  }
  return filter;
}

Result<Expression> Parser::either() { return joined(Operator::kOr, "or", &Parser::both); }
Result<Expression> Parser::both() { return joined(Operator::kAnd, "and", &Parser::negation); }

Result<Expression> Parser::joined(Operator op, const char* word, Rule part) {
  Expression all{.op = op, .position = static_cast<std::int64_t>(here().position)};
  do {
    auto one = (this->*part)();
    if (!one) return one;
    all.parts.push_back(*std::move(one));
  } while (take_word(word));
  if (all.parts.size() == 1) return std::move(all.parts.front());
  return all;
}

Result<Expression> Parser::negation() {
  if (is_word(here(), "not")) {
    const auto position = static_cast<std::int64_t>(here().position);
    auto inner = nested(&Parser::negation);
    if (!inner) return inner;
    Expression not_inner = negated(*std::move(inner));
    not_inner.position = position;
    return not_inner;
  }
  if (!is_symbol(here(), "(")) return predicate();
  auto inner = nested(&Parser::either);
  if (inner && !take_symbol(")")) return expected("`and`, `or` or ')'");
  return inner;
}

Result<Expression> Parser::nested(Rule inner) {
  const std::size_t position = here().position;
  if (depth_ == kFilterDepthMax) {
    return Error{ErrorCode::kLimitExceeded, "filter, byte " + std::to_string(position) +
                                                ": parentheses and `not`s are nested deeper than " +
                                                std::to_string(kFilterDepthMax)}
        .at_position(static_cast<std::int64_t>(position));
  }
  take();
  ++depth_;
  auto result = (this->*inner)();
  --depth_;
  return result;
}

Result<Expression> Parser::predicate() {
  if (begins_value()) return about_value();
  if (is_word(here(), "exists")) return existence();
  if (is_word(here(), "true") || is_word(here(), "false")) return constant();
  if (is_name(here())) return about_field();
  return expected("a field, a value, `not` or '('");
}

Result<Expression> Parser::about_field() {
  Expression predicate{.position = static_cast<std::int64_t>(here().position)};
  auto name = field();
  if (!name) return std::move(name).error();
  predicate.field = *std::move(name);
  if (here().kind == TokenKind::kSymbol) return compared(std::move(predicate));
  if (is_word(here(), "is") || is_word(here(), "exists")) return about_state(std::move(predicate));
  const bool is_negated = take_word("not");
  if (take_word("in")) {
    auto in = in_list(std::move(predicate));
    return in && is_negated ? negated(*std::move(in)) : in;
  }
  if (take_word("between")) {
    auto inside = between(std::move(predicate));
    return inside && is_negated ? negated(*std::move(inside)) : inside;
  }
  return expected(is_negated
                      ? "`in` or `between`"
                      : "an operator behind the field (= != < <= > >= in between is exists)");
}

Result<Expression> Parser::about_state(Expression predicate) {
  if (take_word("exists")) {
    predicate.op = Operator::kExists;
    return predicate;
  }
  take();  // is
  const bool is_negated = take_word("not");
  if (take_word("null")) {
    predicate.op = Operator::kIsNull;
  } else if (take_word("missing")) {
    predicate.op = Operator::kIsMissing;
  } else {
    return expected("`null` or `missing`");
  }
  return is_negated ? negated(std::move(predicate)) : predicate;
}

/// `5 < size`, `'x' in tags`.
Result<Expression> Parser::about_value() {
  Expression predicate{.value_position = static_cast<std::int64_t>(here().position)};
  auto left = value();
  if (!left) return std::move(left).error();
  predicate.values.push_back(*std::move(left));
  bool is_negated = false;
  if (here().kind == TokenKind::kSymbol) {
    const Operator op = comparison_of(here().text);
    if (op == Operator::kTrue) return expected(kComparison);
    take();
    is_negated = op == Operator::kNot;
    predicate.op = is_negated ? Operator::kEqual : turned(op);
  } else {
    is_negated = take_word("not");
    if (!take_word("in")) return expected(is_negated ? "`in`" : kComparison);
    predicate.op = Operator::kHas;
  }
  predicate.position = static_cast<std::int64_t>(here().position);
  auto name = field();
  if (!name) return std::move(name).error();
  predicate.field = *std::move(name);
  return is_negated ? negated(std::move(predicate)) : predicate;
}

Result<Expression> Parser::existence() {
  Expression predicate{.op = Operator::kExists};
  take();
  if (!take_symbol("(")) return expected("'(' and a field behind `exists`");
  predicate.position = static_cast<std::int64_t>(here().position);
  auto name = field();
  if (!name) return std::move(name).error();
  predicate.field = *std::move(name);
  if (!take_symbol(")")) return expected("')' behind the field");
  return predicate;
}

Result<Expression> Parser::constant() {
  Expression result{.position = static_cast<std::int64_t>(here().position)};
  result.op = is_word(take(), "true") ? Operator::kTrue : Operator::kFalse;
  return result;
}

Result<Expression> Parser::compared(Expression predicate) {
  const Operator op = comparison_of(here().text);
  if (op == Operator::kTrue) return expected("an operator behind the field");
  take();
  predicate.value_position = static_cast<std::int64_t>(here().position);
  auto right = value();
  if (!right) return std::move(right).error();
  predicate.values.push_back(*std::move(right));
  predicate.op = op == Operator::kNot ? Operator::kEqual : op;
  return op == Operator::kNot ? negated(std::move(predicate)) : predicate;
}

Result<Expression> Parser::between(Expression predicate) {
  predicate.op = Operator::kBetween;
  predicate.value_position = static_cast<std::int64_t>(here().position);
  auto low = value();
  if (!low) return std::move(low).error();
  if (!take_word("and")) return expected("`and` and the upper bound of `between`");
  auto high = value();
  if (!high) return std::move(high).error();
  predicate.values.push_back(*std::move(low));
  predicate.values.push_back(*std::move(high));
  return predicate;
}

Result<Expression> Parser::in_list(Expression predicate) {
  predicate.op = Operator::kIn;
  const std::size_t position = here().position;
  predicate.value_position = static_cast<std::int64_t>(position);
  Status status;
  if (here().kind == TokenKind::kParameter) {
    const Token list = take();
    status = list_parameter(list, predicate.values);
  } else {
    if (!take_symbol("(")) return expected("'(' and values, or $list, behind `in`");
    status = read_list(predicate.values);
  }
  if (!status) return std::move(status).error();
  if (predicate.values.size() > kFilterInListMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "filter, byte " + std::to_string(position) + ": a list of " +
                     std::to_string(predicate.values.size()) + " values behind `in`; at most " +
                     std::to_string(kFilterInListMax)}
        .at_position(static_cast<std::int64_t>(position));
  }
  return predicate;
}

Status Parser::read_list(std::vector<Value>& values) {
  if (take_symbol(")")) return {};
  do {
    auto one = value();
    if (!one) return std::move(one).error();
    values.push_back(*std::move(one));
  } while (take_symbol(","));
  if (!take_symbol(")")) return expected("',' or ')' in the list");
  return {};
}

Result<std::string> Parser::field() {
  if (!is_name(here())) {
    if (here().kind != TokenKind::kWord) return expected("a field");
    return expected("a field (one that is named like a keyword stands in double quotes)");
  }
  const Token name = take();
  return name.kind == TokenKind::kName ? filter::unquoted(name) : std::string(name.text);
}

Result<Value> Parser::value() {
  if (begins_timestamp()) return timestamp();
  const Token& token = here();
  switch (token.kind) {
    case TokenKind::kText:
      return Value(filter::unquoted(take()));
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return number(take());
    case TokenKind::kParameter:
      return scalar_parameter(take());
    case TokenKind::kName:
      return expected("a value (text stands in single quotes, fields cannot be compared)");
    default:
      break;
  }
  if (is_word(token, "true") || is_word(token, "false")) return Value(is_word(take(), "true"));
  if (is_word(token, "null")) return expected("a value (nothing equals null; write `is null`)");
  if (token.kind != TokenKind::kWord) return expected("a value");
  return expected("a value (text stands in single quotes, fields cannot be compared)");
}

Result<Value> Parser::number(const Token& token) {
  std::string_view digits = token.text;
  if (digits.front() == '+') digits.remove_prefix(1);
  const char* end = digits.data() + digits.size();
  if (token.kind == TokenKind::kInteger) {
    std::int64_t integer = 0;
    if (std::from_chars(digits.data(), end, integer).ec == std::errc()) return Value(integer);
    return error_at(token.position,
                    "the integer " + shown(token.text) +
                        " does not fit 64 bits; write it with a point to mean a float64",
                    Subcode::kFilterSyntax);
  }
  double real = 0;
  const auto [read, problem] = std::from_chars(digits.data(), end, real);
  if (problem == std::errc() && read == end) return Value(real);
  return error_at(token.position, "the number " + shown(token.text) + " does not fit a float64",
                  Subcode::kFilterSyntax);
}

Result<Value> Parser::timestamp() {
  take();  // timestamp
  const Token token = take();
  if (token.kind == TokenKind::kInteger) {
    auto micros = number(token);
    if (!micros) return micros;
    return Value(Timestamp{*std::get_if<std::int64_t>(&*micros)});
  }
  auto moment = parse_timestamp(filter::unquoted(token));
  if (!moment) return error_at(token.position, moment.error().message, Subcode::kFilterSyntax);
  return Value(*moment);
}

Result<Value> Parser::scalar_parameter(const Token& token) {
  const auto given = parameter(token);
  if (!given) return given.error();
  const auto* value = std::get_if<Value>(&(*given)->value);
  const char* reason = value == nullptr ? kIsList : why_not_scalar(*value);
  if (reason == nullptr) return *value;
  return error_at(token.position, "the parameter " + shown(token.text) + " " + reason,
                  Subcode::kFilterParameter);
}

Status Parser::list_parameter(const Token& token, std::vector<Value>& values) {
  const auto given = parameter(token);
  if (!given) return given.error();
  const std::string name = shown(token.text);
  if (const auto* mixed = std::get_if<std::vector<Value>>(&(*given)->value)) {
    values = *mixed;
  } else {
    const Value& value = *std::get_if<Value>(&(*given)->value);
    if (class_of(value) != ValueClass::kList) {
      std::string message = "`in` needs a list, but the parameter " + name + " is ";
      message += shown_value(value);
      if (why_not_scalar(value) == nullptr) message += "; write in (" + name + ") for one value";
      return error_at(token.position, std::move(message), Subcode::kFilterParameter);
    }
    values = values_of(value);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const char* reason = why_not_scalar(values[i]);
    if (reason == nullptr) continue;
    return error_at(token.position, "entry " + std::to_string(i) + " of " + name + " " + reason,
                    Subcode::kFilterParameter);
  }
  return {};
}

Result<const Parameter*> Parser::parameter(const Token& token) const {
  const std::string_view name = token.text.substr(1);
  for (const Parameter& one : parameters_) {
    if (one.name == name) return &one;
  }
  return error_at(token.position, "the parameter " + shown(token.text) + " was not given",
                  Subcode::kFilterParameter);
}

bool Parser::take_word(std::string_view word) noexcept {
  const bool found = is_word(here(), word);
  if (found) ++next_;
  return found;
}

bool Parser::take_symbol(std::string_view symbol) noexcept {
  const bool found = is_symbol(here(), symbol);
  if (found) ++next_;
  return found;
}

bool Parser::begins_value() const noexcept {
  const TokenKind kind = here().kind;
  if (kind == TokenKind::kText || kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
      kind == TokenKind::kParameter || begins_timestamp()) {
    return true;
  }
  if (!is_word(here(), "true") && !is_word(here(), "false")) return false;
  if (is_word(following(), "in") || is_word(following(), "not")) return true;
  return following().kind == TokenKind::kSymbol &&
         comparison_of(following().text) != Operator::kTrue;
}

bool Parser::begins_timestamp() const noexcept {
  const TokenKind kind = following().kind;
  return is_word(here(), "timestamp") && (kind == TokenKind::kText || kind == TokenKind::kInteger);
}

Error Parser::expected(const char* what) const {
  const std::string found =
      here().kind == TokenKind::kEnd ? "but the filter ends" : "found '" + shown(here().text) + "'";
  return error_at(here().position, std::string("expected ") + what + ", " + found,
                  Subcode::kFilterSyntax);
}

Error error_at(std::size_t position, std::string message, Subcode subcode) {
  return Error{ErrorCode::kFilterInvalid,
               "filter, byte " + std::to_string(position) + ": " + std::move(message), subcode}
      .at_position(static_cast<std::int64_t>(position));
}

Status check_names(std::span<const Token> tokens, std::span<const Parameter> parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      if (parameters[earlier].name != parameters[i].name) continue;
      const std::string written = "$" + parameters[i].name;
      std::string what = "the parameter $" + shown(parameters[i].name) + " was given twice";
      const auto use = std::find_if(tokens.begin(), tokens.end(),
                                    [&](const Token& token) { return token.text == written; });
      if (use == tokens.end())
        return Error{ErrorCode::kFilterInvalid, std::move(what), Subcode::kFilterParameter};
      return error_at(use->position, std::move(what), Subcode::kFilterParameter);
    }
  }
  return {};
}

Operator comparison_of(std::string_view symbol) noexcept {
  if (symbol == "=") return Operator::kEqual;
  if (symbol == "!=" || symbol == "<>") return Operator::kNot;
  if (symbol == "<") return Operator::kLess;
  if (symbol == "<=") return Operator::kLessEqual;
  if (symbol == ">") return Operator::kGreater;
  if (symbol == ">=") return Operator::kGreaterEqual;
  return Operator::kTrue;
}

Operator turned(Operator op) noexcept {
  switch (op) {
    case Operator::kLess:
      return Operator::kGreater;
    case Operator::kLessEqual:
      return Operator::kGreaterEqual;
    case Operator::kGreater:
      return Operator::kLess;
    case Operator::kGreaterEqual:
      return Operator::kLessEqual;
    default:
      return op;
  }
}

Expression negated(Expression expression) {
  Expression result{.op = Operator::kNot, .position = expression.position};
  result.parts.push_back(std::move(expression));
  return result;
}

bool is_name(const Token& token) noexcept {
  return token.kind == TokenKind::kName ||
         (token.kind == TokenKind::kWord && !filter::is_keyword(token.text));
}

const char* why_not_scalar(const Value& value) noexcept {
  switch (class_of(value)) {
    case ValueClass::kNothing:
      return "is null, which nothing equals; write `is null`";
    case ValueClass::kList:
      return kIsList;
    case ValueClass::kJson:
      return "is json, which cannot be compared";
    default:
      break;
  }
  const auto* real = std::get_if<double>(&value);
  return real != nullptr && !std::isfinite(*real) ? "is not a finite number" : nullptr;
}

std::vector<Value> values_of(const Value& list) {
  std::vector<Value> values;
  const auto each = [&values](const auto& all) {
    for (const auto& one : all) values.emplace_back(one);
  };
  if (const auto* bools = std::get_if<std::vector<bool>>(&list)) {
    for (const bool one : *bools) values.emplace_back(one);
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&list)) {
    each(*integers);
  } else if (const auto* reals = std::get_if<std::vector<double>>(&list)) {
    each(*reals);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&list)) {
    each(*texts);
  } else if (const auto* moments = std::get_if<std::vector<Timestamp>>(&list)) {
    each(*moments);
  }
  return values;
}

}  // namespace
}  // namespace anear
