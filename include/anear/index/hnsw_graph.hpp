// The links of an HNSW graph, and nothing else: no vectors, no distances.
//
//   level 0, one fixed-size block a position:   | count | link 0 | link 1 | … | link 2M-1 | copy |
//   level ≥ 1, only for tall positions:         | count | link 0 | … | link M-1 |   × height, one
//   after another
//
// Positions of equal codes would fill each other's blocks and become an island: all but the first
// are its copies. They have no links and form a list that starts in its block ("copy": the next one
// plus 1, or 0).
//
// Invariants
//   (1) A link always leads to a position that has been written: it is stored after it, by a
//   release store. (2) Readers take no lock. While a block is pruned they may see some links of
//   before and some of after: each of them is valid. (3) If a position is linked on level L it is
//   linked on every level below L. (4) Links need not be symmetric: pruning one end does not touch
//   the other.
//
// Threads: any number of readers beside writers that hold the lock of the one position they change;
// locks are never nested.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/error.hpp"
#include "anear/core/parallel.hpp"
#include "anear/core/random.hpp"
#include "anear/core/types.hpp"
#include "anear/index/sections.hpp"

namespace anear {

using Level = std::uint32_t;

class HnswGraph {
 public:
  static constexpr Level kLevelMax = 31;

  /// `links_max`: M. Levels are drawn from `seed` and the position alone.
  HnswGraph(std::uint32_t links_max, std::uint64_t seed)
      : links_max_(links_max),
        seed_(seed),
        base_(sizeof(std::uint32_t) * (2 + 2 * std::size_t{links_max})),
        upper_(sizeof(std::uint32_t) * (1 + std::size_t{links_max})),
        heads_(sizeof(Head)),
        locks_(std::make_unique<Locks>()) {}
  HnswGraph(HnswGraph&& other) noexcept
      : links_max_(other.links_max_),
        seed_(other.seed_),
        base_(std::move(other.base_)),
        upper_(std::move(other.upper_)),
        heads_(std::move(other.heads_)),
        upper_blocks_(other.upper_blocks_.load()),
        entry_(other.entry_.load()),
        locks_(std::move(other.locks_)) {}
  HnswGraph& operator=(HnswGraph&& other) noexcept {
    links_max_ = other.links_max_;
    seed_ = other.seed_;
    base_ = std::move(other.base_);
    upper_ = std::move(other.upper_);
    heads_ = std::move(other.heads_);
    upper_blocks_ = other.upper_blocks_.load();
    entry_.store(other.entry_.load());
    locks_ = std::move(other.locks_);
    return *this;
  }
  ~HnswGraph() = default;

  /// Where a walk starts, and the highest level there is. kNoPosition: the graph is empty.
  struct Entry {
    Position position = kNoPosition;
    Level level = 0;
  };
  Entry entry() const noexcept {
    const std::uint64_t packed = entry_.load(std::memory_order_acquire);
    return {static_cast<Position>(packed), static_cast<Level>(packed >> 32)};
  }

  std::uint32_t links_max(Level level) const noexcept {
    return level == 0 ? 2 * links_max_ : links_max_;
  }
  Level level(Position position) const noexcept { return head(position).height & ~kCopy; }
  /// Whether it stands in another one's list of copies.
  bool is_copy(Position position) const noexcept {
    return (load(const_cast<Level&>(head(position).height)) & kCopy) != 0;
  }
  /// The next position of an equal code, kNoPosition behind the last.
  Position next_copy(Position position) const noexcept {
    return load(block_of(position, 0)[copy_at()]) - 1;
  }
  std::size_t bytes(std::size_t positions) const noexcept {
    return positions * (base_.stride() + heads_.stride()) + upper_blocks_ * upper_.stride();
  }

  /// Geometric with mean 1 / ln M (Malkov & Yashunin, section 4.1), a function of seed and
  /// position.
  Level draw_level(Position position) const noexcept {
    const double uniform = 1.0 - Random(seed_ + position).uniform();
    const double drawn = -std::log(uniform) / std::log(static_cast<double>(links_max_));
    return static_cast<Level>(std::min(drawn, static_cast<double>(kLevelMax)));
  }

  /// Makes room for positions [first, end) and draws their levels; not visible until something
  /// links to them. One writer.
  void reserve(Position first, Position end) {
    base_.grow_to(end);
    heads_.grow_to(end);
    std::size_t blocks = upper_blocks_;
    for (Position at = first; at < end; ++at) {
      const Head drawn{static_cast<std::uint32_t>(blocks), draw_level(at)};
      blocks += drawn.height;
      head(at) = drawn;
    }
    upper_.grow_to(blocks);
    upper_blocks_ = blocks;
  }

  /// Copies the links of `position` on `level` into `out` (room for links_max(level)), returns how
  /// many.
  std::size_t links(Position position, Level level, Position* out) const noexcept {
    std::uint32_t* block = block_of(position, level);
    const std::uint32_t count = std::min(load(block[0]), links_max(level));
    for (std::uint32_t i = 0; i < count; ++i) out[i] = load(block[1 + i]);
    return count;
  }
  void prefetch(Position position) const noexcept {
    const std::byte* block = base_.row(position);
    for (std::size_t line = 0; line < base_.stride(); line += 64)
      __builtin_prefetch(block + line, 0, 3);
  }

  /// Replaces the links. The caller holds the position's lock, or is alone.
  void set_links(Position position, Level level, std::span<const Position> links) noexcept {
    std::uint32_t* block = block_of(position, level);
    for (std::size_t i = 0; i < links.size(); ++i) store(block[1 + i], links[i]);
    store(block[0], static_cast<std::uint32_t>(links.size()));
  }
  /// Adds one link; false when the block is full. The caller holds the lock.
  bool add_link(Position position, Level level, Position link) noexcept {
    std::uint32_t* block = block_of(position, level);
    const std::uint32_t count = load(block[0]);
    if (count >= links_max(level)) return false;
    store(block[1 + count], link);
    store(block[0], count + 1);
    return true;
  }

  /// Makes `copy`, which has no links, one of `of`. The caller holds the lock of `of`.
  void add_copy(Position of, Position copy) noexcept {
    Level& height = head(copy).height;
    store(height, height | kCopy);
    std::uint32_t& first = block_of(of, 0)[copy_at()];
    store(block_of(copy, 0)[copy_at()], load(first));
    store(first, copy + 1);
  }

  /// A tree of links on level 0 over what the entry leads to: for each of the first `total`
  /// positions the one whose link leads to it (the entry's is itself), kNoPosition where none does.
  /// Walks the whole graph.
  std::vector<Position> spanning_tree(std::size_t total) const {
    std::vector<Position> tree(total, kNoPosition);
    if (total == 0) return tree;
    const Position root = entry().position;
    tree[root] = root;
    grow(tree, root);
    return tree;
  }
  /// Adds to the tree what `from`, which is in it, leads to through positions that were not.
  void grow(std::vector<Position>& tree, Position from) const {
    std::vector<Position> open{from};
    std::vector<Position> linked(links_max(0));
    while (!open.empty()) {
      const Position at = open.back();
      open.pop_back();
      const std::size_t count = links(at, 0, linked.data());
      for (std::size_t i = 0; i < count; ++i) {
        if (linked[i] >= tree.size() || tree[linked[i]] != kNoPosition) continue;
        tree[linked[i]] = at;
        open.push_back(linked[i]);
      }
    }
  }

  /// Makes `position` the entry if it is taller than the present one.
  void raise_entry(Position position, Level level) noexcept {
    const std::uint64_t packed = std::uint64_t{level} << 32 | position;
    std::uint64_t present = entry_.load(std::memory_order_acquire);
    while (static_cast<Position>(present) == kNoPosition ||
           static_cast<Level>(present >> 32) < level) {
      if (entry_.compare_exchange_weak(present, packed, std::memory_order_acq_rel)) return;
    }
  }

  /// Holds the lock of one position while it lives. Positions share locks: never hold two.
  class Lock {
   public:
    Lock(HnswGraph& graph, Position position) noexcept : flag_((*graph.locks_)[position % kLocks]) {
      while (flag_.test_and_set(std::memory_order_acquire))
        flag_.wait(true, std::memory_order_relaxed);
    }
    ~Lock() {
      flag_.clear(std::memory_order_release);
      flag_.notify_one();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::atomic_flag& flag_;
  };

  void add_sections(std::size_t positions, std::vector<SectionOut>& sections) const {
    sections.push_back({"links", base_.stride(), positions, base_.pieces(positions)});
    sections.push_back(
        {"upper_links", upper_.stride(), upper_blocks_, upper_.pieces(upper_blocks_)});
    sections.push_back({"heads", heads_.stride(), positions, heads_.pieces(positions)});
  }

  /// Takes over what add_sections() wrote. Every link, count, height and the entry are checked
  /// against `positions`.
  Status attach(const SectionSet& set, std::size_t positions, Entry entry) {
    const auto links = set.find("links", base_.stride());
    const auto upper = set.find("upper_links", upper_.stride());
    const auto heads = set.find("heads", heads_.stride());
    if (!links) return links.error();
    if (!upper) return upper.error();
    if (!heads) return heads.error();
    if (links->count != positions || heads->count != positions)
      return damaged("another number of blocks than positions");
    base_.adopt(links->bytes, positions, set.owner);
    upper_.adopt(upper->bytes, static_cast<std::size_t>(upper->count), set.owner);
    heads_.adopt(heads->bytes, positions, set.owner);
    upper_blocks_ = static_cast<std::size_t>(upper->count);
    if (positions == 0) return {};
    const auto copies = check_heads(positions);
    if (!copies) return copies.error();
    if (Status status = check_links(positions, *copies); !status) return status;
    if (!copies->empty()) {
      if (Status status = check_copies(positions, *copies); !status) return status;
    }
    // A copy's height, read raw, is none: walks begin at others.
    if (entry.position >= positions || entry.level > kLevelMax ||
        head(entry.position).height != entry.level) {
      return damaged("no valid entry point");
    }
    entry_.store(std::uint64_t{entry.level} << 32 | entry.position);
    return {};
  }

 private:
  struct Head {
    std::uint32_t first_block = 0;
    Level height = 0;  ///< With kCopy.
  };
  static constexpr Level kCopy = 0x80000000U;
  static constexpr std::size_t kLocks = 4096;
  using Locks = std::array<std::atomic_flag, kLocks>;

  static Error damaged(const std::string& what) {
    return Error{ErrorCode::kCorruption, "index image: the graph has " + what};
  }

  /// The positions that are copies, a bit each; none where there are none. Checks heights.
  Result<std::vector<bool>> check_heads(std::size_t positions) const {
    std::vector<bool> copies;
    for (Position at = 0; at < positions; ++at) {
      const Level height = level(at);
      if (height > kLevelMax || std::size_t{head(at).first_block} + height > upper_blocks_)
        return damaged("a tower outside of the upper levels at position " + std::to_string(at));
      if (!is_copy(at)) continue;
      copies.resize(positions);
      copies[at] = true;
    }
    return copies;
  }

  /// Each copy stands in the list of one position that is none.
  Status check_copies(std::size_t positions, const std::vector<bool>& copies) const {
    std::vector<bool> listed(copies.size());
    for (Position at = 0; at < positions; ++at) {
      if (is_copy(at)) continue;
      for (Position copy = next_copy(at); copy != kNoPosition; copy = next_copy(copy)) {
        if (copy >= copies.size() || !copies[copy] || listed[copy])
          return damaged("a list of copies that is none at position " + std::to_string(at));
        listed[copy] = true;
      }
    }
    if (listed == copies) return {};
    const auto lost = std::mismatch(listed.begin(), listed.end(), copies.begin()).first;
    return damaged("a copy in no list at position " + std::to_string(lost - listed.begin()));
  }

  /// On all processors: an opening waits for it.
  Status check_links(std::size_t positions, const std::vector<bool>& copies) const {
    constexpr std::size_t kPositionsAtOnce = 4'096;
    std::atomic<std::size_t> first_wrong{positions};
    parallel_for_joined(positions, 0, kPositionsAtOnce,
                        [&](std::size_t begin, std::size_t end, std::size_t) {
                          for (std::size_t at = begin; at < end; ++at) {
                            if (has_good_links(static_cast<Position>(at), positions, copies))
                              continue;
                            std::size_t first = first_wrong;
                            while (at < first && !first_wrong.compare_exchange_weak(first, at)) {
                            }
                            break;
                          }
                          return true;
                        });
    if (first_wrong == positions) return {};
    return damaged("too many links, or one that leads nowhere, at position " +
                   std::to_string(first_wrong));
  }
  bool has_good_links(Position at, std::size_t positions, const std::vector<bool>& copies) const {
    if (copies.empty() && next_copy(at) != kNoPosition) return false;
    for (Level level = 0; level <= this->level(at); ++level) {
      const std::uint32_t* block = block_of(at, level);
      if (block[0] > links_max(level)) return false;
      const std::span<const std::uint32_t> links(block + 1, block[0]);
      std::uint32_t last = 0;
      for (const std::uint32_t link : links) last = std::max(last, link);
      if (last >= positions) return false;
      const auto is_wrong = [&](std::uint32_t link) {
        // Every position is on level 0: its head, somewhere in memory, need not be read.
        return (level != 0 && this->level(link) < level) || (!copies.empty() && copies[link]);
      };
      if (level == 0 && copies.empty()) continue;
      if (std::any_of(links.begin(), links.end(), is_wrong)) return false;
    }
    return true;
  }

  std::size_t copy_at() const noexcept { return 1 + std::size_t{links_max(0)}; }

  static std::uint32_t load(std::uint32_t& word) noexcept {
    return std::atomic_ref<std::uint32_t>(word).load(std::memory_order_acquire);
  }
  static void store(std::uint32_t& word, std::uint32_t value) noexcept {
    std::atomic_ref<std::uint32_t>(word).store(value, std::memory_order_release);
  }
  Head& head(Position position) noexcept { return *reinterpret_cast<Head*>(heads_.row(position)); }
  const Head& head(Position position) const noexcept {
    return *reinterpret_cast<const Head*>(heads_.row(position));
  }
  std::uint32_t* block_of(Position position, Level level) const noexcept {
    const std::byte* block = level == 0
                                 ? base_.row(position)
                                 : upper_.row(std::size_t{head(position).first_block} + level - 1);
    return reinterpret_cast<std::uint32_t*>(const_cast<std::byte*>(block));
  }

  std::uint32_t links_max_;
  std::uint64_t seed_;
  AlignedRows base_;
  AlignedRows upper_;
  AlignedRows heads_;
  std::atomic<std::size_t> upper_blocks_{0};  ///< Read by bytes() beside a writer.
  std::atomic<std::uint64_t> entry_{kNoPosition};
  std::unique_ptr<Locks> locks_;
};

}  // namespace anear
