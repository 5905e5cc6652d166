// The one form of a filter, whatever it was written as: a tree of operators over fields and values.
//
// Two-valued logic (every part is true or false for every record)
//   (1) = < <= > >= between in has   false when the field is missing or null, or the stored value
//   is
//                                    of another class than the filter's.
//   (2) a != b is not (a = b), `not in` is not (in), `is not null` is not (is null): these are true
//       for a missing field. There are no operators of their own for them.
//   (3) is null: null only. is missing: absent only. exists: a value that is not null.
// So the records that match p and those that match not p are always all records.
//
// The way of a filter: text → parse_filter (parser.hpp) → Expression → bind() → BoundFilter →
// matches(), or a set of slots by the collection.
//
// Threads: values, without shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/value.hpp"

namespace anear {

/// Limits of every filter; beyond them kLimitExceeded, with the position where that happens.
inline constexpr std::size_t kFilterTextMax = 65'536;    ///< Bytes of text.
inline constexpr std::size_t kFilterDepthMax = 32;       ///< Nested parentheses and `not`s.
inline constexpr std::size_t kFilterInListMax = 65'536;  ///< Values behind one `in`.

enum class Operator : std::uint8_t {
  kTrue,          ///< Every record.
  kFalse,         ///< None.
  kAnd,           ///< All of `parts`, at least two.
  kOr,            ///< Any of `parts`, at least two.
  kNot,           ///< Not the one of `parts`.
  kEqual,         ///< `field` = values[0].
  kLess,          ///< `field` < values[0].
  kLessEqual,     ///< `field` <= values[0].
  kGreater,       ///< `field` > values[0].
  kGreaterEqual,  ///< `field` >= values[0].
  kBetween,       ///< values[0] <= `field` <= values[1].
  kIn,            ///< `field` is equal to one of `values` (there may be none).
  kHas,           ///< `field` is a list and one of its values is equal to values[0].
  kIsNull,        ///< `field` is null.
  kIsMissing,     ///< `field` is absent.
  kExists,        ///< `field` has a value that is not null.
};

/// A tree. Make it by parse_filter() or by hand; it is not changed after that.
struct Expression {
  Operator op = Operator::kTrue;
  std::string field{};               ///< Of an operator on a field, otherwise empty.
  std::vector<Value> values{};       ///< Scalars: bool, int64, double (not NaN), string, Timestamp.
  std::vector<Expression> parts{};   ///< Of kAnd, kOr, kNot.
  std::int64_t position = -1;        ///< The byte of the text where the field or operator stands.
  std::int64_t value_position = -1;  ///< The byte where the first value stands.

  /// Equal meaning by equal form: positions do not count; 2 and 2.0 are different values.
  friend bool operator==(const Expression& a, const Expression& b) {
    return a.op == b.op && a.field == b.field && a.values == b.values && a.parts == b.parts;
  }
};

/// The expression as text that parse_filter() reads back as an equal one, without parameters.
std::string to_text(const Expression& expression);

/// What a collection declares of its fields: what bind() needs to know of a schema.
struct FieldTypes {
  std::vector<std::pair<std::string, FieldType>> declared{};
  bool dynamic = false;  ///< Fields that are not declared exist too and may hold any type.
};

/// A filter that fits a schema: every field is known, every value comparable with its field,
/// strings that stood for timestamps are timestamps, the values of each kIn are in total_order()
/// and distinct. Only bind() makes one (the default one matches every record).
class BoundFilter {
 public:
  BoundFilter() = default;

  const Expression& expression() const noexcept { return expression_; }
  /// Whether it is the constant true, as an empty text is.
  bool matches_all() const noexcept { return expression_.op == Operator::kTrue; }

 private:
  friend Result<BoundFilter> bind(Expression expression, const FieldTypes& types);
  explicit BoundFilter(Expression expression) : expression_(std::move(expression)) {}
  Expression expression_{};
};

/// Fits `expression` to a schema. kFilterInvalid, with the position of the culprit and
///   kUnknownField: not declared and the collection is not dynamic; names the nearest one,
///   kFilterType: a value that the field can never be compared with, or an operator that its type
///     does not have (`=` on a list, `'x' in` a scalar, anything but a test of state on json).
Result<BoundFilter> bind(Expression expression, const FieldTypes& types);

/// Whether a record with these fields (each name once, any order) passes. The reference: the
/// indexes of fields answer the same.
bool matches(const BoundFilter& filter, const Fields& fields);

/// The same of a part of a bound filter.
bool matches(const Expression& bound, const Fields& fields);

}  // namespace anear
