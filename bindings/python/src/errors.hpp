// How an Error of the core becomes a Python exception: unwrap() is the only way out of a Result.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "anear/core/error.hpp"

namespace anear::python {

namespace py = pybind11;

/// Raises the exception class of `error.code` (anear/_errors.py). Needs the GIL.
[[noreturn]] inline void raise(const Error& error) {
  const py::object exception =
      py::module_::import("anear._errors")
          .attr("make_error")(static_cast<int>(error.code), static_cast<int>(error.subcode),
                              error.record, error.position, error.message);
  PyErr_SetObject(py::type::handle_of(exception).ptr(), exception.ptr());
  throw py::error_already_set();
}

[[noreturn]] inline void raise_invalid(std::string message, Subcode subcode = Subcode::kWrongType) {
  raise(invalid_argument(std::move(message), subcode));
}

template <typename T>
T unwrap(Result<T>&& result) {
  if (!result) raise(result.error());
  return *std::move(result);
}

inline void unwrap(const Status& status) {
  if (!status) raise(status.error());
}

/// Runs `call` without the GIL: it must touch no Python object.
template <typename Call>
auto without_gil(Call&& call) {
  const py::gil_scoped_release release;
  return call();
}

}  // namespace anear::python
