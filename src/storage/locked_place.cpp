#include "locked_place.hpp"

#include <utility>

#include "anear/storage/store_directory.hpp"
#include "forwarding_files.hpp"

namespace anear::storage {
namespace {

/// A file below the locked directory that was opened for writing. Its own bytes are written by
/// descriptor: they go astray only where two writers share the file, or one has read it already.
class GuardedFile final : public ForwardingFile {
 public:
  GuardedFile(std::unique_ptr<File> below, std::shared_ptr<FileSystem> files,
              std::shared_ptr<const LockedPlace> place)
      : ForwardingFile(std::move(below)), files_(std::move(files)), place_(std::move(place)) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const Status ours = place_->check(*files_);
    return ours ? ForwardingFile::write_at(offset, bytes) : ours;
  }
  Status append(std::span<const std::byte> bytes) override {
    const Status ours = place_->check(*files_);
    return ours ? ForwardingFile::append(bytes) : ours;
  }
  /// Whoever takes the place later reads what is synced by now; who took it earlier may not have.
  Status sync() override {
    const Status synced = ForwardingFile::sync();
    return synced ? place_->check(*files_) : synced;
  }
  Status truncate(std::uint64_t size) override {
    const Status ours = place_->check(*files_);
    return ours ? ForwardingFile::truncate(size) : ours;
  }

 private:
  std::shared_ptr<FileSystem> files_;
  std::shared_ptr<const LockedPlace> place_;
};

class GuardedFileSystem final : public ForwardingFileSystem {
 public:
  GuardedFileSystem(std::shared_ptr<FileSystem> below, std::shared_ptr<const LockedPlace> place)
      : ForwardingFileSystem(std::move(below)), place_(std::move(place)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (Status ours = check(path); !ours) return std::move(ours).error();
    auto file = below()->open(path, mode);
    if (!file || mode == OpenMode::kRead || !place_->is_above(path)) return file;
    return std::unique_ptr<File>(std::make_unique<GuardedFile>(std::move(*file), below(), place_));
  }
  Status rename(const FileMove& move) override {
    const Status ours = check(move);
    return ours ? below()->rename(move) : ours;
  }
  Status link(const FileMove& names) override {
    const Status ours = check(names);
    return ours ? below()->link(names) : ours;
  }
  Status remove(const std::string& path) override {
    const Status ours = check(path);
    return ours ? below()->remove(path) : ours;
  }
  Status make_directory(const std::string& path) override {
    const Status ours = check(path);
    return ours ? below()->make_directory(path) : ours;
  }
  Status remove_directory(const std::string& path) override {
    const Status ours = check(path);
    return ours ? below()->remove_directory(path) : ours;
  }
  Result<Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    if (Status ours = check(path); !ours) return std::move(ours).error();
    return below()->map_private(path, bytes);
  }

 private:
  Status check(const std::string& path) const {
    return place_->is_above(path) ? place_->check(*below()) : Status{};
  }
  Status check(const FileMove& names) const {
    const bool concerned = place_->is_above(names.from) || place_->is_above(names.to);
    return concerned ? place_->check(*below()) : Status{};
  }

  std::shared_ptr<const LockedPlace> place_;
};

}  // namespace

LockedPlace::LockedPlace(std::string directory, const FileInfo& lock)
    : directory_(std::move(directory)), lock_path_(path_in(directory_, kLockFile)), lock_(lock) {}

bool LockedPlace::is_above(std::string_view path) const {
  return path.size() > directory_.size() && path.starts_with(directory_) &&
         path[directory_.size()] == '/';
}

Status LockedPlace::check(FileSystem& files) const {
  if (lock_.inode == 0) return {};
  if (!lost_.load(std::memory_order_relaxed)) {
    const auto now = files.info(lock_path_);
    if (now && is_one_file(*now, lock_)) return {};
    if (!now && now.error().code != ErrorCode::kNotFound) return now.error();
    lost_.store(true, std::memory_order_relaxed);
  }
  return Error{ErrorCode::kIo, "the store '" + directory_ +
                                   "' was moved or replaced, or its file '" + kLockFile +
                                   "' removed, while it was open: another may write there, so "
                                   "nothing is changed any more. Close it and open it again"};
}

std::shared_ptr<FileSystem> make_guarded_file_system(std::shared_ptr<FileSystem> files,
                                                     std::shared_ptr<const LockedPlace> place) {
  return std::make_shared<GuardedFileSystem>(std::move(files), std::move(place));
}

}  // namespace anear::storage
