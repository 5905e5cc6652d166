// Blocks of a file that are compared with their checksums when they are first read: a large file is
// open at once, and nothing of it is used unchecked.
//
// Invariants: (1) A block is read after touch() of it only. (2) What was made of damaged bytes is
// seen afterwards: who reads asks intact() at the end, and gives nothing away when it is false.
//
// Threads: any, at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/assert.hpp"
#include "anear/core/error.hpp"
#include "anear/core/parallel.hpp"

namespace anear {

class BlockGuard {
 public:
  using Checksum = std::uint64_t (*)(std::span<const std::byte>) noexcept;
  /// `bytes` are borrowed; all blocks but the last have `block_bytes`, a power of two.
  struct Blocks {
    std::string name;          ///< Of the file, for errors.
    std::uint64_t offset = 0;  ///< Of the first block in the file.
    std::span<const std::byte> bytes;
    std::size_t block_bytes = 1;
    std::vector<std::uint64_t> checksums;  ///< One for each block, by `checksum`.
    Checksum checksum = nullptr;
  };

  explicit BlockGuard(Blocks blocks)
      : blocks_(std::move(blocks)),
        shift_(static_cast<std::size_t>(std::countr_zero(blocks_.block_bytes))),
        was_read_(blocks_.checksums.size()),
        unread_(blocks_.checksums.size()) {
    ANEAR_ASSERT(std::has_single_bit(blocks_.block_bytes));
  }
  BlockGuard(const BlockGuard&) = delete;
  BlockGuard& operator=(const BlockGuard&) = delete;
  ~BlockGuard() = default;

  /// Before `bytes`, a part of the blocks and not empty, are read.
  void touch(std::span<const std::byte> bytes) const noexcept {
    if (unread_.load(std::memory_order_acquire) == 0) return;
    const auto begin = static_cast<std::size_t>(bytes.data() - blocks_.bytes.data());
    const std::size_t last = (begin + bytes.size() - 1) >> shift_;
    for (std::size_t block = begin >> shift_; block <= last; ++block) {
      if (!was_read_[block].load(std::memory_order_acquire)) check(block);
    }
  }
  /// touch() of everything, by several threads.
  void touch_all() const {
    constexpr std::size_t kBlocksAtOnce = 64;
    if (unread_.load(std::memory_order_acquire) == 0) return;
    parallel_for_joined(was_read_.size(), 0, kBlocksAtOnce,
                        [&](std::size_t begin, std::size_t end, std::size_t) {
                          for (std::size_t block = begin; block < end; ++block) {
                            if (!was_read_[block].load(std::memory_order_acquire)) check(block);
                          }
                          return true;
                        });
  }

  bool intact() const noexcept { return first_damaged_.load(std::memory_order_acquire) == kNone; }
  /// kCorruption (kChecksum) with the file and the offset, when a block that was read is damaged.
  Status status() const {
    const std::size_t block = first_damaged_.load(std::memory_order_acquire);
    if (block == kNone) return {};
    const std::uint64_t at = blocks_.offset + (static_cast<std::uint64_t>(block) << shift_);
    return Error{ErrorCode::kCorruption, "'" + blocks_.name + "': a block is damaged",
                 Subcode::kChecksum}
        .at_position(static_cast<std::int64_t>(at));
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  void check(std::size_t block) const noexcept {
    const std::size_t begin = block << shift_;
    const std::size_t bytes = std::min(blocks_.block_bytes, blocks_.bytes.size() - begin);
    if (blocks_.checksum(blocks_.bytes.subspan(begin, bytes)) != blocks_.checksums[block]) {
      std::size_t first = first_damaged_.load(std::memory_order_relaxed);
      while (block < first && !first_damaged_.compare_exchange_weak(first, block)) {
      }
    }
    // After what it says of damage: who sees a block as read sees that, too.
    if (!was_read_[block].exchange(true, std::memory_order_acq_rel))
      unread_.fetch_sub(1, std::memory_order_acq_rel);
  }

  Blocks blocks_;
  std::size_t shift_;
  mutable std::vector<std::atomic<bool>> was_read_;
  mutable std::atomic<std::size_t> unread_;
  mutable std::atomic<std::size_t> first_damaged_{kNone};
};

/// Bytes, and what has to be asked before they are read; nothing, where `guard` is null.
struct GuardedBytes {
  std::span<std::byte> bytes;
  const BlockGuard* guard = nullptr;
};

}  // namespace anear
