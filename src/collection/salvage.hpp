// What is left of a store that lost acknowledged commits is made usable, on request only.
//
// Threads: holds the store's lock while it runs.
#pragma once

#include <string>

#include "anear/collection/store.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Store::recover() for the store at `runtime.path`, with the file system of `runtime.options`.
Result<SalvageReport> salvage(StoreRuntime& runtime);

/// Makes a directory for what is kept of a damaged store: "lost-<sequence>" in the store's, or with
/// "-2", … behind. Returns its path.
Result<std::string> make_lost_directory(const StoreRuntime& runtime, Sequence sequence);

}  // namespace anear
