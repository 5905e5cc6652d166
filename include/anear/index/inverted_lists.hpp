// Lists of {position, bias, code}, kept in blocks of 32 entries that never move.
//
//   block:   | next block (u32) | 4 B zero | 32 positions (u32) | 32 biases (f32) | 32 codes |
//   head:    | entries (u32) | first block (u32) | last block (u32) | mean square error (f32) |
//
// with one head for each list. Invariants
//   (1) An entry never changes once its list counts it; a list only grows. (2) Everything that
//   leads to an entry was written before the count that includes it, which a release store
//   publishes: a reader follows only as many entries as the count it loaded. (3) A block belongs to
//   one list; all but a list's last block are full. What was deleted is known to the table of
//   vectors, not here.
//
// Threads: one writer calls reserve() and append(); any number of readers beside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/assert.hpp"
#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/index/sections.hpp"
#include "anear/quant/residual_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class InvertedLists {
 public:
  static constexpr std::size_t kBlockEntries = 32;

  /// A run of entries of one list; code i stands at codes + i · code_bytes().
  struct Entries {
    const Position* positions = nullptr;
    const float* biases = nullptr;
    const std::uint8_t* codes = nullptr;
    std::size_t count = 0;
  };

  InvertedLists(std::size_t lists, std::size_t code_bytes)
      : lists_(lists),
        code_bytes_(code_bytes),
        heads_(sizeof(Head)),
        blocks_((kCodesAt + kBlockEntries * code_bytes + 63) / 64 * 64) {
    heads_.grow_to(lists);
  }

  std::size_t lists() const noexcept { return lists_; }
  std::size_t code_bytes() const noexcept { return code_bytes_; }
  /// Entries of `list` that a reader may follow now.
  std::size_t size(std::uint32_t list) const noexcept {
    return std::atomic_ref<std::uint32_t>(head(list).entries).load(std::memory_order_acquire);
  }
  /// How far codes of `list` are from their rows: the root of the mean square.
  float error(std::uint32_t list) const noexcept {
    return std::sqrt(std::atomic_ref<float>(head(list).error2).load(std::memory_order_relaxed));
  }
  /// The list of each position below `positions`.
  std::vector<std::uint32_t> lists_of(std::size_t positions) const {
    std::vector<std::uint32_t> list_of(positions, 0);
    for (std::uint32_t list = 0; list < lists_; ++list) {
      for_each_run(list, [&](const Entries& run) {
        for (std::size_t i = 0; i < run.count; ++i) {
          if (run.positions[i] < positions) list_of[run.positions[i]] = list;
        }
      });
    }
    return list_of;
  }
  std::size_t bytes() const noexcept {
    return lists_ * sizeof(Head) + used_.load(std::memory_order_relaxed) * blocks_.stride();
  }

  /// Calls visit(entries) for all entries of `list`, run by run.
  template <typename Visit>
  void for_each_run(std::uint32_t list, Visit&& visit) const {
    std::size_t left = size(list);
    if (left == 0) return;
    for (std::uint32_t block = head(list).first; left != 0;) {
      const std::byte* bytes = blocks_.row(block);
      const std::size_t count = std::min(left, kBlockEntries);
      visit(Entries{reinterpret_cast<const Position*>(bytes + kPositionsAt),
                    reinterpret_cast<const float*>(bytes + kBiasesAt),
                    reinterpret_cast<const std::uint8_t*>(bytes + kCodesAt), count});
      left -= count;
      if (left != 0) block = next_of(block);
    }
  }

  /// Makes room, so that `entries` calls of append() cannot fail.
  void reserve(std::size_t entries) {
    blocks_.grow_to(used_.load(std::memory_order_relaxed) + entries / kBlockEntries +
                    std::min(entries, lists_));
  }
  /// Adds one entry at the end of `place.list`; readers see it whole or not at all.
  void append(const ResidualCodes::Place& place, Position position,
              const std::uint8_t* code) noexcept;

  void add_sections(std::vector<SectionOut>& sections) const;
  /// Takes over what add_sections() wrote. Refuses blocks outside of the section or in two lists,
  /// biases that are not finite, and any position below `positions` that is not in just one list.
  Status attach(const SectionSet& set, std::size_t positions);
  /// What attach() refuses, of lists that nobody appends to.
  Status verify(std::size_t positions) const;

 private:
  struct Head {
    std::uint32_t entries = 0;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    float error2 = 0;  ///< Mean over the entries.
  };
  static constexpr std::size_t kPositionsAt = 8;
  static constexpr std::size_t kBiasesAt = kPositionsAt + kBlockEntries * sizeof(Position);
  static constexpr std::size_t kCodesAt = kBiasesAt + kBlockEntries * sizeof(float);

  Head& head(std::size_t list) const noexcept {
    return *reinterpret_cast<Head*>(const_cast<std::byte*>(heads_.row(list)));
  }
  std::uint32_t& next_of(std::size_t block) const noexcept {
    return *reinterpret_cast<std::uint32_t*>(const_cast<std::byte*>(blocks_.row(block)));
  }
  Status check_list(std::uint32_t list, std::vector<bool>& seen_blocks,
                    std::vector<bool>& seen_positions) const;

  std::size_t lists_;
  std::size_t code_bytes_;
  AlignedRows heads_;
  AlignedRows blocks_;
  std::atomic<std::size_t> used_{0};
};

inline void InvertedLists::append(const ResidualCodes::Place& place, Position position,
                                  const std::uint8_t* code) noexcept {
  Head& at = head(place.list);
  const std::size_t i = at.entries % kBlockEntries;
  if (i == 0) {
    const std::size_t fresh = used_.load(std::memory_order_relaxed);
    ANEAR_ASSERT(fresh < blocks_.capacity());
    (at.entries == 0 ? at.first : next_of(at.last)) = static_cast<std::uint32_t>(fresh);
    at.last = static_cast<std::uint32_t>(fresh);
    used_.store(fresh + 1, std::memory_order_relaxed);
  }
  std::byte* block = blocks_.row(at.last);
  std::memcpy(block + kPositionsAt + i * sizeof position, &position, sizeof position);
  std::memcpy(block + kBiasesAt + i * sizeof place.bias, &place.bias, sizeof place.bias);
  std::memcpy(block + kCodesAt + i * code_bytes_, code, code_bytes_);
  const std::uint32_t entries = at.entries + 1;
  const float error2 = at.error2 + (place.error2 - at.error2) / static_cast<float>(entries);
  std::atomic_ref<float>(at.error2).store(error2, std::memory_order_relaxed);
  std::atomic_ref<std::uint32_t>(at.entries).store(entries, std::memory_order_release);
}

inline void InvertedLists::add_sections(std::vector<SectionOut>& sections) const {
  const std::size_t used = used_.load(std::memory_order_relaxed);
  sections.push_back({"lists", heads_.stride(), lists_, heads_.pieces(lists_)});
  sections.push_back({"list_blocks", blocks_.stride(), used, blocks_.pieces(used)});
}

inline Status InvertedLists::attach(const SectionSet& set, std::size_t positions) {
  const auto heads = set.find("lists", heads_.stride());
  const auto blocks = set.find("list_blocks", blocks_.stride());
  if (!heads) return heads.error();
  if (!blocks) return blocks.error();
  if (heads->count != lists_ || blocks->count > positions)
    return Error{ErrorCode::kCorruption, "index image: another number of lists than centroids"};
  const auto used = static_cast<std::size_t>(blocks->count);
  heads_ = AlignedRows(sizeof(Head));
  heads_.adopt(heads->bytes, lists_, set.owner);
  blocks_.adopt(blocks->bytes, used, set.owner);
  used_.store(used);
  return verify(positions);
}

inline Status InvertedLists::verify(std::size_t positions) const {
  std::vector<bool> seen_blocks(used_.load(std::memory_order_relaxed), false);
  std::vector<bool> seen_positions(positions, false);
  for (std::uint32_t list = 0; list < lists_; ++list) {
    if (Status status = check_list(list, seen_blocks, seen_positions); !status) return status;
  }
  if (std::find(seen_positions.begin(), seen_positions.end(), false) != seen_positions.end())
    return Error{ErrorCode::kCorruption, "index image: a position is in no list"};
  return {};
}

inline Status InvertedLists::check_list(std::uint32_t list, std::vector<bool>& seen_blocks,
                                        std::vector<bool>& seen_positions) const {
  const auto damaged = [list](const char* what) {
    return Error{ErrorCode::kCorruption,
                 "index image: list " + std::to_string(list) + " has " + what};
  };
  const Head& at = head(list);
  if (!std::isfinite(at.error2) || at.error2 < 0) return damaged("an error that is none");
  std::size_t left = at.entries;
  for (std::uint32_t block = at.first; left != 0;) {
    if (block >= seen_blocks.size() || seen_blocks[block])
      return damaged("a block that is not its own");
    seen_blocks[block] = true;
    const std::size_t count = std::min(left, kBlockEntries);
    const std::byte* bytes = blocks_.row(block);
    for (std::size_t i = 0; i < count; ++i) {
      Position position = 0;
      float bias = 0;
      std::memcpy(&position, bytes + kPositionsAt + i * sizeof position, sizeof position);
      std::memcpy(&bias, bytes + kBiasesAt + i * sizeof bias, sizeof bias);
      if (position >= seen_positions.size() || seen_positions[position])
        return damaged("a position that is not its own");
      if (!std::isfinite(bias)) return damaged("a bias that is not finite");
      seen_positions[position] = true;
    }
    left -= count;
    if (left == 0 && at.last != block) return damaged("another last block than it says");
    if (left != 0) block = next_of(block);
  }
  return {};
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
