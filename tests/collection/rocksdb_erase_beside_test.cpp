// erase beside others: pinned handles, readers, writers, backups, files that are left or open.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/erase_store.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_erase_beside_test {

using namespace anear;
using namespace anear::test::erasing;  // NOLINT(google-build-using-namespace): made for this.
using anear::test::Batch;
using anear::test::Canary;
using anear::test::canary;
using anear::test::must;
using anear::test::must_open;
using anear::testing::TempDirectory;

TEST_CASE("A pinned handle is waited for, then named; the erase goes on afterwards") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, kOthers, 1);
  const Canary erased = canary(0, 0, kDimension);
  put(docs, erased);
  REQUIRE(docs.flush());
  const auto before = contents_of(docs);
  std::optional<Collection> pinned = must(docs.pinned());
  const std::string_view key = erased.key;

  CHECK(pinned->erase_keys({&key, 1}).error().code == ErrorCode::kReadOnly);
  const auto held = docs.erase_keys({&key, 1}, {.wait_ms = 20});
  REQUIRE_FALSE(held);
  CHECK(held.error().code == ErrorCode::kSnapshotExpired);
  CHECK(held.error().message.find("pinned") != std::string::npos);
  const Sequence erasing = must(docs.stats()).erasing;
  CHECK(erasing != 0);
  CHECK(contents_of(*pinned) == before);  // It stays at its state, keys, rows and all.
  CHECK(contents_of(docs) == without(before, {erased.key}));
  Query query = test::near_to({erased.row.data(), kDimension, ScalarKind::kF32}, 1);
  query.recall = 1.0F;
  CHECK(must(pinned->search(query)).hits.at(0).record.key == erased.key);
  CHECK(must(docs.search(query)).hits.at(0).record.key != erased.key);
  CHECK_FALSE(store.resume_erase({.wait_ms = 20}));

  pinned.reset();
  const auto receipts = must(store.resume_erase());
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].sequence == erasing);
  CHECK(receipts[0].records == 1);
  CHECK(must(docs.stats()).erasing == 0);
  CHECK(must(store.resume_erase()).empty());
  expect_not_found(path, needles_of({erased}, kind.metric));
  expect_whole(store, docs, without(before, {erased.key}));
}

TEST_CASE("A view that is let go of while an erase waits for it leaves nothing behind") {
  for (const Kind& kind : {kinds()[0], kinds()[2], kinds()[3]}) {
    INFO(kind.name);
    const TempDirectory directory;
    const std::string path = directory / "store";
    auto store = must_open(path);
    auto docs = must(store.create_collection("docs", schema_of(kind)));
    put_others(docs, 0, kOthers, 1);
    const Canary erased = canary(0, 0, kDimension);
    put(docs, erased);
    REQUIRE(docs.flush());
    const auto before = contents_of(docs);
    std::optional<Collection> pinned = must(docs.pinned());
    std::thread holder([&] {
      // Long enough for the indexes to be built, beside which it still holds the dead row.
      while (must(docs.stats()).erasing == 0) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      pinned.reset();
    });
    const std::string_view key = erased.key;
    const auto receipt = docs.erase_keys({&key, 1}, {.wait_ms = 60'000});
    holder.join();
    must(receipt);
    expect_not_found(path, needles_of({erased}, kind.metric));
    const auto [live, dead] = test::live_and_dead_positions(path);
    CHECK((live == kOthers && dead == 0));
    expect_whole(store, docs, without(before, {erased.key}));
  }
}

TEST_CASE("A reader follows over an erase, from any state") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, kOthers, 1);
  REQUIRE(docs.flush());
  auto early = must_open(path, {.read_only = true});
  const Canary erased = canary(0, 0, kDimension);
  put(docs, erased);
  put_others(docs, 0, 5, 2);
  auto reader = must_open(path, {.read_only = true});
  CHECK(contents_of(must(reader.collection("docs"))).contains(erased.key));
  const std::string_view key = erased.key;
  REQUIRE(docs.erase_keys({&key, 1}));
  CHECK(contents_of(must(reader.collection("docs"))).contains(erased.key));
  for (Store* following : {&reader, &early}) {
    REQUIRE(following->refresh());
    expect_whole(*following, must(following->collection("docs")), contents_of(docs));
  }
  put_others(docs, 3, 20, 3);
  std::string_view other = "k7";
  REQUIRE(docs.delete_keys({&other, 1}));
  REQUIRE(reader.refresh());
  expect_whole(reader, must(reader.collection("docs")), contents_of(docs));
}

TEST_CASE("Backups of before, and copies that recover() left, are told as outstanding") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, 50, 1);
  const Canary erased = canary(0, 0, kDimension);
  put(docs, erased);
  const auto taken = must(store.backup(directory / "backups"));
  std::filesystem::create_directory(path + "/lost-7");
  testing::overwrite_file(path + "/lost-7/000009.log", "a log with " + erased.key);
  const std::string_view key = erased.key;
  const auto receipt = must(docs.erase_keys({&key, 1}));
  REQUIRE(receipt.outstanding.size() == 2);
  CHECK(receipt.outstanding[0].find("lost-7") != std::string::npos);
  CHECK(receipt.outstanding[1].find("backup " + std::to_string(taken.number)) == 0);
  const auto needles = needles_of({erased}, kind.metric);
  CHECK(test::found_in(path, needles).needles.size() == 1);

  // One that is taken while an erase is under way has its sequence, and files of before.
  put(docs, erased);
  const auto stop = [](void*, std::size_t, std::size_t) { return false; };
  REQUIRE_FALSE(docs.erase_keys({&key, 1}, {.progress = {stop, nullptr}}));
  const auto during = must(store.backup(directory / "backups"));
  CHECK(during.sequence == must(docs.stats()).erasing);
  const auto resumed = must(store.resume_erase());
  REQUIRE(resumed.size() == 1);
  REQUIRE(resumed[0].outstanding.size() == 3);
  CHECK(resumed[0].outstanding[2].find("backup " + std::to_string(during.number)) == 0);

  must(store.backup(directory / "backups"));  // Of what is there now.
  REQUIRE(Store::prune_backups(directory / "backups", 1));
  const auto again = must(docs.erase_keys({&key, 1}, {.remove_lost_copies = true}));
  CHECK(again.records == 0);
  REQUIRE(again.outstanding.size() == 1);  // That one was taken before this erase.
  CHECK_FALSE(std::filesystem::exists(path + "/lost-7"));
  expect_not_found(path, needles);
  // The directory of backups has no byte of it either, since its old ones were removed.
  const auto restored = directory / "restored";
  REQUIRE(Store::restore(directory / "backups", restored));
  expect_not_found(restored, needles);
}

TEST_CASE("An erase takes files that nothing names, and lets go of those that are gone") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  const Canary erased = canary(0, 0, kDimension);
  {
    auto store = must_open(path);
    auto docs = must(store.create_collection("docs", schema_of(kind)));
    put_others(docs, 0, kOthers, 1);
    put(docs, erased);
    REQUIRE(docs.flush());
  }
  auto store = must_open(path);  // Keys, rows and codes are mapped files.
  auto docs = must(store.collection("docs"));
  const std::string left[] = {path + "/images/1-0-90.image.tmp", path + "/rows/1-0-91.rows.tmp",
                              path + "/rows/1-0-92.rows"};
  for (const std::string& file : left) testing::overwrite_file(file, "begun with " + erased.key);
  const std::string others = path + "/images/12-0-1.image.tmp";
  testing::overwrite_file(others, "of another collection, which may be writing it");
  const std::string_view key = erased.key;
  const auto receipt = must(docs.erase_keys({&key, 1}));
  for (const std::string& file : left) {
    CHECK_FALSE(std::filesystem::exists(file));
    const std::string name = file.substr(path.size() + 1);
    CHECK(std::find(receipt.removed.begin(), receipt.removed.end(), name) != receipt.removed.end());
  }
  CHECK(std::filesystem::exists(others));
  expect_not_found(path, needles_of({erased}, kind.metric));
  // A file that is removed keeps its bytes for as long as it is open.
  const std::string maps = testing::bytes_of_file("/proc/self/maps");
  for (std::size_t at = maps.find(path); at != maps.npos; at = maps.find(path, at + 1)) {
    const std::string line = maps.substr(at, maps.find('\n', at) - at);
    CHECK(line.find("(deleted)") == std::string::npos);
  }
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    const std::string target = std::filesystem::read_symlink(entry.path(), closed);
    if (target.starts_with(path)) CHECK(target.find("(deleted)") == std::string::npos);
  }
}

TEST_CASE("Records are erased beside writers and searches, and nothing else is lost") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, 200, 1);
  std::vector<Canary> canaries;
  for (std::size_t i = 0; i < 4; ++i) canaries.push_back(canary(i, 0, kDimension));
  std::atomic<bool> done{false};
  constexpr std::size_t kWrittenMax = 4'000;
  std::size_t written = 200;
  std::thread writer([&] {
    auto own = docs;
    for (; !done && written < kWrittenMax; written += 20) put_others(own, written, 20, 1);
  });
  std::thread searcher([&] {
    const auto query = test::clustered_rows({1, kDimension}, 1);
    while (!done) {
      const auto hits = docs.search(test::near_to(query.row(0), 10));
      if (!hits || hits->hits.size() != 10) std::abort();
      for (const Hit& hit : hits->hits) {
        if (hit.record.key.empty()) std::abort();
      }
    }
  });
  for (const Canary& each : canaries) {
    put(docs, each);
    const std::string_view key = each.key;
    const auto receipt = docs.erase_keys({&key, 1}, {.wait_ms = 60'000});
    INFO((receipt ? "" : receipt.error().message));
    CHECK(receipt);
  }
  done = true;
  writer.join();
  searcher.join();
  expect_not_found(path, needles_of(canaries, kind.metric));
  const auto all = contents_of(docs);
  CHECK(all.size() == written);
  for (std::size_t i = 0; i < written; ++i) CHECK(all.contains(key_of(i)));
  expect_whole(store, docs, all);
}

}  // namespace rocksdb_erase_beside_test
