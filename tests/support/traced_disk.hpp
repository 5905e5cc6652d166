// A disk in memory that writes down every change, so that what a power cut may leave of it can be
// made afterwards (lost_power.hpp), and a FileSystem over it.
//
//   auto disk = std::make_shared<TracedDisk>();
//   Store::open("/store", {.file_system = std::make_shared<TracedFiles>(disk)});
//   disk->changes();  // In the order in which they were made.
//
// Files and directories are numbered and outlive their names, as inodes do while they are open.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"

namespace anear::testing {

/// One change of a disk, or a sync.
struct DiskChange {
  enum class Kind : std::uint8_t {
    kWrite,     ///< `bytes` at `offset` of `file`.
    kTruncate,  ///< `file` has `offset` bytes from now on.
    kSync,      ///< Of the bytes and the length of `file`.
    kMake,      ///< `name` in `directory` is the new `file`.
    kLink,      ///< `name` in `directory` is `file` too.
    kRemove,    ///< `name` in `directory`.
    kRename,    ///< `from` in `from_directory` becomes `name` in `directory`.
    kSyncNames  ///< Of the names in `directory`.
  };
  Kind kind = Kind::kWrite;
  std::uint32_t file = 0;
  bool makes_directory = false;
  std::uint64_t offset = 0;
  std::string bytes{};
  std::uint32_t directory = 0;
  std::string name{};
  std::uint32_t from_directory = 0;
  std::string from{};
};

/// A file, or a directory.
struct DiskFile {
  bool is_directory = false;
  std::string bytes{};
  std::map<std::string, std::uint32_t> names{};
};

/// By number; 0 is the root.
using DiskFiles = std::vector<DiskFile>;

/// What a change does to the bytes of its file.
inline void change_bytes(std::string& bytes, const DiskChange& change) {
  if (change.kind == DiskChange::Kind::kTruncate) {
    bytes.resize(change.offset, '\0');
    return;
  }
  const std::size_t end = change.offset + change.bytes.size();
  if (bytes.size() < end) bytes.resize(end, '\0');
  std::copy(change.bytes.begin(), change.bytes.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

/// What a change does to the names of its directory.
inline void change_names(DiskFiles& files, const DiskChange& change) {
  auto& names = files[change.directory].names;
  switch (change.kind) {
    case DiskChange::Kind::kMake:
    case DiskChange::Kind::kLink:
      names[change.name] = change.file;
      break;
    case DiskChange::Kind::kRemove:
      names.erase(change.name);
      break;
    case DiskChange::Kind::kRename:
      files[change.from_directory].names.erase(change.from);
      names[change.name] = change.file;
      break;
    default:
      break;
  }
}

inline bool is_of_bytes(const DiskChange& change) {
  return change.kind == DiskChange::Kind::kWrite || change.kind == DiskChange::Kind::kTruncate;
}

/// Makes room for the file that a change makes.
inline void make_file(DiskFiles& files, const DiskChange& change) {
  if (change.kind != DiskChange::Kind::kMake) return;
  if (files.size() <= change.file) files.resize(change.file + 1);
  files[change.file].is_directory = change.makes_directory;
}

class TracedDisk {
 public:
  TracedDisk() : TracedDisk(DiskFiles{DiskFile{.is_directory = true}}) {}
  explicit TracedDisk(DiskFiles begins_with) : begin_(std::move(begins_with)), files_(begin_) {}

  /// What it held before the first change.
  const DiskFiles& begin() const { return begin_; }
  /// What it holds now.
  DiskFiles end() const {
    const std::lock_guard hold(mutex_);
    return files_;
  }
  /// Made so far. Not to be read beside who changes the disk.
  const std::vector<DiskChange>& changes() const { return changes_; }
  std::size_t change_count() const {
    const std::lock_guard hold(mutex_);
    return changes_.size();
  }

 private:
  friend class TracedFiles;
  friend class TracedFile;

  void apply(DiskChange change) {
    make_file(files_, change);
    if (is_of_bytes(change))
      change_bytes(files_[change.file].bytes, change);
    else
      change_names(files_, change);
    changes_.push_back(std::move(change));
  }

  mutable std::mutex mutex_;
  DiskFiles begin_;
  DiskFiles files_;
  std::vector<DiskChange> changes_;
  std::set<std::uint32_t> locked_;
};

class TracedFile final : public storage::File {
 public:
  TracedFile(std::shared_ptr<TracedDisk> disk, std::uint32_t number, bool locked = false)
      : disk_(std::move(disk)), number_(number), locked_(locked) {
    end_ = disk_->files_[number_].bytes.size();
  }
  TracedFile(const TracedFile&) = delete;
  TracedFile& operator=(const TracedFile&) = delete;
  ~TracedFile() override { (void)TracedFile::close(); }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard hold(disk_->mutex_);
    const std::string& bytes = disk_->files_[number_].bytes;
    if (offset >= bytes.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(out.size(), bytes.size() - offset);
    std::memcpy(out.data(), bytes.data() + offset, count);
    return count;
  }
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard hold(disk_->mutex_);
    disk_->apply({.kind = DiskChange::Kind::kWrite,
                  .file = number_,
                  .offset = offset,
                  .bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
    end_ = std::max(end_, offset + bytes.size());
    return {};
  }
  Status append(std::span<const std::byte> bytes) override { return write_at(end_, bytes); }
  Status sync() override {
    const std::lock_guard hold(disk_->mutex_);
    disk_->apply({.kind = DiskChange::Kind::kSync, .file = number_});
    return {};
  }
  Status truncate(std::uint64_t size) override {
    const std::lock_guard hold(disk_->mutex_);
    disk_->apply({.kind = DiskChange::Kind::kTruncate, .file = number_, .offset = size});
    end_ = size;
    return {};
  }
  Result<std::uint64_t> size() const override {
    const std::lock_guard hold(disk_->mutex_);
    return std::uint64_t{disk_->files_[number_].bytes.size()};
  }
  Status close() override {
    const std::lock_guard hold(disk_->mutex_);
    if (std::exchange(locked_, false)) disk_->locked_.erase(number_);
    return {};
  }

 private:
  std::shared_ptr<TracedDisk> disk_;
  std::uint32_t number_;
  std::uint64_t end_ = 0;
  bool locked_;
};

class TracedFiles final : public storage::FileSystem {
 public:
  explicit TracedFiles(std::shared_ptr<TracedDisk> disk) : disk_(std::move(disk)) {}

  Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                              storage::OpenMode mode) override {
    const std::lock_guard hold(disk_->mutex_);
    const auto number = open_or_make(path, mode);
    if (!number) return number.error();
    if (at(*number).is_directory) return Error{ErrorCode::kIo, "'" + path + "' is a directory"};
    if (mode == storage::OpenMode::kCreateOrTruncate && !at(*number).bytes.empty())
      disk_->apply({.kind = DiskChange::Kind::kTruncate, .file = *number, .offset = 0});
    return std::unique_ptr<storage::File>(std::make_unique<TracedFile>(disk_, *number));
  }
  Result<std::unique_ptr<storage::File>> open_locked(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const auto number = open_or_make(path, storage::OpenMode::kReadWriteCreate);
    if (!number) return number.error();
    if (!disk_->locked_.insert(*number).second)
      return Error{ErrorCode::kLocked, "lock '" + path + "': held by another"};
    return std::unique_ptr<storage::File>(std::make_unique<TracedFile>(disk_, *number, true));
  }
  Status rename(const storage::FileMove& move) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place from = place_of(move.from);
    const Place to = place_of(move.to);
    if (!from.file || !to.directory) return missing(move.from);
    disk_->apply({.kind = DiskChange::Kind::kRename,
                  .file = *from.file,
                  .directory = *to.directory,
                  .name = to.name,
                  .from_directory = *from.directory,
                  .from = from.name});
    return {};
  }
  Status link(const storage::FileMove& names) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place from = place_of(names.from);
    const Place to = place_of(names.to);
    if (!from.file || !to.directory) return missing(names.from);
    if (to.file) return Error{ErrorCode::kAlreadyExists, "'" + names.to + "' is there"};
    disk_->apply({.kind = DiskChange::Kind::kLink,
                  .file = *from.file,
                  .directory = *to.directory,
                  .name = to.name});
    return {};
  }
  Status remove(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (!place.file) return missing(path);
    disk_->apply(
        {.kind = DiskChange::Kind::kRemove, .directory = *place.directory, .name = place.name});
    return {};
  }
  Status make_directory(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (place.file) return Error{ErrorCode::kAlreadyExists, "'" + path + "' is there"};
    if (!place.directory) return missing(path);
    make(place, true);
    return {};
  }
  Status remove_directory(const std::string& path) override { return remove(path); }
  Status sync_directory(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (!place.file) return missing(path);
    disk_->apply({.kind = DiskChange::Kind::kSyncNames, .directory = *place.file});
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (!place.file) return missing(path);
    std::vector<std::string> names;
    for (const auto& [name, number] : at(*place.file).names) names.push_back(name);
    return names;
  }
  Result<storage::FileInfo> info(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (!place.file) return missing(path);
    return storage::FileInfo{.bytes = at(*place.file).bytes.size(),
                             .is_directory = at(*place.file).is_directory,
                             .device = 1,
                             .inode = *place.file + 1ULL};
  }
  Result<bool> exists(const std::string& path) override {
    const std::lock_guard hold(disk_->mutex_);
    return place_of(path).file.has_value();
  }
  Result<storage::Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    const std::lock_guard hold(disk_->mutex_);
    const Place place = place_of(path);
    if (!place.file) return missing(path);
    const std::string& there = at(*place.file).bytes;
    if (there.size() < bytes)
      return Error{ErrorCode::kCorruption, "'" + path + "' is shorter", Subcode::kTruncated};
    void* memory = nullptr;
    if (::posix_memalign(&memory, 4'096, std::max<std::size_t>(bytes, 1)) != 0)
      throw std::bad_alloc();
    std::memcpy(memory, there.data(), bytes);
    return storage::Mapping{{static_cast<std::byte*>(memory), static_cast<std::size_t>(bytes)},
                            std::shared_ptr<void>(memory, std::free)};
  }
  Result<storage::DiskSpace> space(const std::string&) override {
    return storage::DiskSpace{std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  }
  Result<std::string> absolute_path(const std::string& path) override { return path; }

 private:
  /// Where a path leads: the directory, the name in it, and what has that name.
  struct Place {
    std::optional<std::uint32_t> directory{};
    std::string name{};
    std::optional<std::uint32_t> file{};
  };

  static Error missing(const std::string& path) {
    return Error{ErrorCode::kNotFound, "there is no '" + path + "'"};
  }
  const DiskFile& at(std::uint32_t number) const { return disk_->files_[number]; }

  Place place_of(const std::string& path) const {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin < path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      const std::string part = path.substr(begin, end - begin);
      begin = end + 1;
      if (part == ".." && !parts.empty()) parts.pop_back();
      if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
    if (parts.empty()) return {.directory = 0, .file = 0};
    Place place{.directory = 0};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i != 0) place.directory = place.file;
      place.name = parts[i];
      place.file.reset();
      if (!place.directory) return place;
      const auto& names = at(*place.directory).names;
      if (const auto found = names.find(parts[i]); found != names.end()) place.file = found->second;
    }
    return place;
  }
  std::uint32_t make(const Place& place, bool directory) {
    const auto number = static_cast<std::uint32_t>(disk_->files_.size());
    disk_->apply({.kind = DiskChange::Kind::kMake,
                  .file = number,
                  .makes_directory = directory,
                  .directory = *place.directory,
                  .name = place.name});
    return number;
  }
  Result<std::uint32_t> open_or_make(const std::string& path, storage::OpenMode mode) {
    const Place place = place_of(path);
    const bool must_exist =
        mode == storage::OpenMode::kRead || mode == storage::OpenMode::kReadWrite;
    if (place.file && mode == storage::OpenMode::kCreateNew)
      return Error{ErrorCode::kAlreadyExists, "'" + path + "' is there"};
    if (place.file) return *place.file;
    if (must_exist || !place.directory) return missing(path);
    return make(place, false);
  }

  std::shared_ptr<TracedDisk> disk_;
};

}  // namespace anear::testing
