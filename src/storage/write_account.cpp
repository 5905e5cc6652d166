#include "anear/storage/write_account.hpp"

#include <chrono>
#include <span>
#include <utility>

#include "anear/storage/store_directory.hpp"
#include "forwarding_files.hpp"

namespace anear::storage {
namespace {

class AccountedFile final : public ForwardingFile {
 public:
  AccountedFile(std::unique_ptr<File> below, std::shared_ptr<WriteAccount> account,
                WriteAccount::Purpose purpose)
      : ForwardingFile(std::move(below)), account_(std::move(account)), purpose_(purpose) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    Status written = ForwardingFile::write_at(offset, bytes);
    if (written) account_->add(purpose_, bytes.size());
    return written;
  }
  Status append(std::span<const std::byte> bytes) override {
    Status written = ForwardingFile::append(bytes);
    if (written) account_->add(purpose_, bytes.size());
    return written;
  }

 private:
  std::shared_ptr<WriteAccount> account_;
  WriteAccount::Purpose purpose_;
};

class AccountedFileSystem final : public ForwardingFileSystem {
 public:
  AccountedFileSystem(std::shared_ptr<FileSystem> below, std::shared_ptr<WriteAccount> account)
      : ForwardingFileSystem(std::move(below)), account_(std::move(account)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = below()->open(path, mode);
    if (!file || mode == OpenMode::kRead) return file;
    const WriteAccount::Purpose purpose = account_->purpose_of(path);
    if (purpose == WriteAccount::Purpose::kElsewhere) return file;
    return std::unique_ptr<File>(
        std::make_unique<AccountedFile>(std::move(*file), account_, purpose));
  }

 private:
  std::shared_ptr<WriteAccount> account_;
};

}  // namespace

WriteAccount::WriteAccount(std::string directory) : directory_(std::move(directory) + '/') {}

WriteAccount::Purpose WriteAccount::purpose_of(std::string_view path) const {
  if (!path.starts_with(directory_)) return Purpose::kElsewhere;
  const std::string_view name = path.substr(directory_.size());
  const auto is_in = [&](std::string_view directory) {
    return name.starts_with(directory) && name.substr(directory.size()).starts_with('/');
  };
  if (is_in(kRowFilesDirectory)) return Purpose::kRows;
  if (is_in(kImagesDirectory)) return Purpose::kImages;
  if (is_in(kRecordsDirectory) && name.ends_with(".log")) return Purpose::kLog;
  if (is_in(kRecordsDirectory) && name.ends_with(".sst")) return Purpose::kTables;
  return Purpose::kOther;
}

void WriteAccount::add(Purpose purpose, std::size_t bytes) {
  written_[static_cast<std::size_t>(purpose)].fetch_add(bytes, std::memory_order_relaxed);
  if (purpose != Purpose::kRows && purpose != Purpose::kImages) return;
  std::unique_lock lock(mutex_);
  const Pace::Time until = pace_.after(bytes, std::chrono::steady_clock::now());
  const std::uint64_t changes = changes_;
  changed_.wait_until(lock, until, [&] { return changes_ != changes; });
}

void WriteAccount::hold_to(std::uint64_t bytes_per_second) {
  {
    const std::lock_guard hold(mutex_);
    pace_ = Pace(bytes_per_second);
    ++changes_;
  }
  changed_.notify_all();
}

WrittenBytes WriteAccount::written() const noexcept {
  const auto of = [&](Purpose purpose) {
    return written_[static_cast<std::size_t>(purpose)].load(std::memory_order_relaxed);
  };
  return {.log = of(Purpose::kLog),
          .tables = of(Purpose::kTables),
          .rows = of(Purpose::kRows),
          .images = of(Purpose::kImages),
          .other = of(Purpose::kOther)};
}

std::shared_ptr<FileSystem> make_accounted_file_system(std::shared_ptr<FileSystem> files,
                                                       std::shared_ptr<WriteAccount> account) {
  return std::make_shared<AccountedFileSystem>(std::move(files), std::move(account));
}

}  // namespace anear::storage
