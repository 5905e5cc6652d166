// The keys of Family::kFields: one order of bytes for all values of a field.
//
//   collection u32 BE | bytes in the name u16 BE | name | kind u8 | value | slot >> 16, u16 BE
//
//   kind             value
//   1 present        none: the field has a value that is not null
//   2 null           none
//   16 bool          u8
//   17 number        10 bytes: float64 cut to 53 bits, in order | what was cut off + 1024, u16 BE
//   18 string        see below
//   19 timestamp     u64 BE, sign bit flipped
//   32-35            the same for the values inside a list
//
// Numbers: an int64 is the sum of a float64 (towards zero) and a rest below 1,024; float64s have no
// rest. Comparing the bytes compares both kinds exactly in one order. NaN has no key: nothing is
// equal to it.
// Strings: 00 → 00 FF, then 00 00. Past 128 bytes only the first 128 are kept in order, then 00 01
// and the XXH3 hash (128 bits, canonical) of the whole: equality still has one key each, and the
// order of two strings that share 128 bytes is not in the keys.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/types.hpp"
#include "anear/core/value.hpp"

namespace anear {

inline constexpr std::size_t kStringKeyBytes = 128;

/// What a key says besides its value. The numbers are part of the format.
enum class FieldKeyKind : std::uint8_t {
  kPresent = 1,
  kNull = 2,
  kBool = 16,
  kNumber = 17,
  kString = 18,
  kTimestamp = 19,
};
/// Added to the last four for a value inside a list.
inline constexpr std::uint8_t kListedKind = 16;

/// The number of the container of `slot`: the last two bytes of its key.
constexpr std::uint16_t group_of(Slot slot) noexcept {
  return static_cast<std::uint16_t>(slot >> 16);
}

/// The beginning of all keys of a field.
std::string field_prefix(std::uint32_t collection, std::string_view field);

/// Whether a value of a scalar field, or one of those inside a list.
enum class Place : std::uint8_t { kScalar, kListed };

/// The beginning of all keys whose values are of the class of scalar `value`; empty for NaN and for
/// what is not a scalar.
std::string class_prefix(std::string_view prefix, const Value& value, Place place);

/// The key of scalar `value` but for its group; empty for NaN and for what is not a scalar.
std::string value_key(std::string_view prefix, const Value& value, Place place);
/// The key of one of the two states.
std::string state_key(std::string_view prefix, FieldKeyKind state);

/// Whether `value` is a string whose order among others is not wholly in the keys.
bool has_cut_key(const Value& value) noexcept;
/// For such a string: what all keys of strings with the same first 128 bytes begin with.
std::string cut_key_prefix(std::string_view prefix, const std::string& text);

/// `key` with its group.
std::string with_group(std::string_view key, std::uint16_t group);

/// The first key behind all that begin with `prefix`; empty when there is none.
std::string after_prefix(std::string prefix);

/// All keys, without group, under which a record with this field stands: its state, and each of its
/// distinct values. Ascending.
std::vector<std::string> keys_of(std::uint32_t collection, const Field& field);

}  // namespace anear
