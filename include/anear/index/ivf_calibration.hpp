// Measures on an index's own rows what IvfTuning keeps.
//
// Threads: plain functions; searches and writes may run beside them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "anear/index/calibration.hpp"
#include "anear/index/ivf_tuning.hpp"
#include "anear/index/list_reader.hpp"
#include "anear/index/own_queries.hpp"
#include "anear/index/vector_table.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class IvfCalibration {
 public:
  /// Both arguments outlive it.
  IvfCalibration(const VectorTable& table, const CodedLists& learned)
      : table_(table),
        reader_(table, learned),
        codes_(learned.codes),
        lists_(learned.lists),
        list_of_(learned.lists.lists_of(table.size())) {}

  /// Of up to 256 own rows. Costs as many exact scans and as many scans of all codes.
  IvfTuning measure(std::uint64_t seed, const BuildOptions& build) const;

 private:
  static constexpr std::size_t kQueries = 256;
  /// Codes that are looked at; a true neighbour is rarely farther down.
  static constexpr std::size_t kCodesMax = 8'192;

  /// For each k that is measured.
  using Pairs = std::array<std::vector<IvfPair>, IvfTuning::kMeasured.size()>;
  struct Coded {
    float length = 0;    ///< By its code.
    float distance = 0;  ///< By its row.
    Position position = kNoPosition;
  };

  void show(const OwnQuery& own, std::size_t excluded, Scratch& scratch,
            std::array<Pairs, 2>& pairs) const;
  Pairs pairs_of(const OwnQuery& own, std::span<const Coded> coded, float nearest_list,
                 const Scratch& scratch) const;

  const VectorTable& table_;
  ListReader reader_;
  const ResidualCodes& codes_;
  const InvertedLists& lists_;
  std::vector<std::uint32_t> list_of_;  ///< Of each position.
};

inline IvfTuning IvfCalibration::measure(std::uint64_t seed, const BuildOptions& build) const {
  const std::size_t live = table_.live();
  std::size_t excluded = Calibration::excluded_for(live);
  const auto queries =
      draw_own_queries(table_, seed, build,
                       {.queries = kQueries, .neighbors = IvfTuning::kMeasured.back() + excluded});
  if (live <= 4 * excluded) excluded = 0;
  std::array<Pairs, 2> pairs;
  std::mutex adding;
  std::vector<Scratch> scratches(thread_count(build.threads));
  parallel_for(queries.size(), build.threads, 4,
               [&](std::size_t begin, std::size_t end, std::size_t thread) {
                 for (std::size_t q = begin; q < end; ++q) {
                   std::array<Pairs, 2> more;
                   show(queries[q], excluded, scratches[thread], more);
                   const std::lock_guard<std::mutex> lock(adding);
                   for (std::size_t reach = 0; reach < more.size(); ++reach) {
                     for (std::size_t i = 0; i < more[reach].size(); ++i) {
                       pairs[reach][i].insert(pairs[reach][i].end(), more[reach][i].begin(),
                                              more[reach][i].end());
                     }
                   }
                 }
                 return true;
               });
  IvfTuning tuning{.rows = live, .holes = excluded != 0 ? 1U : 0U};
  for (std::size_t reach = 0; reach < pairs.size(); ++reach) {
    for (std::size_t i = 0; i < pairs[reach].size(); ++i)
      tuning.measured[reach][i] = IvfTuning::Quantiles(pairs[reach][i]);
  }
  return tuning;
}

/// What one row as a query shows, of each Reach.
inline void IvfCalibration::show(const OwnQuery& own, std::size_t excluded, Scratch& scratch,
                                 std::array<Pairs, 2>& pairs) const {
  const VectorView row = table_.rows().view(own.position);
  const Probing all{.k = kCodesMax, .lists = {codes_.lists()}, .hidden = own.position};
  reader_.probe(row, all, scratch, nullptr);
  const float nearest_list = scratch.candidates.front().distance;
  codes_.rank_lists(scratch.coded_query, scratch.candidates);
  table_.rows().prepare(row, scratch.row_query);
  std::vector<Coded> coded;
  for (const Neighbor& code : scratch.found.sorted()) {
    // Others were inserted meanwhile.
    if (code.reference >= list_of_.size()) continue;
    coded.push_back(
        {code.distance, table_.rows().distance(scratch.row_query, code.reference), code.reference});
  }
  pairs[0] = pairs_of(own, coded, nearest_list, scratch);
  if (excluded == 0) return;
  const OwnQuery beyond = beyond_nearest(own, excluded);
  const std::unordered_set<Slot> hole(beyond.nearest.begin(), beyond.nearest.end());
  std::erase_if(coded,
                [&](const Coded& code) { return hole.contains(table_.slot(code.position)); });
  pairs[1] = pairs_of(beyond, coded, nearest_list, scratch);
}

/// `coded`: ascending by code. scratch.candidates: the distance of each list.
inline IvfCalibration::Pairs IvfCalibration::pairs_of(const OwnQuery& own,
                                                      std::span<const Coded> coded,
                                                      float nearest_list,
                                                      const Scratch& scratch) const {
  Pairs pairs;
  for (std::size_t which = 0; which < pairs.size(); ++which) {
    const std::size_t wanted = std::min(IvfTuning::kMeasured[which], own.truth.size());
    if (wanted == 0 || coded.size() < wanted) continue;
    const float kth_code = coded[wanted - 1].length;
    const float kth_row = codes_.length(scratch.coded_query, codes_.of_rows(own.truth[wanted - 1]));
    for (const Coded& code : coded) {
      if (!is_true_neighbor(own, wanted, code.distance)) continue;
      const std::uint32_t list = list_of_[code.position];
      const float distance = scratch.candidates[list].distance;
      const float error = lists_.error(list);
      const float part = error > 0 ? 1.0F / error : 0.0F;
      pairs[which].push_back({.behind_first = distance - nearest_list,
                              .behind_code = codes_.list_length(distance) - kth_code,
                              .code_gap = (code.length - kth_code) * part,
                              .row_gap = (code.length - kth_row) * part});
    }
  }
  return pairs;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
