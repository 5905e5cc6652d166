// A store whose parts disagree is brought back to what its records say.
//
// Threads: holds the store's lock while it runs.
#pragma once

#include "anear/collection/store.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Works on the store at `runtime.path`, which must not be open: adds to `report` what was made
/// again and what is lost. Images of what was wrong are no longer named afterwards: the next open
/// scans rows, the next flush indexes them. kCorruption where records themselves cannot be read.
Status repair_records(StoreRuntime& runtime, RepairReport& report);

}  // namespace anear
