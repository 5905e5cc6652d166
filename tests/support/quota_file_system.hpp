// A disk of a stated size: passes everything on to the operating system's files, counts what they
// hold, and refuses with kNoSpace what would be more than the capacity, after it has written the
// part that fits. A file that was removed keeps its space while it is open or mapped, as on a disk.
//
//   QuotaFileSystem files(std::uint64_t{24} << 20);
//   files.take(std::uint64_t{8} << 20);  // By somebody else.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"
#include "storage/forwarding_files.hpp"

namespace anear::testing {

class QuotaFileSystem : public storage::ForwardingFileSystem {
 public:
  explicit QuotaFileSystem(std::uint64_t capacity)
      : ForwardingFileSystem(storage::os_file_system()), disk_(std::make_shared<Disk>()) {
    disk_->capacity = capacity;
  }

  /// Files of somebody else take so much of the disk from now on.
  void take(std::uint64_t bytes) { disk_->taken = bytes; }
  std::uint64_t free_bytes() const { return disk_->free_bytes(); }
  /// The least that was free since the last call.
  std::uint64_t take_least_free() const { return disk_->least_free.exchange(disk_->free_bytes()); }
  /// How many writes found no room.
  std::size_t refusals() const { return disk_->refusals; }

  Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                              storage::OpenMode mode) override {
    auto file = below()->open(path, mode);
    if (!file) return file;
    const auto size = (*file)->size();
    if (!size) return size.error();
    auto blocks = blocks_of(path);
    blocks->set(*size);
    return std::unique_ptr<storage::File>(
        std::make_unique<QuotaFile>(path, std::move(*file), std::move(blocks), disk_));
  }
  Status rename(const storage::FileMove& move) override {
    if (Status done = below()->rename(move); !done) return done;
    const std::lock_guard hold(mutex_);
    const auto from = names_.find(move.from);
    if (from == names_.end()) return {};
    names_[move.to] = std::move(from->second);
    names_.erase(move.from);
    return {};
  }
  Status link(const storage::FileMove& names) override {
    if (Status done = below()->link(names); !done) return done;
    const std::lock_guard hold(mutex_);
    names_[names.to] = names_[names.from];
    return {};
  }
  Status remove(const std::string& path) override {
    if (Status done = below()->remove(path); !done) return done;
    const std::lock_guard hold(mutex_);
    names_.erase(path);
    return {};
  }
  Status sync_directory(const std::string&) override { return {}; }
  Result<storage::Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    auto mapping = below()->map_private(path, bytes);
    if (!mapping) return mapping;
    using Both = std::pair<std::shared_ptr<void>, std::shared_ptr<Blocks>>;
    mapping->owner = std::make_shared<Both>(std::move(mapping->owner), blocks_of(path));
    return mapping;
  }
  Result<storage::DiskSpace> space(const std::string&) override {
    return storage::DiskSpace{disk_->free_bytes(), disk_->capacity};
  }

 private:
  struct Disk {
    std::uint64_t capacity = 0;
    std::atomic<std::uint64_t> taken{0};
    std::atomic<std::uint64_t> used{0};
    std::atomic<std::uint64_t> least_free{~std::uint64_t{0}};
    std::atomic<std::size_t> refusals{0};

    std::uint64_t free_bytes() const {
      const std::uint64_t gone = taken + used;
      return gone > capacity ? 0 : capacity - gone;
    }
    void note() {
      const std::uint64_t free = free_bytes();
      std::uint64_t least = least_free;
      while (free < least && !least_free.compare_exchange_weak(least, free)) {
      }
    }
  };

  /// What one file holds of the disk, until nobody names, opens or maps it.
  class Blocks {
   public:
    explicit Blocks(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;
    ~Blocks() { disk_->used -= bytes_; }
    void set(std::uint64_t bytes) {
      const std::lock_guard hold(mutex_);
      disk_->used += bytes;
      disk_->used -= std::exchange(bytes_, bytes);
      disk_->note();
    }
    /// How far the file may grow, at most to `wanted`.
    std::uint64_t end_within(std::uint64_t wanted) const {
      const std::lock_guard hold(mutex_);
      return std::min(wanted, bytes_ + disk_->free_bytes());
    }

   private:
    std::shared_ptr<Disk> disk_;
    mutable std::mutex mutex_;
    std::uint64_t bytes_ = 0;
  };

  class QuotaFile final : public storage::File {
   public:
    QuotaFile(std::string path, std::unique_ptr<storage::File> below,
              std::shared_ptr<Blocks> blocks, std::shared_ptr<Disk> disk)
        : path_(std::move(path)),
          below_(std::move(below)),
          blocks_(std::move(blocks)),
          disk_(std::move(disk)) {}

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      return below_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      return put(offset, bytes, [&](auto part) { return below_->write_at(offset, part); });
    }
    Status append(std::span<const std::byte> bytes) override {
      const auto size = below_->size();
      if (!size) return size.error();
      return put(*size, bytes, [&](auto part) { return below_->append(part); });
    }
    Status sync() override { return {}; }
    Status truncate(std::uint64_t size) override {
      if (Status cut = below_->truncate(size); !cut) return cut;
      blocks_->set(size);
      return {};
    }
    Result<std::uint64_t> size() const override { return below_->size(); }
    Result<storage::FileInfo> info() const override { return below_->info(); }
    Status close() override { return below_->close(); }

   private:
    template <typename Write>
    Status put(std::uint64_t offset, std::span<const std::byte> bytes, Write&& write) {
      const auto size = below_->size();
      if (!size) return size.error();
      const std::uint64_t end = offset + bytes.size();
      const std::uint64_t fits = end <= *size ? end : blocks_->end_within(end);
      const auto part = bytes.first(fits < offset ? 0 : fits - offset);
      if (Status done = write(part); !done) return done;
      blocks_->set(std::max(*size, offset + part.size()));
      if (part.size() == bytes.size()) return {};
      ++disk_->refusals;
      return Error{ErrorCode::kNoSpace, "write '" + path_ + "': the simulated disk is full"};
    }

    std::string path_;
    std::unique_ptr<storage::File> below_;
    std::shared_ptr<Blocks> blocks_;
    std::shared_ptr<Disk> disk_;
  };

  std::shared_ptr<Blocks> blocks_of(const std::string& path) {
    const std::lock_guard hold(mutex_);
    auto& blocks = names_[path];
    if (blocks == nullptr) blocks = std::make_shared<Blocks>(disk_);
    return blocks;
  }

  std::shared_ptr<Disk> disk_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Blocks>> names_;
};

}  // namespace anear::testing
