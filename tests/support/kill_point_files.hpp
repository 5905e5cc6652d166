// The operating system's files, with names for what is done to them, and a kill at one of these.
//
// A point is "<what> <operation>", such as "log sync" or "row file rename": what a file is follows
// from its path in the store. The process kills itself right before the n-th time of a point, after
// it, or in the middle of a write.
//
// Threads: any.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/storage/file_system.hpp"
#include "storage/forwarding_files.hpp"

namespace anear::testing {

/// What a path of a store is.
inline std::string kind_of_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return "file";
  const std::string name = path.substr(slash + 1);
  const std::size_t above = slash == 0 ? path.npos : path.rfind('/', slash - 1);
  const std::string directory = path.substr(above + 1, slash - above - 1);
  if (directory == "rows") return "row file";
  if (directory == "images") return "image";
  struct Kind {
    std::string_view begins;
    std::string_view ends;
    const char* kind;
  };
  constexpr std::array kKinds = {
      Kind{"", ".log", "log"},         Kind{"", ".sst", "table"},
      Kind{"", ".dbtmp", "new names"}, Kind{"MANIFEST-", "", "list"},
      Kind{"CURRENT", "", "current"},  Kind{"IDENTITY", "", "database identity"},
      Kind{"MARK", "", "mark"},        Kind{"LOCK", "", "lock"},
      Kind{"ANEAR", "", "identity"}};
  for (const Kind& kind : kKinds) {
    if (name.starts_with(kind.begins) && name.ends_with(kind.ends)) return kind.kind;
  }
  if (name == ".." || name == "store" || name == "records" || name == "rows" || name == "images")
    return name == ".." ? "parent directory" : name + " directory";
  return "file";
}

struct KillPoint {
  enum class When : std::uint8_t { kBefore, kWithin, kAfter };
  std::string name{};      ///< Empty: never.
  std::uint64_t time = 1;  ///< Of the operations of that name, from 1 on.
  When when = When::kBefore;
};

/// Shared by all files.
class KillScript {
 public:
  explicit KillScript(KillPoint point) : point_(std::move(point)) {}
  std::map<std::string, std::uint64_t> passed() const {
    const std::lock_guard hold(mutex_);
    return passed_;
  }
  /// Does `work`, which bears `name`, unless the process ends before.
  template <typename Work>
  auto pass(const std::string& name, Work&& work) {
    const bool here = note(name);
    if (here && point_.when != KillPoint::When::kAfter) die();
    auto done = work();
    if (here) die();
    return done;
  }
  /// The same for a write: `within` does half of it.
  template <typename Work, typename Within>
  auto pass(const std::string& name, Work&& work, Within&& within) {
    const bool here = note(name);
    if (here && point_.when == KillPoint::When::kWithin) (void)within();
    if (here && point_.when != KillPoint::When::kAfter) die();
    auto done = work();
    if (here) die();
    return done;
  }

 private:
  bool note(const std::string& name) {
    const std::lock_guard hold(mutex_);
    return ++passed_[name] == point_.time && name == point_.name;
  }
  [[noreturn]] static void die() {
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }

  mutable std::mutex mutex_;
  KillPoint point_;
  std::map<std::string, std::uint64_t> passed_;
};

class KillPointFile final : public storage::File {
 public:
  KillPointFile(std::string kind, std::unique_ptr<storage::File> below,
                std::shared_ptr<KillScript> script)
      : kind_(std::move(kind)), below_(std::move(below)), script_(std::move(script)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return below_->read_at(offset, out);
  }
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return script_->pass(
        kind_ + " write", [&] { return below_->write_at(offset, bytes); },
        [&] { return below_->write_at(offset, bytes.first(bytes.size() / 2)); });
  }
  Status append(std::span<const std::byte> bytes) override {
    return script_->pass(
        kind_ + " write", [&] { return below_->append(bytes); },
        [&] { return below_->append(bytes.first(bytes.size() / 2)); });
  }
  Status sync() override {
    return script_->pass(kind_ + " sync", [&] { return below_->sync(); });
  }
  Status truncate(std::uint64_t size) override {
    return script_->pass(kind_ + " truncate", [&] { return below_->truncate(size); });
  }
  Result<std::uint64_t> size() const override { return below_->size(); }
  Status close() override { return below_->close(); }

 private:
  std::string kind_;
  std::unique_ptr<storage::File> below_;
  std::shared_ptr<KillScript> script_;
};

class KillPointFiles final : public storage::ForwardingFileSystem {
 public:
  explicit KillPointFiles(KillPoint point = {})
      : ForwardingFileSystem(storage::os_file_system()),
        script_(std::make_shared<KillScript>(std::move(point))) {}

  /// How often each point was passed.
  std::map<std::string, std::uint64_t> passed() const { return script_->passed(); }

  Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                              storage::OpenMode mode) override {
    const bool exists = mode == storage::OpenMode::kRead || mode == storage::OpenMode::kReadWrite;
    const auto opened = [&] { return below()->open(path, mode); };
    auto file = exists ? opened() : script_->pass(kind_of_file(path) + " create", opened);
    if (!file) return file;
    return std::unique_ptr<storage::File>(
        std::make_unique<KillPointFile>(kind_of_file(path), std::move(*file), script_));
  }
  Result<std::unique_ptr<storage::File>> open_locked(const std::string& path) override {
    auto file = script_->pass("lock create", [&] { return below()->open_locked(path); });
    if (!file) return file;
    return std::unique_ptr<storage::File>(
        std::make_unique<KillPointFile>("lock", std::move(*file), script_));
  }
  Status rename(const storage::FileMove& move) override {
    return script_->pass(kind_of_file(move.to) + " rename", [&] { return below()->rename(move); });
  }
  Status link(const storage::FileMove& names) override {
    return script_->pass(kind_of_file(names.to) + " link", [&] { return below()->link(names); });
  }
  Status remove(const std::string& path) override {
    return script_->pass(kind_of_file(path) + " remove", [&] { return below()->remove(path); });
  }
  Status make_directory(const std::string& path) override {
    return script_->pass(kind_of_file(path) + " make",
                         [&] { return below()->make_directory(path); });
  }
  Status remove_directory(const std::string& path) override {
    return script_->pass(kind_of_file(path) + " remove",
                         [&] { return below()->remove_directory(path); });
  }
  Status sync_directory(const std::string& path) override {
    return script_->pass(kind_of_file(path) + " sync",
                         [&] { return below()->sync_directory(path); });
  }

 private:
  std::shared_ptr<KillScript> script_;
};

}  // namespace anear::testing
