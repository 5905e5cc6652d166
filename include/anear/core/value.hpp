// Typed values of fields, and the types a schema declares. Missing, null and value are three states
// (docs/ARCHITECTURE.md). They stand in core because filter compares them and storage keeps them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace anear {

/// The field is absent from the record.
struct Missing {
  friend bool operator==(Missing, Missing) = default;
};
/// The field is present and holds nothing.
struct Null {
  friend bool operator==(Null, Null) = default;
};
/// Microseconds since 1970-01-01T00:00:00Z.
struct Timestamp {
  std::int64_t micros = 0;
  friend auto operator<=>(Timestamp, Timestamp) = default;
};
/// A JSON document as text. Checked to be valid where it enters the store.
struct Json {
  std::string text;
  friend bool operator==(const Json&, const Json&) = default;
};

/// The value of one field of one record, or a parameter of a filter. Numbers are never converted
/// behind the caller's back, with one exception: an int64 handed to a float64 field is stored as a
/// float64 when that is exact.
using Value = std::variant<Missing, Null, bool, std::int64_t, double, std::string, Timestamp,
                           std::vector<bool>, std::vector<std::int64_t>, std::vector<double>,
                           std::vector<std::string>, std::vector<Timestamp>, Json>;

/// What a schema says of a field. The numbers are part of the format; kAny is only "undeclared"
/// (dynamic) and is not stored in a schema.
enum class FieldType : std::uint8_t {
  kAny = 0,
  kBool = 1,
  kInt64 = 2,
  kFloat64 = 3,
  kString = 4,
  kTimestamp = 5,
  kBoolList = 6,
  kInt64List = 7,
  kFloat64List = 8,
  kStringList = 9,
  kTimestampList = 10,
  kJson = 11,
};

/// One named value of a record.
using Field = std::pair<std::string, Value>;
/// The fields of one record, each name once, in ascending order of name when they come out of a
/// store.
using Fields = std::vector<Field>;

/// The type of a stored value; kAny for missing and null.
inline FieldType type_of(const Value& value) noexcept {
  constexpr FieldType kTypes[] = {
      FieldType::kAny,         FieldType::kAny,        FieldType::kBool,
      FieldType::kInt64,       FieldType::kFloat64,    FieldType::kString,
      FieldType::kTimestamp,   FieldType::kBoolList,   FieldType::kInt64List,
      FieldType::kFloat64List, FieldType::kStringList, FieldType::kTimestampList,
      FieldType::kJson};
  static_assert(std::size(kTypes) == std::variant_size_v<Value>);
  return kTypes[value.index()];
}

/// "int64", "string list", … as it stands in error messages and schemas. Static storage.
inline const char* name_of(FieldType type) noexcept {
  constexpr const char* kNames[] = {"any",          "bool",        "int64",          "float64",
                                    "string",       "timestamp",   "bool list",      "int64 list",
                                    "float64 list", "string list", "timestamp list", "json"};
  const auto number = static_cast<std::size_t>(type);
  return number < std::size(kNames) ? kNames[number] : "unknown";
}

}  // namespace anear
