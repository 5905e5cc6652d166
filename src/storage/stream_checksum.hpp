// XXH3-128 of bytes that come in pieces.
#pragma once

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstddef>
#include <span>

#include "anear/storage/checksum.hpp"

namespace anear::storage {

class StreamChecksum {
 public:
  StreamChecksum() noexcept { (void)XXH3_128bits_reset(&state_); }
  void add(std::span<const std::byte> bytes) noexcept {
    (void)XXH3_128bits_update(&state_, bytes.data(), bytes.size());
  }
  Checksum128 sum() const noexcept {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.low64, hash.high64};
  }

 private:
  XXH3_state_t state_{};
};

}  // namespace anear::storage
