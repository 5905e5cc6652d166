// What a store takes of memory, and the bound that StoreOptions::memory_bytes_max sets: whatever
// adds to the store is refused before that is passed.
//
//   |<─────────────────────── memory_bytes_max ───────────────────────>|
//   | database, filters | indexes, tails, keys | for writes | as much as the largest index |
//
// An index is built anew beside the old one, hence the last part: when two fifths of it are
// deleted, or a sixteenth where writes are refused.
//
// Threads: any. Nothing of the store is locked by the callers.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "anear/collection/options.hpp"
#include "anear/core/error.hpp"
#include "collection/allowance.hpp"

namespace anear {

struct CollectionVersion;
struct StoreRuntime;

/// What collections take: their indexes, tails and keys, mapped files included.
struct MemoryUse {
  std::uint64_t bytes = 0;
  std::uint64_t largest_index = 0;

  void add(const CollectionVersion& version);
};

/// kInvalidArgument for a bound in which the database alone has no room.
Status check_memory_bytes_max(const StoreOptions& options);
/// What the write buffers of the database may take, and its cache the same again.
std::uint64_t database_buffer_bytes(const StoreOptions& options) noexcept;
/// What the sets of filters may take that are kept.
std::uint64_t filter_cache_bytes(const StoreOptions& options) noexcept;

class MemoryBudget {
 public:
  explicit MemoryBudget(StoreRuntime& runtime) : runtime_(runtime) {}

  /// Admitted and not yet to be seen in what collections take. Lives until the write is published,
  /// or was refused.
  class Pending {
   public:
    Pending() = default;
    Pending(std::atomic<std::uint64_t>& all, std::uint64_t bytes) : all_(&all), bytes_(bytes) {
      all.fetch_add(bytes);
    }
    Pending(Pending&& other) noexcept : all_(other.all_), bytes_(other.bytes_) {
      other.all_ = nullptr;
    }
    Pending& operator=(Pending&&) = delete;
    ~Pending() {
      if (all_ != nullptr) all_->fetch_sub(bytes_);
    }

   private:
    std::atomic<std::uint64_t>* all_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  /// Before a write of `records` records with `bytes` of rows, fields and payloads to a collection
  /// of this schema. kLimitExceeded: there would be no room for them, and for a copy of the largest
  /// index. Then indexes with deleted rows are built anew first, inline or in the background.
  Result<Pending> admit(const CollectionSchema& schema, std::size_t records, std::uint64_t bytes);
  /// Whether a write of a byte would be admitted.
  Status look();
  /// Of the whole store, where the collections take `collections`.
  std::uint64_t bytes_in_use(const MemoryUse& collections);
  /// Whether the last write was refused: deleted rows are to give back what they take.
  bool is_tight() const noexcept { return tight_.load(std::memory_order_relaxed); }

 private:
  bool is_off() const noexcept;
  Status judge(std::uint64_t cost);

  StoreRuntime& runtime_;
  std::mutex looking_;
  Allowance allowance_;
  std::atomic<std::uint64_t> pending_{0};
  std::atomic<bool> tight_{false};
};

}  // namespace anear
