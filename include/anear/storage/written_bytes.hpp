// How many bytes a store has written, by what they are for: what an insert costs the disk.
#pragma once

#include <cstdint>

namespace anear::storage {

/// Bytes handed to the file system, preallocated zeros included.
struct WrittenBytes {
  std::uint64_t log = 0;     ///< Of records: what commits and syncs.
  std::uint64_t tables = 0;  ///< Of records: each byte some times, as levels are merged.
  std::uint64_t rows = 0;    ///< Row files.
  std::uint64_t images = 0;  ///< Of indexes, keys and live records.
  std::uint64_t other = 0;   ///< Marks, lists of files, identities.

  std::uint64_t total() const noexcept { return log + tables + rows + images + other; }
};

}  // namespace anear::storage
