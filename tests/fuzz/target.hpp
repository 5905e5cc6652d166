// A fuzz target: a function that takes any bytes, and the inputs to begin with. It reads them as
// the store reads bytes that may be damaged or hostile; where these stand behind a checksum, the
// target puts the right one before them, since no change of the bytes would get past it otherwise.
//
// run() comes back, or ends the process: by a sanitizer, or by require() when what came out of the
// bytes breaks a rule. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace anear::fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view bytes);
  std::vector<std::string> (*seeds)();  ///< Made by the code that writes such bytes.
  std::size_t mutations;                ///< How many changed inputs a test run takes.
};

/// The targets of this program.
std::span<const Target> targets();

inline const Target* find_target(std::string_view name) {
  for (const Target& target : targets()) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

inline void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: broken: %s\n", rule);
  std::abort();
}

/// Bytes in memory of exactly their size, aligned as an allocation is: AddressSanitizer sees a read
/// past the end.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), memory_(new char[bytes.size()]) {
    if (size_ != 0) std::memcpy(memory_.get(), bytes.data(), size_);
  }
  std::string_view view() const noexcept { return {memory_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> memory_;
};

/// Takes an input apart from its front; what is missing reads as zero.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T take() {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    T value{};
    const std::string_view bytes = take_bytes(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  /// Fewer where fewer are left.
  std::string_view take_bytes(std::size_t count) {
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  std::string_view rest() const noexcept { return rest_; }
  bool empty() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

template <typename T>
std::string bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace anear::fuzz
