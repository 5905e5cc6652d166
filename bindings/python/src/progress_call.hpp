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
  /// InvalidArgumentError unless it is None or can be called. `of`: what is worked on.
  explicit ProgressCall(py::object callable, const void* of = nullptr)
      : callable_(std::move(callable)), of_(of) {
    if (callable_.is_none() || PyCallable_Check(callable_.ptr()) != 0) return;
    raise_invalid("progress: expected a function of what is done and what there is, got " +
                  std::string(py::str(py::repr(callable_))));
  }
  ProgressCallback callback() noexcept { return {&ProgressCall::call, this}; }
  /// Whether this thread is in a callback, or a handler of a signal, of work on `what`.
  static bool runs_here(const void* what) noexcept { return what == running_of; }
  /// Raises what stopped the work, if that was an exception. Needs the GIL.
  void rethrow() {
    if (raised_) throw py::error_already_set(std::move(*raised_));
  }

 private:
  static bool call(void* context, std::size_t done, std::size_t total) {
    auto& self = *static_cast<ProgressCall*>(context);
    const py::gil_scoped_acquire hold;
    if (self.raised_) return false;
    const Running running(self.of_);
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

  static inline thread_local const void* running_of = nullptr;
  struct Running {
    explicit Running(const void* of) noexcept : before(std::exchange(running_of, of)) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { running_of = before; }
    const void* before;
  };

  py::object callable_;
  const void* of_;
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
