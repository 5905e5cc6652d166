#include "anear/storage/store_lock.hpp"

#include <unistd.h>

#include <array>
#include <ctime>
#include <utility>

#include "anear/storage/store_directory.hpp"
#include "locked_place.hpp"

namespace anear::storage {
namespace {

constexpr std::size_t kHolderBytesMax = 1'024;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

/// One line, as it stands in the file and in the message: "process 71 on host, since …".
std::string describe_self() {
  return "process " + std::to_string(::getpid()) + " on " + host_name() + ", since " + utc_now();
}

/// The holder's own words, made printable; they may be missing for an instant after it locked.
std::string describe_holder(FileSystem& files, const std::string& path) {
  const auto text = read_file(files, path, kHolderBytesMax);
  if (!text || text->empty()) return "another process";
  std::string line = text->substr(0, text->find('\n'));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

Status write_holder(File& file) {
  const std::string line = describe_self() + "\n";
  if (Status done = file.truncate(0); !done) return done;
  return file.write_at(0, std::as_bytes(std::span(line)));
}

/// The file at `path`, locked: not one that was removed between its opening and its lock.
Result<std::unique_ptr<File>> open_locked_at(FileSystem& files, const std::string& path) {
  constexpr int kTriesMax = 8;
  for (int i = 0; i < kTriesMax; ++i) {
    auto file = files.open_locked(path);
    if (!file) return file;
    const auto stands = leads_to(files, path, **file);
    if (stands && *stands) return file;
    if (!stands && stands.error().code != ErrorCode::kNotFound) return stands.error();
  }
  return Error{ErrorCode::kIo, "lock '" + path + "': others keep removing it"};
}

}  // namespace

ProcessGuard::ProcessGuard() noexcept : process_(::getpid()) {}

bool ProcessGuard::in_forked_child() const noexcept { return process_ != ::getpid(); }

Status ProcessGuard::check() const {
  if (!in_forked_child()) return {};
  return Error{ErrorCode::kForked,
               "the store was opened by process " + std::to_string(process_) +
                   " and is used in its forked child: open the store again in the child (one "
                   "process writes at a time), or fork before opening it"};
}

Result<StoreLock> StoreLock::acquire(FileSystem& files, const std::string& directory, Of what) {
  const std::string path = path_in(directory, kLockFile);
  auto file = open_locked_at(files, path);
  if (!file && file.error().code == ErrorCode::kLocked) {
    const std::string holder = describe_holder(files, path);
    if (what == Of::kBackups) {
      return Error{ErrorCode::kLocked, "backups are being taken or removed in '" + directory +
                                           "' by " + holder + ". One at a time: try again later"};
    }
    return Error{ErrorCode::kLocked,
                 "the store '" + directory + "' is open for writing by " + holder +
                     ". One process writes at a time: close it there, or open the store read-only"};
  }
  if (!file) return std::move(file).error();
  if (Status done = write_holder(**file); !done) return std::move(done).error();
  const auto facts = (*file)->info();
  if (!facts) return facts.error();
  return StoreLock(std::move(*file), std::make_shared<LockedPlace>(directory, *facts));
}

Status StoreLock::check(FileSystem& files) const { return place_->check(files); }

std::shared_ptr<FileSystem> StoreLock::guard(std::shared_ptr<FileSystem> files) const {
  return make_guarded_file_system(std::move(files), place_);
}

}  // namespace anear::storage
