// A File and a FileSystem that pass everything on to others: bases of those that add something.
//
// Threads: as what is below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"

namespace anear::storage {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> below) noexcept : below_(std::move(below)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return below_->read_at(offset, out);
  }
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return below_->write_at(offset, bytes);
  }
  Status append(std::span<const std::byte> bytes) override { return below_->append(bytes); }
  Status sync() override { return below_->sync(); }
  Status truncate(std::uint64_t size) override { return below_->truncate(size); }
  Result<std::uint64_t> size() const override { return below_->size(); }
  Result<FileInfo> info() const override { return below_->info(); }
  Status close() override { return below_->close(); }

 private:
  std::unique_ptr<File> below_;
};

class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(std::shared_ptr<FileSystem> below) noexcept
      : below_(std::move(below)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return below_->open(path, mode);
  }
  Result<std::unique_ptr<File>> open_locked(const std::string& path) override {
    return below_->open_locked(path);
  }
  Status rename(const FileMove& move) override { return below_->rename(move); }
  Status link(const FileMove& names) override { return below_->link(names); }
  Status remove(const std::string& path) override { return below_->remove(path); }
  Status make_directory(const std::string& path) override { return below_->make_directory(path); }
  Status remove_directory(const std::string& path) override {
    return below_->remove_directory(path);
  }
  Status sync_directory(const std::string& path) override { return below_->sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return below_->list(path);
  }
  Result<FileInfo> info(const std::string& path) override { return below_->info(path); }
  Result<bool> exists(const std::string& path) override { return below_->exists(path); }
  Result<Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    return below_->map_private(path, bytes);
  }
  Result<DiskSpace> space(const std::string& path) override { return below_->space(path); }
  Result<std::string> absolute_path(const std::string& path) override {
    return below_->absolute_path(path);
  }

 protected:
  const std::shared_ptr<FileSystem>& below() const noexcept { return below_; }

 private:
  std::shared_ptr<FileSystem> below_;
};

}  // namespace anear::storage
