// What an IVF-PQ index measured of itself, from which a search knows where to stop.
//
// For queries drawn from its rows the index knows the true neighbours, their lists and their codes.
// Three distances are kept as quantiles over all pairs of query and true neighbour:
//
//   behind_first   its list behind the nearest list
//   behind_code    its list behind the k-th nearest code
//   slack          its code behind the k-th nearest row, in errors of its list
//
// so that a target of 0.95 reads lists up to the quantile 0.95. Without a filter the nearest list
// is the anchor: a query that lies apart from all rows has many lists at nearly one distance, and
// reads more of them, where a fixed number of lists would miss the target. With a filter the k-th
// nearest wanted code is the anchor, because wanted rows may lie anywhere, and how far a row can be
// from the centroid of its list does not depend on the filter (docs/adr/0006-plain-ivf-pq.md).
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
};

/// Quantiles at 1/2, 3/4, 7/8, … : each step halves what is missing to 1.
class TailQuantiles {
 public:
  static constexpr std::size_t kSteps = 11;

  TailQuantiles() = default;
  explicit TailQuantiles(std::vector<float> values) {
    if (values.empty()) return;
    std::sort(values.begin(), values.end());
    double missing = 0.5;
    for (float& step : steps_) {
      const double rank = (1.0 - missing) * static_cast<double>(values.size() - 1);
      step = values[static_cast<std::size_t>(std::ceil(rank))];
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

/// As it stands in an image, too.
struct IvfTuning {
  /// Of the searches for one k.
  struct Quantiles {
    TailQuantiles behind_first;
    TailQuantiles behind_code;
    TailQuantiles slack;
  };

  std::uint64_t rows = 0;               ///< Live rows when it was measured; 0: never.
  std::array<Quantiles, 2> measured{};  ///< For k = Calibration::kMeasured[i].
  std::array<std::uint32_t, 2> reserved{};

  /// Whether the index changed by a fifth since the measurement, or was never measured.
  bool is_stale(std::size_t live) const noexcept {
    const auto then = static_cast<double>(rows);
    return rows == 0 || std::fabs(static_cast<double>(live) - then) > 0.2 * then;
  }

  /// `share`: of the rows that are wanted; 1 without a filter.
  ListLimit lists_for(float recall, std::size_t k, std::size_t lists, double share) const noexcept {
    if (recall > kRecallMax) return {};
    if (rows == 0) {
      // Not measured yet: what is read grows with the target and with what the filter removes.
      const double part = std::min(0.005 / (1.0 - static_cast<double>(recall)), 1.0);
      const double probes = (8.0 + static_cast<double>(lists) * part) / share;
      return {.probes = static_cast<std::size_t>(probes)};
    }
    // A sample of 128 queries knows the mean to a quarter of what is missing to 1.
    const float target = recall + 0.25F * (1.0F - recall);
    if (share < 1.0 || k > Calibration::kMeasured.back()) {
      return {.probes = lists, .behind_code = between(&Quantiles::behind_code, target, k)};
    }
    return {.probes = lists, .behind_first = between(&Quantiles::behind_first, target, k)};
  }

  /// How many errors of its list a code may be off (InvertedLists::error).
  float slack_for(float recall, std::size_t k, std::size_t dimension) const noexcept {
    // An error points anywhere, so that its part along one direction has a deviation of 1/√d.
    if (rows == 0) return std::min(1.0F, 6.0F / std::sqrt(static_cast<float>(dimension)));
    return std::max(0.0F, between(&Quantiles::slack,
                                  std::max(kCodeRecall, recall + 0.9F * (1.0F - recall)), k));
  }

  /// Takes any bytes: what does not make sense counts as never measured.
  void restore(const IvfTuning& stored) noexcept {
    *this = IvfTuning{};
    for (const Quantiles& some : stored.measured) {
      if (!some.behind_first.is_finite() || !some.behind_code.is_finite() ||
          !some.slack.is_finite()) {
        return;
      }
    }
    *this = stored;
  }

 private:
  /// A sample of 128 queries says nothing of what is beyond.
  static constexpr float kRecallMax = 0.999F;
  /// What the codes may lose of the neighbours in the lists that are read.
  static constexpr float kCodeRecall = 0.998F;

  float between(TailQuantiles Quantiles::* which, float target, std::size_t k) const noexcept {
    constexpr auto kLeast = static_cast<double>(Calibration::kMeasured[0]);
    constexpr auto kMost = static_cast<double>(Calibration::kMeasured[1]);
    const double count = std::clamp(static_cast<double>(k), kLeast, kMost);
    const auto way = static_cast<float>(std::log(count / kLeast) / std::log(kMost / kLeast));
    const float low = (measured[0].*which).at(target);
    return low + way * ((measured[1].*which).at(target) - low);
  }
};

}  // namespace anear
