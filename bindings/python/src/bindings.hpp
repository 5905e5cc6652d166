// The parts of the compiled module, one function a file.
#pragma once

#include <pybind11/pybind11.h>

namespace anear {
struct BatchHits;
}

namespace anear::python {

void bind_store(pybind11::module_& module);
void bind_collection(pybind11::module_& module);
void bind_hits(pybind11::module_& module);
void bind_index(pybind11::module_& module);

/// The BatchHits of Python.
pybind11::object as_object(const BatchHits& batch);

}  // namespace anear::python
