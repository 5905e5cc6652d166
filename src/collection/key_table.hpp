// Slot → key, in memory: what an answer needs to name its records without reading them.
//
//   slots of the image the collection was opened with: offsets and bytes, mapped as they are
//   younger slots: a pointer each, to | bytes u16 | key | in blocks that never move
//
// A key stays for as long as the table lives: an older view may still name its slot.
//
// Threads: one writer (the commit leader) calls set(); any number of readers ask for slots that a
// view published to them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/types.hpp"

namespace anear {

class KeyTable {
 public:
  /// Keys of slots [0, offsets.size() − 1): slot s has bytes [offsets[s], offsets[s + 1]).
  /// Ascending offsets within `bytes` were checked by the caller. Kept alive by `owner`.
  struct Base {
    std::span<const std::uint64_t> offsets;
    std::string_view bytes;
    std::shared_ptr<void> owner;
  };

  KeyTable() : cells_(sizeof(const char*)) {}

  void adopt(Base base) { base_ = std::move(base); }

  /// Empty for a slot that never had a key.
  std::string_view key(Slot slot) const noexcept {
    if (slot < limit_.load(std::memory_order_acquire)) {
      const char* cell =
          std::atomic_ref<const char*>(cell_of(slot)).load(std::memory_order_acquire);
      if (cell != nullptr) {
        std::uint16_t bytes = 0;
        std::memcpy(&bytes, cell, sizeof bytes);
        return {cell + sizeof bytes, bytes};
      }
    }
    if (std::size_t{slot} + 1 >= base_.offsets.size()) return {};
    return base_.bytes.substr(base_.offsets[slot], base_.offsets[slot + 1] - base_.offsets[slot]);
  }

  void set(Slot slot, std::string_view key) {
    const std::size_t limit = std::size_t{slot} + 1;
    cells_.grow_to(limit);
    char* copy = take(sizeof(std::uint16_t) + key.size());
    const auto bytes = static_cast<std::uint16_t>(key.size());
    std::memcpy(copy, &bytes, sizeof bytes);
    std::memcpy(copy + sizeof bytes, key.data(), key.size());
    std::atomic_ref<const char*>(cell_of(slot)).store(copy, std::memory_order_release);
    if (limit > limit_.load(std::memory_order_relaxed))
      limit_.store(limit, std::memory_order_release);
  }

  std::size_t bytes() const noexcept {
    return limit_.load(std::memory_order_relaxed) * sizeof(const char*) +
           taken_.load(std::memory_order_relaxed) + base_.bytes.size() + base_.offsets.size_bytes();
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  const char*& cell_of(Slot slot) const noexcept {
    return *reinterpret_cast<const char**>(const_cast<std::byte*>(cells_.row(slot)));
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
  AlignedRows cells_;
  std::atomic<std::size_t> limit_{0};
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::atomic<std::size_t> taken_{0};
};

}  // namespace anear
