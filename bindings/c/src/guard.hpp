// The one way in and out of every C function: no exception leaves, every Error reaches the caller's
// anear_error.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>

#include "anear.h"
#include "anear/core/error.hpp"

namespace anear::c {

/// Whether `error` is NULL or says of itself that all of an anear_error can be written to.
bool is_usable(const anear_error* error) noexcept;

/// Writes the outcome into `error` (may be NULL); returns its code. Allocates nothing.
std::int32_t report(const Status& status, anear_error* error) noexcept;
std::int32_t report(ErrorCode code, const char* message, anear_error* error) noexcept;

/// Copies `text` into the `capacity` bytes at `to`, cut at a whole character, with a NUL.
void copy_message(const char* text, std::size_t size, char* to, std::size_t capacity) noexcept;

/// Runs `body` (→ Status) and reports its outcome.
template <typename Body>
std::int32_t guard(anear_error* error, const Body& body) noexcept {
  if (!is_usable(error)) return ANEAR_INVALID_ARGUMENT;
  try {
    return report(body(), error);
  } catch (const std::bad_alloc&) {
    return report(ErrorCode::kOutOfMemory, "an allocation failed", error);
  } catch (const std::length_error&) {
    return report(ErrorCode::kOutOfMemory, "a size is beyond what memory can hold", error);
  } catch (const std::exception& exception) {
    return report(ErrorCode::kInternal, exception.what(), error);
  } catch (...) {
    return report(ErrorCode::kInternal, "an exception of an unknown type", error);
  }
}

/// Empties what a call is to return, so that it is empty after any failure.
template <typename T>
void reset(T* out) noexcept {
  if (out != nullptr) *out = T{};
}

inline Error null_argument(const std::string& name) { return invalid_argument(name + " is NULL"); }

/// A pointer that must not be NULL, and its name in messages.
struct Required {
  const void* pointer;
  const char* name;
};
inline Status required(std::initializer_list<Required> all) {
  for (const Required& each : all) {
    if (each.pointer == nullptr) return null_argument(each.name);
  }
  return {};
}

}  // namespace anear::c
