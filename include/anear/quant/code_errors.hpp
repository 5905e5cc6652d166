// How far the distances of codes are from those of rows, learned from rows of which both are known:
// what tells whether the nearest by their codes hold the nearest.
//
// Codes that tell rows apart err by a small part of what lies between neighbours, and comparing the
// nearest few of them as rows is enough. Rows that lie closer to each other than a step of their
// codes (one city among coordinates, copies of one text) are not told apart, however many are
// looked at.
//
// Threads: a value; one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace anear {

class CodeErrors {
 public:
  void clear() noexcept { *this = CodeErrors{}; }
  /// A row lies at `exact`, its code at `coded`. `deviation`: ScalarCodes::deviation().
  void add(float exact, float coded, float deviation) noexcept {
    const double error = static_cast<double>(exact) - static_cast<double>(coded);
    ++count_;
    sum_ += error;
    sum2_ += error * error;
    expected_ = std::max(expected_, static_cast<double>(deviation));
  }

  /// Whether a row whose code lies at `coded` or farther lies beyond `distance`, as far as its
  /// error is like those that were added: by three standard deviations. False when one of the
  /// numbers is none.
  bool puts_beyond(float coded, float distance) const noexcept {
    if (count_ == 0) return false;
    const double mean = sum_ / static_cast<double>(count_);
    const double variance = std::max(0.0, sum2_ / static_cast<double>(count_) - mean * mean);
    // Where errors are larger than what lies between rows, those with the least codes are chosen
    // for their errors: what those have in common, others need not have, and they spread less.
    const double shift = std::min(mean, 0.0);
    const double deviation = std::max(std::sqrt(variance), expected_);
    return static_cast<double>(coded) + shift - kDeviations * deviation >=
           static_cast<double>(distance);
  }

 private:
  static constexpr double kDeviations = 3;

  std::size_t count_ = 0;
  double sum_ = 0;
  double sum2_ = 0;
  double expected_ = 0;
};

}  // namespace anear
