// What backups and restores share, and the backup of an open store. What Store says of them stands
// in include/anear/collection/store.hpp.
//
// Threads: any, beside everything but close().
#pragma once

#include <cstdint>
#include <string>

#include "anear/collection/backup.hpp"
#include "anear/core/error.hpp"
#include "anear/core/progress.hpp"
#include "anear/storage/backup_directory.hpp"
#include "anear/storage/file_system.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// Store::backup(); the store stays open meanwhile.
Result<BackupReport> take_backup(StoreRuntime& runtime, const std::string& directory,
                                 const BackupOptions& options);

/// Bytes done, told to the caller of Store::backup() or restore().
class CopyProgress final : public storage::ByteProgress {
 public:
  CopyProgress(const ProgressCallback& callback, std::uint64_t total, const StoreRuntime* closing)
      : callback_(callback), total_(total), closing_(closing) {}
  Status advance(std::uint64_t bytes) override {
    done_ += bytes;
    if (closing_ != nullptr && closing_->closed)
      return Error{ErrorCode::kClosed, "the store '" + closing_->path + "' was closed meanwhile"};
    if (callback_(done_, total_)) return {};
    return Error{ErrorCode::kCancelled, "stopped by the progress callback"};
  }

 private:
  const ProgressCallback& callback_;
  std::uint64_t total_;
  const StoreRuntime* closing_;  ///< Null: no store is open.
  std::uint64_t done_ = 0;
};

/// kInvalidArgument when one lies in the other: what is removed from one must not be the other's.
Status check_apart(storage::FileSystem& files, const std::string& backups,
                   const std::string& store);

}  // namespace anear
