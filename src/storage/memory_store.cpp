// ByteStore in maps: for tests and for stores that live and die with the process.
//
// Each key has its versions in ascending order of the write that made them; a snapshot is the
// number of a write. Versions that no snapshot can see are dropped when the key is written again,
// or when the snapshot that held them back is released.
//
// Threads: one mutex, shared by reads. An iterator takes it for each step.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "anear/storage/byte_store.hpp"
#include "closed_iterator.hpp"

namespace anear::storage {
namespace {

using WriteNumber = std::uint64_t;

struct Version {
  enum class Kind : std::uint8_t { kValue, kDeleted, kUnmergeable };
  WriteNumber number = 0;
  Kind kind = Kind::kValue;
  std::string value;
};
using Versions = std::vector<Version>;
using FamilyMap = std::map<std::string, Versions, std::less<>>;

/// The maps and who looks at them. Outlives its store while a snapshot is held.
class State {
 public:
  State(MergeFunction merge, std::string_view void_value) noexcept
      : merge_(merge), void_value_(void_value) {}

  void apply(const WriteBatch& batch);
  WriteNumber open_snapshot();
  void close_snapshot(WriteNumber number) noexcept;

  std::shared_mutex& mutex() const noexcept { return mutex_; }
  const FamilyMap& family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  WriteNumber newest() const noexcept { return newest_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  bool can_merge() const noexcept { return merge_ != nullptr; }

 private:
  /// A key with a version that only a snapshot still sees.
  struct Held {
    WriteNumber until;  ///< The write that replaced the version.
    Family family;
    std::string key;
  };

  void apply_entry(const WriteBatch::Entry& entry, WriteNumber number);
  void merge_into(const WriteBatch::Entry& entry, WriteNumber number);
  void add_version(Family family, std::string_view key, Version version);
  void prune(Family family, FamilyMap::iterator place);
  WriteNumber oldest_seen() const noexcept {
    return snapshots_.empty() ? newest_ : snapshots_.begin()->first;
  }

  mutable std::shared_mutex mutex_;
  MergeFunction merge_;
  std::string_view void_value_;
  std::array<FamilyMap, kFamilies> families_;
  std::map<WriteNumber, std::size_t> snapshots_;
  std::deque<Held> held_;
  WriteNumber newest_ = 0;
  std::uint64_t bytes_ = 0;
};

/// The version that `number` sees, or null.
const Version* seen(const Versions& versions, WriteNumber number) {
  const auto after =
      std::upper_bound(versions.begin(), versions.end(), number,
                       [](WriteNumber n, const Version& version) { return n < version.number; });
  return after == versions.begin() ? nullptr : &*(after - 1);
}

Error unmergeable(std::string_view key) {
  return Error{ErrorCode::kCorruption,
               "a merge failed on a key of " + std::to_string(key.size()) + " bytes"};
}

void State::apply(const WriteBatch& batch) {
  const std::unique_lock hold(mutex_);
  // Readers are shut out until all entries stand, so the batch is seen whole.
  ++newest_;
  for (const WriteBatch::Entry& entry : batch.entries()) apply_entry(entry, newest_);
}

void State::apply_entry(const WriteBatch::Entry& entry, WriteNumber number) {
  switch (entry.operation) {
    case WriteBatch::Operation::kPut:
      return add_version(entry.family, entry.key, {number, Version::Kind::kValue, entry.value});
    case WriteBatch::Operation::kDelete:
      return add_version(entry.family, entry.key, {number, Version::Kind::kDeleted, {}});
    case WriteBatch::Operation::kMerge:
      return merge_into(entry, number);
    case WriteBatch::Operation::kDeleteRange:
      break;
  }
  if (entry.key >= entry.value) return;
  const FamilyMap& map = family(entry.family);
  std::vector<std::string> keys;
  for (auto at = map.lower_bound(entry.key); at != map.end() && at->first < entry.value; ++at) {
    keys.push_back(at->first);
  }
  for (const std::string& key : keys) {
    add_version(entry.family, key, {number, Version::Kind::kDeleted, {}});
  }
}

void State::merge_into(const WriteBatch::Entry& entry, WriteNumber number) {
  const FamilyMap& map = family(entry.family);
  const auto place = map.find(entry.key);
  const Version* older = place == map.end() ? nullptr : seen(place->second, number);
  if (older != nullptr && older->kind == Version::Kind::kUnmergeable) return;
  std::optional<std::string_view> below;
  if (older != nullptr && older->kind == Version::Kind::kValue) below = older->value;
  const std::string_view operand = entry.value;
  std::optional<std::string> merged = merge_(below, {&operand, 1});
  Version version{number, Version::Kind::kUnmergeable, {}};
  if (merged && entry.family == Family::kFields && *merged == void_value_)
    version.kind = Version::Kind::kDeleted;
  else if (merged)
    version = {number, Version::Kind::kValue, std::move(*merged)};
  add_version(entry.family, entry.key, std::move(version));
}

void State::add_version(Family family, std::string_view key, Version version) {
  FamilyMap& map = families_[static_cast<std::size_t>(family)];
  auto place = map.find(key);
  if (place == map.end()) {
    if (version.kind == Version::Kind::kDeleted) return;
    place = map.emplace(std::string(key), Versions{}).first;
    bytes_ += key.size();
  }
  Versions& versions = place->second;
  bytes_ += version.value.size();
  if (!versions.empty() && versions.back().number == version.number) {
    bytes_ -= versions.back().value.size();
    versions.back() = std::move(version);  // Twice in one batch: the later entry counts.
  } else {
    versions.push_back(std::move(version));
  }
  prune(family, place);
}

void State::prune(Family family, FamilyMap::iterator place) {
  Versions& versions = place->second;
  const WriteNumber oldest = oldest_seen();
  std::size_t unseen = 0;
  while (unseen + 1 < versions.size() && versions[unseen + 1].number <= oldest) {
    bytes_ -= versions[unseen++].value.size();
  }
  versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(unseen));
  const Version& last = versions.back();
  if (versions.size() == 1 && last.kind == Version::Kind::kDeleted && last.number <= oldest) {
    bytes_ -= place->first.size();
    families_[static_cast<std::size_t>(family)].erase(place);
    return;
  }
  if (versions.size() > 1 || last.kind == Version::Kind::kDeleted) {
    held_.push_back({last.number, family, place->first});
  }
}

WriteNumber State::open_snapshot() {
  const std::unique_lock hold(mutex_);
  ++snapshots_[newest_];
  return newest_;
}

void State::close_snapshot(WriteNumber number) noexcept {
  const std::unique_lock hold(mutex_);
  const auto place = snapshots_.find(number);
  if (--place->second != 0) return;
  snapshots_.erase(place);
  const WriteNumber oldest = oldest_seen();
  // prune() may hold a key again, but then behind `oldest`, so this ends.
  while (!held_.empty() && held_.front().until <= oldest) {
    const Held held = std::move(held_.front());
    held_.pop_front();
    FamilyMap& map = families_[static_cast<std::size_t>(held.family)];
    const auto key = map.find(held.key);
    if (key == map.end()) continue;
    try {
      prune(held.family, key);
    } catch (const std::bad_alloc&) {
      continue;  // The next write of the key does it.
    }
  }
}

class MemorySnapshot final : public ByteSnapshot {
 public:
  explicit MemorySnapshot(std::shared_ptr<State> state)
      : state_(std::move(state)), number_(state_->open_snapshot()) {}
  MemorySnapshot(const MemorySnapshot&) = delete;
  MemorySnapshot& operator=(const MemorySnapshot&) = delete;
  ~MemorySnapshot() override { state_->close_snapshot(number_); }
  WriteNumber number() const noexcept { return number_; }

 private:
  std::shared_ptr<State> state_;
  WriteNumber number_;
};

WriteNumber number_of(const ByteSnapshot* snapshot, const State& state) {
  return snapshot == nullptr ? state.newest()
                             : static_cast<const MemorySnapshot*>(snapshot)->number();
}

Result<std::optional<std::string>> look_up(const FamilyMap& map, std::string_view key,
                                           WriteNumber number) {
  const auto place = map.find(key);
  const Version* version = place == map.end() ? nullptr : seen(place->second, number);
  if (version == nullptr || version->kind == Version::Kind::kDeleted) {
    return std::optional<std::string>{};
  }
  if (version->kind == Version::Kind::kUnmergeable) return unmergeable(key);
  return std::optional<std::string>(version->value);
}

class MemoryIterator final : public ByteIterator {
 public:
  MemoryIterator(std::shared_ptr<State> state, KeyRange range, const ByteSnapshot* snapshot)
      : state_(std::move(state)), range_(std::move(range)) {
    if (snapshot == nullptr) {
      own_ = std::make_unique<MemorySnapshot>(state_);
      snapshot = own_.get();
    }
    number_ = static_cast<const MemorySnapshot*>(snapshot)->number();
    seek(range_.begin);
  }
  bool valid() const override { return valid_; }
  void next() override {
    const std::shared_lock hold(state_->mutex());
    const FamilyMap& map = state_->family(range_.family);
    load(map.upper_bound(key_));
  }
  void seek(std::string_view key) override {
    const std::shared_lock hold(state_->mutex());
    status_ = {};
    const FamilyMap& map = state_->family(range_.family);
    load(map.lower_bound(std::max(key, std::string_view(range_.begin))));
  }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  Status status() const override { return status_; }

 private:
  /// Stands on the first key from `at` on that the snapshot sees.
  void load(FamilyMap::const_iterator at) {
    const auto end = state_->family(range_.family).end();
    valid_ = false;
    for (; at != end && (range_.end.empty() || at->first < range_.end); ++at) {
      const Version* version = seen(at->second, number_);
      if (version == nullptr || version->kind == Version::Kind::kDeleted) continue;
      if (version->kind == Version::Kind::kUnmergeable) {
        status_ = unmergeable(at->first);
        return;
      }
      key_ = at->first;
      value_ = version->value;
      valid_ = true;
      return;
    }
  }

  std::shared_ptr<State> state_;
  KeyRange range_;
  std::unique_ptr<MemorySnapshot> own_;
  WriteNumber number_ = 0;
  bool valid_ = false;
  std::string key_;
  std::string value_;
  Status status_;
};

class MemoryStore final : public ByteStore {
 public:
  MemoryStore(MergeFunction merge, std::string_view void_value)
      : state_(std::make_shared<State>(merge, void_value)) {}

  Status write(const WriteBatch& batch, bool) override {
    if (Status writable = check_writable(); !writable) return writable;
    for (const WriteBatch::Entry& entry : batch.entries()) {
      if (entry.operation == WriteBatch::Operation::kMerge && !state_->can_merge()) {
        return invalid_argument("a merge in a store that was opened without a merge function");
      }
    }
    state_->apply(batch);
    return {};
  }
  Status sync() override { return check_writable(); }
  bool is_outdated() const override { return false; }
  bool files_were_replaced() const override { return false; }
  Status check_writable() const override {
    if (closed_) return closed_error();
    if (!stopped_) return {};
    return Error{ErrorCode::kReadOnly,
                 "writes stopped, since memory ran out while one was under way: what was there "
                 "before can be read"};
  }
  Result<std::optional<std::string>> get(Family family, std::string_view key,
                                         const ByteSnapshot* snapshot) const override {
    if (closed_) return closed_error();
    const std::shared_lock hold(state_->mutex());
    return look_up(state_->family(family), key, number_of(snapshot, *state_));
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      Family family, std::span<const std::string> keys,
      const ByteSnapshot* snapshot) const override {
    if (closed_) return closed_error();
    const std::shared_lock hold(state_->mutex());
    std::vector<std::optional<std::string>> values;
    values.reserve(keys.size());
    for (const std::string& key : keys) {
      auto value = look_up(state_->family(family), key, number_of(snapshot, *state_));
      if (!value) return std::move(value).error();
      values.push_back(std::move(*value));
    }
    return values;
  }
  std::unique_ptr<ByteIterator> iterate(KeyRange range,
                                        const ByteSnapshot* snapshot) const override {
    if (closed_) return std::make_unique<ClosedIterator>();
    return std::make_unique<MemoryIterator>(state_, std::move(range), snapshot);
  }
  SnapshotPointer snapshot() const override { return std::make_shared<MemorySnapshot>(state_); }
  Status reclaim(const KeyRange&) override { return closed_ ? closed_error() : Status{}; }
  Result<PurgeReport> purge(const PurgeOptions&) override {
    if (closed_) return closed_error();
    return PurgeReport{};
  }
  Status flush() override { return closed_ ? closed_error() : Status{}; }
  Result<std::unique_ptr<ByteCheckpoint>> checkpoint() override {
    return invalid_argument("a store in memory has no files to copy");
  }
  Result<std::vector<StoredFile>> tables() const override {
    if (closed_) return closed_error();
    return std::vector<StoredFile>{};
  }
  Status verify() const override { return closed_ ? closed_error() : Status{}; }
  std::vector<std::string> warnings() const override { return {}; }
  FileListMark file_list() const override { return {}; }
  std::uint64_t bytes_on_disk() const override { return 0; }
  bool stopped_for_space() const override { return false; }
  void stop_writes() noexcept override { stopped_ = true; }
  void abandon() override {}
  std::uint64_t bytes_to_flush() const override { return 0; }
  std::uint64_t bytes_of_tables() const override { return 0; }
  void leave_to_compaction(std::uint64_t) override {}
  std::uint64_t bytes_in_memory() const override {
    const std::shared_lock hold(state_->mutex());
    return state_->bytes();
  }
  Status close() override {
    closed_ = true;
    return {};
  }

 private:
  std::shared_ptr<State> state_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::unique_ptr<ByteStore> make_memory_store(MergeFunction merge, std::string_view void_value) {
  return std::make_unique<MemoryStore>(merge, void_value);
}

#ifndef ANEAR_WITH_ROCKSDB
Result<std::unique_ptr<ByteStore>> open_rocksdb_store(const ByteStoreOptions& options) {
  return invalid_argument("'" + options.directory +
                          "': this build of anear has no RocksDB; stores live in memory only");
}
#endif

}  // namespace anear::storage
