// The part of the disk that is left to deletes, compaction and images: whatever adds to the store
// is refused before the disk is full, since a write that fails has the whole store stop
// (resume.cpp).
//
//   |<──────────────── free ────────────────>|
//   |      reserve       | to flush |  for writes  |    refused below 0, taken again a little above
//   | log |  new images  |                              images keep off the first part
//
// The file system is asked when what was admitted since the last time has grown, and every 100 ms.
//
// Threads: any. Nothing of the store is locked by the callers, so that a flush may be waited for.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "anear/core/error.hpp"
#include "anear/storage/file_system.hpp"
#include "collection/allowance.hpp"

namespace anear {

struct StoreRuntime;

class Headroom {
 public:
  explicit Headroom(StoreRuntime& runtime) : runtime_(runtime) {}

  /// Before a write that adds about `bytes`. kNoSpace: less would be left than is reserved.
  Status admit(std::uint64_t bytes);
  /// Before a removal, which is never refused: what it adds to the log is not left to pile up
  /// there.
  void make_way(std::uint64_t bytes);
  /// Before derived files of `bytes` are written, for which the reserve is, but for what the log
  /// and the tables need. kNoSpace.
  Status check_room(std::uint64_t bytes) const;

  /// What the disk has, and why writes that add are refused now, if they are.
  struct Look {
    std::uint64_t free_bytes = 0;
    std::uint64_t reserved_bytes = 0;
    Status admits{};
  };
  Look look();
  /// Of a store that is read-only: the files of its largest collection.
  void set_largest_images(std::uint64_t bytes) noexcept { largest_images_ = bytes; }
  /// Whether the last look had writes refused.
  bool is_full() const noexcept { return allowance_.is_full(); }

 private:
  struct Space {
    storage::DiskSpace disk;
    std::uint64_t to_flush = 0;
    std::uint64_t reserve = 0;
    std::uint64_t for_log = 0;  ///< The part that images keep off.
    /// What is free once all is in tables.
    std::uint64_t usable() const noexcept {
      return disk.free_bytes < to_flush ? 0 : disk.free_bytes - to_flush;
    }
  };
  bool is_off() const noexcept;
  /// No value: the file system does not say.
  std::optional<Space> measure() const;
  /// The same, with tables flushed where less than `wanted` bytes are usable otherwise.
  std::optional<Space> measure_for(std::uint64_t wanted) const;
  std::uint64_t bytes_to_compact() const;
  Status judge(const std::optional<Space>& space, std::uint64_t cost);

  StoreRuntime& runtime_;
  std::mutex looking_;
  Allowance allowance_;
  std::atomic<std::uint64_t> largest_images_{0};
};

}  // namespace anear
