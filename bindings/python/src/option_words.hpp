// Options as Python writes them: "cosine", "f16" (or "float16"), whole numbers. Others raise.
#pragma once

#include <limits>
#include <string>

#include "anear/core/types.hpp"
#include "errors.hpp"
#include "values.hpp"

namespace anear::python {

inline Metric as_metric(const std::string& text) {
  if (text == "cosine") return Metric::kCosine;
  if (text == "l2") return Metric::kL2;
  if (text == "ip") return Metric::kInnerProduct;
  raise_invalid("metric '" + text + "' is unknown; use 'cosine', 'l2' or 'ip'", Subcode::kNone);
}

inline ScalarKind as_scalar(const std::string& text) {
  if (text == "f32" || text == "float32") return ScalarKind::kF32;
  if (text == "f16" || text == "float16") return ScalarKind::kF16;
  if (text == "i8" || text == "int8") return ScalarKind::kI8;
  raise_invalid("number type '" + text +
                    "' is unknown; use 'f32' or 'float32', 'f16' or 'float16' (or 'i8' or 'int8' "
                    "for codes)",
                Subcode::kNone);
}

// What anear/_checks.py says of one argument; `name` is what the message calls it.

/// `value` as a T that is not negative.
template <typename T>
T as_whole(const py::object& value, const char* name) {
  return py::module_::import("anear._checks")
      .attr("whole")(value, name, std::numeric_limits<T>::max())
      .template cast<T>();
}

inline float as_number(const py::object& value, const char* name) {
  return py::module_::import("anear._checks").attr("number")(value, name).cast<float>();
}

inline std::string as_text(const py::object& value, const char* name) {
  return std::string(utf8_of(py::module_::import("anear._checks").attr("text")(value, name)));
}

inline std::string as_path(const py::object& value) {
  return std::string(utf8_of(py::module_::import("anear._checks").attr("path")(value)));
}

}  // namespace anear::python
