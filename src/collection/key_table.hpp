// Slot → key, in memory: what an answer needs to name its records without reading them.
//
//   slots that were live when the table was made, or that an image has: offsets and bytes
//   younger slots, and those of before that were given out again: a pointer each, to an entry in
//   blocks that never move:
//
//     | bytes u16 | key                                       the first key of a slot
//     | bytes u16, bit 15 | since u64 | before ptr | key      a later one, and the entry that it
//                                                             followed (null: what the image has)
//
// A key stays for as long as the table lives: an older view may still name its slot. So that dead
// slots do not take memory for ever, a collection gets a new table now and then (live_keys.hpp).
//
// Threads: one writer (the commit leader) calls set(); any number of readers ask for slots that a
// view published to them.
#pragma once

#include <algorithm>
#include <array>
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
    again_ = std::vector<AgainPointer>((std::size_t{base_.slots} + kAgain - 1) / kAgain);
  }

  /// The key of `slot`, live in the state after commit `at`. Empty for a slot that never had one.
  std::string_view key(Slot slot, Sequence at) const noexcept {
    for (const char* entry = newest(slot); entry != nullptr;) {
      const Entry found = read(entry);
      if (found.since <= at) return found.key;
      entry = found.before;
    }
    return base_key(slot);
  }

  /// `key` is that of `slot` from commit `since` on, a later one than those of its keys so far.
  void set(Slot slot, std::string_view key, Sequence since) {
    const char* const before = newest(slot);
    const char* const entry = before != nullptr || !base_key(slot).empty()
                                  ? write_again(key, since, before)
                                  : write_first(key);
    std::atomic_ref(cell_to_write(slot)).store(entry, std::memory_order_release);
    set_.fetch_add(1, std::memory_order_relaxed);
  }

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
  static constexpr std::size_t kAgain = 1'024;  ///< Cells that are made at once.
  static constexpr std::uint16_t kIsAgain = 0x8000;
  static_assert(kKeyBytesMax < kIsAgain);

  struct Again {
    std::array<const char*, kAgain> cells{};
  };
  struct AgainPointer {
    AgainPointer() = default;
    AgainPointer(const AgainPointer&) = delete;
    AgainPointer& operator=(const AgainPointer&) = delete;
    ~AgainPointer() { delete to.load(std::memory_order_relaxed); }
    std::atomic<Again*> to{nullptr};
  };

  struct Entry {
    std::string_view key;
    Sequence since = 0;  ///< 0: it is the first.
    const char* before = nullptr;
  };
  static Entry read(const char* entry) noexcept {
    std::uint16_t bytes = 0;
    std::memcpy(&bytes, entry, sizeof bytes);
    entry += sizeof bytes;
    if ((bytes & kIsAgain) == 0) return {{entry, bytes}};
    Entry found;
    std::memcpy(&found.since, entry, sizeof found.since);
    entry += sizeof found.since;
    std::memcpy(static_cast<void*>(&found.before), entry, sizeof found.before);
    entry += sizeof found.before;
    found.key = {entry, static_cast<std::size_t>(bytes & ~kIsAgain)};
    return found;
  }
  const char* write_first(std::string_view key) {
    const auto bytes = static_cast<std::uint16_t>(key.size());
    char* const entry = take(sizeof bytes + key.size());
    std::memcpy(entry, &bytes, sizeof bytes);
    std::memcpy(entry + sizeof bytes, key.data(), key.size());
    return entry;
  }
  const char* write_again(std::string_view key, Sequence since, const char* before) {
    const auto bytes = static_cast<std::uint16_t>(key.size() | kIsAgain);
    char* const entry = take(sizeof bytes + sizeof since + sizeof before + key.size());
    char* next = entry;
    const auto put = [&next](const void* from, std::size_t size) {
      std::memcpy(next, from, size);
      next += size;
    };
    put(&bytes, sizeof bytes);
    put(&since, sizeof since);
    put(static_cast<const void*>(&before), sizeof before);
    put(key.data(), key.size());
    return entry;
  }

  std::string_view base_key(Slot slot) const noexcept {
    if (slot >= base_.slots) return {};
    std::size_t at = slot;
    if (!base_.live.empty()) {
      const std::uint64_t word = base_.live[slot / 64];
      const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
      if ((word & bit) == 0) return {};
      at = ranks_[slot / 64] + static_cast<std::size_t>(std::popcount(word & (bit - 1)));
    }
    return base_.bytes.substr(base_.offsets[at], base_.offsets[at + 1] - base_.offsets[at]);
  }

  /// The slot's last entry, if it has any.
  const char* newest(Slot slot) const noexcept {
    if (slot < base_.slots) {
      Again* const again = again_[slot / kAgain].to.load(std::memory_order_acquire);
      return again == nullptr ? nullptr : load(again->cells[slot % kAgain]);
    }
    const std::size_t place = slot - base_.slots;
    return place < limit_.load(std::memory_order_acquire) ? load(cell_of(place)) : nullptr;
  }
  static const char* load(const char*& cell) noexcept {
    return std::atomic_ref(cell).load(std::memory_order_acquire);
  }
  const char*& cell_of(std::size_t place) const noexcept {
    return *reinterpret_cast<const char**>(const_cast<std::byte*>(cells_.row(place)));
  }

  const char*& cell_to_write(Slot slot) {
    if (slot < base_.slots) {
      std::atomic<Again*>& again = again_[slot / kAgain].to;
      if (again.load(std::memory_order_relaxed) == nullptr) {
        again.store(new Again, std::memory_order_release);
        taken_.fetch_add(sizeof(Again), std::memory_order_relaxed);
      }
      return again.load(std::memory_order_relaxed)->cells[slot % kAgain];
    }
    const std::size_t limit = std::size_t{slot} - base_.slots + 1;
    cells_.grow_to(limit);
    if (limit > limit_.load(std::memory_order_relaxed))
      limit_.store(limit, std::memory_order_release);
    return cell_of(limit - 1);
  }

  char* take(std::size_t bytes) {
    if (blocks_.empty() || bytes > left_) {
      // The first block is small: a store may hold thousands of small collections.
      const std::size_t size = std::max(bytes, blocks_.empty() ? kBlockBytes / 64 : kBlockBytes);
      blocks_.push_back(std::make_unique<char[]>(size));
      next_ = blocks_.back().get();
      left_ = size;
    }
    char* const taken = next_;
    next_ += bytes;
    left_ -= bytes;
    taken_.fetch_add(bytes, std::memory_order_relaxed);
    return taken;
  }

  Base base_;
  std::vector<std::uint32_t> ranks_;  ///< Of each word of `live`: bits before it.
  std::vector<AgainPointer> again_;   ///< Of the base's slots: what was given out again.
  AlignedRows cells_;                 ///< Of slots from the base's `slots` on.
  std::atomic<std::size_t> limit_{0};
  std::atomic<std::size_t> set_{0};
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::atomic<std::size_t> taken_{0};
};

}  // namespace anear
