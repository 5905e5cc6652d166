// Effort → recall, measured on the index's own rows, so that a caller can ask for a recall instead
// of an effort.
//
// Each sampled row is a query whose own position is hidden from the walk; the truth is an exact
// scan. The curve of efforts and recalls is kept for two values of k and interpolated between them.
// It is part of the image (section "calibration").
//
// Threads: a Calibration is a value; an index replaces its own under a lock.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "anear/core/types.hpp"

namespace anear {

/// One measured point.
struct CalibrationPoint {
  float recall = 0;
  std::uint32_t effort = 0;
};

class Calibration {
 public:
  static constexpr std::array<std::size_t, 2> kMeasured = {10, 100};
  static constexpr std::size_t kPointsMax = 24;

  /// The plain form in which it stands in an image.
  struct Stored {
    std::uint64_t rows = 0;  ///< Live rows when it was measured; 0: never.
    std::array<std::uint32_t, 2> points{};
    std::array<std::array<CalibrationPoint, kPointsMax>, 2> curve{};
  };

  bool is_measured() const noexcept { return stored_.rows != 0; }
  /// Whether the index changed by a fifth since the measurement.
  bool is_stale(std::size_t live) const noexcept {
    const auto rows = static_cast<double>(stored_.rows);
    return std::fabs(static_cast<double>(live) - rows) > 0.2 * rows;
  }

  void clear(std::size_t rows) {
    stored_ = Stored{};
    stored_.rows = rows;
  }
  /// Points must be added with ascending effort. Recall is made monotone: more effort never finds
  /// less.
  void add(std::size_t which, CalibrationPoint point) {
    std::uint32_t& count = stored_.points[which];
    if (count == kPointsMax) return;
    if (count != 0) point.recall = std::max(point.recall, stored_.curve[which][count - 1].recall);
    stored_.curve[which][count++] = point;
  }

  /// The least effort that reached `recall` (with a margin for what a sample cannot know) at `k`; 0
  /// when none did: search exactly.
  std::size_t effort_for(float recall, std::size_t k) const noexcept {
    const double low = effort_at(0, recall);
    const double high = effort_at(1, recall);
    if (k <= kMeasured[0]) return static_cast<std::size_t>(low);
    if (high == 0 || low == 0)
      return static_cast<std::size_t>(std::max(low, high)) * (k + kMeasured[1] - 1) / kMeasured[1];
    if (k >= kMeasured[1])
      return static_cast<std::size_t>(high * static_cast<double>(k) /
                                      static_cast<double>(kMeasured[1]));
    const double way =
        std::log(static_cast<double>(k) / static_cast<double>(kMeasured[0])) /
        std::log(static_cast<double>(kMeasured[1]) / static_cast<double>(kMeasured[0]));
    return static_cast<std::size_t>(std::ceil(low * std::pow(high / low, way)));
  }

  const Stored& stored() const noexcept { return stored_; }
  /// Takes any bytes: what does not make sense is dropped, and the index then counts as never
  /// calibrated.
  void restore(const Stored& stored) noexcept {
    stored_ = Stored{};
    for (std::size_t which = 0; which < kMeasured.size(); ++which) {
      if (stored.points[which] > kPointsMax) return;
      for (std::uint32_t i = 0; i < stored.points[which]; ++i) {
        const CalibrationPoint point = stored.curve[which][i];
        if (!(point.recall >= 0.0F && point.recall <= 1.0F)) return;
      }
    }
    stored_ = stored;
  }

 private:
  double effort_at(std::size_t which, float recall) const noexcept {
    // A sample of about a hundred queries knows the mean to a few tenths of what is missing to 1.
    const float wanted = std::min(recall + 0.15F * (1.0F - recall), 1.0F);
    for (std::uint32_t i = 0; i < stored_.points[which]; ++i) {
      const CalibrationPoint point = stored_.curve[which][i];
      if (point.recall < wanted) continue;
      if (i == 0) return point.effort;
      const CalibrationPoint before = stored_.curve[which][i - 1];
      if (point.recall <= before.recall) return point.effort;
      const double way = static_cast<double>(wanted - before.recall) /
                         static_cast<double>(point.recall - before.recall);
      return std::ceil(before.effort + way * (static_cast<double>(point.effort) - before.effort));
    }
    return 0;
  }

  Stored stored_;
};

}  // namespace anear
