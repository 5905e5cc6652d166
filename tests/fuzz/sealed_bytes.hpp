// Checksums for targets whose bytes stand behind one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "anear/storage/checksum.hpp"
#include "target.hpp"

namespace anear::fuzz {

/// | XXH3-64 of body | body |
inline std::string sealed(std::string_view body) {
  return bytes_of(storage::checksum64(body)).append(body);
}

/// What stands behind the checksum.
inline std::string unsealed(std::string_view bytes) { return std::string(bytes.substr(8)); }

}  // namespace anear::fuzz
