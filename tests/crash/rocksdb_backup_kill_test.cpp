// A process that writes, takes backups and removes old ones is killed again and again: each backup
// that is listed is whole, the newest one restores to exactly what its sequence says, and nothing
// is left in the pool that no backup needs.
//
// Runs 20 kills; ANEAR_KILLS changes that. The seed is fixed and printed; ANEAR_SEED changes it.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "anear/storage/backup_directory.hpp"
#include "support/campaign.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/temp_directory.hpp"
#include "support/worker.hpp"

namespace rocksdb_backup_kill_test {

using namespace anear;
using anear::test::NumberedBatches;
using anear::testing::report;
using anear::testing::say;
using anear::testing::setting;
using anear::testing::TempDirectory;
using anear::testing::Worker;
using anear::testing::worker_task;

namespace {

/// Tells when it has begun, and works until it is killed.
[[noreturn]] void work_until_killed(const std::string& path, const std::string& backups) {
  auto store = Store::open(path, {.tail_records_max = 64});
  if (!store) ::_exit(3);
  auto docs = store->collection("docs");
  if (!docs) ::_exit(4);
  const Sequence first = store->recovery().recovered_sequence + 1;
  for (Sequence batch = first;; ++batch) {
    if (!NumberedBatches::write(*docs, batch)) ::_exit(5);
    if (batch % 5 == 0 && !docs->flush()) ::_exit(6);
    if (batch % 2 == 0 && !store->backup(backups, {.hard_links = batch % 4 == 0})) ::_exit(7);
    if (batch % 6 == 0 && !Store::prune_backups(backups, 3)) ::_exit(8);
    if (batch == first && !say(batch)) ::_exit(9);
  }
}

constexpr const char* kWriter = "The process that is killed";

}  // namespace

TEST_CASE("The process that is killed", "[.]") {
  const char* directory = worker_task();
  if (directory == nullptr) return;  // Started by the next test alone.
  const std::string path = directory;
  work_until_killed(path + "/store", path + "/backups");
}

TEST_CASE("A process that is killed while it takes or removes backups leaves whole ones") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'261'126);
  const std::uint64_t kills = setting("ANEAR_KILLS", 20);
  Random random(seed);
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  {
    auto store = Store::open(path);
    REQUIRE(store);
    NumberedBatches::make(*store);
    REQUIRE(store->backup(backups));
  }
  for (std::uint64_t i = 0; i < kills; ++i) {
    INFO("ANEAR_SEED=" << seed << ", kill " << i);
    {
      Worker writer(kWriter, directory.path());
      REQUIRE(writer.hear<Sequence>());
      writer.kill_after(random.below(60'000));
    }
    auto listed = Store::backups(backups);
    REQUIRE(listed);
    REQUIRE_FALSE(listed->empty());
    for (const BackupInfo& info : *listed) {
      const auto whole = Store::verify_backup(backups, {.number = info.number});
      INFO((whole ? "" : whole.error().message));
      CHECK(whole);
    }
    const std::string restored = directory / "restored";
    REQUIRE(Store::restore(backups, restored));
    {
      auto store = Store::open(restored);
      REQUIRE(store);
      NumberedBatches::expect_state(*store->collection("docs"), listed->back().sequence);
    }
    std::filesystem::remove_all(restored);
    // The next one tidies up.
    auto store = Store::open(path);
    REQUIRE(store);
    REQUIRE(store->backup(backups));
    std::set<std::string> wanted;
    const auto entries = storage::list_backups(*storage::os_file_system(), backups);
    REQUIRE(entries);
    for (const auto& entry : *entries) {
      REQUIRE(entry.manifest);
      for (const storage::BackupFile& file : entry.manifest->files)
        wanted.insert(storage::hex(file.checksum) + "-" + std::to_string(file.bytes));
    }
    std::set<std::string> there;
    for (const auto& entry : std::filesystem::directory_iterator(backups + "/files"))
      there.insert(entry.path().filename());
    CHECK(there == wanted);
  }
  report("kills", kills);
}

}  // namespace rocksdb_backup_kill_test
