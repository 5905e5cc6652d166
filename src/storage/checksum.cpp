#include "anear/storage/checksum.hpp"

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

namespace anear::storage {

std::uint64_t checksum64(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t checksum64(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Checksum128 checksum128(std::string_view bytes) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::string hex(const Checksum128& checksum) { return hex(checksum.high) + hex(checksum.low); }

std::string hex(std::uint64_t number) {
  constexpr std::size_t kDigitCount = 16;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kDigitCount, '0');
  for (std::size_t i = 0; i < kDigitCount; ++i) text[i] = kDigits[(number >> (60 - 4 * i)) & 15];
  return text;
}

}  // namespace anear::storage
