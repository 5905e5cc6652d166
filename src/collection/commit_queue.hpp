// The one way into the store: writers queue, the first of them leads and commits for all that wait.
//
//   submit ─▶ queue ─▶ leader: take a group → stage each request → one atomic write
//                              ─▶ one sync, one mark → publish the versions → wake all
//
// While one group is synced the next one is taken, staged and written: `committing_` is held for
// the first half, `settling_` for the second, which is taken before the first is let go.
//
// Invariants
//   (1) A request is staged whole or refused whole; a refusal does not touch the others.
//   (2) No two requests of a group name the same key, so that staging may read the bytes as they
//       are. What reads a version (an update of rows, a filter) is staged once all is published.
//   (3) Versions are published in the order of sequences, after the write and, when durable, after
//       its sync.
//   (4) After a failed write the bytes accept no other one (ByteStore, resume.cpp); its group's
//       outcome is kOutcomeUnknown, or kNoSpace when it is surely not there. After a failed sync
//       that of a group written behind it is kOutcomeUnknown as well.
//   (5) When memory runs out while requests are staged, the whole group is kOutOfMemory and did not
//       happen; from its write on, its outcome is kOutcomeUnknown and the bytes accept no other
//       write. Nobody waits for ever. (RocksDB's own code is not made for that.)
//
// Threads: submit(), commit_meta() and commit_derived() from any.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/filter/expression.hpp"
#include "collection/prepare.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// One write on its way through the queue. Borrowed by the leader until submit() returns.
struct WriteRequest {
  enum class Kind : std::uint8_t { kUpsert, kUpdate, kDelete, kDeleteMatching, kErase };

  Kind kind = Kind::kUpsert;
  CollectionState* collection = nullptr;
  PreparedBatch batch{};                ///< Of kDelete and kErase: keys alone.
  const BoundFilter* filter = nullptr;  ///< Of kDeleteMatching; of kErase in place of keys.

  /// Whether it has to see all that was committed before it.
  bool is_alone() const noexcept { return kind == Kind::kDeleteMatching || kind == Kind::kErase; }

  bool removes() const noexcept { return kind != Kind::kUpsert && kind != Kind::kUpdate; }

  // The outcome.
  Status status{};
  Sequence sequence = 0;     ///< Of the commit; that of the one before when nothing was to be done.
  std::size_t affected = 0;  ///< Records written or deleted.
};

class CommitQueue {
 public:
  /// The store is open as far as its last sequence.
  explicit CommitQueue(StoreRuntime& runtime)
      : runtime_(runtime), written_(runtime.last_sequence) {}

  /// Returns when the request was committed or refused, as its outcome says.
  void submit(WriteRequest& request);

  /// Commits changes of the store itself (a collection made or dropped) as a commit of its own;
  /// synced in either mode.
  Status commit_meta(storage::WriteBatch batch);
  /// Commits where things stand now: no change that a sequence counts. Synced in either mode.
  Status commit_derived(const storage::WriteBatch& batch);
  /// The same for what `fill` puts into the batch while nothing else is written.
  template <typename Fill>
  Status commit_derived_by(Fill&& fill) {
    const auto paused = pause();
    storage::WriteBatch batch;
    if (Status filled = fill(batch); !filled) return filled;
    return write_apart(batch, written_);
  }
  /// While the lock is held nothing is written, and all that was is published.
  std::unique_lock<std::mutex> pause();
  /// The bytes were opened anew and end with commit `written`. Only while it is paused.
  void restart(Sequence written) {
    written_ = written;
    has_hole_ = false;
  }

 private:
  struct Waiting {
    WriteRequest* request;
    std::condition_variable ready;
    bool done = false;
  };
  using Group = std::vector<Waiting*>;

  Group take_group();
  void commit_group(std::unique_lock<std::mutex> committing, const Group& group);
  /// Gives each member that was not refused itself the error of `status`.
  static void fail(const Group& group, const Status& status) noexcept;
  template <typename Step>
  Status or_stop(const Step& step) noexcept;
  Status write_apart(const storage::WriteBatch& batch, Sequence sequence);

  StoreRuntime& runtime_;
  std::mutex mutex_;
  std::deque<Waiting*> waiting_;  ///< Under `mutex_`; the first one leads.
  std::mutex committing_;         ///< Held while anything is staged and written.
  std::mutex settling_;           ///< Held while what was written is synced and published.
  Sequence written_;              ///< Under `committing_`: the last one given out.
  bool has_hole_ = false;         ///< Under `settling_`: a commit was written and not published.
};

}  // namespace anear
