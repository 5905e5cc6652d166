// The compiled module anear._core: declarations only; the parts stand in bind_*.cpp.
#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <string>

#include "anear/simd/isa.hpp"
#include "anear/version.hpp"
#include "bindings.hpp"
#include "errors.hpp"

namespace {

/// What the language throws where memory is short becomes an Error like all others.
void translate(
    std::exception_ptr thrown) {  // NOLINT(performance-unnecessary-value-param): as asked.
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    try {
      anear::python::raise(
          {anear::ErrorCode::kOutOfMemory, "an allocation failed; nothing was changed"});
    } catch (pybind11::error_already_set& raised) {
      raised.restore();
    }
  }
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled part of anear. Use the names of the package `anear`.";
  if (const anear::Status able = anear::check_processor(); !able)
    throw pybind11::import_error(able.error().message);
  module.attr("version") = std::to_string(ANEAR_VERSION_MAJOR) + "." +
                           std::to_string(ANEAR_VERSION_MINOR) + "." +
                           std::to_string(ANEAR_VERSION_PATCH);
  pybind11::register_exception_translator(&translate);
  module.def("isa", [] { return anear::name_of(anear::isa()); });
#if defined(ANEAR_PYTHON_STORE)
  anear::python::bind_store(module);
  anear::python::bind_collection(module);
  anear::python::bind_hits(module);
#endif
  anear::python::bind_index(module);
}
