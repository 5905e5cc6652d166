// Slot → key, in memory: what an answer needs to name its records without reading them.
//
//   slots that were live when the table was made, or that an image has: offsets and bytes
//   younger slots: a pointer each, to | bytes u16 | key | in blocks that never move
//
// A key stays for as long as the table lives: an older view may still name its slot. So that dead
// slots do not take memory for ever, a collection gets a new table now and then (live_keys.hpp).
//
// Threads: one writer (the commit leader) calls set(); any number of readers ask for slots that a
// view published to them.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/assert.hpp"
#include "anear/core/types.hpp"

namespace anear {

class KeyTable {
 public:
  /// Keys of the slots below `slots` whose bit (s & 63 of word s >> 6) is set in `live`: the n-th
  /// of them has bytes [offsets[n], offsets[n + 1]). Bits and ascending offsets within `bytes` were
  /// checked by the caller. Kept alive by `owner`.
  struct Base {
    Slot slots = 0;
    std::span<const std::uint64_t> live;  ///< Empty: each slot has an offset.
    std::span<const std::uint64_t> offsets;
    std::string_view bytes;
    std::shared_ptr<void> owner;
  };

  KeyTable() : cells_(sizeof(const char*)) {}

  /// Before all sharing.
  void adopt(Base base) {
    base_ = std::move(base);
    ranks_.clear();
    ranks_.reserve(base_.live.size());
    std::uint32_t rank = 0;
    for (const std::uint64_t word : base_.live) {
      ranks_.push_back(rank);
      rank += static_cast<std::uint32_t>(std::popcount(word));
    }
  }

  /// Empty for a slot that never had a key.
  std::string_view key(Slot slot) const noexcept {
    if (slot >= base_.slots) return younger_key(slot - base_.slots);
    std::size_t at = slot;
    if (!base_.live.empty()) {
      const std::uint64_t word = base_.live[slot / 64];
      const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
      if ((word & bit) == 0) return {};
      at = ranks_[slot / 64] + static_cast<std::size_t>(std::popcount(word & (bit - 1)));
    }
    return base_.bytes.substr(base_.offsets[at], base_.offsets[at + 1] - base_.offsets[at]);
  }

  /// A slot at or beyond the base's `slots`.
  void set(Slot slot, std::string_view key) {
    ANEAR_ASSERT(has_cell(slot));
    const std::size_t place = slot - base_.slots;
    const std::size_t limit = place + 1;
    cells_.grow_to(limit);
    char* copy = take(sizeof(std::uint16_t) + key.size());
    const auto bytes = static_cast<std::uint16_t>(key.size());
    std::memcpy(copy, &bytes, sizeof bytes);
    std::memcpy(copy + sizeof bytes, key.data(), key.size());
    std::atomic_ref<const char*>(cell_of(place)).store(copy, std::memory_order_release);
    set_.fetch_add(1, std::memory_order_relaxed);
    if (limit > limit_.load(std::memory_order_relaxed))
      limit_.store(limit, std::memory_order_release);
  }

  /// Whether set() may name the slot: the base has those below.
  bool has_cell(Slot slot) const noexcept { return slot >= base_.slots; }

  /// How many keys are here, of live slots and of dead ones.
  std::size_t count() const noexcept {
    const std::size_t of_base = base_.offsets.empty() ? 0 : base_.offsets.size() - 1;
    return of_base + set_.load(std::memory_order_relaxed);
  }

  std::size_t bytes() const noexcept {
    return limit_.load(std::memory_order_relaxed) * sizeof(const char*) +
           taken_.load(std::memory_order_relaxed) + base_.bytes.size() +
           base_.offsets.size_bytes() + base_.live.size_bytes() +
           ranks_.size() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  const char*& cell_of(std::size_t place) const noexcept {
    return *reinterpret_cast<const char**>(const_cast<std::byte*>(cells_.row(place)));
  }

  std::string_view younger_key(std::size_t place) const noexcept {
    if (place >= limit_.load(std::memory_order_acquire)) return {};
    const char* cell = std::atomic_ref<const char*>(cell_of(place)).load(std::memory_order_acquire);
    if (cell == nullptr) return {};
    std::uint16_t bytes = 0;
    std::memcpy(&bytes, cell, sizeof bytes);
    return {cell + sizeof bytes, bytes};
  }

  char* take(std::size_t bytes) {
    if (blocks_.empty() || bytes > left_) {
      // The first block is small: a store may hold thousands of small collections.
      left_ = std::max(bytes, blocks_.empty() ? kBlockBytes / 64 : kBlockBytes);
      blocks_.push_back(std::make_unique<char[]>(left_));
      next_ = blocks_.back().get();
    }
    char* const taken = next_;
    next_ += bytes;
    left_ -= bytes;
    taken_.fetch_add(bytes, std::memory_order_relaxed);
    return taken;
  }

  Base base_;
  std::vector<std::uint32_t> ranks_;  ///< Of each word of `live`: bits before it.
  AlignedRows cells_;                 ///< Of slots from the base's `slots` on.
  std::atomic<std::size_t> limit_{0};
  std::atomic<std::size_t> set_{0};
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::atomic<std::size_t> taken_{0};
};

}  // namespace anear
