// A borrowed set of slots: what a search may return. The bits stand in chunks, so that a
// copy-on-write set of live slots (src/collection) and a flat bitmap are read by the same code.
//
//   slot s → chunks[s >> 15][(s >> 6) & 511] >> (s & 63) & 1          a chunk: 32,768 slots, 512
//   words, 4 KiB
//
// A null chunk and every slot past the last chunk are "not wanted". Threads: read-only.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "anear/core/types.hpp"

namespace anear {

class Wanted {
 public:
  static constexpr std::size_t kChunkSlots = 32'768;
  static constexpr std::size_t kChunkWords = kChunkSlots / 64;

  /// `count`: how many bits are set in all; it decides between plans and must be exact.
  Wanted(std::span<const std::uint64_t* const> chunks, std::size_t count) noexcept
      : chunks_(chunks), count_(count) {}

  bool contains(Slot slot) const noexcept {
    const std::size_t chunk = slot >> 15;
    if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return false;
    return ((chunks_[chunk][(slot >> 6) & (kChunkWords - 1)] >> (slot & 63)) & 1) != 0;
  }
  std::size_t count() const noexcept { return count_; }

  /// Calls `visit(slot)` for every slot in the set, ascending.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      if (chunks_[chunk] == nullptr) continue;
      for (std::size_t word = 0; word < kChunkWords; ++word) {
        for (std::uint64_t bits = chunks_[chunk][word]; bits != 0; bits &= bits - 1) {
          visit(static_cast<Slot>(chunk * kChunkSlots + word * 64 +
                                  static_cast<std::size_t>(std::countr_zero(bits))));
        }
      }
    }
  }

 private:
  std::span<const std::uint64_t* const> chunks_;
  std::size_t count_;
};

}  // namespace anear
