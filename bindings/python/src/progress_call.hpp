// A Python callable as the progress callback of long work.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "anear/core/progress.hpp"
#include "errors.hpp"

namespace anear::python {

namespace py = pybind11;

/// Calls `callable(done, total)`; False or an exception stops the work, as does Ctrl-C, also with
/// None. Made and destroyed with the GIL held; called from any thread without it.
class ProgressCall {
 public:
  /// InvalidArgumentError unless it is None or can be called.
  explicit ProgressCall(py::object callable) : callable_(std::move(callable)) {
    if (callable_.is_none() || PyCallable_Check(callable_.ptr()) != 0) return;
    raise_invalid("progress: expected a function of what is done and what there is, got " +
                  std::string(py::str(py::repr(callable_))));
  }
  ProgressCallback callback() noexcept { return {&ProgressCall::call, this}; }
  /// Raises what stopped the work, if that was an exception. Needs the GIL.
  void rethrow() {
    if (raised_) throw py::error_already_set(std::move(*raised_));
  }

 private:
  static bool call(void* context, std::size_t done, std::size_t total) {
    auto& self = *static_cast<ProgressCall*>(context);
    const py::gil_scoped_acquire hold;
    if (self.raised_) return false;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (self.callable_.is_none()) return true;
      const py::object answer = self.callable_(done, total);
      return answer.is_none() || py::bool_(answer);
    } catch (py::error_already_set& raised) {
      self.raised_.emplace(std::move(raised));
      return false;
    }
  }

  py::object callable_;
  std::optional<py::error_already_set> raised_;
};

/// Runs `call` (→ Result) without the GIL under a progress callback; an exception of that wins.
template <typename Call>
auto with_progress(const py::object& callable, Call&& call) {
  ProgressCall progress(callable);
  auto outcome = without_gil([&] { return call(progress.callback()); });
  progress.rethrow();
  return unwrap(std::move(outcome));
}

}  // namespace anear::python
