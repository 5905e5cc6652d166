// Which positions a walk has seen: one 16-bit tag a position, so that forgetting all is one
// addition. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "anear/core/types.hpp"

namespace anear {

class VisitedSet {
 public:
  /// Forgets everything and makes room for `positions`.
  void reset(std::size_t positions) {
    if (tags_.size() < positions) tags_.resize(positions + positions / 4, 0);
    if (++epoch_ == 0) {
      std::fill(tags_.begin(), tags_.end(), std::uint16_t{0});
      epoch_ = 1;
    }
  }
  /// Returns whether `position` had not been seen. A position that came into the graph after
  /// reset() counts as seen.
  bool insert(Position position) noexcept {
    if (position >= tags_.size() || tags_[position] == epoch_) return false;
    tags_[position] = epoch_;
    return true;
  }
  /// insert() of `count` positions: those that had not been seen move to the front; returns how
  /// many.
  std::size_t insert_all(Position* positions, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) prefetch(positions[i]);
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (insert(positions[i])) positions[fresh++] = positions[i];
    }
    return fresh;
  }
  void prefetch(Position position) const noexcept {
    if (position < tags_.size()) __builtin_prefetch(&tags_[position], 1, 3);
  }

 private:
  std::vector<std::uint16_t> tags_;
  std::uint16_t epoch_ = 0;
};

}  // namespace anear
