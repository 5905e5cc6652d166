// The parts of the compiled module, one function a file.
#pragma once

#include <pybind11/pybind11.h>

namespace anear::python {

void bind_store(pybind11::module_& module);
void bind_collection(pybind11::module_& module);
void bind_hits(pybind11::module_& module);
void bind_index(pybind11::module_& module);

}  // namespace anear::python
