// Which index a named vector has, and when.
//
// An IVF-PQ index needs rows to be trained on: until there are enough, its vector is searched
// exactly.
//
// Threads: pure functions.
#pragma once

#include "anear/collection/options.hpp"
#include "anear/core/error.hpp"
#include "anear/index/any_index.hpp"

namespace anear {

/// The empty index a vector starts with. Fails for options that its index refuses.
Result<AnyIndex> make_index(const VectorSchema& vector);

/// The index of an image: by the image's kind, which may still be that of the exact start.
Result<AnyIndex> attach_index(const VectorSchema& vector, std::uint32_t kind,
                              const SectionSet& sections);

}  // namespace anear
