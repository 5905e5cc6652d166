#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include "anear/filter/expression.hpp"
#include "anear/filter/timestamp.hpp"
#include "filter/tokens.hpp"

namespace anear {
namespace {

void write(std::string& out, const Expression& expression);
/// In parentheses when it is an `and` or `or` that would otherwise read as part of what is around.
void write_part(std::string& out, const Expression& part, bool parentheses);
void write_joined(std::string& out, const Expression& expression, std::string_view word);
void write_negated(std::string& out, const Expression& inner);
void write_predicate(std::string& out, const Expression& predicate, bool is_negated);
void write_list(std::string& out, const std::vector<Value>& values);
void write_name(std::string& out, std::string_view name);
void write_value(std::string& out, const Value& value);
void write_quoted(std::string& out, std::string_view text, char quote);
void write_number(std::string& out, double number);
std::string_view symbol_of(Operator op) noexcept;
bool is_joined(const Expression& expression) noexcept {
  return expression.op == Operator::kAnd || expression.op == Operator::kOr;
}

}  // namespace

std::string to_text(const Expression& expression) {
  std::string out;
  write(out, expression);
  return out;
}

namespace {

void write(std::string& out, const Expression& expression) {
  switch (expression.op) {
    case Operator::kTrue:
      out += "true";
      return;
    case Operator::kFalse:
      out += "false";
      return;
    case Operator::kAnd:
      write_joined(out, expression, " and ");
      return;
    case Operator::kOr:
      write_joined(out, expression, " or ");
      return;
    case Operator::kNot:
      if (!expression.parts.empty()) write_negated(out, expression.parts.front());
      return;
    default:
      write_predicate(out, expression, false);
  }
}

void write_part(std::string& out, const Expression& part, bool parentheses) {
  if (parentheses) out += '(';
  write(out, part);
  if (parentheses) out += ')';
}

void write_joined(std::string& out, const Expression& expression, std::string_view word) {
  bool first = true;
  for (const Expression& part : expression.parts) {
    if (!first) out += word;
    first = false;
    const bool binds_tighter = expression.op == Operator::kOr && part.op == Operator::kAnd;
    write_part(out, part, is_joined(part) && !binds_tighter);
  }
}

void write_negated(std::string& out, const Expression& inner) {
  switch (inner.op) {
    case Operator::kEqual:
    case Operator::kIn:
    case Operator::kHas:
    case Operator::kBetween:
    case Operator::kIsNull:
    case Operator::kIsMissing:
      write_predicate(out, inner, true);
      return;
    default:
      out += "not ";
      write_part(out, inner, is_joined(inner));
  }
}

void write_predicate(std::string& out, const Expression& predicate, bool is_negated) {
  const auto value = [&](std::size_t i) {
    if (i < predicate.values.size()) write_value(out, predicate.values[i]);
  };
  if (predicate.op == Operator::kHas) {
    value(0);
    out += is_negated ? " not in " : " in ";
    write_name(out, predicate.field);
    return;
  }
  write_name(out, predicate.field);
  switch (predicate.op) {
    case Operator::kIn:
      out += is_negated ? " not in " : " in ";
      write_list(out, predicate.values);
      return;
    case Operator::kBetween:
      out += is_negated ? " not between " : " between ";
      value(0);
      out += " and ";
      value(1);
      return;
    case Operator::kIsNull:
      out += is_negated ? " is not null" : " is null";
      return;
    case Operator::kIsMissing:
      out += is_negated ? " is not missing" : " is missing";
      return;
    case Operator::kExists:
      out += " exists";
      return;
    default:
      out += is_negated ? " != " : symbol_of(predicate.op);
      value(0);
  }
}

void write_list(std::string& out, const std::vector<Value>& values) {
  out += '(';
  bool first = true;
  for (const Value& one : values) {
    if (!first) out += ", ";
    first = false;
    write_value(out, one);
  }
  out += ')';
}

void write_name(std::string& out, std::string_view name) {
  if (filter::is_plain_name(name)) {
    out += name;
  } else {
    write_quoted(out, name, '"');
  }
}

void write_value(std::string& out, const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    out += std::to_string(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    write_number(out, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    write_quoted(out, *text, '\'');
  } else if (const auto* moment = std::get_if<Timestamp>(&value)) {
    const std::string iso = to_text(*moment);
    const bool is_iso = iso.ends_with('Z');
    out += is_iso ? "timestamp '" : "timestamp ";
    out += is_iso ? iso + "'" : iso;
  } else {
    out += "null";
  }
}

void write_quoted(std::string& out, std::string_view text, char quote) {
  out += quote;
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  out += quote;
}

void write_number(std::string& out, double number) {
  std::array<char, 32> buffer{};
  const char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  const std::string_view digits(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  out += digits;
  if (digits.find_first_of(".en") == std::string_view::npos) out += ".0";
}

std::string_view symbol_of(Operator op) noexcept {
  switch (op) {
    case Operator::kLess:
      return " < ";
    case Operator::kLessEqual:
      return " <= ";
    case Operator::kGreater:
      return " > ";
    case Operator::kGreaterEqual:
      return " >= ";
    default:
      return " = ";
  }
}

}  // namespace
}  // namespace anear
