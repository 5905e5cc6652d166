// What RocksDB is given of its own list of files and log at an opening: no more than what is whole
// and follows without a gap. A power cut may leave anything of what was not synced, in any order:
// RocksDB refuses a list whose unsynced end is torn, and passes over zeros in a log to what stands
// behind them.
//
// Threads: LogFollows is called by the thread that opens.
#pragma once

#include <rocksdb/wal_filter.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace anear::storage {

/// The beginning of a list of files that consists of whole records.
struct WholeList {
  std::uint64_t bytes = 0;
  /// The last entry that tables had when the list was written: what is younger stands in the log,
  /// all of it. RocksDB numbers entries from 1 on.
  std::optional<std::uint64_t> last_entry{};
};

WholeList whole_part_of(std::string_view list);

/// Ends the replay of the log where entries are missing between two records, in one file or
/// between two, or before the first. RocksDB then does as for any damage: it goes on only with a
/// log that an earlier opening began right there.
class LogFollows final : public rocksdb::WalFilter {
 public:
  /// `listed` is WholeList::last_entry of the list that the opening reads, kUnknown without one. It
  /// outlives this.
  explicit LogFollows(const std::atomic<std::uint64_t>& listed) noexcept : listed_(listed) {}

  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  /// Called once, when the list was read and before the log is.
  void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& logs,
                                const std::map<std::string, std::uint32_t>& names) override;
  WalProcessingOption LogRecordFound(unsigned long long number, const std::string& path,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* new_batch, bool* changed) override;
  const char* Name() const override { return "anear.log_follows"; }

 private:
  /// The first entry that is in no table.
  std::uint64_t behind_tables() const noexcept;

  const std::atomic<std::uint64_t>& listed_;
  std::uint64_t next_max_ =
      kUnknown;  ///< The next record begins with this entry or an earlier one.
};

}  // namespace anear::storage
