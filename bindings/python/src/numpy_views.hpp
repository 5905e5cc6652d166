// Vectors from Python: f32 and f16 numpy arrays are borrowed without a copy; anything else that
// numpy can make numbers of is converted to f32 once.
//
// A Matrix owns a reference to the array it views, so that its memory outlives a call that runs
// without the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstring>
#include <string>
#include <vector>

#include "anear/core/matrix_view.hpp"
#include "errors.hpp"

namespace anear::python {

struct Matrix {
  py::array array;
  MatrixView view;
};

inline std::string shape_of(const py::array& array) { return py::str(array.attr("shape")); }

/// An array of numbers with one or two dimensions, or InvalidArgumentError.
inline py::array as_numbers(const py::handle& object, const char* what) {
  py::array array;
  if (py::isinstance<py::array>(object)) {
    array = py::reinterpret_borrow<py::array>(object);
  } else {
    try {
      array = py::module_::import("numpy").attr("asarray")(object);
    } catch (py::error_already_set& failure) {
      if (!failure.matches(PyExc_ValueError) && !failure.matches(PyExc_TypeError)) throw;
      const std::string why = py::str(failure.value());
      raise_invalid(std::string(what) + ": expected an array of numbers: " + why);
    }
  }
  if (py::hasattr(array, "mask") && array.attr("mask").attr("any")().cast<bool>())
    raise_invalid(std::string(what) + ": a masked array has numbers that are masked; fill them");
  const char kind = array.dtype().kind();
  if (kind != 'f' && kind != 'i' && kind != 'u') {
    raise_invalid(std::string(what) + ": expected numbers, got an array of dtype " +
                  std::string(py::str(array.dtype())));
  }
  if (array.ndim() != 1 && array.ndim() != 2) {
    raise_invalid(std::string(what) + ": expected one vector or a matrix of rows, got shape " +
                      shape_of(array),
                  Subcode::kDimensionMismatch);
  }
  return array;
}

/// Whether the rows can be read where they are: native, aligned f32 or f16, each row contiguous.
inline bool is_borrowable(const py::array& array) {
  const py::dtype type = array.dtype();
  const bool native = type.byteorder() == '=' || type.byteorder() == '|' || type.byteorder() == '<';
  const bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  const bool number = type.kind() == 'f' && (array.itemsize() == 2 || array.itemsize() == 4);
  const py::ssize_t last = array.ndim() - 1;
  const bool contiguous = array.shape(last) <= 1 || array.strides(last) == array.itemsize();
  const bool forward = array.ndim() == 1 || array.shape(0) <= 1 || array.strides(0) >= 0;
  return native && aligned && number && contiguous && forward;
}

/// A copy as f32. Numbers beyond its range become infinite, which the caller's check refuses.
inline py::array as_f32(const py::array& array) {
  const py::module_ numpy = py::module_::import("numpy");
  const py::object quiet = numpy.attr("errstate")(py::arg("over") = "ignore");
  quiet.attr("__enter__")();
  py::array copy =
      numpy.attr("ascontiguousarray")(array, py::arg("dtype") = py::dtype::of<float>());
  quiet.attr("__exit__")(py::none(), py::none(), py::none());
  return copy;
}

/// `object` as rows; one vector (1-d) counts as one row, an empty list as none. Raises
/// InvalidArgumentError for other shapes or types.
inline Matrix as_matrix(const py::handle& object, const char* what) {
  py::array array = as_numbers(object, what);
  if (!is_borrowable(array)) array = as_f32(array);
  const bool one = array.ndim() == 1;
  const std::size_t rows =
      one ? (array.shape(0) == 0 ? 0 : 1) : static_cast<std::size_t>(array.shape(0));
  const MatrixShape shape{rows, static_cast<std::size_t>(array.shape(one ? 0 : 1))};
  const ScalarKind kind = array.itemsize() == 2 ? ScalarKind::kF16 : ScalarKind::kF32;
  const std::size_t stride = shape.rows <= 1 ? shape.dimension * bytes_of(kind)
                                             : static_cast<std::size_t>(array.strides(0));
  return {array, MatrixView(array.data(), shape, kind, stride)};
}

/// A stored or found row as a numpy array of its own memory.
inline py::array to_array(VectorView row) {
  py::array array(row.kind() == ScalarKind::kF16 ? py::dtype("float16") : py::dtype::of<float>(),
                  std::vector<py::ssize_t>{static_cast<py::ssize_t>(row.dimension())});
  if (row.bytes() != 0) std::memcpy(array.mutable_data(), row.data(), row.bytes());
  return array;
}

}  // namespace anear::python
