// Sets of slots combined word by word.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "anear/core/slot_set.hpp"

namespace anear {

/// combine(a, b) of each pair of words in the first `chunks` chunks; a set's missing words are 0.
template <typename Combine>
SlotSet combined(const SlotSet& a, const SlotSet& b, std::size_t chunks, Combine combine) {
  static constexpr SlotSet::Chunk kEmpty{};
  SlotSet out;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const SlotSet::Chunk* of_a = a.chunk(chunk);
    const SlotSet::Chunk* of_b = b.chunk(chunk);
    const SlotSet::Chunk& from_a = of_a != nullptr ? *of_a : kEmpty;
    const SlotSet::Chunk& from_b = of_b != nullptr ? *of_b : kEmpty;
    auto words = std::make_shared<SlotSet::Chunk>();
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < words->size(); ++i) {
      (*words)[i] = combine(from_a[i], from_b[i]);
      any |= (*words)[i];
    }
    if (any != 0) out.set_chunk(chunk, std::move(words));
  }
  return out;
}

inline SlotSet intersection(const SlotSet& a, const SlotSet& b) {
  return combined(a, b, std::min(a.chunks(), b.chunks()),
                  [](std::uint64_t x, std::uint64_t y) { return x & y; });
}

inline SlotSet unification(const SlotSet& a, const SlotSet& b) {
  return combined(a, b, std::max(a.chunks(), b.chunks()),
                  [](std::uint64_t x, std::uint64_t y) { return x | y; });
}

/// The slots below `end` that are not in `set`.
inline SlotSet complement(const SlotSet& set, Slot end) {
  SlotSet out =
      combined(set, set, (std::size_t{end} + SlotSet::kChunkSlots - 1) / SlotSet::kChunkSlots,
               [](std::uint64_t x, std::uint64_t) { return ~x; });
  for (std::size_t beyond = end; beyond % SlotSet::kChunkSlots != 0; ++beyond)
    out.remove(static_cast<Slot>(beyond));
  return out;
}

/// The slots of `a` that are not in `b`.
inline SlotSet difference(const SlotSet& a, const SlotSet& b) {
  return combined(a, b, a.chunks(), [](std::uint64_t x, std::uint64_t y) { return x & ~y; });
}

}  // namespace anear
