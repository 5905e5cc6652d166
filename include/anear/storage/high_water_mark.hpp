// The last sequence that is known to be on the disk, kept beside RocksDB: an open that recovers
// less has lost acknowledged writes, and can tell (RocksDB by itself cannot).
//
//   MARK, 8,192 bytes: one mark at 0, one at 4,096, written in turn, so that a torn write leaves
//   the other. A mark is 64 bytes, little-endian: | "ANEARMRK" | format u32 | clean u32 | sequence
//   u64 | store id 16 | file list: number u64, bytes u32, CRC-32C u32 | XXH3-64 u64 |
//
// A mark is written after a synced commit and synced twice a second (but where indexing is inline):
// after a killed process it is exact, after power loss a lower bound, less than a second old. It
// never names a sequence, or bytes of the file list, that were not synced.
//
// Threads: one at a time, but for sync().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/storage/file_list.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {

class HighWaterMark {
 public:
  /// What the two places held when the file was opened.
  struct Reading {
    Sequence sequence = 0;         ///< The highest valid mark.
    FileListMark file_list{};      ///< The latest of both.
    bool clean = false;            ///< The store was closed properly after that mark.
    std::uint32_t unreadable = 0;  ///< Places that hold no valid mark (0 or 1): a torn write.
  };

  /// Makes the file with marks of sequence 0; durable on return but for its name in `directory`.
  static Status create(FileSystem& files, const std::string& directory, const StoreId& id);
  /// Reads both marks without changing them. kCorruption: missing, cut short, no valid mark, or a
  /// mark of another store (kForeignFile); kUnsupportedFormat: of a newer format.
  static Result<Reading> read(FileSystem& files, const std::string& directory, const StoreId& id);
  /// Reads, and keeps the file open for marks.
  static Result<HighWaterMark> open(FileSystem& files, const std::string& directory,
                                    const StoreId& id);

  const Reading& reading() const noexcept { return reading_; }
  /// Says that everything up to `synced` and `files` is on the disk, and that the store is open.
  /// One 64-byte write, no sync. A store that is opened for writing says it once before its first
  /// commit.
  Status write(Sequence synced, const FileListMark& files);
  /// The same with the sequence that was named last.
  Status write_list(const FileListMark& files);
  /// The same as write(), for a store that closes now; synced.
  Status write_clean(Sequence synced, const FileListMark& files);
  /// Says in both places that only `sequence` is there, though more was marked once; synced.
  Status lower(Sequence sequence);
  /// Makes the last mark survive power loss. From any thread, beside another call.
  Status sync();

 private:
  HighWaterMark(std::unique_ptr<File> file, const StoreId& id) noexcept
      : file_(std::move(file)), id_(id) {}
  Status write_mark(Sequence sequence, const FileListMark& files, bool clean);
  Status write_both(Sequence sequence, const FileListMark& files, bool clean);

  std::unique_ptr<File> file_;
  StoreId id_{};
  Reading reading_;
  Sequence sequence_ = 0;  ///< That was named last.
  std::uint64_t next_place_ = 0;
};

}  // namespace anear::storage
