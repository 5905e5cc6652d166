// erase: no byte of what was erased stands in any file, and nothing of other records is lost. Each
// part of a canary is found in the files before, so that not finding it says something.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/canaries.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

using namespace anear;
using anear::test::Batch;
using anear::test::Canary;
using anear::test::canary;
using anear::test::must;
using anear::test::must_open;
using anear::test::Needle;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 48;
constexpr std::size_t kOthers = 400;
constexpr std::size_t kCanaries = 3;

/// How a vector is kept.
struct Kind {
  const char* name;
  IndexOptions index;
  Metric metric;
  ScalarKind rows;
  bool has_codes;  ///< 8 bits a number, at rest.
};

IvfPqOptions few_lists() {
  IvfPqOptions options;
  options.lists = 8;
  options.subspaces = 8;
  options.iterations = 2;
  options.train_from = 200;
  return options;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"graph, f32", HnswOptions{}, Metric::kCosine, ScalarKind::kF32, true},
      {"graph, f16", HnswOptions{}, Metric::kL2, ScalarKind::kF16, true},
      {"flat, f32", FlatOptions{}, Metric::kL2, ScalarKind::kF32, false},
      {"inverted lists, f32", few_lists(), Metric::kL2, ScalarKind::kF32, false},
      {"inverted lists, f16", few_lists(), Metric::kCosine, ScalarKind::kF16, false}};
  return all;
}

CollectionSchema schema_of(const Kind& kind) {
  return {.vectors = {{.name = "embedding",
                       .dimension = kDimension,
                       .metric = kind.metric,
                       .kind = kind.rows,
                       .index = kind.index}},
          .fields = {{"word", FieldType::kString}, {"number", FieldType::kInt64}},
          .dynamic = true};
}

void put(Collection& docs, const Canary& record) {
  Batch batch;
  const test::Rows row{kDimension, record.row};
  batch.keys({record.key}).vectors("embedding", row).payloads({record.payload});
  for (const Field& field : record.fields) batch.field(field.first, {field.second});
  const auto put = docs.upsert(batch);
  INFO((put ? "" : put.error().message));
  REQUIRE(put);
}

std::string key_of(std::size_t i) { return "k" + std::to_string(i); }

void put_others(Collection& docs, std::size_t first, std::size_t count, std::int64_t version) {
  const auto rows = test::clustered_rows({first + count, kDimension}, 5);
  std::vector<Value> words;
  std::vector<Value> numbers;
  std::vector<std::string> payloads;
  for (std::size_t i = first; i < first + count; ++i) {
    words.emplace_back("word" + std::to_string(i % 17));
    numbers.emplace_back(version);
    payloads.push_back("payload " + std::to_string(i));
  }
  REQUIRE(docs.upsert(Batch()
                          .numbered(first, count)
                          .vectors("embedding", rows.view().rows_from(first, count))
                          .field("word", words)
                          .field("number", numbers)
                          .payloads(payloads)));
}

/// Key → all that is stored of it.
struct Content {
  Fields fields;
  std::string payload;
  std::vector<std::byte> row;
  bool operator==(const Content&) const = default;
};
using Contents = std::map<std::string, Content>;

Contents contents_of(const Collection& docs) {
  const auto page =
      must(docs.scan({.limit = 10'000, .parts = {.payload = true, .vectors = true}}));
  Contents all;
  for (const Record& record : page)
    all[record.key] = {record.fields, record.payload, record.vectors.at(0).bytes};
  return all;
}

Contents without(Contents all, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) all.erase(key);
  return all;
}

std::vector<std::string> keys_of(const std::vector<Canary>& canaries) {
  std::vector<std::string> keys;
  for (const Canary& each : canaries) {
    if (std::find(keys.begin(), keys.end(), each.key) == keys.end()) keys.push_back(each.key);
  }
  return keys;
}

std::vector<std::string_view> views_of(const std::vector<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

std::vector<Needle> needles_of(const std::vector<Canary>& canaries, Metric metric) {
  std::vector<Needle> all;
  for (const Canary& each : canaries) {
    const auto needles = test::needles_of(each, metric);
    all.insert(all.end(), needles.begin(), needles.end());
  }
  return all;
}

/// Every word and key of the canaries is there, and the rows as they are kept.
void expect_found(const std::string& path, const std::vector<Needle>& needles, const Kind& kind,
                  bool indexed) {
  const auto found = test::found_in(path, needles);
  for (std::size_t i = 0; i < needles.size(); ++i) {
    const std::string& what = needles[i].what;
    if (what.starts_with("normalised") || what.starts_with("f32 of the f16")) continue;
    if (what.starts_with("f32 row") && kind.rows != ScalarKind::kF32) continue;
    if (what.starts_with("f16 row") && kind.rows != ScalarKind::kF16) continue;
    if (what.starts_with("int8") && !(indexed && kind.has_codes)) continue;
    if (what.starts_with("int8") && !found.needles.contains(i)) continue;  // Of f32 or of f16.
    INFO(what);
    CHECK(found.needles.contains(i));
  }
  if (!indexed || !kind.has_codes) return;
  CHECK(std::any_of(found.needles.begin(), found.needles.end(),
                    [&](std::size_t i) { return needles[i].what.starts_with("int8"); }));
}

void expect_not_found(const std::string& path, const std::vector<Needle>& needles) {
  const auto found = test::found_in(path, needles);
  for (const std::string& where : found.where) FAIL_CHECK("found: " << where);
}

/// Everything but the erased records is as it was, and every search is exact.
void expect_whole(const Store& store, const Collection& docs, const Contents& expected) {
  CHECK(contents_of(docs) == expected);
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
  const auto queries = test::clustered_rows({3, kDimension}, 99);
  for (std::size_t q = 0; q < queries.count(); ++q) {
    Query query = test::near_to(queries.row(q), expected.size() + 10);
    query.recall = 1.0F;
    const auto hits = must(docs.search(query));
    CHECK(hits.hits.size() == expected.size());
    for (const Hit& hit : hits.hits) CHECK(expected.contains(hit.record.key));
  }
}

}  // namespace

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

  must(store.backup(directory / "backups"));
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

TEST_CASE("An erase that a process left unfinished is finished by the next one, in the background") {
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
  std::size_t written = 200;
  std::thread writer([&] {
    auto own = docs;
    for (; !done; written += 20) put_others(own, written, 20, 1);
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
