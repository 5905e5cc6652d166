// FileSystem over Linux's calls.
//
// Locked files stand in one list for the process, so that a forked child can close its copies of
// their descriptors: an open file description lock lives as long as any descriptor of it.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "anear/storage/file_system.hpp"

namespace anear::storage {
namespace {

Error failed(std::string_view operation, const std::string& path, int number) {
  ErrorCode code = ErrorCode::kIo;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::kNoSpace;
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EEXIST) code = ErrorCode::kAlreadyExists;
  return Error{code, std::string(operation) + " '" + path + "': " + std::strerror(number)};
}

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kReadWriteCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kCreateOrTruncate:
      return O_RDWR | O_CREAT | O_TRUNC;
  }
  return O_RDONLY;
}

/// open(2), repeated when interrupted; -1 and errno.
int open_descriptor(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

FileInfo info_of(const struct stat& facts) {
  return FileInfo{.bytes = static_cast<std::uint64_t>(facts.st_size),
                  .modified = facts.st_mtim.tv_sec * 1'000'000 + facts.st_mtim.tv_nsec / 1'000,
                  .is_directory = S_ISDIR(facts.st_mode),
                  .device = static_cast<std::uint64_t>(facts.st_dev),
                  .inode = static_cast<std::uint64_t>(facts.st_ino)};
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real == nullptr ? std::string() : std::string(real.get());
}

class OsFile : public File {
 public:
  OsFile(std::string path, int descriptor, std::uint64_t end)
      : path_(std::move(path)), descriptor_(descriptor), end_(end) {}
  OsFile(const OsFile&) = delete;
  OsFile& operator=(const OsFile&) = delete;
  ~OsFile() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Status append(std::span<const std::byte> bytes) override;
  Status sync() override;
  Status truncate(std::uint64_t size) override;
  Result<std::uint64_t> size() const override;
  Result<FileInfo> info() const override;
  Status close() override;
  void set_end(std::uint64_t end) noexcept { end_ = end; }

 protected:
  int descriptor() const noexcept { return descriptor_; }
  void forget_descriptor() noexcept { descriptor_ = -1; }

 private:
  std::string path_;
  int descriptor_;
  std::uint64_t end_;
};

Result<std::size_t> OsFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status OsFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("write", path_, errno);
    done += static_cast<std::size_t>(put);
  }
  end_ = std::max(end_, offset + bytes.size());
  return {};
}

Status OsFile::append(std::span<const std::byte> bytes) { return write_at(end_, bytes); }

Status OsFile::sync() {
  if (::fdatasync(descriptor_) != 0) return failed("sync", path_, errno);
  return {};
}

Status OsFile::truncate(std::uint64_t size) {
  int outcome = 0;
  do {
    outcome = ::ftruncate(descriptor_, static_cast<off_t>(size));
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) return failed("truncate", path_, errno);
  end_ = size;
  return {};
}

Result<std::uint64_t> OsFile::size() const {
  struct stat facts{};
  if (::fstat(descriptor_, &facts) != 0) return failed("stat", path_, errno);
  return static_cast<std::uint64_t>(facts.st_size);
}

Result<FileInfo> OsFile::info() const {
  struct stat facts{};
  if (::fstat(descriptor_, &facts) != 0) return failed("stat", path_, errno);
  return info_of(facts);
}

Status OsFile::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  // EINTR from close(2) on Linux: the descriptor is gone, and closing again could hit another's.
  if (descriptor >= 0 && ::close(descriptor) != 0 && errno != EINTR) {
    return failed("close", path_, errno);
  }
  return {};
}

class LockedFile;

/// The locked files of this process. The mutex is held across fork(), so that no file is between
/// its lock and its place in the list when a child is made.
struct LockedFiles {
  std::mutex mutex;
  std::vector<LockedFile*> files;
};

LockedFiles& locked_files() {
  // Never destroyed: a handler cannot be unregistered, and may run during exit().
  static LockedFiles* const all = new LockedFiles;
  return *all;
}

class LockedFile : public OsFile {
 public:
  using OsFile::OsFile;
  ~LockedFile() override { (void)close_and_forget(); }
  Status close() override { return close_and_forget(); }
  void close_in_child() noexcept {
    ::close(descriptor());
    forget_descriptor();
  }

 private:
  Status close_and_forget() {
    LockedFiles& all = locked_files();
    const std::lock_guard hold(all.mutex);
    std::erase(all.files, this);
    return OsFile::close();
  }
};

void before_fork() { locked_files().mutex.lock(); }
void in_parent_after_fork() { locked_files().mutex.unlock(); }
void close_locked_files_in_child() {
  LockedFiles& all = locked_files();
  for (LockedFile* file : all.files) file->close_in_child();
  all.files.clear();
  all.mutex.unlock();
}

bool handle_forks() {
  static const bool registered =
      ::pthread_atfork(before_fork, in_parent_after_fork, close_locked_files_in_child) == 0;
  return registered;
}

Status lock_whole(int descriptor, const std::string& path) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(descriptor, F_OFD_SETLK, &whole) == 0) return {};
  if (errno != EAGAIN && errno != EACCES) return failed("lock", path, errno);
  return Error{ErrorCode::kLocked, "lock '" + path + "': held by another"};
}

class OsFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<File>> open_locked(const std::string& path) override;
  Status rename(const FileMove& move) override;
  Status link(const FileMove& names) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<Mapping> map_private(const std::string& path, std::uint64_t bytes) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::string> absolute_path(const std::string& path) override;
};

Result<std::unique_ptr<File>> OsFileSystem::open(const std::string& path, OpenMode mode) {
  const int descriptor = open_descriptor(path, flags_of(mode));
  if (descriptor < 0) return failed("open", path, errno);
  auto file = std::make_unique<OsFile>(path, descriptor, 0);
  struct stat facts{};
  if (::fstat(descriptor, &facts) != 0) return failed("stat", path, errno);
  if (S_ISDIR(facts.st_mode)) return failed("open", path, EISDIR);
  file->set_end(static_cast<std::uint64_t>(facts.st_size));
  return std::unique_ptr<File>(std::move(file));
}

Result<std::unique_ptr<File>> OsFileSystem::open_locked(const std::string& path) {
  if (!handle_forks()) return failed("prepare for fork", path, ENOMEM);
  LockedFiles& all = locked_files();
  const std::lock_guard hold(all.mutex);
  const int descriptor = open_descriptor(path, flags_of(OpenMode::kReadWriteCreate));
  if (descriptor < 0) return failed("open", path, errno);
  if (Status locked = lock_whole(descriptor, path); !locked) {
    ::close(descriptor);
    return std::move(locked).error();
  }
  auto file = std::make_unique<LockedFile>(path, descriptor, 0);
  all.files.push_back(file.get());
  return std::unique_ptr<File>(std::move(file));
}

Status OsFileSystem::rename(const FileMove& move) {
  if (::rename(move.from.c_str(), move.to.c_str()) == 0) return {};
  return failed("rename to '" + move.to + "' from", move.from, errno);
}

Status OsFileSystem::link(const FileMove& names) {
  if (::link(names.from.c_str(), names.to.c_str()) == 0) return {};
  return failed("link as '" + names.to + "'", names.from, errno);
}

Status OsFileSystem::remove(const std::string& path) {
  return ::unlink(path.c_str()) == 0 ? Status{} : failed("remove", path, errno);
}

Status OsFileSystem::make_directory(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0 ? Status{} : failed("make directory", path, errno);
}

Status OsFileSystem::remove_directory(const std::string& path) {
  return ::rmdir(path.c_str()) == 0 ? Status{} : failed("remove directory", path, errno);
}

Status OsFileSystem::sync_directory(const std::string& path) {
  const int descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return failed("open directory", path, errno);
  const int outcome = ::fsync(descriptor);
  const int number = errno;
  ::close(descriptor);
  return outcome == 0 ? Status{} : failed("sync directory", path, number);
}

Result<std::vector<std::string>> OsFileSystem::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (directory == nullptr) return failed("list", path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return failed("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileInfo> OsFileSystem::info(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return failed("stat", path, errno);
  return info_of(facts);
}

Result<bool> OsFileSystem::exists(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return failed("stat", path, errno);
}

Result<Mapping> OsFileSystem::map_private(const std::string& path, std::uint64_t bytes) {
  if (bytes == 0) return Mapping{};
  const int descriptor = open_descriptor(path, O_RDONLY);
  if (descriptor < 0) return failed("open", path, errno);
  const OsFile file(path, descriptor, 0);  // Closes; the mapping stays.
  const auto size = file.size();
  if (!size) return size.error();
  if (*size < bytes) {
    return Error{
        ErrorCode::kCorruption,
        "'" + path + "' has " + std::to_string(*size) + " bytes; expected " + std::to_string(bytes),
        Subcode::kTruncated}
        .at_position(static_cast<std::int64_t>(*size));
  }
  void* const start =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  if (start == MAP_FAILED) {
    if (errno == ENOMEM) return Error{ErrorCode::kOutOfMemory, "map '" + path + "'"};
    return failed("map", path, errno);
  }
  return Mapping{{static_cast<std::byte*>(start), bytes},
                 std::shared_ptr<void>(start, [bytes](void* at) { ::munmap(at, bytes); })};
}

Result<DiskSpace> OsFileSystem::space(const std::string& path) {
  struct statvfs facts{};
  if (::statvfs(path.c_str(), &facts) != 0) return failed("statvfs", path, errno);
  return DiskSpace{static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize,
                   static_cast<std::uint64_t>(facts.f_blocks) * facts.f_frsize};
}

Result<std::string> OsFileSystem::absolute_path(const std::string& path) {
  if (std::string real = real_path(path); !real.empty()) return real;
  const std::size_t end = path.find_last_not_of('/') + 1;
  const std::size_t begin = path.substr(0, end).find_last_of('/') + 1;
  const std::string name = path.substr(begin, end - begin);
  if (!name.empty() && name != "." && name != "..") {
    const std::string parent = real_path(begin == 0 ? "." : path.substr(0, begin));
    if (!parent.empty()) return parent.back() == '/' ? parent + name : parent + "/" + name;
  }
  // Nothing can be made there; whatever tries says why.
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, void (*)(void*)> here(::getcwd(nullptr, 0), std::free);
  if (here == nullptr) return failed("getcwd for", path, errno);
  return std::string(here.get()) + "/" + path;
}

}  // namespace

std::shared_ptr<FileSystem> os_file_system() {
  static const auto files = std::make_shared<OsFileSystem>();
  return files;
}

}  // namespace anear::storage
