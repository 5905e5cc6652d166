// Options as Python writes them: "cosine", "f16" (or "float16"), whole numbers. Others raise.
#pragma once

#include <limits>
#include <string>

#include "anear/core/types.hpp"
#include "errors.hpp"

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
  raise_invalid("number type '" + text + "' is unknown; use 'f32', 'f16' (or 'i8' for codes)",
                Subcode::kNone);
}

/// `value` as a T that is not negative; `name` is what the message calls it.
template <typename T>
T as_whole(const py::object& value, const char* name) {
  return py::module_::import("anear._checks")
      .attr("whole")(value, name, std::numeric_limits<T>::max())
      .template cast<T>();
}

/// A text where a name is expected: `what` says of what.
inline std::string as_name(const py::handle& name, const char* what) {
  if (py::isinstance<py::str>(name)) return name.cast<std::string>();
  raise_invalid(
      std::string(what) + ": a name must be a string, got " + std::string(py::str(py::repr(name))),
      Subcode::kNameInvalid);
}

}  // namespace anear::python
