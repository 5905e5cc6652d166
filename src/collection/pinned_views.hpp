// Views that handles hold (Collection::pinned()), and the end of those that are held for too long:
// what they see is kept for them in memory and on the disk.
//
// Threads: any.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "anear/storage/store_lock.hpp"
#include "collection/version.hpp"

namespace anear {

/// One view that a handle holds.
class PinnedView {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `end`: when it may be let go.
  PinnedView(View view, Time end, storage::ProcessGuard process);

  /// Null once it was let go. Who holds it keeps what it sees.
  std::shared_ptr<const View> view() const;
  Time end() const noexcept { return end_; }
  void let_go_after(Time now);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const View> view_;
  const Time end_;
};

/// Those of a store.
class PinnedViews {
 public:
  void add(const std::shared_ptr<PinnedView>& pinned);
  /// Lets go of those whose time is over. Before what they see is looked for.
  void let_go_of_old();

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<PinnedView>> all_;
};

}  // namespace anear
