#include "collection/pinned_views.hpp"

#include <utility>

namespace anear {

PinnedView::PinnedView(View view, Time end, storage::ProcessGuard process) : end_(end) {
  // In a forked child the database behind it may be held by threads that are not there: it stays.
  const auto forget = [process](const View* held) {
    if (!process.in_forked_child()) delete held;
  };
  view_ = std::shared_ptr<const View>(new View(std::move(view)), forget);
}

std::shared_ptr<const View> PinnedView::view() const {
  const std::lock_guard hold(mutex_);
  return view_;
}

void PinnedView::let_go_after(Time now) {
  std::shared_ptr<const View> held;  // Freed without the lock.
  const std::lock_guard hold(mutex_);
  if (now >= end_) held.swap(view_);
}

void PinnedViews::add(const std::shared_ptr<PinnedView>& pinned) {
  const std::lock_guard hold(mutex_);
  std::erase_if(all_, [](const auto& each) { return each.expired(); });
  all_.push_back(pinned);
}

void PinnedViews::let_go_of_old() {
  const PinnedView::Time now = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<PinnedView>> held;
  {
    const std::lock_guard hold(mutex_);
    for (const auto& each : all_) {
      if (auto pinned = each.lock()) held.push_back(std::move(pinned));
    }
  }
  for (const auto& pinned : held) pinned->let_go_after(now);
}

}  // namespace anear
