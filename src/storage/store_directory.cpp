#include "anear/storage/store_directory.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "anear/storage/checksum.hpp"

namespace anear::storage {
namespace {

constexpr std::size_t kIdentityBytesMax = 4'096;

std::uint64_t half_of(const StoreId& id, std::size_t half) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | id[8 * half + i];
  return number;
}

/// The number behind `name ` on the line that `text` starts with; takes the line away.
bool take_number(std::string_view& text, std::string_view name, int base, auto& number) {
  if (!text.starts_with(name)) return false;
  const char* const begin = text.data() + name.size();
  const char* const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(begin, end, number, base);
  if (problem != std::errc{} || rest == end || *rest != '\n') return false;
  text.remove_prefix(static_cast<std::size_t>(rest + 1 - text.data()));
  return true;
}

bool take_id(std::string_view& text, StoreId& id) {
  constexpr std::string_view kName = "id ";
  if (!text.starts_with(kName) || text.size() < kName.size() + 33) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const char* const at = text.data() + kName.size() + 2 * i;
    const auto [rest, problem] = std::from_chars(at, at + 2, id[i], 16);
    if (problem != std::errc{} || rest != at + 2) return false;
  }
  if (text[kName.size() + 32] != '\n') return false;
  text.remove_prefix(kName.size() + 33);
  return true;
}

/// A text file that says what a directory is.
struct Identity {
  const char* file;
  std::string_view first_line;
  std::uint32_t format_max;
  const char* of;
  const char* advice;  ///< When the file is damaged.
};
constexpr Identity kOfStore{kIdentityFile, "anear store\n", kFormatVersion, "store",
                            "restore a backup"};
constexpr Identity kOfBackups{kBackupsIdentityFile, "anear backups\n", kBackupFormatVersion,
                              "directory of backups", "back up into another directory"};

Error foreign(const std::string& path, const std::string& why) {
  return Error{ErrorCode::kUnsupportedFormat, "'" + path + "' is not an anear store: " + why,
               Subcode::kForeignFile};
}

Error foreign(const Identity& what, const std::string& path, const std::string& why) {
  return Error{ErrorCode::kUnsupportedFormat,
               "'" + path + "' is not that of an anear " + what.of + ": " + why,
               Subcode::kForeignFile};
}

Error damaged(const Identity& what, const std::string& path, const std::string& why) {
  return Error{ErrorCode::kCorruption, "'" + path + "' is damaged: " + why + "; " + what.advice,
               Subcode::kChecksum}
      .at_position(0);
}

/// What a creation, or the beginning of a restore, leaves that was cut short.
bool is_left_by_creation(std::string_view name) {
  return name == kLockFile || name == kMarkFile || name == std::string(kIdentityFile) + ".tmp" ||
         name == std::string(kRestoringFile) + ".tmp";
}

Result<StoreIdentity> read_text(FileSystem& files, const std::string& directory,
                                const Identity& what) {
  const std::string path = path_in(directory, what.file);
  const auto text = read_file(files, path, kIdentityBytesMax);
  if (!text && text.error().code == ErrorCode::kLimitExceeded)
    return foreign(what, path, "too long");
  if (!text) return text.error();
  if (!text->starts_with(what.first_line)) return foreign(what, path, "its first line is another");
  std::string_view rest = std::string_view(*text).substr(what.first_line.size());
  StoreIdentity identity;
  // The version before the checksum: a later version may say the rest in another way.
  if (!take_number(rest, "format ", 10, identity.format))
    return damaged(what, path, "no format version");
  if (identity.format > what.format_max) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "the " + std::string(what.of) + " '" + directory + "' has format " +
                     std::to_string(identity.format) + "; this anear reads formats up to " +
                     std::to_string(what.format_max) +
                     ". Open it with a newer anear; nothing was changed",
                 Subcode::kNewerFormat};
  }
  if (identity.format == 0) return damaged(what, path, "format version 0");
  if (!take_id(rest, identity.id)) return damaged(what, path, "no store id");
  if (!take_number(rest, "created ", 10, identity.created))
    return damaged(what, path, "no creation time");
  const std::string_view checked = std::string_view(*text).substr(0, text->size() - rest.size());
  std::uint64_t checksum = 0;
  if (!take_number(rest, "checksum ", 16, checksum) || !rest.empty() ||
      checksum != checksum64(checked)) {
    return damaged(what, path, "its checksum does not fit");
  }
  return identity;
}

Status write_text(FileSystem& files, const std::string& directory, const Identity& what,
                  const StoreIdentity& identity) {
  std::string text(what.first_line);
  text += "format " + std::to_string(identity.format) + "\n";
  text += "id " + hex(half_of(identity.id, 0)) + hex(half_of(identity.id, 1)) + "\n";
  text += "created " + std::to_string(identity.created) + "\n";
  text += "checksum " + hex(checksum64(text)) + "\n";
  return install_file(files, directory, what.file, text);
}

}  // namespace

std::string path_in(const std::string& directory, std::string_view name) {
  return directory + "/" + std::string(name);
}

Result<DirectoryKind> inspect_directory(FileSystem& files, const std::string& directory) {
  const auto facts = files.info(directory);
  if (!facts && facts.error().code == ErrorCode::kNotFound) return DirectoryKind::kMissing;
  if (!facts) return facts.error();
  if (!facts->is_directory) return foreign(directory, "it is a file");
  const auto names = files.list(directory);
  if (!names) return names.error();
  const auto holds = [&](const char* name) {
    return std::binary_search(names->begin(), names->end(), name);
  };
  if (holds(kIdentityFile)) return DirectoryKind::kStore;
  if (holds(kRestoringFile)) return DirectoryKind::kUnfinishedRestore;
  for (const std::string& name : *names) {
    if (is_left_by_creation(name)) continue;
    return foreign(directory,
                   "it holds '" + name + "' but no file '" + kIdentityFile + "'" +
                       (holds(kMarkFile) ? "; if this was a store, restore a backup" : ""));
  }
  return DirectoryKind::kEmpty;
}

Result<StoreIdentity> read_identity(FileSystem& files, const std::string& directory) {
  return read_text(files, directory, kOfStore);
}

Status write_identity(FileSystem& files, const std::string& directory,
                      const StoreIdentity& identity) {
  return write_text(files, directory, kOfStore, identity);
}

Result<StoreIdentity> read_backups_identity(FileSystem& files, const std::string& directory) {
  return read_text(files, directory, kOfBackups);
}

Status write_backups_identity(FileSystem& files, const std::string& directory,
                              StoreIdentity identity) {
  identity.format = kBackupFormatVersion;
  return write_text(files, directory, kOfBackups, identity);
}

Result<StoreIdentity> make_identity() {
  StoreIdentity identity;
  const auto got = ::getrandom(identity.id.data(), identity.id.size(), 0);
  if (got != static_cast<ssize_t>(identity.id.size())) {
    return Error{ErrorCode::kIo, std::string("getrandom: ") + std::strerror(errno)};
  }
  identity.created = micros_now();
  return identity;
}

std::int64_t micros_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Result<std::uint64_t> bytes_below(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return names.error();
  std::uint64_t bytes = 0;
  for (const std::string& name : *names) {
    const std::string path = path_in(directory, name);
    const auto facts = files.info(path);
    if (!facts && facts.error().code == ErrorCode::kNotFound) continue;
    if (!facts) return facts.error();
    if (!facts->is_directory) {
      bytes += facts->bytes;
      continue;
    }
    const auto below = bytes_below(files, path);
    if (!below) return below.error();
    bytes += *below;
  }
  return bytes;
}

}  // namespace anear::storage
