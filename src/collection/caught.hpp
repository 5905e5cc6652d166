// Where memory may be short: exceptions of the language as a Status, for who has to go on. Errors
// travel as Result everywhere else; what throws is allocation.
//
// Threads: pure functions.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "anear/core/error.hpp"

namespace anear {

/// The Status of `body`, if it has one; kOutOfMemory when it ran out of memory, kInternal when
/// anything else was thrown. Allocates nothing itself: the messages fit into the strings.
template <typename Body>
Status caught(Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      body();
      return {};
    } else {
      return body();
    }
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "out of memory"};
  } catch (const std::length_error&) {
    return Error{ErrorCode::kOutOfMemory, "out of memory"};
  } catch (...) {
    return Error{ErrorCode::kInternal, "an exception"};
  }
}

}  // namespace anear
