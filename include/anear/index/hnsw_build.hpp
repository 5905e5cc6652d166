// How rows get into the graph of hnsw_index.hpp (which includes this): insert() links each one,
// reconnect() mends what pruning cut off.
//
// Threads: as hnsw_index.hpp.
#pragma once

#include "anear/index/hnsw_index.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

namespace detail {

/// Rows that are visible and not linked, which no walk would ever find: they leave the table again,
/// also when memory runs out, unless are_linked() says that they are.
class UnlinkedRows {
 public:
  UnlinkedRows(VectorTable& table, std::span<const Slot> slots) : table_(table), slots_(slots) {}
  UnlinkedRows(const UnlinkedRows&) = delete;
  UnlinkedRows& operator=(const UnlinkedRows&) = delete;
  ~UnlinkedRows() {
    for (const Slot slot : slots_) table_.mark_deleted(slot);
  }
  void are_linked() noexcept { slots_ = {}; }

 private:
  VectorTable& table_;
  std::span<const Slot> slots_;
};

}  // namespace detail

inline Status HnswIndex::insert(MatrixView rows, std::span<const Slot> slots,
                                const BuildOptions& build) {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (Status status = table_.check(rows, slots); !status) return status;
  if (slots.empty()) return {};
  if (table_.size() + slots.size() >= kExpanded) {
    return Error{ErrorCode::kLimitExceeded, "a graph holds fewer than 2^31 positions: it has " +
                                                std::to_string(table_.size()) + " and " +
                                                std::to_string(slots.size()) +
                                                " were given; begin another one"};
  }
  state_->reconnected = false;
  const Position first = table_.reserve(slots);
  graph_.reserve(first, first + static_cast<Position>(slots.size()));
  parallel_for(slots.size(), build.threads, 256,
               [&](std::size_t begin, std::size_t end, std::size_t) {
                 for (std::size_t i = begin; i < end; ++i)
                   table_.write(first + static_cast<Position>(i), rows.row(i));
                 return true;
               });
  table_.publish(slots);
  detail::UnlinkedRows unlinked(table_, slots);

  const std::size_t threads = thread_count(build.threads);
  std::vector<Scratch> scratches(threads);
  std::vector<std::vector<std::vector<Neighbor>>> chosen(threads);
  std::atomic<std::size_t> done{0};
  // The first position becomes the entry before others look for one.
  std::size_t begin_at = 0;
  if (graph_.entry().position == kNoPosition) {
    graph_.raise_entry(first, graph_.level(first));
    begin_at = 1;
  }
  const bool finished = parallel_for(slots.size() - begin_at, threads, 16,
                                     [&](std::size_t begin, std::size_t end, std::size_t thread) {
                                       for (std::size_t i = begin; i < end; ++i) {
                                         link(first + static_cast<Position>(begin_at + i),
                                              scratches[thread], chosen[thread]);
                                       }
                                       const std::size_t before = done.fetch_add(end - begin);
                                       return before / 1024 == (before + end - begin) / 1024 ||
                                              build.progress(before + end - begin, slots.size());
                                     });
  if (!finished)
    return Error{ErrorCode::kCancelled, "insertion was cancelled; its rows are deleted"};
  unlinked.are_linked();
  if (slots.size() >= table_.size() / 5) link_unreachable();
  build.progress(slots.size(), slots.size());
  return {};
}

// Algorithm 1: searches top-down and remembers the links of each level; links bottom-up (invariant
// 3 of the graph).
inline void HnswIndex::link(Position position, Scratch& scratch,
                            std::vector<std::vector<Neighbor>>& chosen) {
  const ScalarCodes& codes = table_.codes();
  codes.prepare(position, scratch.code_query);
  const HnswGraph::Entry entry = graph_.entry();
  const Level height = graph_.level(position);
  Position nearest = descend(scratch.code_query, entry, height, scratch, nullptr);
  const Level top = std::min(height, entry.level);
  if (chosen.size() <= top) chosen.resize(top + 1);
  for (Level level = top + 1; level-- > 0;) {
    const Walk walk{
        .ef = options_.ef_construction, .level = level, .hidden = position, .building = true};
    beam_search(scratch.code_query, nearest, walk, scratch, nullptr);
    std::vector<Neighbor>& candidates = chosen[level];
    candidates.clear();
    for (const Neighbor& candidate : scratch.pool) {
      const Position at = candidate.reference & ~kExpanded;
      if (at != position) candidates.push_back({candidate.distance, at});
    }
    if (level == 0 && join_equal(position, candidates)) return;
    if (!candidates.empty()) nearest = candidates.front().reference;
    choose_links(candidates, options_.links_max, scratch);
  }
  for (Level level = 0; level <= top; ++level) connect(position, level, chosen[level], scratch);
  if (height > entry.level) graph_.raise_entry(position, height);
}

/// Makes `position` a copy of the candidate that has its code, if there is one.
inline bool HnswIndex::join_equal(Position position, const std::vector<Neighbor>& candidates) {
  const ScalarCodes& codes = table_.codes();
  for (const Neighbor& candidate : candidates) {
    if (!codes.are_equal(position, candidate.reference)) continue;
    const HnswGraph::Lock lock(graph_, candidate.reference);
    graph_.add_copy(candidate.reference, position);
    return true;
  }
  return false;
}

// Algorithm 4: a candidate is kept if it is nearer to the base than to every kept one, so that
// links point in different directions.
inline void HnswIndex::choose_links(std::vector<Neighbor>& candidates, std::size_t most,
                                    Scratch& scratch) const {
  if (candidates.size() <= most / 2) return;
  const ScalarCodes& codes = table_.codes();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidates.size() && kept < most; ++i) {
    codes.prepare(candidates[i].reference, scratch.link_query);
    bool diverse = true;
    for (std::size_t j = 0; j < kept && diverse; ++j) {
      diverse =
          codes.distance(scratch.link_query, candidates[j].reference) >= candidates[i].distance;
    }
    if (diverse) std::swap(candidates[kept++], candidates[i]);
  }
  candidates.resize(kept);
}

inline void HnswIndex::connect(Position position, Level level, const std::vector<Neighbor>& chosen,
                               Scratch& scratch) {
  scratch.positions.clear();
  for (const Neighbor& neighbor : chosen) scratch.positions.push_back(neighbor.reference);
  {
    const HnswGraph::Lock lock(graph_, position);
    graph_.set_links(position, level, scratch.positions);
  }
  for (const Neighbor& neighbor : chosen) {
    const HnswGraph::Lock lock(graph_, neighbor.reference);
    if (graph_.add_link(neighbor.reference, level, position)) continue;
    const std::uint32_t most = graph_.links_max(level);
    scratch.positions.resize(most);
    scratch.distances.resize(most);
    const std::size_t count = graph_.links(neighbor.reference, level, scratch.positions.data());
    table_.codes().prepare(neighbor.reference, scratch.row_query);
    table_.codes().distances(scratch.row_query, scratch.positions.data(), count,
                             scratch.distances.data());
    // Damaged codes of an image can be no numbers, which no sort survives.
    const auto add = [&](float distance, Position at) {
      scratch.candidates.push_back(
          {std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance, at});
    };
    scratch.candidates.clear();
    add(neighbor.distance, position);
    for (std::size_t i = 0; i < count; ++i) add(scratch.distances[i], scratch.positions[i]);
    std::sort(scratch.candidates.begin(), scratch.candidates.end());
    choose_links(scratch.candidates, most, scratch);
    scratch.positions.clear();
    for (const Neighbor& kept : scratch.candidates) scratch.positions.push_back(kept.reference);
    graph_.set_links(neighbor.reference, level, scratch.positions);
  }
}

inline std::size_t HnswIndex::unreachable() const {
  const std::vector<Position> tree = graph_.spanning_tree(table_.size());
  std::size_t missing = 0;
  for (Position at = 0; at < tree.size(); ++at)
    missing += tree[at] == kNoPosition && is_needed(at) ? 1 : 0;
  return missing;
}

inline Status HnswIndex::verify() const {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (Status held = table_.verify(); !held) return held;
  const std::size_t lost = state_->reconnected ? unreachable() : 0;
  if (lost == 0) return {};
  return Error{ErrorCode::kCorruption,
               "index: no link leads to " + std::to_string(lost) + " positions of the graph"};
}

inline void HnswIndex::reconnect() {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (!state_->reconnected) link_unreachable();
}

inline void HnswIndex::link_unreachable() {
  Scratch scratch;
  std::vector<Position> tree = graph_.spanning_tree(table_.size());
  for (Position at = 0; at < tree.size(); ++at) {
    if (tree[at] != kNoPosition || !is_needed(at)) continue;
    tree[at] = link_from_near(at, tree, scratch);
    graph_.grow(tree, at);
  }
  state_->reconnected = true;
}

inline Position HnswIndex::link_from_near(Position position, const std::vector<Position>& tree,
                                          Scratch& scratch) {
  table_.codes().prepare(position, scratch.code_query);
  const HnswGraph::Entry entry = graph_.entry();
  Position nearest = descend(scratch.code_query, entry, 0, scratch, nullptr);
  // What is reached from above alone leads nowhere on level 0.
  if (tree[nearest] == kNoPosition) nearest = entry.position;
  const Walk walk{.ef = options_.ef_construction, .hidden = position, .building = true};
  beam_search(scratch.code_query, nearest, walk, scratch, nullptr);
  for (const bool in_place : {false, true}) {
    for (const Neighbor& candidate : scratch.pool) {
      const Position at = candidate.reference & ~kExpanded;
      if (at != position && link_beside(tree, at, position, in_place)) return at;
    }
  }
  // All near ones have only links of the tree. A leaf of it has others, or room.
  for (Position at = 0;; ++at) {
    if (tree[at] != kNoPosition && link_beside(tree, at, position, true)) return at;
  }
}

/// Adds a link, `in_place` of one that the tree does not need if there is no room.
inline bool HnswIndex::link_beside(const std::vector<Position>& tree, Position from, Position to,
                                   bool in_place) {
  const HnswGraph::Lock lock(graph_, from);
  if (graph_.add_link(from, 0, to)) return true;
  if (!in_place) return false;
  std::vector<Position> links(graph_.links_max(0));
  links.resize(graph_.links(from, 0, links.data()));
  const auto spare = std::find_if(links.rbegin(), links.rend(), [&](Position link) {
    return link >= tree.size() || tree[link] != from;
  });
  if (spare == links.rend()) return false;
  *spare = to;
  graph_.set_links(from, 0, links);
  return true;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
