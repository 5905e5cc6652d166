// Reading a store back and checking it against itself.
//
// Threads: any; works on one view.
#pragma once

#include <memory>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/collection/verify.hpp"
#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Store::verify(); the store stays open meanwhile. `collections` are all of it.
Result<VerifyReport> verify_store(StoreRuntime& runtime,
                                  const std::vector<std::shared_ptr<Collection::Impl>>& collections,
                                  const VerifyOptions& options);

}  // namespace anear
