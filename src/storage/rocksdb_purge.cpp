#include "rocksdb_purge.hpp"

#include <rocksdb/convenience.h>
#include <rocksdb/metadata.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <string_view>
#include <thread>
#include <utility>

#include "anear/storage/file_list.hpp"
#include "rocksdb_checkpoint.hpp"
#include "rocksdb_options.hpp"

namespace anear::storage {
namespace {

constexpr std::chrono::milliseconds kPause{10};
constexpr std::string_view kTableSuffix = ".sst";
constexpr std::string_view kLogSuffix = ".log";

Status to_status(const rocksdb::Status& status) {
  return status.ok() ? Status{} : Status{to_error(status)};
}

/// The number that the name of a table or a log begins with.
std::uint64_t file_number(std::string_view name) {
  std::uint64_t number = 0;
  (void)std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace

Purge::Purge(const Of& of, const PurgeOptions& options)
    : db_(of.db),
      families_(of.families),
      files_(of.files),
      directory_(of.directory),
      options_(options),
      deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(options.wait_ms)) {}

// The smallest and the largest key of its table: twice in a list.
std::string Purge::filler() { return std::string(kListBytesMax / 2 + 1, 'x'); }

Result<PurgeReport> Purge::run(rocksdb::SequenceNumber since) {
  if (Status done = wait_for_snapshots(since); !done) return std::move(done).error();
  if (Status done = renew_log(); !done) return std::move(done).error();
  if (Status done = list_old(); !done) return std::move(done).error();
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    if (Status done = compact(family); !done) return std::move(done).error();
  }
  if (Status done = renew_list(); !done) return std::move(done).error();
  if (Status done = wait_for_removal(); !done) return std::move(done).error();
  PurgeReport report;
  report.files = live_tables(db_);
  report.removed = std::move(old_);
  return report;
}

Status Purge::check_asked_to_stop() const {
  if (options_.cancelled == nullptr || !options_.cancelled->load()) return {};
  return Error{ErrorCode::kCancelled, "the store is being closed"};
}

Status Purge::advance() {
  constexpr std::size_t kMoreSteps = 3;  // The log, the list, the old files.
  if (Status goes_on = check_asked_to_stop(); !goes_on) return goes_on;
  if (options_.progress(++steps_, families_.size() + kMoreSteps)) return {};
  return Error{ErrorCode::kCancelled, "stopped by the progress callback"};
}

Status Purge::wait_for_snapshots(rocksdb::SequenceNumber since) const {
  for (;;) {
    std::uint64_t oldest = 0;
    (void)db_.GetIntProperty(rocksdb::DB::Properties::kOldestSnapshotSequence, &oldest);
    if (oldest == 0 || oldest >= since) return {};
    if (Status goes_on = check_asked_to_stop(); !goes_on) return goes_on;
    if (is_late()) {
      return Error{ErrorCode::kSnapshotExpired,
                   "a state of before is still being read: let go of pinned handles, and let calls "
                   "that have begun come to their end"};
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// What is in memory and in the logs gets into tables: the logs up to now are done with.
Status Purge::renew_log() {
  const auto names = files_.list(directory_);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name.ends_with(kLogSuffix)) newest_log_ = std::max(newest_log_, file_number(name));
  }
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  if (const rocksdb::Status flushed = db_.Flush(options, families_); !flushed.ok())
    return to_error(flushed);
  return advance();
}

/// Not beside compactions: what one that began under an older snapshot writes is old, too.
Status Purge::list_old() {
  if (const rocksdb::Status paused = db_.PauseBackgroundWork(); !paused.ok())
    return to_error(paused);
  const auto names = files_.list(directory_);
  const rocksdb::Status continued = db_.ContinueBackgroundWork();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const bool is_old_log = name.ends_with(kLogSuffix) && file_number(name) <= newest_log_;
    if (name.ends_with(kTableSuffix) || is_old_log || list_number(name) != 0) old_.push_back(name);
  }
  return to_status(continued);
}

Status Purge::compact(rocksdb::ColumnFamilyHandle* family) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = true;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  std::atomic<bool> never{false};
  // RocksDB only reads it.
  options.canceled =
      options_.cancelled == nullptr ? &never : const_cast<std::atomic<bool>*>(options_.cancelled);
  rocksdb::Status done = db_.CompactRange(options, family, nullptr, nullptr);
  // A table that a compaction of RocksDB's own moves down as it is, while this one begins, is not
  // in it. There is nothing below the last level, so that the next one has it.
  constexpr int kTriesMax = 4;
  for (int tries = 1; done.ok() && tries < kTriesMax && holds_old_table(*family); ++tries)
    done = db_.CompactRange(options, family, nullptr, nullptr);
  if (Status goes_on = advance(); !goes_on) return goes_on;
  return to_status(done);
}

bool Purge::holds_old_table(const rocksdb::ColumnFamilyHandle& family) const {
  std::vector<rocksdb::LiveFileMetaData> tables;
  db_.GetLiveFilesMetaData(&tables);
  return std::any_of(tables.begin(), tables.end(), [&](const rocksdb::LiveFileMetaData& table) {
    return table.column_family_name == family.GetName() &&
           std::find(old_.begin(), old_.end(), table.relative_filename) != old_.end();
  });
}

Status Purge::renew_list() {
  const auto before = list_in_use(files_, directory_);
  if (!before) return before.error();
  if (const rocksdb::Status taken =
          rocksdb::DeleteFilesInRange(&db_, families_.front(), nullptr, nullptr);
      !taken.ok()) {
    return to_error(taken);
  }
  const auto now = list_in_use(files_, directory_);
  if (!now) return now.error();
  if (now->number <= before->number)
    return Error{ErrorCode::kInternal, "the list of the records' files was not renewed"};
  list_ = now->number;
  return advance();
}

Status Purge::wait_for_removal() {
  for (;;) {
    // Removes at once what nothing uses; while a checkpoint is held it removes nothing.
    if (const rocksdb::Status held = db_.DisableFileDeletions(); !held.ok()) return to_error(held);
    if (const rocksdb::Status freed = db_.EnableFileDeletions(/*force=*/false); !freed.ok())
      return to_error(freed);
    const auto left = old_files_left();
    if (!left) return left.error();
    if (left->empty()) return advance();
    if (Status goes_on = check_asked_to_stop(); !goes_on) return goes_on;
    if (is_late()) {
      return Error{ErrorCode::kSnapshotExpired,
                   std::to_string(left->size()) + " old files of the records, '" + left->front() +
                       "' among them, are still in use by a call that has begun or a backup that "
                       "is being taken, or cannot be removed"};
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<std::vector<std::string>> Purge::old_files_left() const {
  auto names = files_.list(directory_);
  if (!names) return names;
  std::erase_if(*names, [&](const std::string& name) {
    const std::uint64_t list = list_number(name);
    if (list != 0) return list >= list_;
    return std::find(old_.begin(), old_.end(), name) == old_.end();
  });
  return names;
}

}  // namespace anear::storage
