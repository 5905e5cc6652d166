// erase: no byte of what was erased stands in any file, and nothing of other records is lost. Each
// part of a canary is found in the files before, so that not finding it says something.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/erase_store.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_erase_test {

using namespace anear;
using namespace anear::test::erasing;  // NOLINT(google-build-using-namespace): made for this.
using anear::test::Batch;
using anear::test::Canary;
using anear::test::canary;
using anear::test::must;
using anear::test::must_open;
using anear::testing::TempDirectory;

TEST_CASE("Erased records stand in no file, in no form, and others are as they were") {
  for (const Kind& kind : kinds()) {
    for (const bool flushed : {false, true}) {
      INFO(kind.name << (flushed ? ", in images" : ", in the tail"));
      const TempDirectory directory;
      const std::string path = directory / "store";
      auto store = must_open(path);
      auto docs = must(store.create_collection("docs", schema_of(kind)));
      put_others(docs, 0, kOthers, 1);
      std::vector<Canary> canaries;
      for (std::size_t i = 0; i < kCanaries; ++i) canaries.push_back(canary(i, 0, kDimension));
      for (const Canary& each : canaries) put(docs, each);
      put_others(docs, kOthers, 20, 1);
      if (flushed) REQUIRE(docs.flush());
      const auto before = contents_of(docs);
      const auto needles = needles_of(canaries, kind.metric);
      expect_found(path, needles, kind, flushed);

      const auto keys = keys_of(canaries);
      const EraseReceipt receipt = must(docs.erase_keys(views_of(keys)));
      CHECK(receipt.collection == "docs");
      CHECK(receipt.records == kCanaries);
      CHECK(receipt.indexes == (flushed ? 1 : receipt.indexes));
      CHECK(receipt.containers >= 4 * kCanaries);
      CHECK(receipt.outstanding.empty());
      CHECK_FALSE(receipt.removed.empty());
      for (const EraseReceipt::File& file : receipt.files) {
        INFO(file.path);
        CHECK(file.bytes == std::filesystem::file_size(path + "/" + file.path));
        CHECK_FALSE(file.checksum.empty());
      }
      for (const std::string& file : receipt.removed)
        CHECK_FALSE(std::filesystem::exists(path + "/" + file));
      CHECK(must(docs.stats()).erasing == 0);

      expect_not_found(path, needles);
      const auto [live, dead] = test::live_and_dead_positions(path);
      CHECK(live == kOthers + 20);
      CHECK(dead == 0);
      expect_whole(store, docs, without(before, keys));
      // What is written afterwards, also under an erased key, is there.
      put(docs, canary(0, 7, kDimension));
      put_others(docs, 0, 10, 2);
      REQUIRE(docs.flush());
      const auto after = contents_of(docs);
      CHECK(after.size() == before.size() - kCanaries + 1);
      REQUIRE(store.close());
      expect_not_found(path, needles_of({canaries[1], canaries[2]}, kind.metric));
      store = must_open(path);
      expect_whole(store, must(store.collection("docs")), after);
    }
  }
}

TEST_CASE("An erase takes earlier versions, and what was deleted before") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, kOthers, 1);
  std::vector<Canary> canaries;
  for (std::size_t i = 0; i < kCanaries; ++i) {
    for (std::size_t version = 0; version < 3; ++version) {
      canaries.push_back(canary(i, version, kDimension));
      put(docs, canaries.back());
      if (version == 1) REQUIRE(docs.flush());
    }
  }
  // Only the fields of one change, in place.
  Canary renamed = canaries.back();
  renamed.fields = {{"word", std::string("ThisWordWasPutInItsPlace")}};
  REQUIRE(docs.update(Batch().keys({renamed.key}).field("word", {renamed.fields[0].second})));
  const auto keys = keys_of(canaries);
  REQUIRE(keys.size() == kCanaries);
  const std::string_view deleted = keys[1];
  REQUIRE(must(docs.delete_keys({&deleted, 1})) == 1);
  REQUIRE(docs.flush());
  auto needles = needles_of(canaries, kind.metric);
  needles.push_back({"a word that was put in place of one", "ThisWordWasPutInItsPlace"});
  CHECK(test::found_in(path, needles).needles.size() > needles.size() / 3);
  const auto before = contents_of(docs);

  const EraseReceipt receipt = must(docs.erase_keys(views_of(keys)));
  CHECK(receipt.records == kCanaries - 1);
  expect_not_found(path, needles);
  expect_whole(store, docs, without(before, keys));
}

TEST_CASE("An erase by filter takes what matches, beside another collection") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path, {.durability = Durability::kBuffered});
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  auto others = must(store.create_collection("others", schema_of(kinds()[3])));
  put_others(docs, 0, 50, 1);
  put_others(others, 0, kOthers, 1);
  std::vector<Canary> canaries = {canary(0, 0, kDimension), canary(1, 0, kDimension)};
  for (const Canary& each : canaries) put(docs, each);
  const Canary stays = canary(2, 0, kDimension);
  put(docs, stays);
  put(others, stays);
  REQUIRE(store.flush());
  const auto before = contents_of(docs);
  const auto before_others = contents_of(others);

  CHECK(docs.erase_matching({}).error().code == ErrorCode::kInvalidArgument);
  const std::string word = std::get<std::string>(canaries[0].fields[6].second);
  const std::string other = std::get<std::string>(canaries[1].fields[6].second);
  const EraseReceipt receipt =
      must(docs.erase_matching({"word = $a or word = $b", {{"a", word}, {"b", other}}}));
  CHECK(receipt.records == 2);
  expect_not_found(path, needles_of(canaries, kind.metric));
  expect_whole(store, docs, without(before, keys_of(canaries)));
  CHECK(contents_of(others) == before_others);
  CHECK(contents_of(docs).contains(stays.key));
}

TEST_CASE("Every record of a collection can be erased") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const TempDirectory directory;
    const std::string path = directory / "store";
    auto store = must_open(path);
    auto docs = must(store.create_collection("docs", schema_of(kind)));
    std::vector<Canary> canaries;
    for (std::size_t i = 0; i < 230; ++i) canaries.push_back(canary(i, 0, kDimension));
    for (const Canary& each : canaries) put(docs, each);
    REQUIRE(docs.flush());
    REQUIRE(must(docs.erase_keys(views_of(keys_of(canaries)))).records == canaries.size());
    canaries.resize(5);
    expect_not_found(path, needles_of(canaries, kind.metric));
    expect_whole(store, docs, {});
    put_others(docs, 0, 30, 1);
    REQUIRE(store.close());
    store = must_open(path);
    docs = must(store.collection("docs"));
    CHECK(contents_of(docs).size() == 30);
  }
}

TEST_CASE("An erase can be stopped at each step, and goes on") {
  const Kind& kind = kinds()[1];
  const TempDirectory directory;
  const std::string path = directory / "store";
  auto store = must_open(path);
  auto docs = must(store.create_collection("docs", schema_of(kind)));
  put_others(docs, 0, kOthers, 1);
  std::vector<Canary> canaries;
  bool stopped = true;
  std::size_t steps = 0;
  for (; stopped; ++steps) {
    canaries.push_back(canary(steps, 0, kDimension));
    put(docs, canaries.back());
    REQUIRE(docs.flush());
    const auto before = contents_of(docs);
    struct Asked {
      std::size_t left;
      static bool goes_on(void* self, std::size_t, std::size_t) {
        auto& left = static_cast<Asked*>(self)->left;
        return left == 0 ? false : (--left, true);
      }
    } asked{steps};
    const std::string_view key = canaries.back().key;
    const auto outcome = docs.erase_keys({&key, 1}, {.progress = {&Asked::goes_on, &asked}});
    stopped = !outcome;
    if (stopped) {
      INFO(outcome.error().message);
      CHECK(outcome.error().code == ErrorCode::kCancelled);
      CHECK(must(docs.stats()).erasing != 0);
    }
    expect_whole(store, docs, without(before, {canaries.back().key}));
    REQUIRE(steps < 60);
  }
  CHECK(steps > 8);
  // The last one finished those before it.
  CHECK(must(docs.stats()).erasing == 0);
  expect_not_found(path, needles_of(canaries, kind.metric));
}

TEST_CASE(
    "An erase that a process left unfinished is finished by the next one, in the background") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  const Canary erased = canary(0, 0, kDimension);
  Contents before;
  {
    auto store = must_open(path);
    auto docs = must(store.create_collection("docs", schema_of(kind)));
    put_others(docs, 0, kOthers, 1);
    put(docs, erased);
    REQUIRE(docs.flush());
    before = contents_of(docs);
    const auto stop = [](void*, std::size_t, std::size_t) { return false; };
    const std::string_view key = erased.key;
    REQUIRE_FALSE(docs.erase_keys({&key, 1}, {.progress = {stop, nullptr}}));
    // Closed without a word of it.
  }
  CHECK(test::found_in(path, needles_of({erased}, kind.metric)).needles.size() > 5);
  auto store = must_open(path);
  CHECK(store.recovery().unfinished_erasures == 1);
  auto docs = must(store.collection("docs"));
  for (int i = 0; i < 3'000 && must(docs.stats()).erasing != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(must(docs.stats()).erasing == 0);
  expect_not_found(path, needles_of({erased}, kind.metric));
  expect_whole(store, docs, without(before, {erased.key}));
}

TEST_CASE("An erase is refused where nothing can be written, and works in memory") {
  const Kind& kind = kinds().front();
  const TempDirectory directory;
  const std::string path = directory / "store";
  const Canary erased = canary(0, 0, kDimension);
  const std::string_view key = erased.key;
  {
    auto store = must_open(path);
    auto docs = must(store.create_collection("docs", schema_of(kind)));
    put(docs, erased);
    const std::string_view bad[] = {key, ""};
    CHECK(docs.erase_keys(bad).error().subcode == Subcode::kKeyInvalid);
    CHECK(contents_of(docs).size() == 1);
  }
  auto reader = must_open(path, {.read_only = true});
  auto docs = must(reader.collection("docs"));
  CHECK(docs.erase_keys({&key, 1}).error().code == ErrorCode::kReadOnly);
  CHECK(reader.resume_erase().error().code == ErrorCode::kReadOnly);

  auto memory = test::memory_store();
  auto scratch = must(memory.create_collection("docs", schema_of(kind)));
  put_others(scratch, 0, 50, 1);
  put(scratch, erased);
  REQUIRE(scratch.flush());
  const auto before = contents_of(scratch);
  const auto receipt = must(scratch.erase_keys({&key, 1}));
  CHECK(receipt.records == 1);
  CHECK(receipt.files.empty());
  expect_whole(memory, scratch, without(before, {erased.key}));
}

}  // namespace rocksdb_erase_test
