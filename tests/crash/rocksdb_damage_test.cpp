// Files of a store are damaged in every way but by anear itself: bits flip, files are cut, longer,
// missing, or have another's bytes. An opening says what is wrong, or every answer is right; a call
// says what is wrong, or is right; nothing crashes.
//
// Two stores, one closed and one killed, each in memory. Flips 500 bits, or 100 under
// AddressSanitizer; ANEAR_FLIPS changes that. Cuts files at their ends and at a few blocks;
// ANEAR_CUTS=1: at every 4 KiB, a byte less and a byte more. The seed is fixed and printed;
// ANEAR_SEED changes it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "anear/storage/file_list.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/store_directory.hpp"
#include "support/campaign.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/kill_point_files.hpp"
#include "support/lost_power.hpp"
#include "support/traced_disk.hpp"

namespace rocksdb_damage_test {

using namespace anear;
using anear::test::NumberedBatches;
using anear::testing::DiskChange;
using anear::testing::DiskFiles;
using anear::testing::kind_of_file;
using anear::testing::LostBytes;
using anear::testing::LostNames;
using anear::testing::LostPower;
using anear::testing::report;
using anear::testing::setting;
using anear::testing::TracedDisk;
using anear::testing::TracedFiles;

namespace {

constexpr const char* kPath = "/store";
constexpr Sequence kCommits = 60;
constexpr std::uint64_t kBlock = 4'096;

StoreOptions options_on(const std::shared_ptr<TracedDisk>& disk) {
  return {.create_if_missing = false,
          .index_inline = true,
          .file_system = std::make_shared<TracedFiles>(disk)};
}

struct Stores {
  DiskFiles closed;
  DiskFiles killed;
};

/// With images, row files that were replaced, tables, and a log behind them.
Stores make_stores() {
  Stores made;
  auto disk = std::make_shared<TracedDisk>();
  StoreOptions options = options_on(disk);
  options.create_if_missing = true;
  auto store = Store::open(kPath, options);
  REQUIRE(store);
  Collection docs = NumberedBatches::make(*store);
  for (Sequence at = 2; at <= kCommits; ++at) {
    REQUIRE(NumberedBatches::write(docs, at));
    if (at == 20 || at == 50) REQUIRE(docs.flush());
    if (at == 30 || at == 40) REQUIRE(store->verify());
  }
  made.killed = disk->end();
  REQUIRE(store->close());
  made.closed = disk->end();
  return made;
}

/// A file of a disk, by number.
struct Named {
  std::string path;
  std::uint32_t number = 0;
  std::uint32_t directory = 0;
  std::string name;
};

/// The files of the store, but the lock: nothing is read from it.
std::vector<Named> files_of(const DiskFiles& disk, std::uint32_t directory = 0,
                            const std::string& path = {}) {
  std::vector<Named> found;
  for (const auto& [name, number] : disk[directory].names) {
    const std::string below = path + "/" + name;
    if (disk[number].is_directory) {
      for (Named& each : files_of(disk, number, below)) found.push_back(std::move(each));
    } else if (name != "LOCK") {
      found.push_back({below, number, directory, name});
    }
  }
  return found;
}

bool is_damage(ErrorCode code) {
  return code == ErrorCode::kCorruption || code == ErrorCode::kLostWrites ||
         code == ErrorCode::kNotFound || code == ErrorCode::kUnsupportedFormat ||
         code == ErrorCode::kSnapshotExpired;
}

/// What the store says that stands on `disk`; no value when all of it is right.
std::optional<Error> damage_found(DiskFiles disk, bool read_only) {
  StoreOptions options = options_on(std::make_shared<TracedDisk>(std::move(disk)));
  options.read_only = read_only;
  const auto store = Store::open(kPath, options);
  if (!store) return store.error();
  CHECK(store->recovery().recovered_sequence == kCommits);
  const auto docs = store->collection("docs");
  if (!docs) return docs.error();
  if (auto error = NumberedBatches::error_of(*docs, kCommits)) return error;
  const auto verified = store->verify();
  if (!verified) return verified.error();
  return {};
}

/// The answers are right without an index, and the store says so.
void expect_degraded(DiskFiles disk) {
  StoreOptions options = options_on(std::make_shared<TracedDisk>(std::move(disk)));
  options.read_only = true;
  const auto store = Store::open(kPath, options);
  REQUIRE(store);
  const auto stats = store->collection("docs")->stats();
  REQUIRE(stats);
  CHECK(stats->degraded);
}

/// Counts what became of damages, by kind of file.
class Outcomes {
 public:
  /// The disk is damaged; what it says is damage, or there is nothing to say.
  void expect_seen_or_harmless(const DiskFiles& disk, const std::string& path, bool read_only) {
    const auto error = damage_found(disk, read_only);
    if (error) {
      INFO(error->message);
      CHECK(is_damage(error->code));
      ++seen_[kind_of_file(path)];
    } else {
      ++harmless_[kind_of_file(path)];
    }
  }
  std::uint64_t seen() const { return sum(seen_); }
  void publish(const std::string& damage) const {
    for (const auto& [kind, number] : seen_) report(damage + " seen in " + kind, number);
    for (const auto& [kind, number] : harmless_) report(damage + " harmless in " + kind, number);
    report(damage, sum(seen_) + sum(harmless_));
  }

 private:
  using Counts = std::map<std::string, std::uint64_t>;
  static std::uint64_t sum(const Counts& counts) {
    std::uint64_t all = 0;
    for (const auto& [kind, number] : counts) all += number;
    return all;
  }
  Counts seen_;
  Counts harmless_;
};

std::set<std::uint64_t> lengths_of(std::uint64_t size) {
  std::set<std::uint64_t> lengths;
  const std::uint64_t step = setting("ANEAR_CUTS", 0) != 0 ? kBlock : std::max(kBlock, size / 3);
  for (std::uint64_t at = 0; at <= size; at += step) {
    if (at != 0) lengths.insert(at - 1);
    lengths.insert({at, at + 1});
  }
  lengths.insert({size / 2, size - std::min<std::uint64_t>(size, 1)});
  lengths.erase(size);
  while (!lengths.empty() && *lengths.rbegin() > size) lengths.erase(std::prev(lengths.end()));
  return lengths;
}

/// A closed store that was opened and lost its process right after the database had begun a new
/// list of files, before the mark could say that the store is open.
DiskFiles opened_and_killed(const DiskFiles& closed) {
  const auto disk = std::make_shared<TracedDisk>(closed);
  REQUIRE(Store::open(kPath, options_on(disk)));
  const auto& changes = disk->changes();
  const auto named = std::find_if(changes.begin(), changes.end(), [](const DiskChange& change) {
    return change.kind == DiskChange::Kind::kRename && change.name == "CURRENT";
  });
  REQUIRE(named != changes.end());
  Random random(1);
  return LostPower(disk->begin(), {changes.begin(), named + 1})
      .left({LostBytes::kNone, LostNames::kNone}, random);
}

/// The mark names the list as it is, though no commit came since it grew.
void expect_list_marked(storage::FileSystem& files) {
  const auto identity = storage::read_identity(files, kPath);
  REQUIRE(identity);
  const auto reading = storage::HighWaterMark::read(files, kPath, identity->id);
  REQUIRE(reading);
  const auto list =
      storage::measure_list_in_use(files, std::string(kPath) + "/" + storage::kRecordsDirectory);
  REQUIRE(list);
  CHECK(reading->file_list == *list);
}

/// A buffered store that was killed after the log of most commits had gone into tables.
DiskFiles make_buffered() {
  const auto disk = std::make_shared<TracedDisk>();
  StoreOptions options = options_on(disk);
  options.create_if_missing = true;
  options.durability = Durability::kBuffered;
  auto store = Store::open(kPath, options);
  REQUIRE(store);
  Collection docs = NumberedBatches::make(*store);
  for (Sequence at = 2; at <= kCommits; ++at) {
    REQUIRE(NumberedBatches::write(docs, at));
    if (at == kCommits - 5) REQUIRE(store->verify());
  }
  expect_list_marked(*options.file_system);
  return disk->end();
}

}  // namespace

TEST_CASE("A flipped bit in any file is told, or every answer is right") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'260'303);
  const std::uint64_t flips = setting("ANEAR_FLIPS", test::takes_few_rows() ? 100 : 500);
  Random random(seed);
  const Stores stores = make_stores();
  REQUIRE_FALSE(damage_found(stores.closed, false));
  REQUIRE_FALSE(damage_found(stores.killed, false));
  Outcomes outcomes;
  for (std::uint64_t i = 0; i < flips; ++i) {
    const bool killed = random.below(2) == 0;
    DiskFiles disk = killed ? stores.killed : stores.closed;
    const std::vector<Named> files = files_of(disk);
    const Named& file = files[random.below(files.size())];
    std::string& bytes = disk[file.number].bytes;
    if (bytes.empty()) continue;
    const std::size_t byte = random.below(bytes.size());
    const auto bit = static_cast<unsigned>(random.below(8));
    bytes[byte] = static_cast<char>(static_cast<unsigned char>(bytes[byte]) ^ (1U << bit));
    INFO("ANEAR_SEED=" << seed << ", flip " << i << (killed ? ", killed: " : ", closed: ")
                       << file.path << ", byte " << byte << " of " << bytes.size() << ", bit "
                       << bit);
    outcomes.expect_seen_or_harmless(disk, file.path, random.below(4) == 0);
  }
  CHECK(outcomes.seen() > flips / 4);
  outcomes.publish("flips");
}

TEST_CASE("A damaged list of files costs neither a table nor a commit") {
  DiskFiles whole;
  SECTION("that an opening has just begun") { whole = opened_and_killed(make_stores().closed); }
  SECTION("that has grown since the last mark of a buffered store") { whole = make_buffered(); }
  REQUIRE_FALSE(damage_found(whole, false));
  std::vector<Named> files = files_of(whole);
  std::erase_if(files, [](const Named& file) { return kind_of_file(file.path) != "list"; });
  REQUIRE_FALSE(files.empty());
  const Named& list = files.back();
  const std::size_t size = whole[list.number].bytes.size();
  for (std::size_t byte = 0; byte < size; byte += 1 + size / 200) {
    DiskFiles files_now = whole;
    std::string& bytes = files_now[list.number].bytes;
    bytes[byte] = static_cast<char>(bytes[byte] ^ 4);
    INFO(list.path << ", byte " << byte << " of " << size);
    const auto disk = std::make_shared<TracedDisk>(std::move(files_now));
    const auto store = Store::open(kPath, options_on(disk));
    if (store) {
      CHECK(store->recovery().recovered_sequence == kCommits);
      CHECK_FALSE(NumberedBatches::error_of(*store->collection("docs"), kCommits));
      continue;
    }
    CHECK(is_damage(store.error().code));
    for (const DiskChange& change : disk->changes())
      CHECK_FALSE((change.kind == DiskChange::Kind::kRemove && change.name.ends_with(".sst")));
  }
}

TEST_CASE("A file that is cut, longer or missing is told, or every answer is right") {
  const Stores stores = make_stores();
  Outcomes cut;
  Outcomes longer;
  Outcomes missing;
  for (const DiskFiles* const whole : {&stores.closed, &stores.killed}) {
    for (const Named& file : files_of(*whole)) {
      const std::string before = (*whole)[file.number].bytes;
      INFO((whole == &stores.killed ? "killed: " : "closed: ")
           << file.path << ", " << before.size() << " bytes");
      for (const std::uint64_t length : lengths_of(before.size())) {
        DiskFiles disk = *whole;
        disk[file.number].bytes.resize(length);
        INFO("cut to " << length);
        cut.expect_seen_or_harmless(disk, file.path, length % 2 == 0);
      }
      for (const std::string& added :
           {std::string(1, '\0'), std::string(kBlock, '\0'), std::string(kBlock + 1, 'x')}) {
        DiskFiles disk = *whole;
        disk[file.number].bytes += added;
        INFO("longer by " << added.size());
        longer.expect_seen_or_harmless(disk, file.path, added.size() == 1);
      }
      DiskFiles disk = *whole;
      disk[file.directory].names.erase(file.name);
      INFO("missing");
      missing.expect_seen_or_harmless(disk, file.path, false);
    }
  }
  CHECK(cut.seen() > 50);
  CHECK(longer.seen() > 5);
  CHECK(missing.seen() > 10);
  cut.publish("cuts");
  longer.publish("longer files");
  missing.publish("missing files");
}

TEST_CASE("Two files that have each other's bytes are told, or every answer is right") {
  const Stores stores = make_stores();
  Outcomes outcomes;
  for (const DiskFiles* const whole : {&stores.closed, &stores.killed}) {
    const std::vector<Named> files = files_of(*whole);
    for (std::size_t i = 0; i < files.size(); ++i) {
      for (std::size_t j = i + 1; j < files.size(); ++j) {
        const std::string kind = kind_of_file(files[i].path);
        if (kind != kind_of_file(files[j].path)) continue;
        DiskFiles disk = *whole;
        std::swap(disk[files[i].number].bytes, disk[files[j].number].bytes);
        INFO((whole == &stores.killed ? "killed: " : "closed: ")
             << files[i].path << " and " << files[j].path);
        outcomes.expect_seen_or_harmless(disk, files[i].path, (i + j) % 2 == 0);
        if (kind == "image") expect_degraded(disk);
      }
    }
  }
  CHECK(outcomes.seen() > 10);
  outcomes.publish("swapped files");
}

}  // namespace rocksdb_damage_test
