// What a caller decides about looking for damage, and is told of it. The calls are Store's; which
// level sees which damage stands in docs/RELIABILITY.md.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/progress.hpp"

namespace anear {

/// How much is looked at. Each level looks at what those before it do, too.
enum class VerifyLevel : std::uint8_t {
  /// Every byte at rest against its checksum: files are read, and not understood. Of the memory of
  /// a search nothing is touched.
  kChecksums = 1,
  /// Every record, key and container of fields' values against each other.
  kRecords = 2,
  /// Every row against its record and against what is searched, every code against its row, and
  /// whether each row can be found.
  kFull = 3,
};

struct VerifyOptions {
  VerifyLevel level = VerifyLevel::kFull;
  /// Of files, at most: a pause follows each 64 KiB. 0: as fast as they can be read. What comes
  /// after the checksums is not slowed down.
  std::uint64_t bytes_per_second = 0;
  /// What is done of all that there is to do, files in bytes; from the calling thread. False:
  /// kCancelled.
  ProgressCallback progress{};
};

/// What verify() looked at. Damage is an Error (kCorruption), not a report.
struct VerifyReport {
  VerifyLevel level = VerifyLevel::kFull;
  // kChecksums and above.
  std::uint64_t files = 0;   ///< Tables, row files, images, and the small ones.
  std::uint64_t images = 0;  ///< Of these.
  std::uint64_t bytes = 0;   ///< Of all these files, each once.
  // kRecords and above.
  std::uint64_t collections = 0;
  std::uint64_t records = 0;
  std::uint64_t containers = 0;  ///< Of fields' values.
  // kFull.
  std::uint64_t rows = 0;
};

/// A file that did not hold what it should when it was last looked at.
struct DamagedFile {
  std::string file;  ///< Its path in the store's directory.
  std::string reason;
  std::int64_t found = 0;  ///< Microseconds UTC.
};

/// What the scrub (StoreOptions::scrub_bytes_per_second) and verify() found since the store was
/// opened.
struct ScrubStats {
  std::uint64_t passes = 0;  ///< Over all files, finished.
  // Of the last one that was finished.
  std::int64_t finished = 0;  ///< Microseconds UTC; 0: none yet.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  /// Of the scrub's pass that is under way.
  std::uint64_t bytes_so_far = 0;
  /// In order of their paths. A file leaves when it is found whole, or is no longer the store's.
  std::vector<DamagedFile> damaged{};
};

}  // namespace anear
