// XXH3-64 of bytes: the checksum of everything storage writes. Stops accidents, not attackers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace anear::storage {

/// Pure; works at memory speed.
std::uint64_t checksum64(std::span<const std::byte> bytes) noexcept;
std::uint64_t checksum64(std::string_view bytes) noexcept;

}  // namespace anear::storage
