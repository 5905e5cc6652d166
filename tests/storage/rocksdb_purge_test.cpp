// purge(): no file of a database holds what was removed or replaced before it, its list of files
// included, and what holds it up is told.
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "anear/core/random.hpp"
#include "anear/storage/byte_store.hpp"
#include "anear/storage/file_list.hpp"
#include "support/byte_store_contract.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_purge_test {

using namespace anear;
using namespace anear::testing;
using anear::storage::ByteStore;
using anear::storage::ByteStoreOptions;
using anear::storage::Family;
using anear::storage::PurgeOptions;
using anear::storage::WriteBatch;

namespace {

std::unique_ptr<ByteStore> open(const std::string& directory) {
  ByteStoreOptions options;
  options.directory = directory;
  options.merge = merge_letters;
  auto store = storage::open_rocksdb_store(options);
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

std::string word(std::uint64_t number) {
  Random random(number);
  std::string letters;
  for (int i = 0; i < 20; ++i) letters += static_cast<char>('A' + random.below(26));
  return letters;
}

/// Keys and values that stay, and between them some that are written in two versions and removed.
void fill(ByteStore& store, std::uint64_t round) {
  for (std::uint64_t version = 0; version < 2; ++version) {
    WriteBatch batch;
    for (std::uint64_t i = 0; i < 300; ++i) {
      batch.put(Family::kRecords, "stays" + std::to_string(i), word(7'000'000 + i));
      // The first and the last key, too: the list of files names those.
      batch.put(Family::kKeys, std::string(i % 2 == 0 ? "A" : "z") + word(round + i),
                word(round + 1'000 * (version + 1) + i));
    }
    REQUIRE(store.write(batch, true));
    if (version == 0) REQUIRE(store.flush());
  }
  WriteBatch removal;
  for (std::uint64_t i = 0; i < 300; ++i)
    removal.remove(Family::kKeys, std::string(i % 2 == 0 ? "A" : "z") + word(round + i));
  REQUIRE(store.write(removal, true));
}

/// In how many files one of the words of `round` stands.
std::size_t files_with(const std::string& directory, std::uint64_t round) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string bytes = bytes_of_file(entry.path());
    bool found = false;
    for (std::uint64_t i = 0; i < 300 && !found; ++i) {
      for (const std::uint64_t number : {i, 1'000 + i, 2'000 + i})
        found = found || bytes.find(word(round + number)) != bytes.npos;
    }
    files += found ? 1 : 0;
  }
  return files;
}

void expect_the_rest(const ByteStore& store) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto value = store.get(Family::kRecords, "stays" + std::to_string(i), nullptr);
    REQUIRE(value);
    REQUIRE(*value == word(7'000'000 + i));
  }
  CHECK_FALSE(store.iterate({Family::kKeys, "", ""}, nullptr)->valid());
  CHECK(store.verify());
}

}  // namespace

TEST_CASE("After a purge no file has what was removed before, again and again") {
  const TempDirectory directory;
  auto store = open(directory.path());
  for (std::uint64_t round = 0; round < 50'000; round += 10'000) {
    fill(*store, round);
    if (round % 20'000 == 0) REQUIRE(store->flush());
    CHECK(files_with(directory.path(), round) >= 2);
    const auto before = store->file_list();
    const auto report = store->purge({});
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    CHECK(files_with(directory.path(), round) == 0);
    CHECK(store->file_list().number > before.number);
    CHECK_FALSE(report->removed.empty());
    for (const std::string& name : report->removed)
      CHECK_FALSE(std::filesystem::exists(directory / name));
    for (const storage::StoredFile& file : report->files) {
      CHECK(std::filesystem::file_size(directory / file.path) == file.bytes);
      CHECK(file.crc32c);
    }
    expect_the_rest(*store);
    // The mark that is written from now on fits the list that is in use.
    REQUIRE(
        storage::check_file_list(*storage::os_file_system(), directory.path(), store->file_list()));
  }
  REQUIRE(store->close());
  store = open(directory.path());
  expect_the_rest(*store);
}

TEST_CASE("A purge waits for older snapshots and checkpoints, and names them") {
  const TempDirectory directory;
  auto store = open(directory.path());
  fill(*store, 0);
  auto snapshot = store->snapshot();
  REQUIRE(store->purge({.wait_ms = 20}));  // It sees nothing of what was removed.
  fill(*store, 10'000);
  const auto held = store->purge({.wait_ms = 20});
  REQUIRE_FALSE(held);
  CHECK(held.error().code == ErrorCode::kSnapshotExpired);
  CHECK(store->purge({.since = snapshot, .wait_ms = 20}));
  snapshot.reset();
  REQUIRE(store->purge({.wait_ms = 20}));
  CHECK(files_with(directory.path(), 10'000) == 0);

  fill(*store, 20'000);
  auto checkpoint = store->checkpoint();
  REQUIRE(checkpoint);
  const auto kept = store->purge({.wait_ms = 20});
  REQUIRE_FALSE(kept);
  CHECK(kept.error().code == ErrorCode::kSnapshotExpired);
  CHECK(kept.error().message.find("backup") != std::string::npos);
  checkpoint->reset();
  REQUIRE(store->purge({}));
  CHECK(files_with(directory.path(), 20'000) == 0);
  expect_the_rest(*store);
}

TEST_CASE("A purge can be stopped at each step, and done again") {
  const TempDirectory directory;
  auto store = open(directory.path());
  struct Asked {
    std::size_t left;
    static bool goes_on(void* self, std::size_t done, std::size_t total) {
      CHECK(done <= total);
      std::size_t& left = static_cast<Asked*>(self)->left;
      if (left == 0) return false;
      --left;
      return true;
    }
  };
  std::size_t steps = 0;
  for (bool stopped = true; stopped; ++steps) {
    fill(*store, 10'000 * steps);
    Asked asked{steps};
    const auto report = store->purge({.progress = {&Asked::goes_on, &asked}});
    stopped = !report;
    if (stopped) CHECK(report.error().code == ErrorCode::kCancelled);
    expect_the_rest(*store);
    REQUIRE(steps < 50);
  }
  CHECK(steps > 5);
  for (std::size_t step = 0; step < steps; ++step)
    CHECK(files_with(directory.path(), 10'000 * step) == 0);
  const std::atomic<bool> cancelled{true};
  CHECK(store->purge({.cancelled = &cancelled}).error().code == ErrorCode::kCancelled);
  REQUIRE(store->close());
  CHECK(store->purge({}).error().code == ErrorCode::kClosed);
}

}  // namespace rocksdb_purge_test
