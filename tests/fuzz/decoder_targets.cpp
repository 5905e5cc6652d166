#include "target.hpp"

namespace anear::fuzz {

extern const Target kRecordTarget, kManifestTarget, kMarkTarget, kImageTarget, kValuesTarget,
    kFilterTarget, kStoreTarget;

std::span<const Target> targets() {
  static const Target kAll[] = {
      kRecordTarget, kManifestTarget, kMarkTarget, kImageTarget, kValuesTarget, kFilterTarget,
#if defined(ANEAR_WITH_ROCKSDB)
      kStoreTarget,
#endif
  };
  return kAll;
}

}  // namespace anear::fuzz
