// How long work tells how far it is, and is asked to stop.
#pragma once

#include <cstddef>

namespace anear {

/// Progress of a long build: called from one thread at a time with what is done and what there is
/// in all (rows, unless said otherwise); false asks to stop.
struct ProgressCallback {
  bool (*call)(void* context, std::size_t done, std::size_t total) = nullptr;
  void* context = nullptr;
  bool operator()(std::size_t done, std::size_t total) const {
    return call == nullptr || call(context, done, total);
  }
};

}  // namespace anear
