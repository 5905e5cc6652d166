// The directory of a store: which files stand in it, and whether it is one of ours.
//
//   ANEAR     identity: format version, store id (text, checksummed). Written last when a store is
//             made, so a directory without it holds no store.
//   LOCK      see store_lock.hpp
//   MARK      see high_water_mark.hpp
//   records/  RocksDB
//   images/   see image_file.hpp
//   lost-…/   what Store::recover() copied aside
//   RESTORING stands there while a backup is restored into the directory
//
// Threads: plain functions and values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "anear/core/error.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

/// The version of everything under a store's directory (docs/FORMAT.md). An older one is read; a
/// newer one is refused untouched.
inline constexpr std::uint32_t kFormatVersion = 1;

/// The version of a directory of backups and of the manifests in it (backup_directory.hpp).
inline constexpr std::uint32_t kBackupFormatVersion = 1;

/// 128 random bits that every file of a store repeats, so that files of two stores cannot be mixed.
using StoreId = std::array<std::uint8_t, 16>;

inline constexpr const char* kIdentityFile = "ANEAR";
inline constexpr const char* kLockFile = "LOCK";
inline constexpr const char* kMarkFile = "MARK";
inline constexpr const char* kRestoringFile = "RESTORING";
inline constexpr const char* kBackupsIdentityFile = "BACKUPS";  ///< Of a directory of backups.
inline constexpr const char* kRecordsDirectory = "records";
inline constexpr const char* kImagesDirectory = "images";
inline constexpr const char* kRowFilesDirectory = "rows";
inline constexpr const char* kLostPrefix = "lost-";

struct StoreIdentity {
  std::uint32_t format = kFormatVersion;
  StoreId id{};
  std::int64_t created = 0;  ///< Microseconds UTC.
};

/// What a directory is to us.
enum class DirectoryKind : std::uint8_t {
  kMissing,            ///< There is no such directory.
  kEmpty,              ///< Nothing in it, or only what a creation that was cut short left behind.
  kStore,              ///< It has an identity; read_identity() says whether that is readable.
  kUnfinishedRestore,  ///< A restore into it was cut short: it holds no store.
};

/// Looks at names only; changes nothing. kUnsupportedFormat (kForeignFile) when the directory holds
/// something else, or is a file.
Result<DirectoryKind> inspect_directory(FileSystem& files, const std::string& directory);

/// kUnsupportedFormat: kForeignFile when the file is not an identity, kNewerFormat (with both
/// numbers) when it is of a later version; kCorruption when it is damaged. Changes nothing.
Result<StoreIdentity> read_identity(FileSystem& files, const std::string& directory);

/// Installs `identity`: the last step of making a store. Durable on return.
Status write_identity(FileSystem& files, const std::string& directory,
                      const StoreIdentity& identity);

/// The identity of the store whose backups a directory holds, `format` being that of the directory.
/// As the two above.
Result<StoreIdentity> read_backups_identity(FileSystem& files, const std::string& directory);
Status write_backups_identity(FileSystem& files, const std::string& directory,
                              StoreIdentity identity);

/// A new identity from the operating system's random source, of this moment.
Result<StoreIdentity> make_identity();

/// Microseconds UTC.
std::int64_t micros_now();

/// Bytes of all files below `directory`. Files that vanish meanwhile are skipped.
Result<std::uint64_t> bytes_below(FileSystem& files, const std::string& directory);

/// Takes a store's file or directory by name: "directory/name".
std::string path_in(const std::string& directory, std::string_view name);

}  // namespace anear::storage
