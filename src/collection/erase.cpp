#include "collection/erase.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include "anear/storage/backup_directory.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/commit_queue.hpp"
#include "collection/field_container.hpp"
#include "collection/images.hpp"
#include "collection/indexer.hpp"
#include "collection/live_keys.hpp"
#include "collection/store_impl.hpp"  // IWYU pragma: keep (Store::Impl is only declared elsewhere)

namespace anear {
namespace {

using storage::Family;

constexpr std::size_t kKeysErasedAtOnce = 4'096;

/// Nobody is there to call again.
constexpr std::uint32_t kWaitInBackgroundMs = 600'000;

Sequence last_sequence(StoreRuntime& runtime) {
  const std::lock_guard hold(runtime.versions);
  return runtime.last_sequence;
}

/// Steps of an erase in front of those of the byte store, and about how many these are.
constexpr std::size_t kOwnSteps = 3;
constexpr std::size_t kStepsAbout = 13;

class Erasure {
 public:
  Erasure(StoreRuntime& runtime, CollectionState* collection, const UnfinishedErase& unfinished,
          const EraseOptions& options)
      : runtime_(runtime),
        collection_(collection),
        number_(unfinished.collection),
        options_(options),
        deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(options.wait_ms)) {
    receipt_.sequence = unfinished.mark.sequence;
    receipt_.records = unfinished.mark.records;
    receipt_.begun = unfinished.mark.begun;
  }

  Result<EraseReceipt> run() {
    const auto before = own_files();
    if (!before) return before.error();
    if (Status fits = check_space(*before); !fits) return std::move(fits).error();
    if (collection_ != nullptr) {
      receipt_.collection = collection_->name;
      if (Status done = rewrite(); !done) return std::move(done).error();
    }
    if (Status done = remove_files(); !done) return std::move(done).error();
    if (Status done = purge(); !done) return std::move(done).error();
    if (Status done = look_at_lost_copies(); !done) return std::move(done).error();
    if (Status done = sync_directories(); !done) return std::move(done).error();
    if (Status done = look_at_backups(); !done) return std::move(done).error();
    const auto now = own_files();
    if (!now) return now.error();
    std::set_difference(before->begin(), before->end(), now->begin(), now->end(),
                        std::back_inserter(receipt_.removed));
    if (Status done = list_files(); !done) return std::move(done).error();
    if (Status done = remove_mark(); !done) return std::move(done).error();
    receipt_.finished = storage::micros_now();
    return std::move(receipt_);
  }

 private:
  Status advance() {
    if (runtime_.closed)
      return Error{ErrorCode::kClosed, "the store '" + runtime_.path + "' is being closed"};
    if (options_.progress(steps_++, kStepsAbout)) return {};
    return Error{ErrorCode::kCancelled, "stopped by the progress callback"};
  }
  static bool goes_on(void* self, std::size_t, std::size_t) {
    const auto& erasure = *static_cast<const Erasure*>(self);
    return !erasure.runtime_.closed && erasure.options_.progress(erasure.steps_, kStepsAbout);
  }
  static bool purge_goes_on(void* self, std::size_t done, std::size_t total) {
    const auto& erasure = *static_cast<const Erasure*>(self);
    erasure.runtime_.pinned.let_go_of_old();  // It may wait for them.
    return erasure.options_.progress(kOwnSteps + done, kOwnSteps + total);
  }

  /// Before a disk is filled, after which nothing could be written.
  Status check_space(const std::vector<std::string>& own) const {
    if (runtime_.is_in_memory()) return {};
    constexpr std::uint64_t kMore = std::uint64_t{32} << 20;
    std::uint64_t wanted = runtime_.bytes->bytes_on_disk() + kMore;
    for (const std::string& file : own) {
      const auto facts = runtime_.files->info(storage::path_in(runtime_.path, file));
      if (facts) wanted += facts->bytes;
    }
    const auto space = runtime_.files->space(runtime_.path);
    if (!space) return space.error();
    if (space->free_bytes >= wanted) return {};
    return Error{ErrorCode::kNoSpace, "the files are to be written anew, which takes up to " +
                                          std::to_string(wanted) + " bytes, and " +
                                          std::to_string(space->free_bytes) + " are free"};
  }

  Status rewrite() {
    if (Status goes = advance(); !goes) return goes;
    const auto built =
        runtime_.indexer->rewrite(*collection_, {&Erasure::goes_on, static_cast<void*>(this)});
    if (!built) return built.error();
    receipt_.indexes = *built;
    if (Status goes = advance(); !goes) return goes;
    forget_in_memory();
    if (Status dropped = drop_changes(); !dropped) return dropped;
    return drop_empty_containers();
  }

  /// Keys of dead slots, rows of the tail, filters: whoever holds a version of before keeps its
  /// keys and rows; they go with it.
  void forget_in_memory() {
    const std::lock_guard indexing(collection_->indexing);
    forget_dead_keys(*collection_);
    const auto paused = runtime_.commits->pause();
    for (auto& segment : collection_->growing) segment.reset();
    runtime_.filters.forget(number_);
  }

  /// The images do not need them any more. A reader that has not come as far reads all keys again.
  Status drop_changes() {
    storage::KeyRange range = keys::all_of(Family::kChanges, number_);
    range.end = keys::change({number_, receipt_.sequence});
    std::vector<std::string> names;
    const auto entry = runtime_.bytes->iterate(std::move(range), nullptr);
    for (; entry->valid(); entry->next()) names.emplace_back(entry->key());
    if (Status read = entry->status(); !read) return read;
    receipt_.changes = names.size();
    for (std::size_t begin = 0; begin < names.size(); begin += kKeysErasedAtOnce) {
      storage::WriteBatch batch;
      const std::size_t end = std::min(begin + kKeysErasedAtOnce, names.size());
      for (std::size_t i = begin; i < end; ++i) batch.remove(Family::kChanges, names[i]);
      if (Status written = runtime_.commits->commit_derived(batch); !written) return written;
    }
    return {};
  }

  /// A value that no record has any more still stands in the key of its container.
  Status drop_empty_containers() {
    std::vector<std::string> names;
    const auto entry = runtime_.bytes->iterate(keys::all_of(Family::kFields, number_), nullptr);
    for (; entry->valid(); entry->next()) {
      if (entry->value() == kEmptyContainer) names.emplace_back(entry->key());
    }
    if (Status read = entry->status(); !read) return read;
    for (std::size_t begin = 0; begin < names.size(); begin += kKeysErasedAtOnce) {
      const auto some =
          std::span(names).subspan(begin, std::min(kKeysErasedAtOnce, names.size() - begin));
      Status written = runtime_.commits->commit_derived_by([&](storage::WriteBatch& batch) {
        return remove_if_empty(some, batch);  // A commit may have filled it meanwhile.
      });
      if (!written) return written;
    }
    return {};
  }

  Status remove_if_empty(std::span<const std::string> names, storage::WriteBatch& batch) {
    const auto values = runtime_.bytes->get_many(Family::kFields, names, nullptr);
    if (!values) return values.error();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if ((*values)[i] != kEmptyContainer) continue;
      batch.remove(Family::kFields, names[i]);
      ++receipt_.containers;
    }
    return {};
  }

  /// Files of the collection in images/ and rows/, named or not, finished or not.
  Result<std::vector<std::string>> own_files() const {
    std::vector<std::string> own;
    if (runtime_.is_in_memory()) return own;
    const std::string prefix = std::to_string(number_) + "-";
    for (const char* directory : {storage::kImagesDirectory, storage::kRowFilesDirectory}) {
      const auto names = runtime_.files->list(runtime_.directory(directory));
      if (!names) return names.error();
      for (const std::string& name : *names) {
        if (name.starts_with(prefix)) own.push_back(storage::path_in(directory, name));
      }
    }
    std::sort(own.begin(), own.end());
    return own;
  }

  Result<std::vector<std::string>> unnamed_files() const {
    auto own = own_files();
    if (!own || collection_ == nullptr) return own;
    const FileNames named = names_of(collection_->manifest.images);
    std::erase_if(*own, [&](const std::string& file) { return named.contains(file); });
    return own;
  }

  Status remove_files() {
    if (Status goes = advance(); !goes) return goes;
    for (bool asked = false;; asked = true) {
      Result<std::vector<std::string>> left = std::vector<std::string>{};
      {
        // Nothing of the collection is being written.
        std::unique_lock<std::mutex> hold;
        if (collection_ != nullptr) hold = std::unique_lock(collection_->indexing);
        left = unnamed_files();
        if (!left) return left.error();
        if (!asked) {
          for (const std::string& file : *left) runtime_.remove_file(file);
          left = unnamed_files();
          if (!left) return left.error();
        }
      }
      if (left->empty()) return {};
      if (Status waits = wait_for_backup(left->front()); !waits) return waits;
    }
  }

  /// A moment, or why it is of no use.
  Status wait_for_backup(const std::string& file) const {
    constexpr std::chrono::milliseconds kPause{10};
    {
      const std::lock_guard hold(runtime_.removing);
      if (runtime_.removal_holds == 0)
        return Error{ErrorCode::kIo, "the old file '" + file + "' cannot be removed"};
    }
    if (runtime_.closed)
      return Error{ErrorCode::kClosed, "the store '" + runtime_.path + "' is being closed"};
    if (std::chrono::steady_clock::now() >= deadline_) {
      return Error{ErrorCode::kSnapshotExpired,
                   "the old file '" + file + "' is in use by a backup that is being taken"};
    }
    std::this_thread::sleep_for(kPause);
    return {};
  }

  Status purge() {
    runtime_.pinned.let_go_of_old();
    // No view that is pinned from here on sees what was removed.
    if (Status renewed = runtime_.commits->commit_derived({}); !renewed) return renewed;
    storage::PurgeOptions how{.wait_ms = options_.wait_ms,
                              .progress = {&Erasure::purge_goes_on, static_cast<void*>(this)},
                              .cancelled = &runtime_.closed};
    {
      const std::lock_guard hold(runtime_.versions);
      how.since = runtime_.snapshot;
    }
    auto purged = runtime_.bytes->purge(how);
    if (!purged) return std::move(purged).error();
    for (const storage::StoredFile& file : purged->files) {
      receipt_.files.push_back({storage::path_in(storage::kRecordsDirectory, file.path), file.bytes,
                                file.crc32c ? "crc32c:" + hex_of(*file.crc32c) : std::string()});
    }
    for (const std::string& file : purged->removed)
      receipt_.removed.push_back(storage::path_in(storage::kRecordsDirectory, file));
    return {};
  }

  static std::string hex_of(std::uint32_t number) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (int shift = 28; shift >= 0; shift -= 4) out += kDigits[number >> shift & 15];
    return out;
  }

  Status look_at_lost_copies() {
    if (runtime_.is_in_memory()) return {};
    const auto names = runtime_.files->list(runtime_.path);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (!name.starts_with(storage::kLostPrefix)) continue;
      if (!options_.remove_lost_copies) {
        receipt_.outstanding.push_back("'" + runtime_.directory(name.c_str()) +
                                       "', which a recover() or repair() left");
        continue;
      }
      if (Status removed = remove_directory(name); !removed) return removed;
    }
    return {};
  }

  Status remove_directory(const std::string& name) {
    const std::string path = storage::path_in(runtime_.path, name);
    const auto names = runtime_.files->list(path);
    if (!names) return names.error();
    for (const std::string& file : *names) {
      if (Status removed = runtime_.files->remove(storage::path_in(path, file)); !removed)
        return removed;
      receipt_.removed.push_back(storage::path_in(name, file));
    }
    return runtime_.files->remove_directory(path);
  }

  /// That the old files are gone is on the disk.
  Status sync_directories() {
    if (runtime_.is_in_memory()) return {};
    for (const char* directory :
         {storage::kImagesDirectory, storage::kRowFilesDirectory, storage::kRecordsDirectory}) {
      if (Status synced = runtime_.files->sync_directory(runtime_.directory(directory)); !synced)
        return synced;
    }
    return runtime_.files->sync_directory(runtime_.path);
  }

  /// All that are there, in the directories that the store knows of: one of a later sequence, too,
  /// has files of before this moment.
  Status look_at_backups() {
    const auto entry = runtime_.bytes->iterate(keys::meta_of(keys::kBackups), nullptr);
    for (; entry->valid(); entry->next()) {
      const std::string directory(entry->key().substr(std::string_view(keys::kBackups).size()));
      const auto backups = storage::list_backups(*runtime_.files, directory);
      if (!backups) {
        receipt_.outstanding.push_back("backups in '" + directory +
                                       "', which cannot be looked at: " + backups.error().message);
        continue;
      }
      for (const storage::BackupEntry& backup : *backups) {
        receipt_.outstanding.push_back("backup " + std::to_string(backup.number) + " in '" +
                                       directory + "'");
      }
    }
    return entry->status();
  }

  Status list_files() {
    if (runtime_.is_in_memory() || collection_ == nullptr) return {};
    const std::lock_guard hold(collection_->indexing);
    for (const std::string& file : names_of(collection_->manifest.images)) {
      const auto identity =
          storage::identify_image(*runtime_.files, runtime_.path, file, runtime_.identity.id);
      if (!identity) return identity.error();
      receipt_.files.push_back(
          {file, identity->bytes, "xxh3-128:" + storage::hex(identity->identity)});
    }
    return {};
  }

  Status remove_mark() {
    storage::WriteBatch batch;
    batch.remove(Family::kMeta, keys::erasure(number_));
    if (Status written = runtime_.commits->commit_derived(batch); !written) return written;
    if (collection_ != nullptr) collection_->erasing = 0;
    // The list of files that the purge began names a long key; the next one does not.
    if (Status flushed = runtime_.bytes->flush(); !flushed) runtime_.log(flushed.error().message);
    return {};
  }

  StoreRuntime& runtime_;
  CollectionState* const collection_;
  const std::uint32_t number_;
  const EraseOptions& options_;
  const std::chrono::steady_clock::time_point deadline_;
  std::size_t steps_ = 0;
  EraseReceipt receipt_;
};

}  // namespace

Result<std::vector<UnfinishedErase>> unfinished_erasures(const storage::ByteStore& bytes,
                                                         Sequence newest) {
  std::vector<UnfinishedErase> all;
  const auto entry = bytes.iterate(keys::meta_of(keys::kErasures), nullptr);
  for (; entry->valid(); entry->next()) {
    const auto mark = keys::decode_erase_mark(entry->value());
    all.push_back({keys::collection_at_end(entry->key()),
                   mark ? *mark : keys::EraseMark{.sequence = newest}});
  }
  if (Status read = entry->status(); !read) return std::move(read).error();
  return all;
}

Result<EraseReceipt> finish_erase(StoreRuntime& runtime, CollectionState* collection,
                                  const UnfinishedErase& unfinished, const EraseOptions& options) {
  auto receipt = Erasure(runtime, collection, unfinished, options).run();
  if (receipt) return receipt;
  Error error = std::move(receipt).error();
  if (runtime.closed && error.code == ErrorCode::kCancelled) error.code = ErrorCode::kClosed;
  error.message =
      "the records are deleted, and not yet erased: " + error.message + ". resume_erase() goes on";
  return error;
}

void finish_erase_left(CollectionState& collection) {
  StoreRuntime& runtime = *collection.runtime;
  const std::lock_guard one(runtime.erasing);
  const auto unfinished = unfinished_erasures(*runtime.bytes, last_sequence(runtime));
  if (!unfinished) return runtime.log(unfinished.error().message);
  for (const UnfinishedErase& erase : *unfinished) {
    if (erase.collection != collection.number) continue;
    const auto receipt =
        finish_erase(runtime, &collection, erase, {.wait_ms = kWaitInBackgroundMs});
    if (!receipt) runtime.log("collection '" + collection.name + "': " + receipt.error().message);
  }
}

Result<std::vector<EraseReceipt>> Store::resume_erase(const EraseOptions& options) {
  StoreRuntime& runtime = *impl_->runtime;
  const auto guard = CallGuard::enter(runtime);
  if (!guard) return guard.error();
  if (Status writable = runtime.check_writable(); !writable) return std::move(writable).error();
  const std::lock_guard one(runtime.erasing);
  const auto unfinished = unfinished_erasures(*runtime.bytes, last_sequence(runtime));
  if (!unfinished) return unfinished.error();
  const auto collections = impl_->all_collections();
  std::vector<EraseReceipt> receipts;
  for (const UnfinishedErase& erase : *unfinished) {
    const auto found = std::find_if(collections.begin(), collections.end(), [&](const auto& each) {
      return each->number == erase.collection;
    });
    auto receipt =
        finish_erase(runtime, found == collections.end() ? nullptr : found->get(), erase, options);
    if (!receipt) return std::move(receipt).error();
    receipts.push_back(std::move(*receipt));
  }
  return receipts;
}

}  // namespace anear
