// A store: one directory of collections, opened by one writing process at a time, and by any number
// of processes that read and follow the writer.
//
// Threads: every function may be called from any thread. The destructor closes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/collection.hpp"
#include "anear/collection/options.hpp"
#include "anear/core/error.hpp"

namespace anear {

/// What opening a store found and did.
struct RecoveryReport {
  Sequence recovered_sequence = 0;  ///< The last commit that is there.
  Sequence marked_sequence = 0;    ///< The last commit known to have been synced (high-water mark).
  bool clean = true;               ///< Whether the store had been closed properly.
  std::uint64_t tail_records = 0;  ///< Records that were committed after the last images and are
                                   ///< scanned until indexed again.
};

/// What verify() looked at. Damage is an Error (kCorruption), not a report.
struct VerifyReport {
  std::uint64_t collections = 0;
  std::uint64_t records = 0;
  std::uint64_t rows = 0;
  std::uint64_t images = 0;
};

class Store {
 public:
  /// Opens the store in directory `path`, or makes one. kLocked: another process writes to it (the
  /// message names its pid). kUnsupportedFormat: not a store, or of a newer format; nothing is
  /// touched. kLostWrites: less was recovered than had been acknowledged; the message names the
  /// missing range. kSnapshotExpired (read-only): the writer replaced files faster than they could
  /// be opened; open again.
  static Result<Store> open(const std::string& path, const StoreOptions& options = {});

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// kAlreadyExists when the name is taken (case matters).
  Result<Collection> create_collection(const std::string& name, const CollectionSchema& schema);
  Result<Collection> collection(std::string_view name) const;
  /// The names of all collections, in ascending order.
  Result<std::vector<std::string>> collections() const;
  /// Deletes the collection and all of its records. Handles to it return kNotFound from then on.
  Status drop_collection(std::string_view name);

  /// Brings a store that was opened read-only to what its writer has committed by now, all
  /// collections at once, and returns the sequence it is at; the sequence of a store that writes.
  /// A call that has begun goes on in the state it began in. Collections that were made or dropped
  /// meanwhile appear and disappear (kNotFound). Nothing is done when nothing was written; else
  /// costs the log of the records and what changed, see docs/adr/0012. Takes nothing from the
  /// writer and needs none.
  ///
  /// On failure the store stays as it was. kSnapshotExpired: the writer replaced files faster than
  /// they could be opened: call again. kLostWrites: there is less than was seen or acknowledged.
  Result<Sequence> refresh();

  /// Flushes every collection.
  Status flush();
  /// Reads every record, row and image back, checks them against their checksums and each other.
  /// Slow: reads all bytes.
  Result<VerifyReport> verify() const;
  const RecoveryReport& recovery() const noexcept;
  const std::string& path() const noexcept;
  /// Waits for running calls, syncs, releases the lock. Later calls return kClosed. Closing twice
  /// is fine.
  Status close();

 private:
  struct Impl;
  explicit Store(std::shared_ptr<Impl> impl) noexcept;
  std::shared_ptr<Impl> impl_;
};

}  // namespace anear
