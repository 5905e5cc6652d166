// How work on many bytes tells how far it is, and is stopped or slowed down.
//
// Threads: used by the thread that works.
#pragma once

#include <cstdint>

#include "anear/core/error.hpp"

namespace anear::storage {

class ByteProgress {
 public:
  virtual ~ByteProgress() = default;
  /// `bytes` more are done; an error ends the work with it.
  virtual Status advance(std::uint64_t bytes) = 0;
};

}  // namespace anear::storage
