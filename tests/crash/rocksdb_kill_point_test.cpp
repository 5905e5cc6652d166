// A process is killed right before, in the middle of and right after each kind of change that a
// store makes on the disk, and mostly once more while the next one recovers: nothing that was
// acknowledged may be missing, no batch may be there in part, searches must answer as brute force
// does.
//
// Every point is tried once, those of each commit three times; ANEAR_KILLS multiplies that. The
// seed is fixed and printed; ANEAR_SEED changes it.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/campaign.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/kill_point_files.hpp"
#include "support/temp_directory.hpp"
#include "support/worker.hpp"

namespace rocksdb_kill_point_test {

using namespace anear;
using anear::test::NumberedBatches;
using anear::testing::KillPoint;
using anear::testing::KillPointFiles;
using anear::testing::report;
using anear::testing::say;
using anear::testing::setting;
using anear::testing::TempDirectory;
using anear::testing::Worker;
using anear::testing::worker_task;

namespace {

/// What a life passes in any case; it passes more, which are tried too.
constexpr std::array kPoints = {"lock create",
                                "lock truncate",
                                "lock write",
                                "mark create",
                                "mark write",
                                "mark sync",
                                "identity create",
                                "identity write",
                                "identity sync",
                                "identity rename",
                                "parent directory sync",
                                "store directory make",
                                "store directory sync",
                                "records directory make",
                                "records directory sync",
                                "rows directory make",
                                "rows directory sync",
                                "images directory make",
                                "images directory sync",
                                "log create",
                                "log write",
                                "log sync",
                                "log remove",
                                "list create",
                                "list write",
                                "list sync",
                                "list remove",
                                "new names create",
                                "new names write",
                                "new names sync",
                                "current rename",
                                "database identity rename",
                                "table create",
                                "table write",
                                "table sync",
                                "row file create",
                                "row file write",
                                "row file sync",
                                "row file rename",
                                "row file remove",
                                "image create",
                                "image write",
                                "image sync",
                                "image rename",
                                "image remove"};

constexpr Sequence kCommits = 40;
constexpr const char* kWriter = "The writer that is killed at a point";

/// What a child is told: durability, when and time of the point, its name, the store's path.
struct Task {
  Durability durability = Durability::kDurable;
  KillPoint point{};
  std::string path{};

  std::string text() const {
    std::ostringstream out;
    out << static_cast<int>(durability) << ' ' << static_cast<int>(point.when) << ' ' << point.time
        << '\n'
        << point.name << '\n'
        << path;
    return out.str();
  }
  static Task of(const std::string& text) {
    std::istringstream in(text);
    Task task;
    int durability = 0;
    int when = 0;
    in >> durability >> when >> task.point.time >> std::ws;
    task.durability = static_cast<Durability>(durability);
    task.point.when = static_cast<KillPoint::When>(when);
    std::getline(in, task.point.name);
    std::getline(in, task.path);
    return task;
  }
};

/// A store's life from where it is up to kCommits more. Calls `acknowledge` with each commit.
template <typename Acknowledge>
void live(const Task& task, const std::shared_ptr<KillPointFiles>& files,
          Acknowledge&& acknowledge) {
  std::optional<Store> store;
  std::optional<Collection> docs;
  Sequence at = 0;
  const auto open = [&] {
    docs.reset();
    store.reset();
    auto opened = Store::open(task.path, {.durability = task.durability, .file_system = files});
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    store.emplace(std::move(*opened));
    at = store->recovery().recovered_sequence;
    if (at == 0)
      docs.emplace(NumberedBatches::make(*store));
    else
      docs.emplace(*store->collection("docs"));
    at = std::max<Sequence>(at, 1);
    acknowledge(at);
  };
  open();
  for (const Sequence end = at + kCommits; at < end;) {
    REQUIRE(NumberedBatches::write(*docs, at + 1));
    acknowledge(++at);
    if (at % 7 == 0) REQUIRE(docs->flush());
    if (at % 11 == 0) REQUIRE(store->verify());  // Writes out what stands in the log.
    if (at % 17 == 0) open();
  }
}

struct Ended {
  bool killed = false;
  Sequence acknowledged = 0;  ///< 0: nothing was.
};

/// Runs a child until it is killed or at its end.
Ended run(const Task& task) {
  Worker writer(kWriter, task.text());
  Ended ended;
  while (const auto at = writer.hear<Sequence>()) ended.acknowledged = *at;
  const int status = writer.wait();
  ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  CHECK((ended.killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)));
  return ended;
}

void expect_recovered(const std::string& path, const Ended& ended) {
  const auto store = Store::open(path);
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  const Sequence recovered = store->recovery().recovered_sequence;
  CHECK(recovered >= ended.acknowledged);
  CHECK(recovered <= ended.acknowledged + 1);
  const auto docs = store->collection("docs");
  REQUIRE(docs.has_value() == (recovered != 0));
  if (docs) NumberedBatches::expect_state(*docs, recovered);
  const auto verified = store->verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
}

/// Kills a writer of a new store there, mostly the one that recovers too, and looks at what is
/// left. Whether the first was killed.
bool kill_at(KillPoint point, const std::map<std::string, std::uint64_t>& passed, Random& random) {
  const TempDirectory directory;
  Task task{.path = directory / "store"};
  const bool is_durable = random.below(2) == 0;
  task.durability = is_durable ? Durability::kDurable : Durability::kBuffered;
  point.when = static_cast<KillPoint::When>(random.below(3));
  task.point = point;
  INFO(point.name << ", time " << point.time << ", when " << static_cast<int>(point.when)
                  << ", durability " << static_cast<int>(task.durability));
  Ended ended = run(task);
  const bool killed = ended.killed;
  if (killed) report(point.name + (is_durable ? ", durable" : ", buffered"), 1);
  if (random.below(3) == 0) {
    expect_recovered(task.path, ended);
    return killed;
  }
  auto again = passed.begin();
  std::advance(again, random.below(passed.size()));
  task.point.name = again->first;
  task.point.time = 1 + random.below(3);
  INFO("then " << task.point.name << ", time " << task.point.time);
  const Ended second = run(task);
  CHECK((second.acknowledged == 0 || second.acknowledged >= ended.acknowledged));
  ended.acknowledged = std::max(ended.acknowledged, second.acknowledged);
  expect_recovered(task.path, ended);
  return killed;
}

}  // namespace

TEST_CASE("The writer that is killed at a point", "[.]") {
  const char* what = worker_task();
  if (what == nullptr) return;  // Started by the test below alone.
  const Task task = Task::of(what);
  live(task, std::make_shared<KillPointFiles>(task.point), [](Sequence at) { REQUIRE(say(at)); });
}

TEST_CASE("A writer that is killed at any point of what it does on the disk loses nothing") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'260'202);
  const std::uint64_t kills = setting("ANEAR_KILLS", 1);
  Random random(seed);
  const TempDirectory directory;
  const auto watched = std::make_shared<KillPointFiles>();
  live({.path = directory / "store"}, watched, [](Sequence) {});
  const auto passed = watched->passed();
  for (const char* const point : kPoints) {
    INFO(point);
    CHECK(passed.contains(point));
  }
  std::uint64_t tried = 0;
  std::uint64_t killed = 0;
  for (std::uint64_t round = 0; round < kills; ++round) {
    for (const auto& [name, times] : passed) {
      // What a commit passes may be in the middle of one, or between two.
      const std::uint64_t tries = times > kCommits / 2 ? 3 : 1;
      for (std::uint64_t i = 0; i < tries; ++i) {
        INFO("ANEAR_SEED=" << seed << ", round " << round << ", try " << i);
        ++tried;
        killed += kill_at({name, 1 + random.below(times)}, passed, random) ? 1 : 0;
      }
    }
  }
  // How often a point is passed is settled but for the order of the database's threads.
  CHECK(killed * 10 >= tried * 9);
  report("points", passed.size());
  report("kills", killed);
}

}  // namespace rocksdb_kill_point_test
