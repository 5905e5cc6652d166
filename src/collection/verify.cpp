#include "collection/verify.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "anear/index/any_index.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/pace.hpp"
#include "anear/storage/record.hpp"
#include "collection/field_container.hpp"
#include "collection/field_keys.hpp"
#include "collection/files_at_rest.hpp"
#include "collection/images.hpp"
#include "collection/row_files.hpp"
#include "collection/scrub.hpp"
#include "collection/slot_values.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

/// What a record or a row counts for in the progress of a verification, where a byte of a file
/// counts for one.
constexpr std::uint64_t kStepUnits = 256;

/// Tells how far a verification is, slows it down, and ends it early.
class Work final : public storage::ByteProgress {
 public:
  Work(StoreRuntime& runtime, const VerifyOptions& options)
      : runtime_(runtime), progress_(options.progress), pace_(options.bytes_per_second) {}

  void expect(std::uint64_t units) { total_ += units; }
  /// Of files.
  Status advance(std::uint64_t bytes) override {
    file_bytes_ += bytes;
    if (Status goes_on = tell(bytes); !goes_on) return goes_on;
    return pause_until(pace_.after(bytes, Clock::now()));
  }
  /// One record or row more.
  Status step() {
    constexpr std::uint64_t kToldEach = 64 << 10;
    steps_ += kStepUnits;
    return steps_ < kToldEach ? Status{} : tell(std::exchange(steps_, 0));
  }
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }

 private:
  using Clock = std::chrono::steady_clock;

  Status tell(std::uint64_t units) {
    done_ = std::min(done_ + units, total_);  // Others write meanwhile.
    if (runtime_.closed)
      return Error{ErrorCode::kClosed, "the store '" + runtime_.path + "' was closed meanwhile"};
    if (progress_(done_, total_)) return {};
    return Error{ErrorCode::kCancelled, "stopped by the progress callback"};
  }
  /// Asks the caller now and then whether to go on.
  Status pause_until(storage::Pace::Time end) {
    constexpr std::chrono::milliseconds kAskedEach{100};
    for (;;) {
      const storage::Pace::Time now = Clock::now();
      if (now >= end) return {};
      (void)runtime_.scrubber->pause_until(std::min(end, now + kAskedEach));
      if (Status goes_on = tell(0); !goes_on) return goes_on;
    }
  }

  StoreRuntime& runtime_;
  const ProgressCallback& progress_;
  storage::Pace pace_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t steps_ = 0;  ///< Units that nobody was told of yet.
};

class Verification {
 public:
  Verification(const CollectionState& collection, VerifyReport& report, Work& work)
      : collection_(collection),
        report_(report),
        work_(work),
        view_(collection.pin()),
        bytes_(*view_.bytes),
        row_checksums_(collection.schema.vectors.size()) {}

  Status run() {
    ++report_.collections;
    if (Status status = read_manifest(); !status) return status;
    if (Status status = check_keys(); !status) return status;
    if (Status status = check_records(); !status) return status;
    if (Status status = check_containers(); !status) return status;
    if (!looks_at_rows()) return {};
    for (std::size_t v = 0; v < collection_.schema.vectors.size(); ++v) {
      if (Status status = check_rows(v); !status) return status;
    }
    return {};
  }

 private:
  bool looks_at_rows() const noexcept { return report_.level == VerifyLevel::kFull; }
  Error damaged(const std::string& what) const {
    return Error{ErrorCode::kCorruption, "collection '" + collection_.name + "': " + what};
  }
  /// A writer beside a store that is read-only replaces files, which is no damage.
  Error damaged_file(const std::string& what, const Error& error) const {
    Error told = damaged(what + ": " + error.message);
    const bool replaced =
        error.code == ErrorCode::kNotFound && collection_.runtime->options.read_only;
    if (replaced) told.code = ErrorCode::kSnapshotExpired;
    return told;
  }
  std::unique_ptr<storage::ByteIterator> all_of(Family family) const {
    return bytes_.iterate(keys::all_of(family, collection_.number), view_.snapshot.get());
  }

  Status check_keys() {
    std::size_t count = 0;
    const auto entry = all_of(Family::kKeys);
    for (; entry->valid(); entry->next()) {
      const auto slot = keys::decode_slot(entry->value());
      if (!slot) return slot.error();
      const std::string key(keys::without_collection(entry->key()));
      if (!view_->live.contains(*slot)) return damaged("key '" + key + "' leads to a dead slot");
      if (view_->key(*slot) != key)
        return damaged("slot " + std::to_string(*slot) + " has another key than '" + key + "'");
      ++count;
    }
    if (Status status = entry->status(); !status) return status;
    if (count == view_->live.count()) return {};
    return damaged(std::to_string(count) + " keys for " + std::to_string(view_->live.count()) +
                   " records");
  }

  Status check_records() {
    std::size_t count = 0;
    const auto entry = all_of(Family::kRecords);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const auto record = storage::decode_record(entry->value());
      if (!record)
        return damaged("the record in slot " + std::to_string(slot) + ": " +
                       record.error().message);
      if (!view_->live.contains(slot) || view_->key(slot) != record->key)
        return damaged("the record '" + record->key + "' stands in another one's slot");
      expect_rows(slot, *record);
      for (const Field& field : record->fields) expect_containers(slot, field);
      ++count;
      if (Status goes_on = work_.step(); !goes_on) return goes_on;
    }
    if (Status status = entry->status(); !status) return status;
    report_.records += count;
    if (count == view_->live.count()) return {};
    return damaged(std::to_string(count) + " records for " + std::to_string(view_->live.count()) +
                   " keys");
  }

  void expect_containers(Slot slot, const Field& field) {
    for (const std::string& key : keys_of(collection_.number, field)) {
      std::string container = with_group(key, group_of(slot));
      expected_[std::move(container)].push_back(static_cast<std::uint16_t>(slot));
    }
  }

  void expect_rows(Slot slot, const storage::StoredRecord& record) {
    // Without: written before records said it.
    if (!looks_at_rows() || record.rows.empty()) return;
    says_rows_.insert(slot);
    for (std::size_t v = 0; v < std::min(record.rows.size(), row_checksums_.size()); ++v)
      row_checksums_[v].set(slot, record.rows[v]);
  }

  /// Every row that a record names is on the disk and searched as it was written, and no other.
  Status check_rows(std::size_t v) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    SlotSet on_disk;
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(v)};
    const auto entry = bytes_.iterate(keys::rows_of(number), view_.snapshot.get());
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const auto row = keys::decode_row(entry->value(), vector.dimension, vector.kind);
      if (!row) return damaged_row(v, slot, row.error().message);
      if (!view_->live.contains(slot)) return damaged_row(v, slot, "a row without a record");
      if (Status status = check_row(v, slot, *row); !status) return status;
      on_disk.insert(slot);
      if (Status goes_on = work_.step(); !goes_on) return goes_on;
    }
    if (Status status = entry->status(); !status) return status;
    if (Status status = check_row_files(v, on_disk); !status) return status;
    Status found;
    view_->live.for_each([&](Slot slot) {
      if (!found || on_disk.contains(slot)) return;
      const auto searched = row_of(view_->vectors[v], slot);
      if (row_checksums_[v][slot] != 0 || !searched || !searched->empty())
        found = damaged_row(v, slot, "the row stands nowhere on the disk");
    });
    report_.rows += on_disk.count();
    if (!found) return found;
    const AnyIndex& index = *view_->vectors[v].index;
    Status held = index.verify();
    return held ? held : damaged("vector '" + vector.name + "', " + held.error().message);
  }

  Status check_row_files(std::size_t v, SlotSet& on_disk) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const storage::ManifestImage* image = image_of(manifest_, static_cast<std::uint32_t>(v));
    if (image == nullptr) return {};
    for (const storage::ManifestRowFile& named : image->rows) {
      // In memory, since what is mapped may be what is searched.
      const auto file = open_row_file(*collection_.runtime, named, storage::ImageBytes::kCopied);
      if (!file) return damaged_file("row files of vector '" + vector.name + "'", file.error());
      const auto inside = look_into(*file, vector);
      if (!inside) return inside.error();
      for (std::size_t i = 0; i < inside->slots.size(); ++i) {
        const Slot slot = inside->slots[i];
        if (slot == kNoSlot || !view_->live.contains(slot)) continue;
        if (Status status = check_row(v, slot, inside->row(i, vector)); !status) return status;
        on_disk.insert(slot);
        if (Status goes_on = work_.step(); !goes_on) return goes_on;
      }
    }
    return {};
  }

  Status check_row(std::size_t v, Slot slot, VectorView stored) const {
    if (says_rows_.contains(slot) && row_checksums_[v][slot] != keys::row_checksum(stored))
      return damaged_row(v, slot, "the row is not the one that was written with its record");
    const auto searched = row_of(view_->vectors[v], slot);
    if (!searched) return damaged_row(v, slot, searched.error().message);
    if (searched->empty())
      return damaged_row(v, slot, "the row is neither in the index nor in the tail");
    if (std::memcmp(searched->data(), stored.data(), stored.bytes()) == 0) return {};
    return damaged_row(v, slot, "another row is searched than stands on the disk");
  }
  Error damaged_row(std::size_t v, Slot slot, const std::string& what) const {
    return damaged("vector '" + collection_.schema.vectors[v].name + "', slot " +
                   std::to_string(slot) + ": " + what);
  }

  Status check_containers() {
    const auto entry = all_of(Family::kFields);
    std::size_t matched = 0;
    for (; entry->valid(); entry->next()) {
      ++report_.containers;
      ContainerBits bits{};
      if (!unite_container(entry->value(), bits)) return damaged("a field container is damaged");
      const auto expected = expected_.find(std::string(entry->key()));
      std::size_t missing = 0;
      if (expected != expected_.end()) {
        ++matched;
        for (const std::uint16_t low : expected->second) {
          std::uint64_t& word = bits[low >> 6];
          const std::uint64_t bit = std::uint64_t{1} << (low & 63);
          missing += (word & bit) == 0 ? 1 : 0;
          word &= ~bit;
        }
      }
      const bool more = std::any_of(bits.begin(), bits.end(), [](auto word) { return word != 0; });
      if (missing != 0 || more) return damaged("a field container disagrees with the records");
    }
    if (Status status = entry->status(); !status) return status;
    return matched == expected_.size() ? Status{} : damaged("a field container is missing");
  }

  Status read_manifest() {
    if (collection_.runtime->is_in_memory()) return {};
    const auto stored = bytes_.get(Family::kMeta, keys::manifest(collection_.number), nullptr);
    if (!stored) return stored.error();
    if (!*stored) return damaged("its manifest is missing");
    auto manifest = storage::decode_manifest(**stored);
    if (!manifest) return std::move(manifest).error();
    manifest_ = std::move(*manifest);
    return {};
  }

  const CollectionState& collection_;
  VerifyReport& report_;
  Work& work_;
  View view_;
  const storage::ByteStore& bytes_;
  storage::CollectionManifest manifest_;
  SlotSet says_rows_;                      ///< Whose records name their rows.
  std::vector<SlotValues> row_checksums_;  ///< By vector and slot; 0: no row.
  std::unordered_map<std::string, std::vector<std::uint16_t>> expected_;  ///< By container.
};

std::uint64_t units_of(const CollectionState& collection, VerifyLevel level) {
  const std::uint64_t live = collection.pin()->live.count();
  return live * kStepUnits *
         (level < VerifyLevel::kFull ? 1 : 1 + collection.schema.vectors.size());
}

Status verify_files(StoreRuntime& runtime, const std::vector<FileAtRest>& files,
                    VerifyReport& report, Work& work) {
  for (const FileAtRest& file : files) {
    const Status read = check_file_at_rest(runtime, file, work);
    runtime.scrubber->note(file, read);
    if (!read) return read;
    ++report.files;
    report.images += file.kind == FileKind::kImage ? 1 : 0;
  }
  report.bytes = work.file_bytes();
  if (!runtime.is_in_memory()) runtime.scrubber->finish_pass(files, report.bytes);
  return {};
}

}  // namespace

Result<VerifyReport> verify_store(StoreRuntime& runtime,
                                  const std::vector<std::shared_ptr<Collection::Impl>>& collections,
                                  const VerifyOptions& options) {
  const std::shared_ptr<storage::ByteStore> bytes = runtime.pinned_bytes();
  // What is only in the log so far gets into tables, which have checksums of their own.
  if (bytes->check_writable()) {
    if (Status flushed = bytes->flush(); !flushed) return std::move(flushed).error();
  }
  const auto files = files_at_rest(runtime);
  if (!files) return files.error();
  VerifyReport report;
  report.level = options.level;
  Work work(runtime, options);
  for (const FileAtRest& file : *files) work.expect(file.file.bytes);
  const bool more = options.level > VerifyLevel::kChecksums;
  for (const auto& collection : collections) {
    if (more && !collection->dropped) work.expect(units_of(*collection, options.level));
  }
  if (Status read = verify_files(runtime, *files, report, work); !read)
    return std::move(read).error();
  if (!more) return report;
  if (Status read = bytes->verify(); !read) return std::move(read).error();
  for (const auto& collection : collections) {
    // Indexes and images keep still while they are compared with the records.
    const std::lock_guard indexing(collection->indexing);
    if (collection->dropped) continue;
    if (Status status = Verification(*collection, report, work).run(); !status)
      return std::move(status).error();
  }
  return report;
}

}  // namespace anear
