// Inverted lists of product codes (Jégou et al. 2011, IVFADC), re-ranked on rows. START HERE for
// IVF-PQ.
//
// train() learns lists and codes from a sample (quant/residual_codes.hpp), insert() appends each
// row to the list of its nearest centroid (inverted_lists.hpp), search() compares the codes of the
// nearest lists and re-ranks the best of them on rows (vector_table.hpp), so that distances are
// exact.
//
// Threads: searches take no locks and run beside train(), insert(), mark_deleted() and calibrate().
// train() and insert() are serialised; one call may use several threads. Deterministic for a seed,
// an ISA and an order of insertion, for any number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "anear/index/calibration.hpp"
#include "anear/index/image_io.hpp"
#include "anear/index/inverted_lists.hpp"
#include "anear/index/ivf_tuning.hpp"
#include "anear/index/own_queries.hpp"
#include "anear/index/vector_table.hpp"
#include "anear/quant/residual_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class IvfPqIndex {
 public:
  static constexpr std::uint32_t kKind = 3;
  using Options = IvfPqOptions;
  static constexpr std::uint32_t kListsMax = 1U << 20;

  /// kInvalidArgument: dimension, kinds, more than kListsMax lists, more subspaces than dimensions,
  /// iterations outside of 1..1,000, train_from of 0.
  static Result<IvfPqIndex> create(std::size_t dimension, const IvfPqOptions& options);

  /// Learns from `sample`, of which up to 64 rows a list are used. Once, before the first insert():
  /// kInvalidArgument when the index is trained, or the sample empty or bad (Error::record);
  /// kCancelled when build.progress (steps, not rows) asked to stop. Fails without a change.
  Status train(MatrixView sample, const BuildOptions& build = {});
  bool is_trained() const noexcept { return trained() != nullptr; }
  /// How many lists train() makes of so many rows when the options leave it open.
  static std::size_t lists_for(std::size_t rows) noexcept {
    return std::clamp<std::size_t>(
        static_cast<std::size_t>(4.0 * std::sqrt(static_cast<double>(rows))), 1, kListsMax);
  }
  /// How many rows train() draws from a sample for so many lists; more are not looked at.
  static std::size_t training_rows_for(std::size_t lists) noexcept {
    return kRowsPerCentroid * std::max(lists, ProductCodes::kWords);
  }

  /// Adds rows[i] under slots[i]. Fails without a change; Error::record names the offending row.
  /// kInvalidArgument with kNotTrained before train().
  Status insert(MatrixView rows, std::span<const Slot> slots, const BuildOptions& build = {});

  /// The k nearest wanted slots with exact distances, nearest first; never fewer than k when there
  /// are k. With a filter and no `effort`, more lists are read the rarer wanted slots are in them,
  /// and every wanted slot is compared once that is cheaper.
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options,
                                       Scratch& scratch, SearchCost* cost = nullptr) const;

  /// The same by comparing every wanted slot: the better plan when few are wanted.
  Result<std::vector<Neighbor>> nearest_of(VectorView query, const SearchOptions& options,
                                           Scratch& scratch, SearchCost* cost = nullptr) const {
    if (Status status = check_search(query, dimension(), table_.metric(), options); !status)
      return std::move(status).error();
    return table_.nearest_of(query, options, scratch, cost);
  }

  /// The slot is not returned from now on; its code stays in its list. False: it was not here.
  bool mark_deleted(Slot slot) noexcept { return table_.mark_deleted(slot); }
  bool contains(Slot slot) const noexcept { return table_.contains(slot); }
  std::size_t size() const noexcept { return table_.live(); }
  std::size_t positions() const noexcept { return table_.size(); }
  std::size_t dimension() const noexcept { return table_.dimension(); }
  const IvfPqOptions& options() const noexcept { return options_; }
  std::size_t lists() const noexcept { return is_trained() ? trained()->codes.lists() : 0; }
  std::size_t bytes() const noexcept {
    return table_.bytes() +
           (is_trained() ? trained()->codes.bytes() + trained()->lists.bytes() : 0);
  }
  std::size_t row_bytes() const noexcept { return table_.row_bytes(); }
  const VectorTable& table() const noexcept { return table_; }

  /// Measures where a search for a recall target may stop, on up to 256 own rows against exact
  /// answers. Costs as many exact scans and twice as many scans of all codes.
  Status calibrate(const BuildOptions& build = {});
  /// Whether a fifth of the rows changed since the last calibration.
  bool needs_calibration() const { return size() > 1 && tuning().is_stale(size()); }

  std::vector<SectionOut> sections() const;
  static Result<IvfPqIndex> attach(std::size_t dimension, const IvfPqOptions& options,
                                   const SectionSet& set);
  Status save(const std::string& path) const { return image_io::save(*this, path); }
  static Result<IvfPqIndex> load(const std::string& path) {
    return image_io::load<IvfPqIndex>(path);
  }

 private:
  /// k-means gains little from more.
  static constexpr std::size_t kRowsPerCentroid = 64;
  /// How many entries can be looked at for the cost of comparing a row.
  static constexpr std::size_t kLooks = 5;
  /// Rows that are fetched before they are compared.
  static constexpr std::size_t kAhead = 4;
  /// Own rows that a calibration asks for.
  static constexpr std::size_t kQueries = 256;

  /// What train() makes. Never replaced once published.
  struct Trained {
    explicit Trained(ResidualCodes learned)
        : codes(std::move(learned)), lists(codes.lists(), codes.code_bytes()) {}
    ResidualCodes codes;
    InvertedLists lists;
  };
  struct State {
    std::mutex writer;
    std::unique_ptr<Trained> owner;
    std::atomic<Trained*> trained{nullptr};
    mutable std::mutex calibrating;
    IvfTuning tuning;
  };
  struct Meta {
    IvfTuning tuning;
    std::uint32_t trained = 0;
    std::uint32_t reserved = 0;
  };
  /// For each k that is measured.
  using Measured = std::array<IvfTuning::Quantiles, IvfTuning::kMeasured.size()>;
  using Pairs = std::array<std::vector<IvfPair>, IvfTuning::kMeasured.size()>;
  /// How the lists are read and what may be returned.
  struct Probing {
    std::size_t k = 0;
    double share = 1;  ///< Of the positions that may be returned.
    ListLimit lists{};
    CodeGaps gaps{};
    const Wanted* wanted = nullptr;
    Position hidden = kNoPosition;  ///< Left out: its own row is the query of a calibration.
  };

  IvfPqIndex(std::size_t dimension, const IvfPqOptions& options)
      : options_(options),
        table_(dimension, {options.metric, options.rows, options.rows}),
        state_(std::make_unique<State>()) {}

  Trained* trained() const noexcept { return state_->trained.load(std::memory_order_acquire); }
  void publish(std::unique_ptr<Trained> trained) {
    state_->owner = std::move(trained);
    state_->trained.store(state_->owner.get(), std::memory_order_release);
  }
  IvfTuning tuning() const {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    return state_->tuning;
  }
  std::size_t subspaces() const noexcept {
    return options_.subspaces != 0 ? options_.subspaces : std::max<std::size_t>(dimension() / 8, 1);
  }
  /// What preparing a query and ranking the lists costs, in comparisons of rows.
  std::size_t setup_cost() const noexcept {
    return ProductCodes::kWords + lists() / 4 + (options_.rotate ? dimension() : 0);
  }
  std::vector<float> draw_rows(MatrixView sample, std::size_t most,
                               const BuildOptions& build) const;
  bool probe(VectorView query, const Probing& probing, Scratch& scratch, SearchCost* cost) const;
  std::vector<Neighbor> rerank(VectorView query, std::size_t k, std::size_t measured_k,
                               Scratch& scratch, SearchCost* cost) const;
  static std::size_t rank_further(std::vector<Neighbor>& lists, std::size_t sorted);
  ListsMet scan_list(std::uint32_t list, const Probing& probing, Scratch& scratch) const;
  Measured measure(const std::vector<OwnQuery>& queries, std::size_t excluded,
                   const BuildOptions& build) const;
  Pairs measure(const OwnQuery& own, std::size_t excluded, std::span<const std::uint32_t> list_of,
                Scratch& scratch) const;
  Result<ResidualCodes> attach_codes(const SectionSet& set) const;
  static Result<std::vector<float>> read_floats(const SectionSet& set, const char* name,
                                                std::size_t width);
  static Error damaged(const std::string& what) {
    return Error{ErrorCode::kCorruption, "index image: it has " + what};
  }

  IvfPqOptions options_;
  VectorTable table_;
  std::unique_ptr<State> state_;
  mutable Meta meta_;  ///< What sections() hands out; under State::calibrating.
};

inline Result<IvfPqIndex> IvfPqIndex::create(std::size_t dimension, const IvfPqOptions& options) {
  if (Status status = check_dimension(dimension); !status) return std::move(status).error();
  if (options.lists > kListsMax) {
    return invalid_argument("lists is " + std::to_string(options.lists) + "; it must be at most " +
                            std::to_string(kListsMax));
  }
  if (options.subspaces > dimension) {
    return invalid_argument("subspaces is " + std::to_string(options.subspaces) +
                            "; it must be at most the dimension, " + std::to_string(dimension));
  }
  if (options.iterations < 1 || options.iterations > 1'000) {
    return invalid_argument("iterations is " + std::to_string(options.iterations) +
                            "; it must be between 1 and 1000");
  }
  if (options.train_from < 1) return invalid_argument("train_from is 0; it must be at least 1");
  if (options.rows > ScalarKind::kF16 || options.metric > Metric::kCosine)
    return invalid_argument("rows are f32 or f16");
  return IvfPqIndex(dimension, options);
}

inline Result<std::vector<Neighbor>> IvfPqIndex::search(VectorView query,
                                                        const SearchOptions& options,
                                                        Scratch& scratch, SearchCost* cost) const {
  if (Status status = check_search(query, dimension(), table_.metric(), options); !status)
    return std::move(status).error();
  if (size() == 0) return std::vector<Neighbor>{};
  const IvfTuning facts = tuning();
  const bool asked = options.effort != 0;
  const std::size_t reachable =
      std::min(options.wanted == nullptr ? size() : options.wanted->count(), size());
  // Wanted slots without a row here may make up in number for rows that are not wanted.
  const bool filtered = options.wanted != nullptr && options.filtered;
  const double share = static_cast<double>(reachable) / static_cast<double>(positions());
  const Probing probing{
      .k = IvfTuning::measured_k(options.k),
      .share = share,
      .lists = asked ? ListLimit{options.effort}
                     : facts.lists_for(options.recall, options.k, lists(), filtered, share),
      .gaps = facts.gaps_for(options.recall, options.k, dimension(), filtered),
      .wanted = options.wanted};
  const bool few = options.k >= reachable || (!asked && reachable <= setup_cost());
  if (few || probing.lists.probes == 0 || !probe(query, probing, scratch, cost)) {
    return table_.nearest_of(query, options, scratch, cost);
  }
  auto nearest = rerank(query, options.k, probing.k, scratch, cost);
  // The lists that were read may hold too few; a short answer is never served.
  if (nearest.size() < options.k) return table_.nearest_of(query, options, scratch, cost);
  return nearest;
}

/// Fills scratch.pool with positions to re-rank. False: it is cheaper to compare every wanted slot.
inline bool IvfPqIndex::probe(VectorView query, const Probing& probing, Scratch& scratch,
                              SearchCost* cost) const {
  const ResidualCodes& codes = trained()->codes;
  codes.prepare(query, scratch.coded_query);
  std::vector<Neighbor>& ranked = scratch.candidates;
  codes.rank_lists(scratch.coded_query, ranked);
  scratch.found.reset(probing.k);
  scratch.pool.clear();
  std::size_t sorted = rank_further(ranked, 0);
  const float nearest = ranked.front().distance;
  ListsMet met;
  bool hole = false;
  for (std::size_t i = 0; i < std::min(probing.lists.probes, ranked.size()); ++i) {
    if (i == sorted) sorted = rank_further(ranked, sorted);
    hole = hole || met.is_hole(probing.share);
    // Before there are k nothing is known of how far they are.
    if (const float kth = scratch.found.threshold(); std::isfinite(kth)) {
      const ListLimit& limit = probing.lists;
      const float length = codes.list_length(ranked[i].distance);
      if (length > kth + (hole ? limit.behind_code_beyond : limit.behind_code)) break;
      if (!hole && ranked[i].distance > nearest + limit.behind_first) break;
    }
    const ListsMet found = scan_list(ranked[i].reference, probing, scratch);
    met.entries += found.entries;
    met.wanted += found.wanted;
    if (cost != nullptr) {
      cost->distances += found.wanted;
      ++cost->hops;
    }
    if (probing.wanted != nullptr && met.entries > kLooks * probing.wanted->count()) return false;
  }
  return true;
}

/// Compares rows in the order of the least length that their codes allow, until that is beyond the
/// row that the gaps were measured by.
inline std::vector<Neighbor> IvfPqIndex::rerank(VectorView query, std::size_t k,
                                                std::size_t measured_k, Scratch& scratch,
                                                SearchCost* cost) const {
  const ResidualCodes& codes = trained()->codes;
  std::vector<Neighbor>& pool = scratch.pool;
  std::sort(pool.begin(), pool.end());
  table_.rows().prepare(query, scratch.row_query);
  scratch.found.reset(measured_k);
  float bound = std::numeric_limits<float>::infinity();
  std::size_t compared = 0;
  for (; compared < pool.size() && pool[compared].distance <= bound; ++compared) {
    if (compared + kAhead < pool.size()) table_.rows().prefetch(pool[compared + kAhead].reference);
    const Position position = pool[compared].reference;
    const float distance = table_.rows().distance(scratch.row_query, position);
    if (!(distance < scratch.found.threshold())) continue;
    scratch.found.push({distance, position});
    bound = codes.length(scratch.coded_query, codes.of_rows(scratch.found.threshold()));
  }
  if (cost != nullptr) cost->reranked += compared;
  return table_.rerank(query, k, scratch.found.sorted(), scratch, nullptr);
}

/// Puts in order what follows the first `sorted` of the nearest lists, as many again or 32; returns
/// how many are in order then. Most searches read few lists, and how many is known on the way only.
inline std::size_t IvfPqIndex::rank_further(std::vector<Neighbor>& lists, std::size_t sorted) {
  const std::size_t end = std::min(std::max<std::size_t>(32, 2 * sorted), lists.size());
  const auto at = [&](std::size_t i) { return lists.begin() + static_cast<std::ptrdiff_t>(i); };
  if (end < lists.size()) std::nth_element(at(sorted), at(end), lists.end());
  std::sort(at(sorted), at(end));
  return end;
}

inline ListsMet IvfPqIndex::scan_list(std::uint32_t list, const Probing& probing,
                                      Scratch& scratch) const {
  const Trained& learned = *trained();
  const CodedQuery& query = scratch.coded_query;
  const float base = learned.codes.list_distance(query, list);
  const std::size_t code_bytes = learned.codes.code_bytes();
  const float error = learned.lists.error(list);
  const auto bound_of_now = [&] {
    return learned.codes.from_length(query, scratch.found.threshold() + probing.gaps.code * error);
  };
  float bound = bound_of_now();
  const bool partial = probing.wanted != nullptr || probing.share < 1.0;
  ListsMet met;
  learned.lists.for_each_run(list, [&](const InvertedLists::Entries& run) {
    met.entries += run.count;
    for (std::size_t i = 0; i < run.count; ++i) {
      const Position position = run.positions[i];
      if (partial && !table_.is_wanted(position, probing.wanted)) continue;
      ++met.wanted;
      const float distance =
          base + run.biases[i] + learned.codes.code_distance(query, run.codes + i * code_bytes);
      // Not written as `>`: what damaged bytes make no number of is left out.
      if (!(distance <= bound) || position == probing.hidden || table_.slot(position) == kNoSlot)
        continue;
      const float length = learned.codes.length(query, distance);
      scratch.pool.push_back({length - probing.gaps.row * error, position});
      if (!(length < scratch.found.threshold())) continue;
      scratch.found.push({length, position});
      bound = bound_of_now();
    }
  });
  return met;
}

inline Status IvfPqIndex::train(MatrixView sample, const BuildOptions& build) {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (is_trained()) return invalid_argument("the index is trained already");
  if (sample.empty()) return invalid_argument("the training sample is empty");
  for (std::size_t i = 0; i < sample.rows(); ++i) {
    if (Status status = check_vector(sample.row(i), dimension(), table_.metric(), options_.rows);
        !status) {
      return std::move(status).error().at_record(static_cast<std::int64_t>(i));
    }
  }
  const std::size_t lists = options_.lists != 0 ? options_.lists : lists_for(sample.rows());
  const std::vector<float> rows = draw_rows(sample, training_rows_for(lists), build);
  const ResidualOptions options{.subspaces = subspaces(),
                                .rotate = options_.rotate,
                                .kmeans = {.clusters = lists,
                                           .iterations = options_.iterations,
                                           .seed = options_.seed,
                                           .threads = build.threads,
                                           .progress = build.progress}};
  auto learned = ResidualCodes::train({rows.data(), rows.size() / dimension(), dimension()},
                                      table_.metric(), options);
  if (!learned) return Error{ErrorCode::kCancelled, "training was cancelled; nothing was learned"};
  publish(std::make_unique<Trained>(*std::move(learned)));
  return {};
}

inline std::vector<float> IvfPqIndex::draw_rows(MatrixView sample, std::size_t most,
                                                const BuildOptions& build) const {
  Random random(options_.seed);
  const std::vector<std::uint32_t> chosen = random_subset(sample.rows(), most, random);
  std::vector<float> rows(chosen.size() * dimension());
  parallel_for(chosen.size(), build.threads, 256,
               [&](std::size_t begin, std::size_t end, std::size_t) {
                 for (std::size_t i = begin; i < end; ++i) {
                   ResidualCodes::normalize(sample.row(chosen[i]), table_.metric(),
                                            rows.data() + i * dimension());
                 }
                 return true;
               });
  return rows;
}

inline Status IvfPqIndex::insert(MatrixView rows, std::span<const Slot> slots,
                                 const BuildOptions& build) {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (!is_trained())
    return invalid_argument("train() the index before the first insert", Subcode::kNotTrained);
  if (Status status = table_.check(rows, slots); !status) return status;
  const ResidualCodes& coder = trained()->codes;
  InvertedLists& lists = trained()->lists;
  const std::size_t count = slots.size();
  std::vector<ResidualCodes::Place> places(count);
  std::vector<std::uint8_t> codes(count * coder.code_bytes());
  std::atomic<std::size_t> done{0};
  const bool finished = parallel_for(
      count, build.threads, 64, [&](std::size_t begin, std::size_t end, std::size_t thread) {
        std::vector<float> block((end - begin) * dimension());
        for (std::size_t i = begin; i < end; ++i) {
          ResidualCodes::normalize(rows.row(i), table_.metric(),
                                   block.data() + (i - begin) * dimension());
        }
        coder.encode({block.data(), end - begin, dimension()}, places.data() + begin,
                     codes.data() + begin * coder.code_bytes());
        const std::size_t now = done.fetch_add(end - begin) + end - begin;
        return thread != 0 || build.progress(now, count);
      });
  if (!finished) return Error{ErrorCode::kCancelled, "insertion was cancelled; nothing was added"};

  lists.reserve(count);
  const Position first = table_.reserve(slots);
  parallel_for(count, build.threads, 256, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i)
      table_.write(first + static_cast<Position>(i), rows.row(i), slots[i]);
    return true;
  });
  table_.publish(count);
  for (std::size_t i = 0; i < count; ++i) {
    lists.append(places[i], first + static_cast<Position>(i),
                 codes.data() + i * coder.code_bytes());
  }
  return {};
}

inline Status IvfPqIndex::calibrate(const BuildOptions& build) {
  const std::size_t live = size();
  if (live < 2) return {};
  const std::size_t excluded = Calibration::excluded_for(live);
  std::vector<OwnQuery> queries =
      draw_own_queries(table_, options_.seed, build,
                       {.queries = kQueries, .neighbors = IvfTuning::kMeasured.back() + excluded});
  IvfTuning fresh{.rows = live, .holes = live > 4 * excluded ? 1U : 0U};
  fresh.of(Reach::kNearest) = measure(queries, 0, build);
  if (fresh.holes != 0)
    fresh.of(Reach::kBeyond) =
        measure(beyond_nearest(std::move(queries), excluded), excluded, build);
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  state_->tuning = fresh;
  return {};
}

/// `excluded`: how many of OwnQuery::nearest are taken out as by a filter.
inline IvfPqIndex::Measured IvfPqIndex::measure(const std::vector<OwnQuery>& queries,
                                                std::size_t excluded,
                                                const BuildOptions& build) const {
  const std::vector<std::uint32_t> list_of = trained()->lists.lists_of(table_.size());
  Pairs pairs;
  std::mutex adding;
  std::vector<Scratch> scratches(thread_count(build.threads));
  parallel_for(queries.size(), build.threads, 4,
               [&](std::size_t begin, std::size_t end, std::size_t thread) {
                 for (std::size_t q = begin; q < end; ++q) {
                   const auto more = measure(queries[q], excluded, list_of, scratches[thread]);
                   const std::lock_guard<std::mutex> lock(adding);
                   for (std::size_t i = 0; i < more.size(); ++i)
                     pairs[i].insert(pairs[i].end(), more[i].begin(), more[i].end());
                 }
                 return true;
               });
  Measured measured;
  for (std::size_t i = 0; i < pairs.size(); ++i) measured[i] = IvfTuning::Quantiles(pairs[i]);
  return measured;
}

/// What one row as a query shows.
inline IvfPqIndex::Pairs IvfPqIndex::measure(const OwnQuery& own, std::size_t excluded,
                                             std::span<const std::uint32_t> list_of,
                                             Scratch& scratch) const {
  constexpr std::size_t kCodesMax = 8'192;  // A true neighbour is rarely farther down.
  const ResidualCodes& learned = trained()->codes;
  const VectorView row = table_.rows().view(own.position);
  probe(row, {.k = kCodesMax, .lists = {lists()}, .hidden = own.position}, scratch, nullptr);
  std::vector<Neighbor>& codes = scratch.found.sorted();
  // Fewer where rows were deleted meanwhile.
  const auto holes_end = static_cast<std::ptrdiff_t>(std::min(excluded, own.nearest.size()));
  const std::unordered_set<Slot> holes(own.nearest.begin(), own.nearest.begin() + holes_end);
  std::erase_if(codes, [&](const Neighbor& code) {
    // The second: inserted meanwhile.
    return holes.contains(table_.slot(code.reference)) || code.reference >= list_of.size();
  });
  const float nearest_list = scratch.candidates.front().distance;
  learned.rank_lists(scratch.coded_query, scratch.candidates);
  table_.rows().prepare(row, scratch.row_query);
  std::vector<float> distances;
  distances.reserve(codes.size());
  for (const Neighbor& code : codes)
    distances.push_back(table_.rows().distance(scratch.row_query, code.reference));

  Pairs pairs;
  for (std::size_t which = 0; which < pairs.size(); ++which) {
    const std::size_t wanted = std::min(IvfTuning::kMeasured[which], own.truth.size());
    if (wanted == 0 || codes.size() < wanted) continue;
    const float kth_code = codes[wanted - 1].distance;
    const float kth_row =
        learned.length(scratch.coded_query, learned.of_rows(own.truth[wanted - 1]));
    for (std::size_t i = 0; i < codes.size(); ++i) {
      if (!is_true_neighbor(own, wanted, distances[i])) continue;
      const std::uint32_t list = list_of[codes[i].reference];
      const float distance = scratch.candidates[list].distance;
      const float error = trained()->lists.error(list);
      const float part = error > 0 ? 1.0F / error : 0.0F;
      pairs[which].push_back({.behind_first = distance - nearest_list,
                              .behind_code = learned.list_length(distance) - kth_code,
                              .code_gap = (codes[i].distance - kth_code) * part,
                              .row_gap = (codes[i].distance - kth_row) * part});
    }
  }
  return pairs;
}

inline std::vector<SectionOut> IvfPqIndex::sections() const {
  std::vector<SectionOut> sections;
  table_.add_sections(sections);
  {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    meta_ = Meta{state_->tuning, is_trained() ? 1U : 0U};
  }
  sections.push_back({"meta", sizeof(Meta), 1, {image_io::bytes_of_value(meta_)}});
  if (!is_trained()) return sections;
  const auto floats = [&](const char* name, const std::vector<float>& values, std::size_t width) {
    sections.push_back(
        {name, width * sizeof(float), values.size() / width, {std::as_bytes(std::span(values))}});
  };
  const ResidualCodes& codes = trained()->codes;
  floats("rotation", codes.rotation().matrix(), dimension());
  floats("centroids", codes.centroids().values(), dimension());
  floats("books", codes.codes().books(), ProductCodes::kWords);
  trained()->lists.add_sections(sections);
  return sections;
}

inline Result<IvfPqIndex> IvfPqIndex::attach(std::size_t dimension, const IvfPqOptions& options,
                                             const SectionSet& set) {
  std::uint8_t rotate = 0;
  std::memcpy(&rotate, &options.rotate, sizeof rotate);
  if (rotate > 1) return damaged("options that are none");
  auto index = create(dimension, options);
  if (!index) return index;
  const auto section = set.find("meta", sizeof(Meta));
  if (!section) return section.error();
  if (section->count != 1) return damaged("no entry in section 'meta'");
  Meta meta;
  std::memcpy(static_cast<void*>(&meta), section->bytes.data(), sizeof meta);
  if (Status status = index->table_.attach(set); !status) return std::move(status).error();
  index->state_->tuning.restore(meta.tuning);
  if (meta.trained == 0) {
    if (index->positions() != 0) return damaged("positions without lists");
    return index;
  }
  auto learned = index->attach_codes(set);
  if (!learned) return std::move(learned).error();
  auto trained = std::make_unique<Trained>(*std::move(learned));
  if (Status status = trained->lists.attach(set, index->positions()); !status)
    return std::move(status).error();
  index->publish(std::move(trained));
  return index;
}

inline Result<ResidualCodes> IvfPqIndex::attach_codes(const SectionSet& set) const {
  const auto rotation = read_floats(set, "rotation", dimension());
  const auto centroids = read_floats(set, "centroids", dimension());
  const auto books = read_floats(set, "books", ProductCodes::kWords);
  if (!rotation) return rotation.error();
  if (!centroids) return centroids.error();
  if (!books) return books.error();
  const std::size_t numbers = dimension() * dimension();
  if (!rotation->empty() && rotation->size() != numbers) return damaged("half a rotation");
  if (centroids->empty() || centroids->size() / dimension() > kListsMax)
    return damaged("no lists, or too many");
  if (books->size() != dimension() * ProductCodes::kWords) return damaged("books that do not fit");
  return ResidualCodes(table_.metric(), Rotation(*rotation, dimension()),
                       Centroids(*centroids, dimension()),
                       ProductCodes(*books, dimension(), subspaces()));
}

inline Result<std::vector<float>> IvfPqIndex::read_floats(const SectionSet& set, const char* name,
                                                          std::size_t width) {
  const auto section = set.find(name, width * sizeof(float));
  if (!section) return section.error();
  std::vector<float> values(section->bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), section->bytes.data(), section->bytes.size());
  for (const float value : values) {
    if (!std::isfinite(value))
      return damaged("a number that is not finite in section '" + std::string(name) + "'");
  }
  return values;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
