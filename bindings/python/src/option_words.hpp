// The words that Python writes for options: "cosine", "f16". Unknown ones raise.
#pragma once

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
  if (text == "f32") return ScalarKind::kF32;
  if (text == "f16") return ScalarKind::kF16;
  if (text == "i8") return ScalarKind::kI8;
  raise_invalid("number type '" + text + "' is unknown; use 'f32', 'f16' (or 'i8' for codes)",
                Subcode::kNone);
}

}  // namespace anear::python
