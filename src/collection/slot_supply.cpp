#include "collection/slot_supply.hpp"

#include <algorithm>
#include <utility>

#include "collection/slot_algebra.hpp"

namespace anear {

void SlotSupply::begin(Slot end, SlotSet free) {
  const std::lock_guard hold(mutex_);
  free_ = std::move(free);
  ready_.clear();
  end_ = end;
}

void SlotSupply::go_on_from(SlotSupply&& other) {
  const std::scoped_lock hold(mutex_, other.mutex_);
  free_ = std::move(other.free_);
  ready_ = std::move(other.ready_);
  end_ = other.end_;
}

Result<std::vector<Slot>> SlotSupply::take(std::size_t count) {
  const std::lock_guard hold(mutex_);
  const std::size_t left = free_.count() + ready_.size() + (kNoSlot - end_);
  if (count > left) {
    return Error{ErrorCode::kLimitExceeded,
                 "all 2^32 - 1 slots have records or had them lately: " + std::to_string(count) +
                     " are asked for, " + std::to_string(left) + " left"};
  }
  std::vector<Slot> taken;
  taken.reserve(count);
  while (taken.size() < count) {
    if (ready_.empty() && free_.count() != 0) make_ready();
    if (ready_.empty()) {
      taken.push_back(end_++);
    } else {
      taken.push_back(ready_.back());
      ready_.pop_back();
    }
  }
  return taken;
}

void SlotSupply::give_back(const SlotSet& slots) {
  if (slots.count() == 0) return;
  const std::lock_guard hold(mutex_);
  free_ = free_.count() == 0 ? slots : unification(free_, slots);
}

Slot SlotSupply::end() const {
  const std::lock_guard hold(mutex_);
  return end_;
}

void SlotSupply::make_ready() {
  for (std::size_t index = 0; index < free_.chunks() && ready_.empty(); ++index) {
    std::size_t count = 0;
    free_.for_each_in(index, [&](Slot) { ++count; });
    ready_.reserve(count);  // A slot is here or there, also when memory runs out.
    free_.for_each_in(index, [&](Slot slot) { ready_.push_back(slot); });
    free_.set_chunk(index, nullptr);
  }
  std::reverse(ready_.begin(), ready_.end());
}

}  // namespace anear
