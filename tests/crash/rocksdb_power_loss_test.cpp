// The power is cut at any moment of a store's life: whatever a disk may hold then, the store opens,
// with all that was acknowledged (durable), or with a prefix of the commits that goes at least up
// to what was synced (buffered), and it answers as exact search does.
//
// Lives are lived on a disk in memory that writes down every change (TracedDisk); from each, disks
// of many moments are made, by rules of what becomes of changes that were not synced (LostPower). A
// life begins with the recovery of what a cut left of the one before. Makes 1,000 disks, or 200
// under AddressSanitizer; ANEAR_IMAGES changes that. The seed is fixed and printed, ANEAR_SEED
// changes it: it settles what a life does, the moments and the rules; in which order two threads of
// the database write is not settled.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/campaign.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/kill_point_files.hpp"
#include "support/lost_power.hpp"
#include "support/traced_disk.hpp"

namespace rocksdb_power_loss_test {

using namespace anear;
using anear::test::NumberedBatches;
using anear::testing::DiskChange;
using anear::testing::DiskFiles;
using anear::testing::kind_of_file;
using anear::testing::LostPower;
using anear::testing::PowerLoss;
using anear::testing::random_loss;
using anear::testing::report;
using anear::testing::setting;
using anear::testing::TracedDisk;
using anear::testing::TracedFiles;

namespace {

constexpr const char* kPath = "/store";
constexpr std::uint64_t kImagesOfLife = 25;
constexpr Sequence kLongest = 150;  ///< Commits of lives that follow each other.

/// What is promised from a number of changes of the disk on.
struct Moment {
  std::size_t changes = 0;
  bool made = false;          ///< The store was opened once.
  Sequence acknowledged = 0;  ///< The last commit.
  Sequence synced = 0;        ///< The last commit that power loss may not take away.
};

/// Paths by number.
std::map<std::uint32_t, std::string> paths_of(const DiskFiles& files, std::uint32_t directory = 0,
                                              const std::string& path = {}) {
  std::map<std::uint32_t, std::string> paths{{directory, path}};
  for (const auto& [name, number] : files[directory].names)
    paths.merge(paths_of(files, number, path + "/" + name));
  return paths;
}

using Points = std::map<std::string, std::vector<std::size_t>>;

/// The moments of a life right behind each change, by what was changed.
Points moments_by_point(const TracedDisk& disk) {
  std::map<std::uint32_t, std::string> paths = paths_of(disk.begin());
  Points found;
  for (std::size_t i = 0; i < disk.changes().size(); ++i) {
    const DiskChange& change = disk.changes()[i];
    const bool is_of_names = change.kind == DiskChange::Kind::kSyncNames;
    if (!change.name.empty()) paths[change.file] = paths[change.directory] + "/" + change.name;
    const std::string& path = paths[is_of_names ? change.directory : change.file];
    found[std::to_string(static_cast<int>(change.kind)) + kind_of_file(path)].push_back(i + 1);
  }
  return found;
}

class Life {
 public:
  /// Begins with a disk on which a store is at `sequence`, or is not there yet (0).
  Life(const DiskFiles& begin, Sequence sequence, Durability how)
      : disk(std::make_shared<TracedDisk>(begin)), durability(how), at_(sequence) {
    note(sequence);
    moments.back().made = sequence != 0;
  }

  void live(Random& random) {
    open();
    const std::size_t steps = 10 + random.below(30);
    for (std::size_t i = 0; i < steps; ++i) step(random.below(24));
    docs_.reset();
    store_.reset();
    note(moments.back().synced);
    points = moments_by_point(*disk);
  }

  /// The last moment that had begun with so many changes.
  std::size_t moment_at(std::size_t changes) const {
    std::size_t last = 0;
    for (std::size_t i = 0; i < moments.size(); ++i) {
      if (moments[i].changes <= changes) last = i;
    }
    return last;
  }

  std::shared_ptr<TracedDisk> disk;
  Durability durability;
  std::vector<Moment> moments;
  Points points;

 private:
  void open() {
    auto store = Store::open(kPath, {.durability = durability,
                                     .tail_records_max = 200,
                                     .index_inline = true,
                                     .file_system = std::make_shared<TracedFiles>(disk)});
    INFO((store ? "" : store.error().message));
    REQUIRE(store);
    store_.emplace(std::move(*store));
    note(at_);  // What was recovered is synced before anything else is written.
    if (at_ == 0) {
      docs_.emplace(NumberedBatches::make(*store_));
      at_ = 1;
      note(at_);
    } else {
      docs_.emplace(*store_->collection("docs"));
    }
  }

  void step(std::uint64_t what) {
    if (what == 0) {
      REQUIRE(docs_->flush());
      note(at_);
    } else if (what == 1) {
      REQUIRE(store_->verify());  // Writes out what stands in the log.
      note(at_);
    } else if (what == 2) {
      docs_.reset();
      REQUIRE(store_->close());
      store_.reset();
      note(at_);
      open();
    } else {
      REQUIRE(NumberedBatches::write(*docs_, at_ + 1));
      ++at_;
      note(durability == Durability::kDurable ? at_ : moments.back().synced);
    }
  }

  void note(Sequence synced) { moments.push_back({disk->change_count(), true, at_, synced}); }

  Sequence at_;
  std::optional<Store> store_;
  std::optional<Collection> docs_;
};

/// What has to be found on a disk.
struct Wanted {
  bool made = false;
  Sequence from = 0;
  Sequence to = 0;
};

Wanted wanted_at(const Life& life, std::size_t changes) {
  const std::size_t at = life.moment_at(changes);
  const Moment& now = life.moments[at];
  const Moment& next = life.moments[std::min(at + 1, life.moments.size() - 1)];
  return {now.made, now.synced, std::max(now.acknowledged, next.acknowledged)};
}

/// Opens the store and looks at all of it. The sequence that it is at.
Sequence look(const std::shared_ptr<TracedDisk>& disk, StoreOptions options) {
  options.index_inline = true;
  options.file_system = std::make_shared<TracedFiles>(disk);
  const auto store = Store::open(kPath, options);
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  const Sequence sequence = store->recovery().recovered_sequence;
  const auto docs = store->collection("docs");
  REQUIRE(docs.has_value() == (sequence != 0));
  if (docs) NumberedBatches::expect_state(*docs, sequence);
  if (options.read_only) return sequence;  // verify() would tell of a torn mark.
  const auto verified = store->verify();
  INFO((verified ? "" : verified.error().message));
  REQUIRE(verified);
  return sequence;
}

/// Looks at a disk as a power cut left it, again and again. Returns where its store is.
Sequence expect_recovered(const std::shared_ptr<TracedDisk>& disk, const Wanted& wanted,
                          Durability durability) {
  std::optional<Sequence> seen;
  if (wanted.made) {
    seen = look(disk, {.read_only = true});
    REQUIRE(disk->change_count() == 0);
  }
  const Sequence recovered = look(disk, {.durability = durability});
  CHECK(recovered >= wanted.from);
  CHECK(recovered <= wanted.to);
  if (seen) CHECK(*seen == recovered);
  CHECK(look(disk, {.durability = durability}) == recovered);
  return recovered;
}

/// Any moment, or one behind any kind of change, most of which are rare.
std::size_t random_moment(const Life& life, Random& random) {
  if (random.below(2) == 0) return random.below(life.disk->changes().size() + 1);
  auto point = life.points.begin();
  std::advance(point, random.below(life.points.size()));
  return point->second[random.below(point->second.size())];
}

}  // namespace

TEST_CASE("Whatever a power cut leaves of the disk, nothing acknowledged is lost or torn") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'261'126);
  const std::uint64_t images = setting("ANEAR_IMAGES", test::takes_few_rows() ? 200 : 1'000);
  DiskFiles begin = TracedDisk().begin();
  Sequence sequence = 0;
  for (std::uint64_t made = 0; made < images;) {
    const std::uint64_t number = made / kImagesOfLife;
    Random random(seed * 1'000'003 + number);
    const auto durability = number % 2 == 0 ? Durability::kDurable : Durability::kBuffered;
    Life life(begin, sequence, durability);
    life.live(random);
    for (std::uint64_t i = 0; i < kImagesOfLife && made < images; ++i, ++made) {
      const std::size_t changes = random_moment(life, random);
      const PowerLoss loss = random_loss(random);
      INFO("ANEAR_SEED=" << seed << ", image " << made << ": life " << number << ", "
                         << (durability == Durability::kDurable ? "durable" : "buffered")
                         << ", after change " << changes << " of " << life.disk->changes().size()
                         << ", " << described(loss));
      begin = LostPower(life.disk->begin(), std::span(life.disk->changes()).first(changes))
                  .left(loss, random);
      const auto disk = std::make_shared<TracedDisk>(begin);
      sequence = expect_recovered(disk, wanted_at(life, changes), durability);
    }
    if (sequence > kLongest) {
      begin = TracedDisk().begin();
      sequence = 0;
    }
  }
  report("images", images);
}

}  // namespace rocksdb_power_loss_test
