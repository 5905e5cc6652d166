// A FileSystem that passes everything on to the operating system's, writes down what was asked of
// it, and lets chosen operations fail. Nothing is really synced, since no test cuts the power.
//
//   FaultFileSystem files;
//   files.fail({.operation = Operation::kSync, .name = ".log", .after = 2});  // The third one.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"
#include "storage/forwarding_files.hpp"

namespace anear::testing {

enum class Operation : std::uint8_t {
  kOpen,    ///< Of a file that must exist.
  kCreate,  ///< Opening in a mode that makes or empties the file.
  kRead,
  kWrite,
  kAppend,
  kSync,
  kTruncate,
  kClose,
  kRename,  ///< Known by the new name, as kLink is.
  kLink,
  kRemove,
  kMakeDirectory,
  kSyncDirectory,
  kMap,
};

/// Whether `operation` can change what is on the disk.
inline bool changes_disk(Operation operation) {
  return operation != Operation::kOpen && operation != Operation::kRead &&
         operation != Operation::kMap;
}

/// Which operations fail, and how.
struct Fault {
  Operation operation = Operation::kSync;
  std::string name{};  ///< Part of the path.
  ErrorCode code = ErrorCode::kIo;
  std::size_t after = 0;  ///< How many of them succeed first.
  std::size_t times = 1;  ///< How many of them fail then.
  /// kAppend, kWrite: how much of it reaches the file all the same.
  std::size_t bytes_written = 0;
  /// kSync: what was written since the last sync is lost, as by a kernel that drops the pages that
  /// it could not write. Otherwise it stays.
  bool loses_unsynced = false;

  static constexpr std::size_t kAlways = std::numeric_limits<std::size_t>::max();
};

struct Event {
  Operation operation;
  std::string path;
  bool failed;
};

class FaultFileSystem : public storage::ForwardingFileSystem {
 public:
  FaultFileSystem() : ForwardingFileSystem(storage::os_file_system()) {}

  void fail(Fault fault) { script_->add(std::move(fault)); }
  /// The `n`-th operation (from 0) that can change the disk fails, and `times` − 1 after it. Those
  /// count whose path has `name` in it.
  void fail_change(std::size_t n, ErrorCode code, std::size_t times, std::string name = {}) {
    fail_change({.name = std::move(name), .code = code, .after = n, .times = times});
  }
  /// The same, whatever Fault::operation says.
  void fail_change(Fault fault) { script_->fail_change(std::move(fault)); }
  /// Nothing fails from now on.
  void heal() { script_->heal(); }
  /// How many operations failed so far.
  std::size_t failures() const { return script_->failures(); }
  /// What was asked for since the last call, in order.
  std::vector<Event> take_events() { return script_->take_events(); }

  Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                              storage::OpenMode mode) override {
    const bool exists = mode == storage::OpenMode::kRead || mode == storage::OpenMode::kReadWrite;
    if (auto fault = script_->next(exists ? Operation::kOpen : Operation::kCreate, path))
      return error_of(*fault, path);
    auto file = below()->open(path, mode);
    if (!file) return file;
    const auto size = (*file)->size();
    if (!size) return size.error();
    return std::unique_ptr<storage::File>(
        std::make_unique<FaultFile>(path, std::move(*file), *size, script_));
  }
  Status rename(const storage::FileMove& move) override {
    if (auto fault = script_->next(Operation::kRename, move.to)) return error_of(*fault, move.to);
    return below()->rename(move);
  }
  Status link(const storage::FileMove& names) override {
    if (auto fault = script_->next(Operation::kLink, names.to)) return error_of(*fault, names.to);
    return below()->link(names);
  }
  Status remove(const std::string& path) override {
    if (auto fault = script_->next(Operation::kRemove, path)) return error_of(*fault, path);
    return below()->remove(path);
  }
  Status make_directory(const std::string& path) override {
    if (auto fault = script_->next(Operation::kMakeDirectory, path)) return error_of(*fault, path);
    return below()->make_directory(path);
  }
  Status remove_directory(const std::string& path) override {
    if (auto fault = script_->next(Operation::kRemove, path)) return error_of(*fault, path);
    return below()->remove_directory(path);
  }
  Status sync_directory(const std::string& path) override {
    if (auto fault = script_->next(Operation::kSyncDirectory, path)) return error_of(*fault, path);
    return {};
  }
  Result<storage::Mapping> map_private(const std::string& path, std::uint64_t bytes) override {
    if (auto fault = script_->next(Operation::kMap, path)) return error_of(*fault, path);
    return below()->map_private(path, bytes);
  }

 private:
  static Error error_of(const Fault& fault, const std::string& path) {
    return Error{fault.code, "injected fault at '" + path + "'"};
  }

  /// The faults to come and the events so far.
  class Script {
   public:
    void add(Fault fault) {
      const std::lock_guard hold(mutex_);
      faults_.push_back(std::move(fault));
    }
    void fail_change(Fault fault) {
      const std::lock_guard hold(mutex_);
      any_change_ = std::move(fault);
    }
    void heal() {
      const std::lock_guard hold(mutex_);
      faults_.clear();
      any_change_.times = 0;
    }
    std::size_t failures() const {
      const std::lock_guard hold(mutex_);
      return failures_;
    }
    std::vector<Event> take_events() {
      const std::lock_guard hold(mutex_);
      return std::exchange(events_, {});
    }
    /// Notes the operation. Returns the fault that it has to fail with, if any.
    std::unique_ptr<Fault> next(Operation operation, const std::string& path) {
      const std::lock_guard hold(mutex_);
      const Fault* hit = nullptr;
      for (Fault& fault : faults_) {
        if (fault.operation != operation || path.find(fault.name) == path.npos) continue;
        if (is_due(fault)) hit = &fault;
      }
      const bool counts = path.find(any_change_.name) != path.npos;
      if (counts && changes_disk(operation) && is_due(any_change_)) hit = &any_change_;
      events_.push_back({operation, path, hit != nullptr});
      if (hit == nullptr) return nullptr;
      ++failures_;
      return std::make_unique<Fault>(*hit);
    }

   private:
    static bool is_due(Fault& fault) {
      if (fault.after > 0) {
        --fault.after;
        return false;
      }
      if (fault.times == 0) return false;
      if (fault.times != Fault::kAlways) --fault.times;
      return true;
    }

    mutable std::mutex mutex_;
    std::vector<Fault> faults_;
    Fault any_change_{.times = 0};
    std::vector<Event> events_;
    std::size_t failures_ = 0;
  };

  class FaultFile final : public storage::File {
   public:
    FaultFile(std::string path, std::unique_ptr<storage::File> below, std::uint64_t size,
              std::shared_ptr<Script> script)
        : path_(std::move(path)),
          below_(std::move(below)),
          script_(std::move(script)),
          synced_(size) {}

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      if (auto fault = script_->next(Operation::kRead, path_)) return error_of(*fault, path_);
      return below_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const auto fault = script_->next(Operation::kWrite, path_);
      const auto part = fault ? bytes.first(std::min(fault->bytes_written, bytes.size())) : bytes;
      std::vector<std::byte> before(part.size());
      const auto there = below_->read_at(offset, before);
      if (!there) return there.error();
      before.resize(*there);
      unsynced_.emplace_back(offset, std::move(before));
      if (Status put = below_->write_at(offset, part); !put) return put;
      return fault ? Status{error_of(*fault, path_)} : Status{};
    }
    Status append(std::span<const std::byte> bytes) override {
      const auto fault = script_->next(Operation::kAppend, path_);
      if (!fault) return below_->append(bytes);
      // As by the operating system: the file has grown, and this object does not know of it.
      const auto size = below_->size();
      if (!size) return size.error();
      const auto part = bytes.first(std::min(fault->bytes_written, bytes.size()));
      if (Status put = write_behind(*size, part); !put) return put;
      return error_of(*fault, path_);
    }
    Result<storage::FileInfo> info() const override { return below_->info(); }
    Status sync() override {
      const auto fault = script_->next(Operation::kSync, path_);
      if (!fault) {
        const auto size = below_->size();
        if (!size) return size.error();
        synced_ = *size;
        unsynced_.clear();
        return {};
      }
      if (fault->loses_unsynced) {
        for (auto write = unsynced_.rbegin(); write != unsynced_.rend(); ++write) {
          if (Status put = below_->write_at(write->first, write->second); !put) return put;
        }
        unsynced_.clear();
        if (Status cut = below_->truncate(synced_); !cut) return cut;
      }
      return error_of(*fault, path_);
    }
    Status truncate(std::uint64_t size) override {
      if (auto fault = script_->next(Operation::kTruncate, path_)) return error_of(*fault, path_);
      return below_->truncate(size);
    }
    Result<std::uint64_t> size() const override { return below_->size(); }
    Status close() override {
      const auto fault = script_->next(Operation::kClose, path_);
      Status closed = below_->close();
      return fault ? Status{error_of(*fault, path_)} : closed;
    }

   private:
    Status write_behind(std::uint64_t offset, std::span<const std::byte> bytes) const {
      if (bytes.empty()) return {};
      auto other = storage::os_file_system()->open(path_, storage::OpenMode::kReadWrite);
      if (!other) return std::move(other).error();
      if (Status put = (*other)->write_at(offset, bytes); !put) return put;
      return (*other)->close();
    }

    std::string path_;
    std::unique_ptr<storage::File> below_;
    std::shared_ptr<Script> script_;
    std::uint64_t synced_;
    /// What stood where something was written since the last sync.
    std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> unsynced_;
  };

  std::shared_ptr<Script> script_ = std::make_shared<Script>();
};

}  // namespace anear::testing
