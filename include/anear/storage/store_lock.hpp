// One writing process for a store: an OFD lock on the file LOCK, in which the holder says who it
// is.
//
// The kernel's lock alone decides; the text is only for the message, so a killed holder leaves
// nothing that would have to be cleaned. RocksDB's own lock is not used: it is dropped when any
// descriptor of its file is closed (docs/adr).
//
// Threads: values, without shared state.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "anear/core/error.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

class LockedPlace;

/// Remembers the process it was made in.
class ProcessGuard {
 public:
  ProcessGuard() noexcept;
  /// Whether this is a forked child of that process. About 50 ns.
  bool in_forked_child() const noexcept;
  /// kForked in a forked child.
  Status check() const;

 private:
  std::int64_t process_;
};

/// The lock on a store, held until destroyed.
class StoreLock {
 public:
  enum class Of : std::uint8_t { kStore, kBackups };
  /// kLocked at once when another process (or another Store of this one) writes to the store, or
  /// takes or removes backups in the directory: the message names the holder's pid, host and start
  /// time and says what to do. kIo when the file is replaced again and again.
  static Result<StoreLock> acquire(FileSystem& files, const std::string& directory,
                                   Of what = Of::kStore);

  const ProcessGuard& process() const noexcept { return process_; }

  /// kIo once the locked file does not stand at its path any more (the directory was moved or
  /// replaced, or LOCK removed), and ever after: the lock keeps nobody out. One stat. Always
  /// succeeds where the file system does not tell one file from another.
  Status check(FileSystem& files) const;
  /// `files`, but from the moment on that check() fails, nothing below the directory is opened,
  /// made, renamed, linked or removed, and nothing written to what is open: each fails as check()
  /// does. A sync that succeeds was followed by a check that did. May outlive the lock.
  std::shared_ptr<FileSystem> guard(std::shared_ptr<FileSystem> files) const;

 private:
  StoreLock(std::unique_ptr<File> file, std::shared_ptr<const LockedPlace> place) noexcept
      : file_(std::move(file)), place_(std::move(place)) {}
  std::unique_ptr<File> file_;
  std::shared_ptr<const LockedPlace> place_;
  ProcessGuard process_;
};

}  // namespace anear::storage
