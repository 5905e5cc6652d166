// What is done when the image of an index turns out to be damaged while the store is open.
//
// Threads: any, without locks held.
#pragma once

#include <string>

#include "anear/core/error.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The image in `file` (a path in the store's directory) is damaged: what is mapped of it may be,
/// too. Its index is given up as at an opening, and built again: until then answers are exact and
/// slow, and the collection is degraded for the reason `why`. Does nothing where the image is not
/// in use any more, and for the slots image, which the next opening leaves out. On failure the
/// index stays.
Status replace_index_of(CollectionState& collection, const std::string& file,
                        const std::string& why);

}  // namespace anear
