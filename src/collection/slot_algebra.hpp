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

/// The slots below `end` that are not in `set`. Chunks of which it has none share their memory:
/// `end` may be any number that a file holds.
inline SlotSet complement(const SlotSet& set, Slot end) {
  const auto full = std::make_shared<SlotSet::Chunk>();
  full->fill(~std::uint64_t{0});
  SlotSet out;
  for (std::size_t begin = 0, chunk = 0; begin < end; begin += SlotSet::kChunkSlots, ++chunk) {
    const SlotSet::Chunk* const there = set.chunk(chunk);
    if (there == nullptr && begin + SlotSet::kChunkSlots <= end) {
      out.set_chunk(chunk, full);
      continue;
    }
    auto words = std::make_shared<SlotSet::Chunk>(*full);
    for (std::size_t i = 0; there != nullptr && i < words->size(); ++i) (*words)[i] = ~(*there)[i];
    out.set_chunk(chunk, std::move(words));
  }
  for (std::size_t beyond = end; beyond % SlotSet::kChunkSlots != 0; ++beyond)
    out.remove(static_cast<Slot>(beyond));
  return out;
}

/// The slots of `a` that are not in `b`, sharing chunks of `a` as they are.
inline SlotSet difference(const SlotSet& a, const SlotSet& b) {
  SlotSet out = a;
  for (std::size_t chunk = 0; chunk < std::min(a.chunks(), b.chunks()); ++chunk) {
    const SlotSet::Chunk* const of_a = a.chunk(chunk);
    const SlotSet::Chunk* const of_b = b.chunk(chunk);
    if (of_a == nullptr || of_b == nullptr) continue;
    auto words = std::make_shared<SlotSet::Chunk>();
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < words->size(); ++i) any |= (*words)[i] = (*of_a)[i] & ~(*of_b)[i];
    out.set_chunk(chunk, any != 0 ? std::move(words) : nullptr);
  }
  return out;
}

}  // namespace anear
