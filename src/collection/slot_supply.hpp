// Which slots of a collection are given to new rows: those that were given back, the lowest of them
// first, then numbers that nobody had.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"

namespace anear {

class SlotSupply {
 public:
  /// Slots below `end` were given out, and of them `free` may be again. Nobody takes any meanwhile.
  void begin(Slot end, SlotSet free);
  /// Goes on from `other`, which nobody else has. Nobody takes any meanwhile.
  void go_on_from(SlotSupply&& other);

  /// `count` slots that nobody else has. kLimitExceeded when that many are not left.
  Result<std::vector<Slot>> take(std::size_t count);
  /// Nobody names them: no view, no container, nothing on the disk.
  void give_back(const SlotSet& slots);

  /// Slots below were given out.
  Slot end() const;

 private:
  /// Has a next one in `ready_`, if there is one in `free_`.
  void make_ready();

  mutable std::mutex mutex_;
  SlotSet free_;
  std::vector<Slot> ready_;  ///< Descending; not in `free_`.
  Slot end_ = 0;
};

}  // namespace anear
