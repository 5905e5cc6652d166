// The files a store consists of, and reading each against its checksums, beside everything else
// that goes on: a file that others replace meanwhile is no damage.
//
// The database's log is not among them: its records are checked when it is read, at the opening.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/byte_progress.hpp"
#include "anear/storage/stored_file.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

enum class FileKind : std::uint8_t { kIdentity, kMark, kList, kTable, kRows, kImage };

struct FileAtRest {
  FileKind kind = FileKind::kTable;
  storage::StoredFile file;      ///< Its path is in the store's directory.
  std::uint32_t collection = 0;  ///< Whose rows or image it is; 0: of all.
};

/// Small ones first, then tables, then row files and images: what the opening of a store does not
/// read comes early. None in memory.
Result<std::vector<FileAtRest>> files_at_rest(StoreRuntime& runtime);

/// Reads the file. kCorruption when it is damaged or missing; kIo when it cannot be read. Done when
/// the store does without it by now; kSnapshotExpired when a reader does not know whether its
/// writer does. `progress` is told of as many bytes as the file has.
Status check_file_at_rest(StoreRuntime& runtime, const FileAtRest& file,
                          storage::ByteProgress& progress);

}  // namespace anear
