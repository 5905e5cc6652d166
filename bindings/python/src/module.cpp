// The compiled module anear._core: declarations only; the parts stand in bind_*.cpp.
#include <pybind11/pybind11.h>

#include <string>

#include "anear/simd/isa.hpp"
#include "anear/version.hpp"
#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled part of anear. Use the names of the package `anear`.";
  module.attr("version") = std::to_string(ANEAR_VERSION_MAJOR) + "." +
                           std::to_string(ANEAR_VERSION_MINOR) + "." +
                           std::to_string(ANEAR_VERSION_PATCH);
  module.def("isa", [] { return anear::name_of(anear::isa()); });
#if defined(ANEAR_PYTHON_STORE)
  anear::python::bind_store(module);
  anear::python::bind_collection(module);
  anear::python::bind_hits(module);
#endif
  anear::python::bind_index(module);
}
