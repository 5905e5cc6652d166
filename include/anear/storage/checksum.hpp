// XXH3 of bytes: the checksum of everything storage writes. Stops accidents, not attackers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace anear::storage {

/// Pure; works at memory speed.
std::uint64_t checksum64(std::span<const std::byte> bytes) noexcept;
std::uint64_t checksum64(std::string_view bytes) noexcept;

/// Wide enough to stand for the bytes themselves.
struct Checksum128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Checksum128&, const Checksum128&) = default;
};
Checksum128 checksum128(std::string_view bytes) noexcept;
/// 32 digits.
std::string hex(const Checksum128& checksum);
/// 16 digits.
std::string hex(std::uint64_t number);

}  // namespace anear::storage
