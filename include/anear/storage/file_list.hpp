// The database's own list of its files (RocksDB's MANIFEST), as far as it is known to be on the
// disk. RocksDB takes a list that was cut for an older one: it would open without the files that
// the cut part names, and delete them. So the list is compared before RocksDB sees it.
//
// Threads: FileListTracker from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "anear/core/error.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

/// What a list must at least begin with. A later one (a greater number) supersedes it.
struct FileListMark {
  std::uint64_t number = 0;    ///< Of the file "MANIFEST-<number>"; 0: nothing is known.
  std::uint32_t bytes = 0;     ///< Of the file that were synced.
  std::uint32_t checksum = 0;  ///< CRC-32C of those.

  bool operator==(const FileListMark&) const = default;
};

/// Whether `mark` says more than `other`.
bool is_later(const FileListMark& mark, const FileListMark& other) noexcept;

/// The number in the name of a list; 0 when `path` does not end in one.
std::uint64_t list_number(std::string_view path) noexcept;
/// Whether `path` is that of the file that names the list in use.
bool names_list_in_use(std::string_view path) noexcept;

/// The list that `directory` (of a RocksDB) has in use begins with what `mark` says, or is a later
/// one. kCorruption otherwise: kTruncated when it is shorter, missing or older, kChecksum when
/// those bytes are others. Reads the list and changes nothing.
Status check_file_list(FileSystem& files, const std::string& directory, const FileListMark& mark);

/// The list that `directory` has in use now; its checksum is left 0. kCorruption when it has none.
Result<FileListMark> list_in_use(FileSystem& files, const std::string& directory);

/// The same with its checksum: reads all of it.
Result<FileListMark> measure_list_in_use(FileSystem& files, const std::string& directory);

/// Is told what of the list is durable, each time that it becomes more. Threads: any, one at a
/// time.
class FileListObserver {
 public:
  virtual ~FileListObserver() = default;
  virtual void list_grew(const FileListMark& durable) = 0;
};

/// Follows the lists while RocksDB writes them.
class FileListTracker {
 public:
  /// Null: nobody is told. What was told before is not told again.
  void set_observer(FileListObserver* observer);
  /// `list` holds what `synced` says, durably.
  void synced(const FileListMark& synced);
  /// The newest list was put in use; the name of that is not durable yet.
  void renamed();
  /// The directory's names are durable.
  void directory_synced();
  /// Of the list that is durably in use.
  FileListMark mark() const;

 private:
  void tell();

  mutable std::mutex mutex_;
  std::mutex telling_;
  FileListObserver* observer_ = nullptr;  ///< Under `telling_`.
  FileListMark told_;                     ///< Under `telling_`.
  FileListMark newest_;
  std::uint64_t renamed_ = 0;  ///< Number of the list in use.
  FileListMark in_use_;
};

}  // namespace anear::storage
