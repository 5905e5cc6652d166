// The k nearest of a stream: a bounded max-heap. One thread; memory is reused after clear().
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "anear/core/types.hpp"

namespace anear {

class TopK {
 public:
  void reset(std::size_t k) {
    k_ = k;
    heap_.clear();
  }
  /// What a newcomer has to beat.
  float threshold() const noexcept {
    return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().distance;
  }
  void push(Neighbor neighbor) {
    if (heap_.size() < k_) {
      heap_.push_back(neighbor);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (k_ != 0 && neighbor < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = neighbor;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  std::size_t size() const noexcept { return heap_.size(); }
  /// Ascending by distance; the heap is spent until the next reset().
  std::vector<Neighbor>& sorted() {
    std::sort_heap(heap_.begin(), heap_.end());
    return heap_;
  }

 private:
  std::size_t k_ = 0;
  std::vector<Neighbor> heap_;
};

}  // namespace anear
