// Files in memory that can only be read, each of exactly its bytes: what decoders of files are
// given thousands of variants through, and a read past the end is seen by AddressSanitizer.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"

namespace anear::testing {

inline Error refused(const std::string& what) {
  return Error{ErrorCode::kIo, what + ": these files can only be read"};
}

class MemoryFile final : public storage::File {
 public:
  explicit MemoryFile(const std::string& bytes) : bytes_(bytes) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, count);
    return count;
  }
  Status write_at(std::uint64_t, std::span<const std::byte>) override { return refused("write"); }
  Status append(std::span<const std::byte>) override { return refused("append"); }
  Status sync() override { return {}; }
  Status truncate(std::uint64_t) override { return refused("truncate"); }
  Result<std::uint64_t> size() const override { return std::uint64_t{bytes_.size()}; }
  Status close() override { return {}; }

 private:
  const std::string& bytes_;
};

class MemoryFiles final : public storage::FileSystem {
 public:
  std::map<std::string, std::string> contents;  ///< By path. Not to be changed beside open files.

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenMode) override {
    const auto found = contents.find(path);
    if (found == contents.end()) return Error{ErrorCode::kNotFound, "there is no '" + path + "'"};
    return std::unique_ptr<storage::File>(std::make_unique<MemoryFile>(found->second));
  }
  Result<std::unique_ptr<storage::File>> open_locked(const std::string& path) override {
    return refused("lock '" + path + "'");
  }
  Status rename(const storage::FileMove& move) override { return refused("rename " + move.from); }
  Status link(const storage::FileMove& names) override { return refused("link " + names.from); }
  Status remove(const std::string& path) override { return refused("remove " + path); }
  Status make_directory(const std::string& path) override { return refused("make " + path); }
  Status remove_directory(const std::string& path) override { return refused("remove " + path); }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return refused("list " + path);
  }
  Result<storage::FileInfo> info(const std::string& path) override {
    const auto found = contents.find(path);
    if (found == contents.end()) return Error{ErrorCode::kNotFound, "there is no '" + path + "'"};
    return storage::FileInfo{found->second.size(), 0, false};
  }
  Result<bool> exists(const std::string& path) override { return contents.contains(path); }
  Result<storage::Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    const auto found = contents.find(path);
    if (found == contents.end()) return Error{ErrorCode::kNotFound, "there is no '" + path + "'"};
    if (found->second.size() < bytes)
      return Error{ErrorCode::kCorruption, "'" + path + "' is shorter", Subcode::kTruncated};
    void* memory = nullptr;
    if (::posix_memalign(&memory, 64, std::max<std::size_t>(bytes, 1)) != 0) throw std::bad_alloc();
    std::memcpy(memory, found->second.data(), bytes);
    return storage::Mapping{{static_cast<std::byte*>(memory), static_cast<std::size_t>(bytes)},
                            std::shared_ptr<void>(memory, std::free)};
  }
  Result<storage::DiskSpace> space(const std::string&) override {
    return storage::DiskSpace{std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  }
  Result<std::string> absolute_path(const std::string& path) override { return path; }
};

}  // namespace anear::testing
