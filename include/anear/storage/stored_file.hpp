// A file at rest that never changes, and reading it against its checksum.
//
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "anear/core/error.hpp"
#include "anear/storage/byte_progress.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

struct StoredFile {
  std::string path;  ///< Whose directory it is in says who gives it.
  std::uint64_t bytes = 0;
  std::optional<std::uint32_t> crc32c{};  ///< Of its bytes, where it is known.
};

/// Reads `file` below `directory` and compares its length and checksum. kNotFound when it is not
/// there, kCorruption (kTruncated, kChecksum) when it is another. The file is not held open while
/// `progress` is told, so that one that is removed meanwhile takes no space; kNotFound then.
Status check_stored_file(FileSystem& files, const std::string& directory, const StoredFile& file,
                         ByteProgress& progress);

}  // namespace anear::storage
