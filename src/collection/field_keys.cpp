#include "collection/field_keys.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <variant>

#include "anear/core/assert.hpp"

namespace anear {
namespace {

constexpr std::uint16_t kRestBias = 1'024;

template <typename Number>
void append_big_endian(std::string& out, Number number);
std::string kind_prefix(std::string_view prefix, FieldKeyKind kind, Place place);

/// Each appends a value behind the prefix of its kind; false when it has no key.
struct ValueAppender {
  std::string& out;

  bool operator()(bool value) const;
  bool operator()(std::int64_t value) const;
  bool operator()(double value) const;
  bool operator()(const std::string& value) const;
  bool operator()(Timestamp value) const;
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

void append_number(std::string& out, double whole, std::int64_t rest);
void append_escaped(std::string& out, std::string_view text);
/// A 0 where `value` is no scalar.
std::uint8_t kind_of(const Value& value) noexcept;
void append_keys(std::string_view prefix, const Value& value, std::vector<std::string>& keys);

}  // namespace

std::string field_prefix(std::uint32_t collection, std::string_view field) {
  ANEAR_ASSERT(field.size() <= 0xFFFF);  // Names have been checked long before.
  std::string out;
  out.reserve(64 + field.size());
  append_big_endian(out, collection);
  append_big_endian(out, static_cast<std::uint16_t>(field.size()));
  out += field;
  return out;
}

std::string class_prefix(std::string_view prefix, const Value& value, Place place) {
  const std::uint8_t kind = kind_of(value);
  if (kind == 0) return {};
  return kind_prefix(prefix, static_cast<FieldKeyKind>(kind), place);
}

std::string value_key(std::string_view prefix, const Value& value, Place place) {
  std::string out = class_prefix(prefix, value, place);
  if (out.empty() || !std::visit(ValueAppender{out}, value)) return {};
  return out;
}

std::string state_key(std::string_view prefix, FieldKeyKind state) {
  return kind_prefix(prefix, state, Place::kScalar);
}

bool has_cut_key(const Value& value) noexcept {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && text->size() > kStringKeyBytes;
}

std::string cut_key_prefix(std::string_view prefix, const std::string& text) {
  std::string out = kind_prefix(prefix, FieldKeyKind::kString, Place::kScalar);
  append_escaped(out, std::string_view(text).substr(0, kStringKeyBytes));
  out += '\x00';
  out += '\x01';
  return out;
}

std::string with_group(std::string_view key, std::uint16_t group) {
  std::string out;
  out.reserve(key.size() + 2);
  out += key;
  append_big_endian(out, group);
  return out;
}

std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::vector<std::string> keys_of(std::uint32_t collection, const Field& field) {
  std::vector<std::string> keys;
  if (std::holds_alternative<Missing>(field.second)) return keys;
  const std::string prefix = field_prefix(collection, field.first);
  if (std::holds_alternative<Null>(field.second)) {
    keys.push_back(state_key(prefix, FieldKeyKind::kNull));
    return keys;
  }
  keys.push_back(state_key(prefix, FieldKeyKind::kPresent));
  append_keys(prefix, field.second, keys);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

namespace {

template <typename Number>
void append_big_endian(std::string& out, Number number) {
  for (std::size_t shift = 8 * sizeof(Number); shift > 0; shift -= 8) {
    out += static_cast<char>(number >> (shift - 8) & 0xFF);
  }
}

std::string kind_prefix(std::string_view prefix, FieldKeyKind kind, Place place) {
  std::string out;
  out.reserve(prefix.size() + 24);
  out += prefix;
  out += static_cast<char>(static_cast<std::uint8_t>(kind) +
                           (place == Place::kListed ? kListedKind : 0));
  return out;
}

bool ValueAppender::operator()(bool value) const {
  out += value ? '\x01' : '\x00';
  return true;
}

bool ValueAppender::operator()(std::int64_t value) const {
  // Cut in integers, so that no rounding mode of the host can change a key.
  const std::uint64_t magnitude =
      value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  const int surplus = std::max(0, static_cast<int>(std::bit_width(magnitude)) - 53);
  const std::uint64_t whole = magnitude >> surplus << surplus;
  const auto rest = static_cast<std::int64_t>(magnitude - whole);
  const auto exact = static_cast<double>(whole);
  append_number(out, value < 0 ? -exact : exact, value < 0 ? -rest : rest);
  return true;
}

bool ValueAppender::operator()(double value) const {
  if (std::isnan(value)) return false;
  append_number(out, value, 0);
  return true;
}

bool ValueAppender::operator()(const std::string& value) const {
  const std::string_view text(value);
  append_escaped(out, text.substr(0, kStringKeyBytes));
  out += '\x00';
  if (text.size() <= kStringKeyBytes) {
    out += '\x00';
    return true;
  }
  out += '\x01';
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(text.data(), text.size()));
  for (const unsigned char byte : canonical.digest) out += static_cast<char>(byte);
  return true;
}

bool ValueAppender::operator()(Timestamp value) const {
  append_big_endian(out, static_cast<std::uint64_t>(value.micros) ^ std::uint64_t{1} << 63);
  return true;
}

void append_number(std::string& out, double whole, std::int64_t rest) {
  // As unsigned bits, positive numbers are in order and negative ones in reverse.
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  const auto bits = std::bit_cast<std::uint64_t>(whole == 0 ? 0.0 : whole);
  append_big_endian(out, (bits & kSign) != 0 ? ~bits : bits | kSign);
  append_big_endian(out, static_cast<std::uint16_t>(rest + kRestBias));
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    out += c;
    if (c == '\x00') out += '\xFF';
  }
}

std::uint8_t kind_of(const Value& value) noexcept {
  switch (type_of(value)) {
    case FieldType::kBool:
      return static_cast<std::uint8_t>(FieldKeyKind::kBool);
    case FieldType::kInt64:
    case FieldType::kFloat64:
      return static_cast<std::uint8_t>(FieldKeyKind::kNumber);
    case FieldType::kString:
      return static_cast<std::uint8_t>(FieldKeyKind::kString);
    case FieldType::kTimestamp:
      return static_cast<std::uint8_t>(FieldKeyKind::kTimestamp);
    default:
      return 0;
  }
}

void append_keys(std::string_view prefix, const Value& value, std::vector<std::string>& keys) {
  const auto append = [&](const Value& scalar, Place place) {
    std::string key = value_key(prefix, scalar, place);
    if (!key.empty()) keys.push_back(std::move(key));
  };
  const auto append_all = [&](const auto& list) {
    for (const auto& one : list) append(Value(one), Place::kListed);
  };
  if (const auto* flags = std::get_if<std::vector<bool>>(&value)) {
    for (const bool one : *flags) append(Value(one), Place::kListed);
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    append_all(*integers);
  } else if (const auto* reals = std::get_if<std::vector<double>>(&value)) {
    append_all(*reals);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    append_all(*texts);
  } else if (const auto* moments = std::get_if<std::vector<Timestamp>>(&value)) {
    append_all(*moments);
  } else {
    append(value, Place::kScalar);
  }
}

}  // namespace
}  // namespace anear
