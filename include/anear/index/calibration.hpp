// Effort → recall, measured on the index's own rows, so that a caller can ask for a recall instead
// of an effort.
//
// Each sampled row is a query whose own position is hidden from the walk; the truth is an exact
// scan. The curve of efforts and recalls is kept for two values of k and interpolated between them;
// and a second time for searches whose nearest rows are excluded, by a filter or by deletes: what
// lies around an excluded neighbourhood is farther apart than neighbours are, and takes more
// effort. It is part of the image (section "meta").
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

/// Which rows may be found: the nearest, or only those around an excluded neighbourhood.
enum class Reach : std::uint8_t { kNearest, kBeyond };

/// Whether of the rows that a search met far fewer are wanted than their `share` of all explains:
/// the neighbourhood of the query is excluded, and Reach::kBeyond is due. `none`: so many times
/// 1 / share may be met before the first wanted one.
inline bool is_around_hole(std::size_t wanted, std::size_t others, double share,
                           double none = 0) noexcept {
  const auto some = static_cast<double>(wanted);
  return static_cast<double>(others) > some + (3.0 * some * (1.0 - share) + none) / share;
}

class Calibration {
 public:
  static constexpr std::array<std::size_t, 2> kMeasured = {10, 100};
  static constexpr std::size_t kPointsMax = 24;

  /// Of one Reach; for k = kMeasured[i] the first points[i] of curve[i].
  struct Curves {
    std::array<std::uint32_t, 2> points{};
    std::array<std::array<CalibrationPoint, kPointsMax>, 2> curve{};
  };
  /// The plain form in which it stands in an image.
  struct Stored {
    std::uint64_t rows = 0;  ///< Live rows when it was measured; 0: never.
    std::array<Curves, 2> curves{};
  };
  /// What a curve is of.
  struct Of {
    Reach reach = Reach::kNearest;
    std::size_t which = 0;  ///< k is kMeasured[which].
  };

  /// How many of the nearest rows are excluded where Reach::kBeyond is measured: as many as a small
  /// topic or tenant has.
  static std::size_t excluded_for(std::size_t rows) noexcept {
    return std::clamp<std::size_t>(rows / 20, 100, 1'000);
  }

  bool is_measured() const noexcept { return stored_.rows != 0; }
  /// Whether the index changed by a fifth since the measurement.
  bool is_stale(std::size_t live) const noexcept {
    const auto rows = static_cast<double>(stored_.rows);
    return std::fabs(static_cast<double>(live) - rows) > 0.2 * rows;
  }

  /// Whether it says next to nothing: there is none, or of less than half of the rows.
  bool is_overdue(std::size_t live) const noexcept {
    return !is_measured() || live >= 2 * stored_.rows;
  }

  void clear(std::size_t rows) {
    stored_ = Stored{};
    stored_.rows = rows;
  }
  /// Points must be added with ascending effort. Recall is made monotone: more effort never finds
  /// less.
  void add(const Of& of, CalibrationPoint point) {
    Curves& curves = stored_.curves[static_cast<std::size_t>(of.reach)];
    std::uint32_t& count = curves.points[of.which];
    if (count == kPointsMax) return;
    if (count != 0) point.recall = std::max(point.recall, curves.curve[of.which][count - 1].recall);
    curves.curve[of.which][count++] = point;
  }

  /// The effort for `recall` at `k` among `live` rows: the least that reached it (with a margin for
  /// what a sample cannot know), or a careful one where that was not measured or has changed. 0:
  /// none reached it, search exactly.
  std::size_t effort_for(float recall, std::size_t k, std::size_t live,
                         Reach reach) const noexcept {
    if (recall >= 1.0F) return 0;
    const std::size_t careful = careful_effort(recall, k) * (reach == Reach::kBeyond ? 4 : 1);
    const Curves& curves = stored_.curves[static_cast<std::size_t>(reach)];
    if (!is_measured() || curves.points[0] == 0) return careful;
    const std::size_t effort = measured_effort(curves, recall, k);
    if (effort == 0) return 0;
    // A graph that has changed much since may need more than was measured.
    return std::max(effort, is_stale(live) ? careful : k);
  }

  const Stored& stored() const noexcept { return stored_; }
  /// Takes any bytes: what does not make sense is dropped, and the index then counts as never
  /// calibrated.
  void restore(const Stored& stored) noexcept {
    stored_ = Stored{};
    for (const Curves& curves : stored.curves) {
      for (std::size_t which = 0; which < kMeasured.size(); ++which) {
        if (curves.points[which] > kPointsMax) return;
        for (std::uint32_t i = 0; i < curves.points[which]; ++i) {
          const CalibrationPoint point = curves.curve[which][i];
          if (!(point.recall >= 0.0F && point.recall <= 1.0F)) return;
        }
      }
    }
    stored_ = stored;
  }

 private:
  /// Without a measurement: 200 for .95, more for higher targets and for many neighbours.
  static std::size_t careful_effort(float recall, std::size_t k) noexcept {
    const double missing = std::max(1.0 - static_cast<double>(recall), 0.001);
    return std::max<std::size_t>(4 * k, static_cast<std::size_t>(10.0 / missing));
  }
  static std::size_t measured_effort(const Curves& curves, float recall, std::size_t k) noexcept {
    const double low = effort_at(curves, 0, recall);
    // Farther than was measured, recall falls while effort grows as k does.
    const bool is_far = k > kMeasured[1];
    const double high = effort_at(curves, 1, is_far ? 1.0F - (1.0F - recall) / 2.0F : recall);
    if (k <= kMeasured[0]) return static_cast<std::size_t>(low);
    // Measured, and not reached.
    if (high == 0 || low == 0) return 0;
    if (k >= kMeasured[1])
      return static_cast<std::size_t>(high * static_cast<double>(k) /
                                      static_cast<double>(kMeasured[1]));
    const double way =
        std::log(static_cast<double>(k) / static_cast<double>(kMeasured[0])) /
        std::log(static_cast<double>(kMeasured[1]) / static_cast<double>(kMeasured[0]));
    return static_cast<std::size_t>(std::ceil(low * std::pow(high / low, way)));
  }
  static double effort_at(const Curves& curves, std::size_t which, float recall) noexcept {
    // A sample of about a hundred queries knows the mean to a few tenths of what is missing to 1.
    const float wanted = std::min(recall + 0.15F * (1.0F - recall), 1.0F);
    for (std::uint32_t i = 0; i < curves.points[which]; ++i) {
      const CalibrationPoint point = curves.curve[which][i];
      if (point.recall < wanted) continue;
      if (i == 0) return point.effort;
      const CalibrationPoint before = curves.curve[which][i - 1];
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
