#include "rocksdb_file_system.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/core/checksum.hpp"

namespace anear::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus to_rocksdb(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return IOStatus::PathNotFound(error.message);
    case ErrorCode::kNoSpace:
      return IOStatus::NoSpace(error.message);
    default:
      return IOStatus::IOError(error.message);
  }
}

IOStatus to_rocksdb(const Status& status) {
  return status ? IOStatus::OK() : to_rocksdb(status.error());
}

/// A failed sync says nothing of what is on the disk, whatever its reason was: never "no space",
/// which RocksDB and our callers take for "was not written".
IOStatus sync_outcome(const Status& status) {
  return status ? IOStatus::OK() : IOStatus::IOError(status.error().message);
}

IOStatus was_abandoned() {
  return IOStatus::IOError("the database was abandoned: another one has its files");
}

/// RocksDB writes its options to a file at each opening, reads it and parses it, half of the time
/// of the whole. Nobody reads it again: options come from database_options().
bool names_options(std::string_view path) {
  return path.substr(path.rfind('/') + 1).starts_with("OPTIONS-");
}

/// Lists are begun anew far below it (DBOptions::max_manifest_file_size).
constexpr std::size_t kListBytesRead = std::size_t{256} << 20;

std::span<const std::byte> bytes_of(const Slice& data) {
  return std::as_bytes(std::span(data.data(), data.size()));
}

IOStatus read_into(const File& file, std::uint64_t offset, std::size_t n, Slice* result,
                   char* scratch) {
  const auto got = file.read_at(offset, std::as_writable_bytes(std::span(scratch, n)));
  if (!got) return to_rocksdb(got.error());
  *result = Slice(scratch, *got);
  return IOStatus::OK();
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  /// As if the file ended at `end`.
  SequentialFile(std::unique_ptr<File> file, std::uint64_t end)
      : file_(std::move(file)), end_(end) {}
  IOStatus Read(std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    n = std::min<std::uint64_t>(n, end_ - std::min(offset_, end_));
    const IOStatus status = read_into(*file_, offset_, n, result, scratch);
    if (status.ok()) offset_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t n) override {
    offset_ += n;
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<File> file_;
  std::uint64_t offset_ = 0;
  std::uint64_t end_ = std::numeric_limits<std::uint64_t>::max();
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  // NOLINTNEXTLINE(readability-function-size): RocksDB states the parameters.
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read_into(*file_, offset, n, result, scratch);
  }

 private:
  std::unique_ptr<File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<File> file, std::uint64_t size, std::shared_ptr<FileAccess> access)
      : file_(std::move(file)), access_(std::move(access)), size_(size) {}

  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (access_->abandoned) return was_abandoned();
    const Status done = file_->append(bytes_of(data));
    if (done) size_ += data.size();
    return to_rocksdb(done);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    // RocksDB truncates to what it appended, because other files may be longer (preallocated).
    if (size == size_ || access_->abandoned) return IOStatus::OK();
    const Status done = file_->truncate(size);
    if (done) size_ = size;
    return to_rocksdb(done);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return to_rocksdb(file_->close()); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync_outcome(file_->sync()); }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::unique_ptr<File> file_;
  std::shared_ptr<FileAccess> access_;
  std::uint64_t size_;
};

/// A log of which small parts are synced one by one. Zeros are written ahead of what it holds: a
/// sync then has neither a new size nor new blocks to make durable, which costs a file system more
/// than the bytes (measured on ext4: 100 µs instead of 170). RocksDB skips zeros when it reads a
/// log. Closed, it ends where its last record does.
class LogFile final : public rocksdb::FSWritableFile {
 public:
  LogFile(std::unique_ptr<File> file, std::uint64_t size, std::shared_ptr<FileAccess> access)
      : file_(std::move(file)),
        access_(std::move(access)),
        held_(std::make_shared<std::atomic<std::uint64_t>>(size)),
        size_(*held_),
        end_(size) {}

  ReservedLogs::Bytes held() const { return held_; }

  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (access_->abandoned) return was_abandoned();
    const bool is_reserved = size_ < end_;
    const Status done =
        is_reserved ? file_->write_at(size_, bytes_of(data)) : file_->append(bytes_of(data));
    if (!done) return to_rocksdb(done);
    size_ += data.size();
    unsynced_ += data.size();
    if (size_ >= end_) {
      end_ = size_;
      if (is_synced_often_) reserve();
    }
    return IOStatus::OK();
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    if (size == size_ || access_->abandoned) return IOStatus::OK();
    const Status done = file_->truncate(size);
    if (done) size_ = end_ = size;
    return to_rocksdb(done);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    if (end_ > size_ && !access_->abandoned) {
      if (Status cut = file_->truncate(size_); !cut) return to_rocksdb(cut);
    }
    return to_rocksdb(file_->close());
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  // Beside Append(): both counters are hints.
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    constexpr std::uint64_t kSmall = 32 << 10;
    is_synced_often_ = unsynced_.exchange(0) < kSmall;
    return sync_outcome(file_->sync());
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  void reserve() {
    constexpr std::uint64_t kLeast = 16 << 10, kMost = 512 << 10;
    const std::vector<std::byte> zeros(std::clamp(size_.load(), kLeast, kMost));
    // On a full disk the records alone may still find room.
    if (file_->write_at(end_, zeros)) end_ += zeros.size();
  }

  std::unique_ptr<File> file_;
  std::shared_ptr<FileAccess> access_;
  std::shared_ptr<std::atomic<std::uint64_t>> held_;
  std::atomic<std::uint64_t>& size_;  ///< Of what was appended.
  std::uint64_t end_;                 ///< Of the file.
  std::atomic<std::uint64_t> unsynced_{0};
  std::atomic<bool> is_synced_often_{false};
};

/// A list of the database's files: what of it was synced is told to the tracker.
class ListFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ListFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::uint64_t number,
           std::shared_ptr<FileAccess> access)
      : FSWritableFileOwnerWrapper(std::move(file)), number_(number), access_(std::move(access)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus done = target()->Append(data, options, debug);
    if (done.ok()) {
      checksum_ = crc32c(bytes_of(data), checksum_);
      bytes_ += data.size();
    }
    return done;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus done = target()->Sync(options, debug);
    if (done.ok() && bytes_ <= std::numeric_limits<std::uint32_t>::max())
      access_->file_list.synced({number_, static_cast<std::uint32_t>(bytes_), checksum_});
    return done;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  std::uint64_t number_;
  std::shared_ptr<FileAccess> access_;
  std::uint64_t bytes_ = 0;
  std::uint32_t checksum_ = 0;
};

class RandomReadWriteFile final : public rocksdb::FSRandomRWFile {
 public:
  explicit RandomReadWriteFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Write(std::uint64_t offset, const Slice& data, const IOOptions&,
                 IODebugContext*) override {
    return to_rocksdb(file_->write_at(offset, bytes_of(data)));
  }
  // NOLINTNEXTLINE(readability-function-size): RocksDB states the parameters.
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read_into(*file_, offset, n, result, scratch);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync_outcome(file_->sync()); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return to_rocksdb(file_->close()); }

 private:
  std::unique_ptr<File> file_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(std::shared_ptr<FileSystem> files, std::string path, std::shared_ptr<FileAccess> access)
      : files_(std::move(files)), path_(std::move(path)), access_(std::move(access)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const Status synced = files_->sync_directory(path_);
    if (synced) access_->file_list.directory_synced();
    return sync_outcome(synced);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  std::shared_ptr<FileSystem> files_;
  std::string path_;
  std::shared_ptr<FileAccess> access_;
};

class NoLock final : public rocksdb::FileLock {};

class RocksFileSystem final : public rocksdb::FileSystem {
 public:
  RocksFileSystem(std::shared_ptr<storage::FileSystem> files, std::shared_ptr<FileAccess> access)
      : files_(std::move(files)), access_(std::move(access)) {}
  const char* Name() const override { return "anear"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    if (list_number(path) != 0) return open_list(path, result);
    return open_as<SequentialFile>(path, result);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    return open_as<RandomAccessFile>(path, result);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    if (access_->sealed) return sealed();
    if (names_options(path)) return IOStatus::NotSupported(std::string(kNoOptionsFiles));
    if (access_->reserve_logs && path.ends_with(".log")) {
      const IOStatus opened = open_as_writable<LogFile>(path, OpenMode::kCreateOrTruncate, result);
      if (opened.ok())
        access_->reserved_logs.add(path, static_cast<const LogFile&>(**result).held());
      return opened;
    }
    const IOStatus opened = open_writable(path, OpenMode::kCreateOrTruncate, result);
    const std::uint64_t number = list_number(path);
    if (opened.ok() && number != 0)
      *result = std::make_unique<ListFile>(std::move(*result), number, access_);
    return opened;
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext*) override {
    if (access_->sealed) return sealed();
    return open_writable(path, OpenMode::kReadWriteCreate, result);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                             IODebugContext* debug) override {
    if (access_->sealed) return sealed();
    const Status moved = files_->rename({.from = old_path, .to = path});
    return moved ? NewWritableFile(path, options, result, debug) : to_rocksdb(moved);
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                           IODebugContext*) override {
    if (access_->sealed) return sealed();
    auto file = files_->open(path, OpenMode::kReadWrite);
    if (!file) return to_rocksdb(file.error());
    *result = std::make_unique<RandomReadWriteFile>(std::move(*file));
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<Directory>(files_, path, access_);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto found = files_->exists(path);
    if (!found) return to_rocksdb(found.error());
    return *found ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    auto names = files_->list(path);
    if (!names) {
      const bool missing = names.error().code == ErrorCode::kNotFound;
      return missing ? IOStatus::NotFound(path) : to_rocksdb(names.error());
    }
    *result = std::move(*names);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (access_->sealed) return sealed();
    return to_rocksdb(files_->remove(path));
  }
  IOStatus Truncate(const std::string& path, std::size_t size, const IOOptions&,
                    IODebugContext*) override {
    if (access_->sealed) return sealed();
    auto file = files_->open(path, OpenMode::kReadWrite);
    if (!file) return to_rocksdb(file.error());
    const Status done = (*file)->truncate(size);
    return done ? to_rocksdb((*file)->close()) : to_rocksdb(done);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (access_->sealed) return sealed();
    return to_rocksdb(files_->make_directory(path));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    const Status made = files_->make_directory(path);
    if (made || made.error().code != ErrorCode::kAlreadyExists) return to_rocksdb(made);
    const auto facts = files_->info(path);
    if (facts && !facts->is_directory) return IOStatus::IOError("'" + path + "' is a file");
    return facts ? IOStatus::OK() : to_rocksdb(facts.error());
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (access_->sealed) return sealed();
    return to_rocksdb(files_->remove_directory(path));
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size,
                       IODebugContext*) override {
    const auto facts = files_->info(path);
    if (!facts) return to_rocksdb(facts.error());
    *size = access_->reserved_logs.bytes_of(path).value_or(facts->bytes);
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    const auto facts = files_->info(path);
    if (!facts) return to_rocksdb(facts.error());
    *time = static_cast<std::uint64_t>(facts->modified / 1'000'000);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    if (access_->sealed) return sealed();
    if (names_list_in_use(to)) {
      // Else a power cut could leave the name of a list whose own name it takes away.
      const Status named = files_->sync_directory(to.substr(0, to.rfind('/')));
      if (!named) return sync_outcome(named);
    }
    const Status moved = files_->rename({.from = from, .to = to});
    if (moved && names_list_in_use(to)) access_->file_list.renamed();
    return to_rocksdb(moved);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    if (access_->sealed) return sealed();
    return to_rocksdb(files_->link({.from = from, .to = to}));
  }
  IOStatus AreFilesSame(const std::string& first, const std::string& second, const IOOptions&,
                        bool* same, IODebugContext*) override {
    *same = first == second;
    return IOStatus::OK();
  }
  // The store's own lock is held around all of this, and does not have the faults of RocksDB's.
  IOStatus LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    *lock = new NoLock;
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete static_cast<NoLock*>(lock);
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported("a test directory");
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    auto absolute = files_->absolute_path(path);
    if (!absolute) return to_rocksdb(absolute.error());
    *result = std::move(*absolute);
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions&, std::uint64_t* bytes,
                        IODebugContext*) override {
    const auto space = files_->space(path);
    if (!space) return to_rocksdb(space.error());
    *bytes = space->free_bytes;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    const auto facts = files_->info(path);
    if (!facts) return to_rocksdb(facts.error());
    *is_directory = facts->is_directory;
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>*,
                     IODebugContext*) override {
    return IOStatus::NotSupported("a log file");
  }

 private:
  static IOStatus sealed() {
    return IOStatus::IOError("the database is read-only or closed: it may not change files");
  }
  template <typename Reader, typename Base>
  IOStatus open_as(const std::string& path, std::unique_ptr<Base>* result) {
    auto file = files_->open(path, OpenMode::kRead);
    if (!file) return to_rocksdb(file.error());
    *result = std::make_unique<Reader>(std::move(*file));
    return IOStatus::OK();
  }
  /// A list of files up to the end of its last whole record. What stands behind that was never
  /// synced, and so nothing was built on it. Where what must be there is not whole, RocksDB says
  /// so.
  IOStatus open_list(const std::string& path, std::unique_ptr<rocksdb::FSSequentialFile>* result) {
    const auto bytes = read_file(*files_, path, kListBytesRead);
    if (!bytes && bytes.error().code != ErrorCode::kLimitExceeded) return to_rocksdb(bytes.error());
    const WholeList whole = bytes ? whole_part_of(*bytes) : WholeList{};
    access_->listed_entry = whole.last_entry.value_or(LogFollows::kUnknown);
    // A list that the mark does not know yet was whole when it came into use, and has not grown.
    const FileListMark& known = access_->known_list;
    const bool may_have_grown = known.number == 0 || list_number(path) == known.number;
    if (!may_have_grown || whole.bytes == 0 || whole.bytes < known.bytes)
      return open_as<SequentialFile>(path, result);
    auto file = files_->open(path, OpenMode::kRead);
    if (!file) return to_rocksdb(file.error());
    access_->list_bytes_left_out = bytes->size() - whole.bytes;
    *result = std::make_unique<SequentialFile>(std::move(*file), whole.bytes);
    return IOStatus::OK();
  }
  IOStatus open_writable(const std::string& path, OpenMode mode,
                         std::unique_ptr<rocksdb::FSWritableFile>* result) {
    return open_as_writable<WritableFile>(path, mode, result);
  }
  template <typename Writer>
  IOStatus open_as_writable(const std::string& path, OpenMode mode,
                            std::unique_ptr<rocksdb::FSWritableFile>* result) {
    auto file = files_->open(path, mode);
    if (!file) return to_rocksdb(file.error());
    const auto size = (*file)->size();
    if (!size) return to_rocksdb(size.error());
    *result = std::make_unique<Writer>(std::move(*file), *size, access_);
    return IOStatus::OK();
  }

  std::shared_ptr<storage::FileSystem> files_;
  std::shared_ptr<FileAccess> access_;
};

}  // namespace

void ReservedLogs::add(const std::string& path, const Bytes& bytes) {
  const std::lock_guard hold(mutex_);
  std::erase_if(logs_, [](const auto& log) { return log.second.expired(); });
  logs_[path] = bytes;
}

std::optional<std::uint64_t> ReservedLogs::bytes_of(const std::string& path) const {
  const std::lock_guard hold(mutex_);
  const auto found = logs_.find(path);
  const Bytes bytes = found == logs_.end() ? nullptr : found->second.lock();
  return bytes == nullptr ? std::nullopt : std::optional<std::uint64_t>(bytes->load());
}

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(std::shared_ptr<FileSystem> files,
                                                              std::shared_ptr<FileAccess> access) {
  return std::make_shared<RocksFileSystem>(std::move(files), std::move(access));
}

}  // namespace anear::storage
