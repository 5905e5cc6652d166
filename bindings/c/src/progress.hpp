// A progress callback of C as the C++ interface takes it.
//
// Threads: called by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "anear/core/progress.hpp"

namespace anear::c {

/// Must outlive the call that it is given to.
class Progress {
 public:
  using Call = std::int32_t (*)(void* context, std::size_t done, std::size_t total);

  /// `call` may be NULL: then nothing is called.
  ProgressCallback callback(Call call, void* context) noexcept {
    call_ = call;
    context_ = context;
    if (call == nullptr) return {};
    return {&Progress::goes_on, this};
  }

 private:
  static bool goes_on(void* self, std::size_t done, std::size_t total) {
    auto& progress = *static_cast<Progress*>(self);
    const std::lock_guard<std::mutex> lock(progress.mutex_);
    return progress.call_(progress.context_, done, total) == 0;
  }

  Call call_ = nullptr;
  void* context_ = nullptr;
  std::mutex mutex_;
};

}  // namespace anear::c
