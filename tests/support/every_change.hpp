// Every copy of some bytes with one bit flipped, and every copy that is cut short: for small
// structures all of them are tried.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace anear::testing {

/// Calls visit(copy, byte) for each bit of the bytes [begin, end) of `bytes`.
template <typename Visit>
void for_each_flip(const std::string& bytes, std::size_t begin, std::size_t end, Visit&& visit) {
  std::string flipped = bytes;
  for (std::size_t at = begin; at < end; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      flipped[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      visit(flipped, at);
    }
    flipped[at] = bytes[at];
  }
}

template <typename Visit>
void for_each_flip(const std::string& bytes, Visit&& visit) {
  for_each_flip(bytes, 0, bytes.size(), visit);
}

/// Calls visit(copy) for each length below that of `bytes`.
template <typename Visit>
void for_each_cut(const std::string& bytes, Visit&& visit) {
  for (std::size_t size = 0; size < bytes.size(); ++size) visit(bytes.substr(0, size));
}

}  // namespace anear::testing
