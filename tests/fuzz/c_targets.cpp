#include "target.hpp"

namespace anear::fuzz {

extern const Target kIndexTarget, kOperationsTarget;

std::span<const Target> targets() {
  static const Target kAll[] = {kIndexTarget, kOperationsTarget};
  return kAll;
}

}  // namespace anear::fuzz
