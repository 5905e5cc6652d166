// Every file operation of anear, RocksDB's included, goes through one FileSystem: so that faults
// can be injected, and counted, everywhere.
//
// Errors are typed: kNoSpace (full disk or quota), kNotFound, kAlreadyExists, kLocked, else kIo;
// the message names the operation, the path and the operating system's words. An interrupted call
// is repeated and a short one continued, so callers never see either.
//
// Threads: a FileSystem may be used from any thread. A File: read_at, size and sync from any
// thread, also beside one that writes; writes, truncate and close from one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"

namespace anear::storage {

struct FileInfo {
  std::uint64_t bytes = 0;
  std::int64_t modified = 0;  ///< Microseconds UTC.
  bool is_directory = false;
  // Both together are one file's alone, whatever its names; 0: not known.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
};

/// Whether both are known to be one and the same.
bool is_one_file(const FileInfo& a, const FileInfo& b) noexcept;

/// One open file. Closed by the destructor, which swallows the error: call close() after writing.
class File {
 public:
  virtual ~File() = default;

  /// Fills `out` from `offset` on and returns how many bytes there were: fewer only at the end of
  /// the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Writes all of `bytes` at `offset`; the file grows as needed. On failure some may be written.
  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Writes all of `bytes` behind the last byte this object knows of: the file's size when it was
  /// opened, and what was appended or truncated since.
  virtual Status append(std::span<const std::byte> bytes) = 0;
  /// Returns when all written bytes and the size are on the disk (fdatasync). After a failure
  /// nothing is known of what was written since the last success: do not retry.
  virtual Status sync() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() const = 0;
  /// Of the file itself, whatever stands at its path by now. All zero: the file system does not
  /// tell.
  virtual Result<FileInfo> info() const { return FileInfo{}; }
  virtual Status close() = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,              ///< Must exist.
  kReadWrite,         ///< Must exist.
  kReadWriteCreate,   ///< Made when it is missing.
  kCreateNew,         ///< kAlreadyExists when it is there.
  kCreateOrTruncate,  ///< Empty afterwards.
};

/// A file in memory: a private, writable mapping, whose changes never reach the file.
struct Mapping {
  std::span<std::byte> bytes;
  std::shared_ptr<void> owner;  ///< Keeps `bytes` valid.
};

/// Of a file system.
struct DiskSpace {
  std::uint64_t free_bytes = 0;  ///< That an unprivileged writer can still use.
  std::uint64_t capacity_bytes = 0;
};

struct FileMove {
  std::string from;
  std::string to;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  /// Opens or makes `path` and takes the one exclusive lock on it, held until the File is closed or
  /// the process ends; kLocked at once when any other File holds it. The lock is neither dropped by
  /// other descriptors of the file nor kept by a forked child, in which the descriptor is closed.
  virtual Result<std::unique_ptr<File>> open_locked(const std::string& path) = 0;
  /// Replaces what stood at `to`. Durable after sync_directory().
  virtual Status rename(const FileMove& move) = 0;
  /// A second name for the same bytes.
  virtual Status link(const FileMove& names) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status make_directory(const std::string& path) = 0;
  virtual Status remove_directory(const std::string& path) = 0;
  /// Makes the names in `path` durable.
  virtual Status sync_directory(const std::string& path) = 0;
  /// Names (not paths) in ascending order, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<FileInfo> info(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  /// Maps the first `bytes` of the file, which it must have (kCorruption, kTruncated otherwise). A
  /// file that is shrunk afterwards raises SIGBUS where the mapping is read: named files of a store
  /// are never changed in place.
  virtual Result<Mapping> map_private(const std::string& path, std::uint64_t bytes) = 0;
  /// Of the file system that `path` is on. Costs one call of the system.
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  /// From the root, with the links followed that lead there now; the last name may be missing.
  virtual Result<std::string> absolute_path(const std::string& path) = 0;
};

/// The operating system's files. One object a process.
std::shared_ptr<FileSystem> os_file_system();

/// The whole of a small file. kLimitExceeded when it has more than `bytes_max`.
Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t bytes_max);

/// Makes the file `name` of `directory` whole or not at all, and durable on return: writes a file
/// of that name + ".tmp", syncs it, renames it, syncs `directory`.
Status install_file(FileSystem& files, const std::string& directory, const std::string& name,
                    std::string_view bytes);

/// Makes the directory unless it is there.
Status ensure_directory(FileSystem& files, const std::string& path);

/// Whether `path` leads to the open `file`; true where the file system does not tell. kNotFound
/// when nothing stands there.
Result<bool> leads_to(FileSystem& files, const std::string& path, const File& file);

/// Whether `inner` is the directory `outer` or lies anywhere below it, links followed. Parts of
/// `inner` that do not exist yet are taken for what they would become. False where the file system
/// does not tell one directory from another.
Result<bool> is_within(FileSystem& files, const std::string& inner, const std::string& outer);

}  // namespace anear::storage
