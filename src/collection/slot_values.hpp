// A number for each slot, in memory for the slots around those that have one: slots are what a file
// says, and may be any.
//
// Threads: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "anear/core/types.hpp"

namespace anear {

class SlotValues {
 public:
  /// 0 where none was set.
  std::uint64_t operator[](Slot slot) const noexcept {
    const std::size_t chunk = slot / kChunkSlots;
    if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return 0;
    return (*chunks_[chunk])[slot % kChunkSlots];
  }
  void set(Slot slot, std::uint64_t value) {
    const std::size_t chunk = slot / kChunkSlots;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    if (chunks_[chunk] == nullptr) chunks_[chunk] = std::make_unique<Chunk>();
    (*chunks_[chunk])[slot % kChunkSlots] = value;
  }

 private:
  static constexpr std::size_t kChunkSlots = 4'096;
  using Chunk = std::array<std::uint64_t, kChunkSlots>;

  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace anear
