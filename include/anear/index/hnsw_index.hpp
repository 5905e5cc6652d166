// A graph index: insert() and search() as Malkov & Yashunin state them (arXiv 1603.09320). START
// HERE for the graph.
//
// Walks read codes; what they find is re-ranked on rows, so that distances are exact. How rows get
// their links: hnsw_build.hpp; layout of links: hnsw_graph.hpp; of rows and codes:
// vector_table.hpp.
//
// Threads: searches take no locks and run beside insert(), mark_deleted() and calibrate(). insert()
// calls are serialised; one call may use several threads. save() and sections() run beside searches
// alone. Deterministic for a seed, an ISA and an order of insertion when inserting on one thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/index/calibration.hpp"
#include "anear/index/hnsw_graph.hpp"
#include "anear/index/image_io.hpp"
#include "anear/index/own_queries.hpp"
#include "anear/index/table_index.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class HnswIndex : public TableIndex {
 public:
  static constexpr std::uint32_t kKind = 2;
  using Options = HnswOptions;

  /// kInvalidArgument: dimension, kinds, links_max outside of 2..512, ef_construction outside
  /// of 1..100,000.
  static Result<HnswIndex> create(std::size_t dimension, const HnswOptions& options);

  /// Adds rows[i] under slots[i], in place of what stood there; each slot once. Fails without a
  /// change (but kCancelled: none of the slots is there); Error::record names the offending row.
  /// Ends with a reconnect() where the rows are a fifth of all, or more.
  Status insert(MatrixView rows, std::span<const Slot> slots, const BuildOptions& build = {});

  /// The k nearest wanted slots with exact distances, nearest first; never fewer than k when there
  /// are k.
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options,
                                       Scratch& scratch, SearchCost* cost = nullptr) const;

  const HnswOptions& options() const noexcept { return options_; }
  std::size_t bytes() const noexcept { return table_.bytes() + graph_.bytes(table_.size()); }
  std::size_t row_bytes() const noexcept { return table_.has_codes() ? table_.row_bytes() : 0; }

  /// Measures effort → recall on up to 128 own rows against exact answers, after a reconnect().
  /// Costs about 128 exact scans and 4,000 walks.
  Status calibrate(const BuildOptions& build = {});
  /// Whether a fifth of the rows changed since the last calibration.
  bool needs_calibration() const;
  /// Whether searches beside an insertion that does not end should not wait for its end.
  bool is_calibration_overdue() const {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    return size() > kComparedUnmeasured && state_->calibration.is_overdue(size());
  }
  /// ef for a recall target at k: calibrated, or a careful default. 0: no walk reached the target,
  /// an exact scan is due.
  std::size_t effort_for(float recall, std::size_t k) const { return efforts_for(recall, k).near; }
  /// The same where only a `share` of the positions may be returned.
  std::size_t effort_for(float recall, std::size_t k, double share) const {
    return effort_among(efforts_for(recall, k), k, share);
  }

  /// Whether walks on codes can find the nearest ten, as far as up to 64 own rows tell: comparing
  /// all codes, and as many rows as a walk does, finds .99 of them. Where not, searches for more
  /// than what a walk was measured to reach compare all rows: an index with codes of kind kF32 or
  /// kF16 walks on. Measured once after each calibration, when asked for.
  bool do_codes_suffice(const BuildOptions& build = {}) const;

  /// How many live positions no link on level 0 leads to, directly or not, from the entry point.
  /// Walks the whole graph.
  std::size_t unreachable() const;
  /// Gives each of them a link from a position near to it that has room for one, or has one that
  /// nothing hangs on, so that unreachable() is 0: pruning can take the last link to a position
  /// away. Walks the whole graph, and searches for each.
  void reconnect();
  /// As that of every index, and waits for insert(); a position that no link leads to is damage
  /// where reconnect() came after the last insert(), as it did in every image that a store wrote.
  Status verify() const;

  std::vector<SectionOut> sections() const;
  static Result<HnswIndex> attach(std::size_t dimension, const HnswOptions& options,
                                  const SectionSet& set);
  Status save(const std::string& path) const { return image_io::save(*this, path); }
  static Result<HnswIndex> load(const std::string& path) { return image_io::load<HnswIndex>(path); }

 private:
  static constexpr std::uint32_t kExpanded = 0x80000000U;
  static constexpr std::size_t kDistancesBeforeGivingUp = 2'000;
  static constexpr double kNearlyAll = 15.0 / 16.0;
  static constexpr std::size_t kComparedUnmeasured = 8'192;
  /// A sample of about a hundred queries does not know better how often the nearest is found.
  static constexpr float kFirstUncertain = 0.008F;

  struct State {
    std::mutex writer;
    mutable std::mutex calibrating;
    Calibration calibration;
    std::optional<bool> codes_suffice;  ///< Under `calibrating`; none: not measured.
    std::atomic<bool> reconnected{false};
  };
  /// The fixed facts of an index beside its sections.
  struct Meta {
    std::uint32_t entry = kNoPosition;
    std::uint32_t level = 0;
    Calibration::Stored calibration;
  };
  /// ef where the nearest rows may be returned, and beyond them.
  struct Efforts {
    std::size_t near = 0;
    std::size_t beyond = 0;
    bool are_measured = true;
    bool are_asked = false;  ///< By SearchOptions::effort, not for a recall.
  };
  /// How a beam search ends and what it may return.
  struct Walk {
    std::size_t ef = 0;
    bool is_beyond = false;     ///< It is known from the start that what is near is excluded.
    std::size_t ef_beyond = 0;  ///< ef once it turns out that what is near may not be returned.
    double share = 0;           ///< Of the positions that may be returned; 0: nothing is noticed.
    Level level = 0;
    const Wanted* wanted = nullptr;
    std::size_t distances_max = 0;  ///< Gives up past so many; 0: never.
    Position hidden = kNoPosition;  ///< Left out as if it were not there: its own row is the query
                                    ///< of a calibration.
    bool building = false;
  };

  HnswIndex(std::size_t dimension, const HnswOptions& options)
      : TableIndex({dimension, {options.metric, options.rows, options.codes}}),
        options_(options),
        graph_(options.links_max, options.seed),
        state_(std::make_unique<State>()) {}

  /// How many of what a walk finds by codes are compared as rows.
  static constexpr std::size_t walked_depth(std::size_t k) noexcept {
    return std::max(2 * k, k + 10);
  }

  Efforts efforts_for(float recall, std::size_t k) const;
  void link_unreachable();  ///< reconnect() under State::writer.
  /// Whether a walk ended with places left though links lead to fewer than `reachable` positions.
  bool is_cut_off(const Walk& walk, std::size_t reachable, Scratch& scratch) const {
    return scratch.pool_wanted < scratch.pool_places &&
           wanted_in_pool(walk, scratch).size() < reachable;
  }
  /// Whether what a walk found lies before all that its codes left out.
  bool is_certain(const std::vector<Neighbor>& nearest, const Scratch& scratch) const noexcept;
  static std::size_t effort_among(const Efforts& efforts, std::size_t k, double share) noexcept;
  /// Adds a curve for each k. `visible`: what is found beyond own.nearest; null: the nearest, too.
  void measure(const std::vector<OwnQuery>& queries, const SlotSet* visible,
               const BuildOptions& build, Calibration& measured) const;
  void link(Position position, Scratch& scratch, std::vector<std::vector<Neighbor>>& chosen);
  bool join_equal(Position position, const std::vector<Neighbor>& candidates);
  void connect(Position position, Level level, const std::vector<Neighbor>& chosen,
               Scratch& scratch);
  void choose_links(std::vector<Neighbor>& candidates, std::size_t most, Scratch& scratch) const;
  /// From where it was linked: one of the tree, near to it if possible.
  Position link_from_near(Position position, const std::vector<Position>& tree, Scratch& scratch);
  bool link_beside(const std::vector<Position>& tree, Position from, Position to, bool in_place);
  /// Greedy walks from the entry point down to `level`, which it leaves to the caller.
  Position descend(const PreparedQuery& query, HnswGraph::Entry entry, Level level,
                   Scratch& scratch, SearchCost* cost) const;
  Position greedy(const PreparedQuery& query, Position entry, Level level, Scratch& scratch,
                  SearchCost* cost) const;
  /// False when it gave up.
  bool beam_search(const PreparedQuery& query, Position entry, const Walk& walk, Scratch& scratch,
                   SearchCost* cost) const;
  static bool is_beyond(const Walk& walk, const Scratch& scratch) noexcept;
  std::vector<Neighbor>& wanted_in_pool(const Walk& walk, Scratch& scratch) const;
  /// Whether a position takes one of the ef places: wanted, or any while a graph is built.
  bool counts(Position position, const Walk& walk) const noexcept {
    return walk.building || table_.is_wanted(position, walk.wanted);
  }
  /// Whether a link has to lead to a position: it is live, or its copies may be.
  bool is_needed(Position position) const noexcept {
    if (graph_.is_copy(position)) return false;
    return table_.slot(position) != kNoSlot || graph_.next_copy(position) != kNoPosition;
  }
  /// Returns the first place in the pool that changed.
  std::size_t expand(const PreparedQuery& query, Neighbor at, const Walk& walk, Scratch& scratch,
                     std::size_t& compared) const;
  /// Adds those of the copies of `at` to the answer that may be in it.
  void offer_copies(Neighbor at, const Walk& walk, Scratch& scratch) const;
  static std::size_t insert_sorted(std::vector<Neighbor>& pool, Neighbor neighbor);
  void trim_pool(const Walk& walk, Scratch& scratch) const;
  bool walk_from_top(const PreparedQuery& query, const Walk& walk, Scratch& scratch,
                     SearchCost* cost) const;
  std::vector<Neighbor> walk_codes(VectorView query, std::size_t k, const Walk& walk,
                                   Scratch& scratch, SearchCost* cost) const;

  HnswOptions options_;
  HnswGraph graph_;
  std::unique_ptr<State> state_;
  mutable Meta meta_;  ///< What sections() hands out; under State::calibrating.
};

inline Result<HnswIndex> HnswIndex::create(std::size_t dimension, const HnswOptions& options) {
  if (Status status = check_dimension(dimension); !status) return std::move(status).error();
  if (options.links_max < 2 || options.links_max > 512) {
    return invalid_argument("the number of links is " + std::to_string(options.links_max) +
                            "; it must be between 2 and 512");
  }
  if (options.ef_construction < 1 || options.ef_construction > 100'000) {
    return invalid_argument("ef_construction is " + std::to_string(options.ef_construction) +
                            "; it must be between 1 and 100000");
  }
  if (options.rows > ScalarKind::kF16 || options.codes > ScalarKind::kI8 ||
      options.metric > Metric::kCosine) {
    return invalid_argument("rows are f32 or f16, codes f32, f16 or i8");
  }
  return HnswIndex(dimension, options);
}

inline Result<std::vector<Neighbor>> HnswIndex::search(VectorView query,
                                                       const SearchOptions& options,
                                                       Scratch& scratch, SearchCost* cost) const {
  if (Status status = check_search(query, dimension(), table_.metric(), options); !status)
    return std::move(status).error();
  const Efforts efforts = options.effort != 0 ? Efforts{options.effort, options.effort, true, true}
                                              : efforts_for(options.recall, options.k);
  const std::size_t reachable =
      std::min(options.wanted == nullptr ? size() : options.wanted->count(), size());
  const double share = static_cast<double>(reachable) / static_cast<double>(positions());
  const std::size_t ef = effort_among(efforts, options.k, share);
  // As many codes as that walk compares, one after another, are compared sooner.
  const bool is_wide =
      !efforts.are_asked && share >= kNearlyAll && ef * options_.links_max >= reachable;
  if (ef == 0 || options.k >= reachable || is_wide)
    return table_.nearest_of(query, options, scratch, cost);

  // Codes tell little apart of what lies beyond: not fewer than an exact scan re-ranks.
  const std::size_t ef_beyond = std::max(efforts.beyond, VectorTable::rerank_depth(options.k));
  // Where few are wanted nearby, comparing all of them becomes the cheaper way.
  const Walk walk{.ef = ef,
                  .ef_beyond = efforts.beyond != 0 ? ef_beyond : reachable,
                  .share = share,
                  .wanted = options.wanted,
                  .distances_max = reachable + kDistancesBeforeGivingUp};
  auto nearest = walk_codes(query, options.k, walk, scratch, cost);
  // A walk that gave up, or a graph in parts: the nearest of one part are no answer.
  if (nearest.size() < options.k || is_cut_off(walk, reachable, scratch))
    return table_.nearest_of(query, options, scratch, cost);
  // What was not measured has to show for itself that its codes tell rows apart.
  if (efforts.are_measured || is_certain(nearest, scratch)) return nearest;
  return table_.nearest_of(query, options, scratch, cost);
}

inline bool HnswIndex::is_certain(const std::vector<Neighbor>& nearest,
                                  const Scratch& scratch) const noexcept {
  return !table_.has_codes() ||
         scratch.code_errors.puts_beyond(scratch.last_code, nearest.back().distance);
}

inline std::vector<Neighbor> HnswIndex::walk_codes(VectorView query, std::size_t k,
                                                   const Walk& walk, Scratch& scratch,
                                                   SearchCost* cost) const {
  table_.codes().prepare(query, scratch.code_query);
  const std::size_t depth = table_.has_codes() ? walked_depth(k) : k;
  scratch.found.reset(depth);
  if (!walk_from_top(scratch.code_query, walk, scratch, cost)) return {};
  const bool beyond = scratch.is_beyond || is_beyond(walk, scratch);
  std::vector<Neighbor>& best = beyond ? wanted_in_pool(walk, scratch) : scratch.found.sorted();
  scratch.code_errors.clear();
  scratch.last_code = best.empty() ? 0 : best.back().distance;
  return table_.rerank(query, k, best, scratch, cost);
}

// Algorithm 5: greedy on the upper levels, a beam on level 0.
inline bool HnswIndex::walk_from_top(const PreparedQuery& query, const Walk& walk, Scratch& scratch,
                                     SearchCost* cost) const {
  const HnswGraph::Entry entry = graph_.entry();
  if (entry.position == kNoPosition) return true;
  return beam_search(query, descend(query, entry, 0, scratch, cost), walk, scratch, cost);
}

inline Position HnswIndex::descend(const PreparedQuery& query, HnswGraph::Entry entry, Level level,
                                   Scratch& scratch, SearchCost* cost) const {
  Position nearest = entry.position;
  for (Level at = entry.level; at > level; --at)
    nearest = greedy(query, nearest, at, scratch, cost);
  return nearest;
}

inline Position HnswIndex::greedy(const PreparedQuery& query, Position entry, Level level,
                                  Scratch& scratch, SearchCost* cost) const {
  const ScalarCodes& codes = table_.codes();
  Position nearest = entry;
  float distance = codes.distance(query, entry);
  for (bool moved = true; moved;) {
    moved = false;
    scratch.positions.resize(graph_.links_max(level));
    scratch.distances.resize(graph_.links_max(level));
    const std::size_t count = graph_.links(nearest, level, scratch.positions.data());
    codes.distances(query, scratch.positions.data(), count, scratch.distances.data());
    if (cost != nullptr) cost->distances += count;
    for (std::size_t i = 0; i < count; ++i) {
      // Said so that no number, which a damaged row can hold, is never nearer: a walk that went
      // there would not end.
      if (!(scratch.distances[i] < distance)) continue;
      distance = scratch.distances[i];
      nearest = scratch.positions[i];
      moved = true;
    }
  }
  return nearest;
}

// Algorithm 2. The pool is one ascending array: its first unexpanded entry is the next candidate,
// its end the worst result. Positions that are not wanted stand in it too, without taking one of
// the ef places: so the walk goes on through them until ef wanted ones are nearer than any
// candidate, however far from the query those are.
inline bool HnswIndex::beam_search(const PreparedQuery& query, Position entry, const Walk& walk,
                                   Scratch& scratch, SearchCost* cost) const {
  std::vector<Neighbor>& pool = scratch.pool;
  pool.clear();
  scratch.pool_wanted = 0;
  scratch.pool_places = walk.ef;
  scratch.is_beyond = walk.is_beyond;
  scratch.visited.reset(table_.codes().storage().capacity());
  scratch.visited.insert(entry);
  // Its copies are found through it.
  const bool leaves_out =
      walk.hidden != kNoPosition && (walk.building || graph_.next_copy(walk.hidden) == kNoPosition);
  if (leaves_out) scratch.visited.insert(walk.hidden);
  const float distance = table_.codes().distance(query, entry);
  pool.push_back({distance, entry});
  if (counts(entry, walk)) {
    ++scratch.pool_wanted;
    if (!walk.building && entry != walk.hidden) scratch.found.push({distance, entry});
  }
  std::size_t compared = 1;
  for (std::size_t next = 0; next < pool.size();) {
    if ((pool[next].reference & kExpanded) != 0) {
      ++next;
      continue;
    }
    if (walk.distances_max != 0 && compared > walk.distances_max) {
      if (cost != nullptr) cost->distances += compared;
      return false;
    }
    const auto [pool_distance, position] = pool[next];
    pool[next].reference |= kExpanded;
    // What came in before the present place is nearer: it is the next.
    next = std::min(next + 1, expand(query, {pool_distance, position}, walk, scratch, compared));
  }
  if (cost != nullptr) {
    cost->distances += compared;
    cost->hops += static_cast<std::uint64_t>(std::count_if(
        pool.begin(), pool.end(), [](Neighbor n) { return (n.reference & kExpanded) != 0; }));
  }
  return true;
}

inline void HnswIndex::offer_copies(Neighbor at, const Walk& walk, Scratch& scratch) const {
  Position copy = graph_.next_copy(at.reference);
  for (; copy != kNoPosition && at.distance < scratch.found.threshold();
       copy = graph_.next_copy(copy)) {
    if (copy != walk.hidden && table_.is_wanted(copy, walk.wanted))
      scratch.found.push({at.distance, copy});
  }
}

inline std::size_t HnswIndex::expand(const PreparedQuery& query, Neighbor at, const Walk& walk,
                                     Scratch& scratch, std::size_t& compared) const {
  const ScalarCodes& codes = table_.codes();
  const std::uint32_t links_max = graph_.links_max(walk.level);
  scratch.positions.resize(links_max);
  scratch.distances.resize(links_max);
  Position* links = scratch.positions.data();
  const std::size_t count = graph_.links(at.reference, walk.level, links);
  if (!walk.building) offer_copies(at, walk, scratch);
  const std::size_t fresh = scratch.visited.insert_all(links, count);
  codes.distances(query, links, fresh, scratch.distances.data());
  compared += fresh;
  std::size_t first_changed = scratch.pool.size();
  for (std::size_t i = 0; i < fresh; ++i) {
    const float distance = scratch.distances[i];
    const bool into_pool =
        scratch.pool_wanted < scratch.pool_places || distance < scratch.pool.back().distance;
    const bool into_found = !walk.building && distance < scratch.found.threshold();
    if (!into_pool && !into_found) continue;
    const bool counted = counts(links[i], walk);
    if (into_found && counted && links[i] != walk.hidden) scratch.found.push({distance, links[i]});
    if (!into_pool) continue;
    first_changed = std::min(first_changed, insert_sorted(scratch.pool, {distance, links[i]}));
    graph_.prefetch(links[i]);
    if (counted && ++scratch.pool_wanted > scratch.pool_places) trim_pool(walk, scratch);
  }
  return first_changed;
}

/// Whether the pool holds far more that may not be returned than the share of such explains: the
/// filter, or deletes, took out the neighbourhood of the query. What lies around that is less far
/// apart from each other, as seen from the query, than neighbours are: that needs a wider beam and
/// more rows to re-rank.
inline bool HnswIndex::is_beyond(const Walk& walk, const Scratch& scratch) noexcept {
  if (walk.share <= 0) return false;
  return is_around_hole(scratch.pool_wanted, scratch.pool.size() - scratch.pool_wanted, walk.share);
}

inline std::vector<Neighbor>& HnswIndex::wanted_in_pool(const Walk& walk, Scratch& scratch) const {
  scratch.candidates.clear();
  for (const Neighbor& neighbor : scratch.pool) {
    const Position at = neighbor.reference & ~kExpanded;
    for (Position same = at; same != kNoPosition; same = graph_.next_copy(same)) {
      if (same != walk.hidden && table_.is_wanted(same, walk.wanted))
        scratch.candidates.push_back({neighbor.distance, same});
    }
  }
  return scratch.candidates;
}

/// Drops the worst wanted position of the pool and what is behind the then worst one.
inline void HnswIndex::trim_pool(const Walk& walk, Scratch& scratch) const {
  if (!scratch.is_beyond && is_beyond(walk, scratch)) {
    scratch.is_beyond = true;
    scratch.pool_places = std::max(walk.ef, walk.ef_beyond);
    if (scratch.pool_wanted <= scratch.pool_places) return;
  }
  std::vector<Neighbor>& pool = scratch.pool;
  while (scratch.pool_wanted > scratch.pool_places ||
         !counts(pool.back().reference & ~kExpanded, walk)) {
    if (counts(pool.back().reference & ~kExpanded, walk)) --scratch.pool_wanted;
    pool.pop_back();
  }
}

/// Inserts in ascending order; returns the place.
inline std::size_t HnswIndex::insert_sorted(std::vector<Neighbor>& pool, Neighbor neighbor) {
  const auto place = std::upper_bound(
      pool.begin(), pool.end(), neighbor,
      [](const Neighbor& a, const Neighbor& b) { return a.distance < b.distance; });
  const auto index = place - pool.begin();
  pool.insert(place, neighbor);
  return static_cast<std::size_t>(index);
}

inline bool HnswIndex::needs_calibration() const {
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  return size() > 1 && (!state_->calibration.is_measured() || state_->calibration.is_stale(size()));
}

inline HnswIndex::Efforts HnswIndex::efforts_for(float recall, std::size_t k) const {
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  const auto effort = [&](Reach reach) {
    return state_->calibration.effort_for(recall, k, size(), reach);
  };
  const bool measured = !state_->calibration.is_stale(size());
  // So few are compared as fast as they are walked through.
  if (!state_->calibration.is_measured() && size() <= kComparedUnmeasured) return {0, 0, false};
  return {effort(Reach::kNearest), effort(Reach::kBeyond), measured};
}

inline std::size_t HnswIndex::effort_among(const Efforts& efforts, std::size_t k,
                                           double share) noexcept {
  const std::size_t near = efforts.near == 0 ? 0 : std::max(efforts.near, k);
  if (efforts.are_asked || share >= kNearlyAll || near == 0) return near;
  // A few hubs can be all answers, and the least effort finds them: that says nothing of the rows
  // behind them, which are the answers of a filter.
  const std::size_t ef = near == k ? efforts.beyond : near;
  return ef == 0 ? 0 : std::max(ef, VectorTable::rerank_depth(k));
}

inline Status HnswIndex::calibrate(const BuildOptions& build) {
  reconnect();
  const std::size_t live = size();
  if (live < 2) return {};
  const std::size_t excluded = Calibration::excluded_for(live);
  std::vector<OwnQuery> queries = draw_own_queries(
      table_, options_.seed, build, {.neighbors = Calibration::kMeasured.back() + excluded});
  Calibration measured;
  measured.clear(live);
  measure(queries, nullptr, build, measured);
  if (live > 4 * excluded) {
    SlotSet visible;
    for (Position position = 0; position < table_.size(); ++position) {
      if (const Slot slot = table_.slot(position); slot != kNoSlot) visible.insert(slot);
    }
    for (OwnQuery& query : queries) query = beyond_nearest(std::move(query), excluded);
    measure(queries, &visible, build, measured);
  }
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  state_->calibration = measured;
  state_->codes_suffice.reset();
  return {};
}

inline bool HnswIndex::do_codes_suffice(const BuildOptions& build) const {
  constexpr std::size_t kQueries = 64, kNeighbors = 10;
  constexpr float kEnough = 0.99F;
  if (!table_.has_codes() || effort_for(kEnough, kNeighbors) != 0) return true;
  {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    if (!state_->calibration.is_measured()) return true;
    if (state_->codes_suffice) return *state_->codes_suffice;
  }
  const auto queries = draw_own_queries(table_, options_.seed, build,
                                        {.queries = kQueries, .neighbors = kNeighbors});
  const MeanRecall recall =
      recall_of(queries, kNeighbors, build, [&](const OwnQuery& own, Scratch& scratch) {
        auto found = table_.nearest_by_codes(table_.rows().view(own.position),
                                             walked_depth(kNeighbors) + 1, scratch);
        std::erase_if(found, [&](const Neighbor& neighbor) {
          return neighbor.reference == table_.slot(own.position);
        });
        return found;
      });
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  state_->codes_suffice = recall.of_all >= kEnough;
  return *state_->codes_suffice;
}

inline void HnswIndex::measure(const std::vector<OwnQuery>& queries, const SlotSet* visible,
                               const BuildOptions& build, Calibration& measured) const {
  const auto search = [&](const OwnQuery& own, Walk walk, std::size_t k, Scratch& scratch) {
    const VectorView row = table_.rows().view(own.position);
    walk.hidden = own.position;
    if (visible == nullptr) return walk_codes(row, k, walk, scratch, nullptr);
    SlotSet left = *visible;
    for (const Slot slot : own.nearest) left.remove(slot);
    const Wanted wanted(left.words(), left.count());
    walk.wanted = &wanted;
    walk.is_beyond = true;
    return walk_codes(row, k, walk, scratch, nullptr);
  };
  const Reach reach = visible == nullptr ? Reach::kNearest : Reach::kBeyond;
  for (std::size_t which = 0; which < Calibration::kMeasured.size(); ++which) {
    const std::size_t k = Calibration::kMeasured[which];
    for (std::size_t ef = k; ef <= std::max<std::size_t>(4096, 4 * k); ef += (ef + 1) / 2) {
      const MeanRecall found =
          recall_of(queries, k, build, [&](const OwnQuery& own, Scratch& scratch) {
            return search(own, {.ef = ef}, k, scratch);
          });
      // The curve of the least k serves all below it.
      const float recall =
          which == 0 ? std::min(found.of_all, found.of_first + kFirstUncertain) : found.of_all;
      measured.add({reach, which}, {recall, static_cast<std::uint32_t>(ef)});
      if (recall >= 0.9985F || ef >= size()) break;
    }
  }
}

inline std::vector<SectionOut> HnswIndex::sections() const {
  std::vector<SectionOut> sections;
  table_.add_sections(sections);
  graph_.add_sections(table_.size(), sections);
  // The small facts stand in a section of their own; its bytes live as long as the index.
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  const HnswGraph::Entry entry = graph_.entry();
  meta_ = Meta{entry.position, entry.level, state_->calibration.stored()};
  sections.push_back({"meta", sizeof(Meta), 1, {image_io::bytes_of_value(meta_)}});
  return sections;
}

inline Result<HnswIndex> HnswIndex::attach(std::size_t dimension, const HnswOptions& options,
                                           const SectionSet& set) {
  auto index = create(dimension, options);
  if (!index) return index;
  const auto section = set.find("meta", sizeof(Meta));
  if (!section) return section.error();
  if (section->count != 1)
    return Error{ErrorCode::kCorruption, "index section 'meta' has no entry"};
  Meta meta;
  std::memcpy(static_cast<void*>(&meta), section->bytes.data(), sizeof meta);
  if (Status status = index->table_.attach(set); !status) return std::move(status).error();
  if (Status status = index->graph_.attach(set, index->table_.size(), {meta.entry, meta.level});
      !status) {
    return std::move(status).error();
  }
  index->state_->calibration.restore(meta.calibration);
  index->state_->reconnected = true;
  return index;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear

#include "anear/index/hnsw_build.hpp"
