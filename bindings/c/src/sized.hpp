// Structs that start with struct_size, from and to callers built with an older or newer anear.h.
//
// Inputs: what an older caller does not have is zero, the default; what a newer caller has beyond
// this library's struct must be zero. Outputs: only what the caller has room for is written, and
// what this library does not know is zeroed.
//
// Threads: plain functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "anear.h"
#include "anear/core/error.hpp"

namespace anear::c {

/// Beyond this, struct_size was never set.
inline constexpr std::size_t kStructBytesMax = 4'096;

/// The struct_size at `given`, checked: at least the first two words, whole words, no garbage.
inline Result<std::size_t> checked_size(const void* given, const char* type) {
  std::uint32_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < 8 || size % sizeof(void*) != 0 || size > kStructBytesMax) {
    return invalid_argument("struct_size is " + std::to_string(size) + ", no size of an " + type +
                            "; start from its ANEAR_…_INIT");
  }
  return std::size_t{size};
}

/// The caller's struct as this library knows it. `given` NULL: all zero.
template <typename T>
Result<T> read_sized(const T* given, const char* type) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kStructBytesMax);
  T known;
  std::memset(&known, 0, sizeof known);
  known.struct_size = sizeof known;
  if (given == nullptr) return known;
  const auto size = checked_size(given, type);
  if (!size) return size.error();
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  std::memcpy(&known, bytes, std::min(*size, sizeof known));
  for (std::size_t i = sizeof known; i < *size; ++i) {
    if (bytes[i] != 0) {
      return invalid_argument(std::string(type) + " holds something at byte " + std::to_string(i) +
                              " that this library does not know");
    }
  }
  known.struct_size = sizeof known;
  return known;
}

/// Writes `known` into the caller's struct, whose struct_size stays.
template <typename T>
Status write_sized(const T& known, T* to, const char* type) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto size = checked_size(to, type);
  if (!size) return size.error();
  auto* bytes = reinterpret_cast<unsigned char*>(to);
  const std::size_t head = sizeof(std::uint32_t);
  std::memcpy(bytes + head, reinterpret_cast<const unsigned char*>(&known) + head,
              std::min(*size, sizeof known) - head);
  if (*size > sizeof known) std::memset(bytes + sizeof known, 0, *size - sizeof known);
  return {};
}

}  // namespace anear::c
