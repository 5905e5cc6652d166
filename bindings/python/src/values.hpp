// Values of fields and lists of keys, from and to Python.
//
//   None → null · anear.MISSING → missing · bool · int → int64 · float → float64 · str → string ·
//   datetime (aware) → timestamp · list, tuple, set, array → the list type that the schema says or
//   that fits all entries, else json · dict → json
//
// An integer becomes a float64 only when that is exact. A timestamp outside of the years 1 to 9999,
// which only C and C++ can write, comes back as its integer of microseconds.
//
// All functions need the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/options.hpp"
#include "anear/collection/records.hpp"
#include "errors.hpp"

namespace anear::python {

/// Views of Python's own UTF-8, and the references that keep it alive.
struct Texts {
  std::vector<py::object> owners;
  std::vector<std::string_view> views;
};

/// Python's own UTF-8 of a string; a lone surrogate raises, and names `record` of a batch.
std::string_view utf8_of(const py::handle& text, std::int64_t record = -1);

/// A string where a name is expected: `what` says of what, `record` whose.
std::string as_name(const py::handle& name, const char* what, std::int64_t record = -1);

/// The strings of a list, tuple, array or other iterable. `bytes_too`: accept bytes (payloads).
Texts as_texts(const py::handle& object, const char* what, bool bytes_too = false);

/// The sentinel of missing values (anear.MISSING).
py::object missing();

/// `type`: what the schema declares, kAny for undeclared fields.
Value as_value(const py::handle& object, FieldType type);
py::object to_python(const Value& value);
py::dict to_python(const Fields& fields);

/// The values of `field`, one a key. Errors name the field and the record.
std::vector<Value> as_column(const py::handle& values, const FieldSchema& field);

FieldType type_of(const CollectionSchema& schema, std::string_view field);

/// A filter from a string or None, and its parameters from a dict or None; parameters without a
/// filter are refused.
FilterText as_filter(const py::object& text, const py::object& parameters);

/// `fields`: True | False | None (none) | ["name", …].
Parts as_parts(const py::object& fields, bool payload, bool vectors);

}  // namespace anear::python
