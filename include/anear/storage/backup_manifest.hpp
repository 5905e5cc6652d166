// What one backup holds: the files of a store as of one sequence, each with length and checksum.
//
//   | XXH3-64 of what follows, u64 | FlatBuffer (backup.fbs) |
//
// The bytes stand in the pool that all backups of a directory share (backup_directory.hpp), under a
// name that is made of their checksum and length: a manifest cannot name a place outside of it.
//
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/storage/checksum.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {

struct BackupFile {
  std::string path;  ///< In the store's directory: "records/…", "rows/…" or "images/…".
  std::uint64_t bytes = 0;
  Checksum128 checksum{};  ///< XXH3-128.
  std::string identity;    ///< See BackupSource.
  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

struct BackupManifest {
  std::uint64_t number = 0;  ///< As in the manifest's name; ascending in one directory.
  Sequence sequence = 0;     ///< The last commit that is in it.
  std::int64_t created = 0;  ///< Microseconds UTC.
  StoreIdentity store;
  std::vector<BackupFile> files;

  std::uint64_t bytes() const noexcept;
};

inline constexpr std::size_t kBackupFilesMax = 500'000;

std::string encode_backup(const BackupManifest& manifest);
/// Any bytes: a manifest, kCorruption, or kUnsupportedFormat (kNewerFormat). Each path of it lies
/// in one of the three directories above and stands there once.
Result<BackupManifest> decode_backup(std::string_view bytes);

}  // namespace anear::storage
