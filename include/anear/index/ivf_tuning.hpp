// What an IVF-PQ index measured of itself, from which a search knows where to stop.
//
// For queries drawn from its rows the index knows the true neighbours, their lists and their codes.
// Four distances are kept as quantiles over all pairs of query and true neighbour:
//
//   behind_first   its list behind the nearest list
//   behind_code    its list behind the k-th nearest code
//   code_gap       its code behind the k-th nearest code, in errors of its list
//   row_gap        its code behind the k-th nearest row, in errors of its list
//
// so that a target of 0.95 reads lists up to the quantile 0.95. Without a filter the nearest list
// is the anchor: a query that lies apart from all rows has many lists at nearly one distance, and
// reads more of them, where a fixed number of lists would miss the target. With a filter the k-th
// nearest wanted code is the anchor, because wanted rows may lie anywhere. And where the filter, or
// deletes, took out the neighbourhood of the query, what is left lies in lists that are farther
// behind: the quantiles are measured a second time with the nearest rows excluded
// (docs/adr/0006-plain-ivf-pq.md). But for behind_first these are differences of lengths, which can
// be compared near and far.
//
// Gaps are larger, in turn, where many rows lie at one distance, as seen from such a query: there a
// code is behind by as much as its error has in the direction of the query. And where all queries
// have the same few neighbours (one number outweighs the rest), the quantiles are of a few codes;
// searches under filters, which take those out, go by the errors of thousands of codes instead.
//
// Threads: a value; an index replaces its own under a lock.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "anear/index/calibration.hpp"

namespace anear {

/// Where to stop in the ranked lists. No probes: compare every wanted row instead.
struct ListLimit {
  std::size_t probes = 0;
  float behind_first = std::numeric_limits<float>::infinity();
  float behind_code = std::numeric_limits<float>::infinity();
  float behind_code_beyond = std::numeric_limits<float>::infinity();  ///< Around a hole.
};

/// How far a code may be behind, in errors of its list (InvertedLists::error): behind the k-th
/// nearest code to be collected, behind the k-th nearest row to be compared by its row.
struct CodeGaps {
  float code = 0;
  float row = 0;
};

/// Entries of the lists that were read, and those of them that are wanted.
struct ListsMet {
  std::size_t entries = 0;
  std::size_t wanted = 0;

  bool is_hole(double share) const noexcept {
    // Wanted ones spread evenly would leave a run of 8 / share without any once in 3,000 times.
    return is_around_hole(wanted, entries - wanted, share, 8.0);
  }
};

/// Quantiles at 1/2, 3/4, 7/8, … : each step halves what is missing to 1.
class TailQuantiles {
 public:
  static constexpr std::size_t kSteps = 11;

  TailQuantiles() = default;
  explicit TailQuantiles(std::vector<float> values) {
    if (values.empty()) return;
    // Damaged rows of an image can be no numbers, which no sort survives.
    std::replace_if(
        values.begin(), values.end(), [](float value) { return std::isnan(value); },
        std::numeric_limits<float>::infinity());
    auto place = values.begin();
    double missing = 0.5;
    for (float& step : steps_) {
      const double rank = (1.0 - missing) * static_cast<double>(values.size() - 1);
      const auto next = values.begin() + static_cast<std::ptrdiff_t>(std::ceil(rank));
      std::nth_element(place, next, values.end());  // Before `place` stands nothing greater.
      place = next;
      step = *next;
      missing /= 2;
    }
  }
  float at(float share) const noexcept {
    const double missing = std::max(1.0 - static_cast<double>(share), 1e-9);
    const double place = std::clamp(-1.0 - std::log2(missing), 0.0, kSteps - 1.0);
    const auto low = static_cast<std::size_t>(place);
    const std::size_t high = std::min(low + 1, kSteps - 1);
    const auto way = static_cast<float>(place - static_cast<double>(low));
    return steps_[low] + way * (steps_[high] - steps_[low]);
  }
  bool is_finite() const noexcept {
    return std::all_of(steps_.begin(), steps_.end(),
                       [](float step) { return std::isfinite(step); });
  }

 private:
  std::array<float, kSteps> steps_{};
};

/// What one pair of a query and a true neighbour shows: see above.
struct IvfPair {
  float behind_first = 0;
  float behind_code = 0;
  float code_gap = 0;
  float row_gap = 0;
};

/// As it stands in an image, too.
struct IvfTuning {
  /// The values of k that are measured; others take the next greater one, since what more
  /// neighbours need may rise at once, as where k passes the size of a cluster. Beyond them all
  /// rows are compared.
  static constexpr std::array<std::size_t, 7> kMeasured = {10, 20, 50, 100, 200, 500, 1'000};

  /// Of the searches for one k.
  struct Quantiles {
    Quantiles() = default;
    explicit Quantiles(const std::vector<IvfPair>& pairs)
        : behind_first(column(pairs, &IvfPair::behind_first)),
          behind_code(column(pairs, &IvfPair::behind_code)),
          code_gap(column(pairs, &IvfPair::code_gap)),
          row_gap(column(pairs, &IvfPair::row_gap)) {}

    TailQuantiles behind_first;
    TailQuantiles behind_code;
    TailQuantiles code_gap;
    TailQuantiles row_gap;

    bool is_finite() const noexcept {
      return behind_first.is_finite() && behind_code.is_finite() && code_gap.is_finite() &&
             row_gap.is_finite();
    }

   private:
    static std::vector<float> column(const std::vector<IvfPair>& pairs, float IvfPair::* which) {
      std::vector<float> values;
      values.reserve(pairs.size());
      for (const IvfPair& pair : pairs) values.push_back(pair.*which);
      return values;
    }
  };

  std::uint64_t rows = 0;   ///< Live rows when it was measured; 0: never.
  std::uint64_t holes = 0;  ///< 1: Reach::kBeyond was measured, too.
  /// Of a Reach; for k = kMeasured[i].
  std::array<std::array<Quantiles, kMeasured.size()>, 2> measured{};

  /// The k that a search is measured by: the next greater one.
  static std::size_t measured_k(std::size_t k) noexcept {
    return k > kMeasured.back() ? k : kMeasured[step_of(k)];
  }
  std::array<Quantiles, kMeasured.size()>& of(Reach reach) noexcept {
    return measured[static_cast<std::size_t>(reach)];
  }

  /// Whether the index changed by a fifth since the measurement, or was never measured.
  bool is_stale(std::size_t live) const noexcept {
    const auto then = static_cast<double>(rows);
    return rows == 0 || std::fabs(static_cast<double>(live) - then) > 0.2 * then;
  }

  /// `share`: of the rows that are wanted.
  ListLimit lists_for(float recall, std::size_t k, std::size_t lists, bool filtered,
                      double share) const noexcept {
    if (recall > kRecallMax || k > kMeasured.back()) return {};
    if (rows == 0) {
      // Not measured yet: what is read grows with the target and with what the filter removes.
      const double part = std::min(0.005 / (1.0 - static_cast<double>(recall)), 1.0);
      const double probes = (8.0 + static_cast<double>(lists) * part) / share;
      return {.probes = static_cast<std::size_t>(probes)};
    }
    // A sample of some hundred queries knows the mean to a quarter of what is missing to 1; less so
    // what a filter makes of it.
    const float target = recall + (filtered ? 0.4F : 0.25F) * (1.0F - recall);
    ListLimit limit{.probes = lists};
    if (filtered) {
      // Where every list is read, codes are looked at for about the price of a quarter of the rows.
      if (share < 0.25 && measured_for(k, Reach::kNearest).behind_code.at(0) >= kEveryList)
        return {};
      limit.behind_code = measured_for(k, Reach::kNearest).behind_code.at(target);
    } else {
      limit.behind_first = measured_for(k, Reach::kNearest).behind_first.at(target);
    }
    if (holes != 0)
      limit.behind_code_beyond = measured_for(k, Reach::kBeyond).behind_code.at(target);
    return limit;
  }

  CodeGaps gaps_for(float recall, std::size_t k, std::size_t dimension,
                    bool filtered) const noexcept {
    // An error points anywhere, so that its part along one direction has a deviation of 1/√d.
    const float most = std::min(0.5F, 3.0F / std::sqrt(static_cast<float>(dimension)));
    if (rows == 0) return {.code = 4.0F * most, .row = 2.0F * most};
    const float target = std::max(kCodeRecall, recall + 0.9F * (1.0F - recall));
    CodeGaps gaps{.code = 2.0F * most, .row = most};
    for (const Reach reach : {Reach::kNearest, Reach::kBeyond}) {
      if (reach == Reach::kBeyond && (holes == 0 || !filtered)) break;
      gaps.code = std::max(gaps.code, measured_for(k, reach).code_gap.at(target));
      gaps.row = std::max(gaps.row, measured_for(k, reach).row_gap.at(target));
    }
    return gaps;
  }

  /// Where all queries have the same few neighbours, those show the errors of a few codes only, and
  /// a filter that takes them out leaves others. Searches under filters then read every list, and
  /// allow each code for `most`, the largest error of all that were looked at.
  void filter_by_errors(std::size_t step, float most) noexcept {
    for (auto& reach : measured) reach[step].behind_code = TailQuantiles({kEveryList});
    Quantiles& errors =
        measured[static_cast<std::size_t>(holes != 0 ? Reach::kBeyond : Reach::kNearest)][step];
    errors.code_gap = TailQuantiles({2.0F * most});
    errors.row_gap = TailQuantiles({most});
  }

  /// Takes any bytes: what does not make sense counts as never measured.
  void restore(const IvfTuning& stored) noexcept {
    *this = IvfTuning{};
    for (const auto& reach : stored.measured) {
      if (!std::all_of(reach.begin(), reach.end(),
                       [](const auto& some) { return some.is_finite(); }))
        return;
    }
    *this = stored;
  }

 private:
  /// A sample of 256 queries says nothing of what is beyond.
  static constexpr float kRecallMax = 0.999F;
  static constexpr float kEveryList = std::numeric_limits<float>::max();
  /// What each gap may lose of the neighbours in the lists that are read.
  static constexpr float kCodeRecall = 0.998F;

  static std::size_t step_of(std::size_t k) noexcept {
    const auto* next = std::lower_bound(kMeasured.begin(), kMeasured.end() - 1, k);
    return static_cast<std::size_t>(next - kMeasured.begin());
  }
  const Quantiles& measured_for(std::size_t k, Reach reach) const noexcept {
    return measured[static_cast<std::size_t>(reach)][step_of(k)];
  }
};

}  // namespace anear
