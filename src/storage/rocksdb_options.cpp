#include "rocksdb_options.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <deque>
#include <ranges>
#include <utility>

#include "rocksdb_file_system.hpp"

namespace anear::storage {
namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kWarningsMax = 64;

class MergeByFunction final : public rocksdb::MergeOperator {
 public:
  explicit MergeByFunction(MergeFunction merge) noexcept : merge_(merge) {}
  const char* Name() const override { return "anear.merge"; }
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    std::optional<std::string_view> below;
    if (in.existing_value != nullptr) below = in.existing_value->ToStringView();
    return merge_all(below, in.operand_list, out->new_value);
  }
  bool PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands,
                         std::string* merged, rocksdb::Logger*) const override {
    return merge_all(operands.front().ToStringView(),
                     std::ranges::subrange(operands.begin() + 1, operands.end()), *merged);
  }

 private:
  /// All at once: one by one, each step would make the bytes of a container anew.
  template <typename Slices>
  bool merge_all(std::optional<std::string_view> older, const Slices& newer,
                 std::string& merged) const {
    std::vector<std::string_view> operands;
    operands.reserve(newer.size());
    for (const rocksdb::Slice& slice : newer) operands.push_back(slice.ToStringView());
    std::optional<std::string> all = merge_(older, operands);
    if (all) merged = std::move(*all);
    return all.has_value();
  }

  MergeFunction merge_;
};

/// Drops values that say what none says. What a merge makes of a key in a compaction is not shown
/// to it, but in the next one.
class VoidValues final : public rocksdb::CompactionFilter {
 public:
  explicit VoidValues(std::string_view value) noexcept : value_(value) {}
  const char* Name() const override { return "anear.void"; }
  // NOLINTNEXTLINE(readability-function-size): its parameters are RocksDB's.
  Decision FilterV2(int, const rocksdb::Slice&, ValueType type, const rocksdb::Slice& value,
                    std::string*, std::string*) const override {
    return type == ValueType::kValue && value.ToStringView() == value_ ? Decision::kRemove
                                                                       : Decision::kKeep;
  }

 private:
  std::string_view value_;
};

/// Keeps warnings, in place of a log file.
class WarningLogger final : public rocksdb::Logger {
 public:
  explicit WarningLogger(std::shared_ptr<Warnings> warnings)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), warnings_(std::move(warnings)) {}
  void Logv(const char* format, std::va_list arguments) override {
    std::array<char, 512> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    const std::string_view text = line.data();
    // 7.8 says so of every table it has just written and looks at before it has a number.
    if (text.find("opened without unique ID to verify: 0.sst") != text.npos) return;
    if (text.find(kNoOptionsFiles) != text.npos) return;
    warnings_->add(std::string(text));
  }
  using rocksdb::Logger::Logv;

 private:
  std::shared_ptr<Warnings> warnings_;
};

/// Stops writes when a flush or a compaction failed: later writes would pile up in a log that can
/// no longer be worked off.
class FailureListener final : public rocksdb::EventListener {
 public:
  explicit FailureListener(std::shared_ptr<WriteHealth> health) : health_(std::move(health)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    health_->stop(*status);
  }
  // After "no space" RocksDB would resume by itself and flush records behind a torn log; then it
  // refuses its own files at the next open.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<WriteHealth> health_;
};

bool has_lz4() {
  const std::vector<rocksdb::CompressionType> known = rocksdb::GetSupportedCompressions();
  return std::find(known.begin(), known.end(), rocksdb::kLZ4Compression) != known.end();
}

rocksdb::ColumnFamilyOptions family_options(const RocksdbParts& parts) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = parts.cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;  // So that the cache's size bounds all of it.
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = parts.buffer_bytes / 2;
  options.arena_block_size = 256 << 10;
  options.target_file_size_base = 16 * kMiB;
  options.max_bytes_for_level_base = 64 * kMiB;
  options.level_compaction_dynamic_level_bytes = true;
  options.memtable_protection_bytes_per_key = 8;
  options.compression = rocksdb::kNoCompression;
  return options;
}

}  // namespace

Error to_error(const rocksdb::Status& status) {
  ErrorCode code = ErrorCode::kInternal;
  if (status.IsIOError() || status.IsTryAgain() || status.IsBusy()) code = ErrorCode::kIo;
  if (status.IsPathNotFound()) code = ErrorCode::kCorruption;  // A file that the list names.
  if (status.IsNoSpace() || status.IsCompactionTooLarge()) code = ErrorCode::kNoSpace;
  if (status.IsCorruption()) code = ErrorCode::kCorruption;
  if (status.IsMemoryLimit()) code = ErrorCode::kOutOfMemory;
  return Error{code, status.ToString()};
}

void WriteHealth::stop(const rocksdb::Status& reason) {
  const std::lock_guard hold(mutex_);
  if (!ok()) return;
  for_space_.store(reason.IsNoSpace(), std::memory_order_release);
  stopped_.store(true, std::memory_order_release);
  reason_ = reason.ToString();
}

std::string WriteHealth::reason() const {
  const std::lock_guard hold(mutex_);
  return reason_.empty() ? "memory ran out while a commit was written" : reason_;
}

void Warnings::add(std::string line) {
  const std::lock_guard hold(mutex_);
  if (lines_.size() < kWarningsMax) lines_.push_back(std::move(line));
}

std::vector<std::string> Warnings::lines() const {
  const std::lock_guard hold(mutex_);
  return lines_;
}

RocksdbParts make_parts(std::shared_ptr<FileSystem> files, const ByteStoreOptions& options) {
  RocksdbParts parts;
  parts.buffer_bytes = options.buffer_bytes;
  parts.env = std::make_unique<OwnThreads>(
      rocksdb::NewCompositeEnv(make_rocksdb_file_system(std::move(files), parts.access)));
  parts.tables.reset(rocksdb::NewSstFileManager(parts.env.get()));
  parts.cache = rocksdb::NewLRUCache(options.buffer_bytes);
  parts.log_follows = std::make_unique<LogFollows>(parts.access->listed_entry);
  if (!options.void_value.empty())
    parts.void_values = std::make_shared<VoidValues>(options.void_value);
  return parts;
}

rocksdb::DBOptions database_options(const RocksdbParts& parts, const TableLimits& tables) {
  rocksdb::DBOptions options;
  options.env = parts.env.get();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.wal_filter = parts.log_follows.get();
  options.manual_wal_flush = false;  // Each commit is with the kernel before it is acknowledged.
  options.db_write_buffer_size = parts.buffer_bytes;
  options.max_total_wal_size = 64 * kMiB;
  options.max_background_jobs = 2;
  options.max_open_files = tables.open_max;
  options.max_file_opening_threads = tables.opening_threads;
  options.max_manifest_file_size = kListBytesMax;
  options.fail_if_options_file_error = false;  // There is none: names_options().
  options.max_bgerror_resume_count = 0;        // After a failure its files are opened again.
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.info_log = std::make_shared<WarningLogger>(parts.warnings);
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.sst_file_manager = parts.tables;
  options.listeners.push_back(std::make_shared<FailureListener>(parts.health));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> family_descriptors(const RocksdbParts& parts,
                                                                MergeFunction merge) {
  rocksdb::ColumnFamilyOptions plain = family_options(parts);
  if (merge != nullptr) plain.merge_operator = std::make_shared<MergeByFunction>(merge);
  rocksdb::ColumnFamilyOptions packed = plain;
  if (has_lz4()) packed.compression = rocksdb::kLZ4Compression;
  rocksdb::ColumnFamilyOptions fields = packed;
  fields.compaction_filter = parts.void_values.get();
  // Tables that no younger ones overlap, as those of values that only grow, are not merged again by
  // themselves.
  fields.periodic_compaction_seconds = std::uint64_t{7} * 24 * 3'600;
  // Rows are numbers without a pattern: compressing them costs time and saves nothing.
  return {{rocksdb::kDefaultColumnFamilyName, plain},
          {"meta", packed},
          {"keys", packed},
          {"records", packed},
          {"rows", plain},
          {"fields", fields},
          {"changes", packed}};
}

}  // namespace anear::storage
