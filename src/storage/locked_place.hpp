// Where a store's lock stood when it was taken, and a FileSystem that changes nothing there any
// more once it does not.
//
// A lock is on a file, and everything else goes by paths: a directory that is moved or replaced, or
// a LOCK that is removed, lets a second writer in at the same paths.
//
// Threads: any.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "anear/core/error.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

class LockedPlace {
 public:
  /// `lock`: of the locked file. Where its inode is not known, every check succeeds.
  LockedPlace(std::string directory, const FileInfo& lock);

  /// See StoreLock::check().
  Status check(FileSystem& files) const;
  bool is_above(std::string_view path) const;

 private:
  std::string directory_;
  std::string lock_path_;
  FileInfo lock_;
  mutable std::atomic<bool> lost_{false};
};

/// See StoreLock::guard().
std::shared_ptr<FileSystem> make_guarded_file_system(std::shared_ptr<FileSystem> files,
                                                     std::shared_ptr<const LockedPlace> place);

}  // namespace anear::storage
