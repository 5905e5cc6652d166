// Measures on an index's own rows what IvfTuning keeps.
//
// Threads: plain functions; searches and writes may run beside them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
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

  /// Where all queries together have fewer true neighbours than this many times k, what those show
  /// says little of the ones that a filter leaves.
  static constexpr std::size_t kAnswersPerK = 10;

  /// What queries show of the searches for one k.
  struct Shown {
    std::vector<IvfPair> pairs;
    std::vector<Position> answers;  ///< The true neighbour of each.

    void append(const Shown& more) {
      pairs.insert(pairs.end(), more.pairs.begin(), more.pairs.end());
      answers.insert(answers.end(), more.answers.begin(), more.answers.end());
    }
    bool has_few_answers(std::size_t k, std::size_t live) const {
      const std::unordered_set<Position> distinct(answers.begin(), answers.end());
      return distinct.size() < std::min(kAnswersPerK * k, live / 2);
    }
  };
  /// Of each Reach, for each k that is measured.
  using ShownOfAll = std::array<std::array<Shown, IvfTuning::kMeasured.size()>, 2>;
  struct Coded {
    float length = 0;    ///< By its code.
    float distance = 0;  ///< By its row.
    Position position = kNoPosition;
  };

  float show(const OwnQuery& own, std::size_t excluded, Scratch& scratch, ShownOfAll& shown) const;
  void show_pairs(const OwnQuery& own, std::span<const Coded> coded, float nearest_list,
                  const Scratch& scratch,
                  std::array<Shown, IvfTuning::kMeasured.size()>& shown) const;
  float error_of(std::span<const Coded> coded, const Scratch& scratch) const;

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
  ShownOfAll shown;
  float code_error = 0;
  std::mutex adding;
  std::vector<Scratch> scratches(thread_count(build.threads));
  parallel_for(queries.size(), build.threads, 4,
               [&](std::size_t begin, std::size_t end, std::size_t thread) {
                 for (std::size_t q = begin; q < end; ++q) {
                   ShownOfAll more;
                   const float error = show(queries[q], excluded, scratches[thread], more);
                   const std::lock_guard<std::mutex> lock(adding);
                   code_error = std::max(code_error, error);
                   for (std::size_t reach = 0; reach < more.size(); ++reach) {
                     for (std::size_t i = 0; i < more[reach].size(); ++i)
                       shown[reach][i].append(more[reach][i]);
                   }
                 }
                 return true;
               });
  IvfTuning tuning{.rows = live, .holes = excluded != 0 ? 1U : 0U};
  for (std::size_t i = 0; i < IvfTuning::kMeasured.size(); ++i) {
    for (std::size_t reach = 0; reach < shown.size(); ++reach)
      tuning.measured[reach][i] = IvfTuning::Quantiles(shown[reach][i].pairs);
    if (shown[0][i].has_few_answers(IvfTuning::kMeasured[i], live))
      tuning.filter_by_errors(i, code_error);
  }
  return tuning;
}

/// What one row as a query shows, of each Reach; the most by which a code errs.
inline float IvfCalibration::show(const OwnQuery& own, std::size_t excluded, Scratch& scratch,
                                  ShownOfAll& shown) const {
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
  const float error = error_of(coded, scratch);
  show_pairs(own, coded, nearest_list, scratch, shown[0]);
  if (excluded == 0) return error;
  const OwnQuery beyond = beyond_nearest(own, excluded);
  const std::unordered_set<Slot> hole(beyond.nearest.begin(), beyond.nearest.end());
  std::erase_if(coded,
                [&](const Coded& code) { return hole.contains(table_.slot(code.position)); });
  show_pairs(beyond, coded, nearest_list, scratch, shown[1]);
  return error;
}

/// The most by which a code errs, in errors of its list.
inline float IvfCalibration::error_of(std::span<const Coded> coded, const Scratch& scratch) const {
  float most = 0;
  for (const Coded& code : coded) {
    const float error = lists_.error(list_of_[code.position]);
    const float length = codes_.length(scratch.coded_query, codes_.of_rows(code.distance));
    if (error > 0) most = std::max(most, std::fabs(code.length - length) / error);
  }
  return most;
}

/// `coded`: ascending by code. scratch.candidates: the distance of each list.
inline void IvfCalibration::show_pairs(
    const OwnQuery& own, std::span<const Coded> coded, float nearest_list, const Scratch& scratch,
    std::array<Shown, IvfTuning::kMeasured.size()>& shown) const {
  for (std::size_t which = 0; which < shown.size(); ++which) {
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
      shown[which].pairs.push_back({.behind_first = distance - nearest_list,
                                    .behind_code = codes_.list_length(distance) - kth_code,
                                    .code_gap = (code.length - kth_code) * part,
                                    .row_gap = (code.length - kth_row) * part});
      shown[which].answers.push_back(code.position);
    }
  }
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
