// What a campaign counted, for tools/torture: lines "name number" behind each other in the file
// that ANEAR_REPORT names; without it nothing.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

namespace anear::testing {

inline void report(const std::string& name, std::uint64_t number) {
  const char* const path = std::getenv("ANEAR_REPORT");
  if (path == nullptr) return;
  std::ofstream(path, std::ios::app) << name << ' ' << number << '\n';
}

/// A number that the environment may set.
inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace anear::testing
