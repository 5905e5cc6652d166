// Copies of files with their checksums taken on the way, and the names of the pool.
//
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "anear/core/error.hpp"
#include "anear/storage/backup_directory.hpp"

namespace anear::storage {

inline constexpr const char* kPoolDirectory = "files";

/// The name in the pool of what has this checksum and length.
std::string name_in_pool(const BackupFile& file);

struct CopyJob {
  const File& from;
  std::string path;  ///< Of `from`, for messages.
  std::uint64_t bytes = 0;
  File* to = nullptr;  ///< Null: only the checksums are wanted.
  bool crc32c = false;
};
struct CopySums {
  Checksum128 checksum{};
  std::uint32_t crc32c = 0;  ///< If it was asked for.
};
/// Copies the first `bytes`; kCorruption (kTruncated) when there are fewer. Syncs nothing.
Result<CopySums> copy_bytes(const CopyJob& job, ByteProgress& progress);

}  // namespace anear::storage
