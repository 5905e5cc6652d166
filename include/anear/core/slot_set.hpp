// An owned set of slots with copy-on-write chunks: versions of it share what they have in common,
// so that the set of live slots can be published anew by every commit at the cost of the chunks it
// touched (4 KiB each) and a list of pointers.
//
// Chunks have the layout of index/wanted.hpp. Threads: a const SlotSet may be read by many; copying
// is a reader.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "anear/core/types.hpp"

namespace anear {

class SlotSet {
 public:
  static constexpr std::size_t kChunkSlots = 32'768;
  static constexpr std::size_t kChunkWords = kChunkSlots / 64;
  using Chunk = std::array<std::uint64_t, kChunkWords>;

  bool contains(Slot slot) const noexcept {
    const std::size_t chunk = slot / kChunkSlots;
    if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return false;
    return ((word(chunk, slot) >> (slot & 63)) & 1) != 0;
  }

  /// Returns whether the slot was not in the set before. Copies the chunk if another version shares
  /// it.
  bool insert(Slot slot) {
    std::uint64_t& bits = writable_word(slot);
    const std::uint64_t bit = std::uint64_t{1} << (slot & 63);
    const bool added = (bits & bit) == 0;
    bits |= bit;
    count_ += added ? 1 : 0;
    return added;
  }

  /// Returns whether the slot was in the set.
  bool remove(Slot slot) {
    if (!contains(slot)) return false;
    writable_word(slot) &= ~(std::uint64_t{1} << (slot & 63));
    --count_;
    return true;
  }

  /// Replaces chunk `index` whole; null empties it.
  void set_chunk(std::size_t index, std::shared_ptr<Chunk> chunk) {
    make_room(index + 1);
    if (chunks_[index] != nullptr) count_ -= count_of(*chunks_[index]);
    if (chunk != nullptr) count_ += count_of(*chunk);
    chunks_[index] = std::move(chunk);
    words_[index] = chunks_[index] == nullptr ? nullptr : chunks_[index]->data();
  }

  /// Gives back the memory of chunks that have become empty.
  void drop_empty_chunks() {
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
      if (chunks_[i] != nullptr && count_of(*chunks_[i]) == 0) set_chunk(i, nullptr);
    }
  }

  std::size_t count() const noexcept { return count_; }
  std::size_t chunks() const noexcept { return chunks_.size(); }
  /// Null where the chunk is empty.
  const Chunk* chunk(std::size_t index) const noexcept {
    return index < chunks_.size() ? chunks_[index].get() : nullptr;
  }
  /// The words of each chunk, null where empty: what Wanted borrows. Valid until this set is
  /// changed or destroyed.
  const std::vector<const std::uint64_t*>& words() const noexcept { return words_; }

  /// Calls `visit(slot)` for every slot in the set, ascending.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t index = 0; index < chunks_.size(); ++index) for_each_in(index, visit);
  }

  /// The same for the slots of chunk `index`.
  template <typename Visit>
  void for_each_in(std::size_t index, Visit&& visit) const {
    const Chunk* const words = chunk(index);
    if (words == nullptr) return;
    for (std::size_t w = 0; w < kChunkWords; ++w) {
      for (std::uint64_t bits = (*words)[w]; bits != 0; bits &= bits - 1) {
        visit(static_cast<Slot>(index * kChunkSlots + w * 64 +
                                static_cast<std::size_t>(std::countr_zero(bits))));
      }
    }
  }

 private:
  /// For both lists or, where memory runs out, for neither.
  void make_room(std::size_t chunks) {
    if (chunks <= chunks_.size()) return;
    if (chunks > words_.capacity()) words_.reserve(std::max(chunks, 2 * words_.capacity()));
    chunks_.resize(chunks);
    words_.resize(chunks, nullptr);
  }
  static std::size_t count_of(const Chunk& chunk) noexcept {
    std::size_t count = 0;
    for (const std::uint64_t bits : chunk) count += static_cast<std::size_t>(std::popcount(bits));
    return count;
  }
  std::uint64_t word(std::size_t chunk, Slot slot) const noexcept {
    return (*chunks_[chunk])[(slot / 64) % kChunkWords];
  }
  std::uint64_t& writable_word(Slot slot) {
    const std::size_t index = slot / kChunkSlots;
    make_room(index + 1);
    std::shared_ptr<Chunk>& chunk = chunks_[index];
    if (chunk == nullptr) {
      chunk = std::make_shared<Chunk>();
    } else if (chunk.use_count() > 1) {
      chunk = std::make_shared<Chunk>(*chunk);
    }
    words_[index] = chunk->data();
    return (*chunk)[(slot / 64) % kChunkWords];
  }

  std::vector<std::shared_ptr<Chunk>> chunks_;
  std::vector<const std::uint64_t*> words_;
  std::size_t count_ = 0;
};

}  // namespace anear
