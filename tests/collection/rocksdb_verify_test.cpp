// What each level of verify() sees: every damaged file, and each single thing that is missing or
// another's, though every checksum fits.
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_verify_test {

using namespace anear;
using anear::storage::ByteStore;
using anear::storage::Family;
using anear::storage::WriteBatch;
using anear::test::copy_entry;
using anear::test::cut_links_to;
using anear::test::edit_bytes;
using anear::test::fill_entry;
using anear::test::keys_in;
using anear::test::must_open;
using anear::test::remove_first;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kRecords = 300;

/// So that no merge is due that replaces tables of a store while one of them is damaged.
void merge_tables(const std::string& store) {
  const auto bytes =
      storage::open_rocksdb_store({.directory = store + "/records", .merge = merge_containers});
  REQUIRE(bytes);
  for (std::uint8_t family = 0; family < storage::kFamilies; ++family)
    REQUIRE((*bytes)->reclaim({.family = Family{family}, .begin = {}, .end = {}}));
  REQUIRE((*bytes)->close());
  Store opened = must_open(store);  // Its mark is to name the list that this made.
  REQUIRE(opened.close());
}

/// Half of them in images and row files, half in the tail.
void make_store(const std::string& path) {
  Store store = must_open(path);
  auto docs = store.create_collection("docs", test::docs_schema(16));
  REQUIRE(docs);
  const auto rows = test::clustered_rows({kRecords, 16}, 23);
  test::add_docs(*docs, rows, 0, kRecords / 2);
  // A slot of the images that is dead, and stays so since a row file names it.
  REQUIRE(docs->upsert(test::Batch()
                           .keys({"gone"})
                           .vectors("embedding", rows.view().rows_from(0, 1))
                           .field("size", {Value(std::int64_t{0})})));
  REQUIRE(docs->flush());
  const std::string_view gone[] = {"gone"};
  REQUIRE(docs->delete_keys(gone));
  REQUIRE(docs->flush());
  test::add_docs(*docs, rows, kRecords / 2, kRecords / 2);
  REQUIRE(store.close());
  merge_tables(path);
}

/// The values of the first two keys are exchanged.
void exchange_first(const std::string& store, Family family) {
  edit_bytes(store, [&](WriteBatch& batch, const ByteStore& bytes) {
    const std::vector<std::string> keys = keys_in(bytes, family);
    const auto first = bytes.get(family, keys.at(0), nullptr);
    const auto second = bytes.get(family, keys.at(1), nullptr);
    REQUIRE((first && second && *first != *second));
    batch.put(family, keys[0], **second);
    batch.put(family, keys[1], **first);
  });
}

/// In the slots image the live slot is dead, and the dead one live.
void exchange_live(const std::string& store, std::size_t live, std::size_t dead) {
  test::edit_section(store, {"images", "1-slots-", "live"}, [&](auto bytes, std::uint64_t) {
    auto* const words = reinterpret_cast<std::uint64_t*>(bytes.data());
    for (const std::size_t slot : {live, dead}) words[slot / 64] ^= std::uint64_t{1} << (slot % 64);
    REQUIRE(((words[dead / 64] >> (dead % 64)) & 1) == 1);
  });
}

struct Change {
  const char* name;
  std::function<void(const std::string&)> make;
  const char* told;   ///< What the message says.
  VerifyLevel level;  ///< The first that tells.
};

const std::vector<Change>& changes() {
  constexpr VerifyLevel kRecordsLevel = VerifyLevel::kRecords;
  constexpr VerifyLevel kFullLevel = VerifyLevel::kFull;
  static const std::vector<Change> all = {
      {"no link leads to a position", [](auto& path) { cut_links_to(path, "1-0-", 7); }, "no link",
       kFullLevel},
      {"a code is another row's",
       [](auto& path) { copy_entry(path, {"rows", "1-0-", "codes"}, 3, 5); }, "code", kFullLevel},
      {"a row is another one", [](auto& path) { copy_entry(path, {"rows", "1-0-", "rows"}, 3, 5); },
       "not the one that was written", kFullLevel},
      {"a row is gone from index and file",
       [](auto& path) {
         fill_entry(path, {"rows", "1-0-", "slots"}, 5);
         fill_entry(path, {"images", "1-0-", "slots"}, 5);
       },
       "stands nowhere", kFullLevel},
      {"a row of the tail is gone", [](auto& path) { remove_first(path, Family::kRows); },
       "stands nowhere", kFullLevel},
      {"two rows of the tail are exchanged",
       [](auto& path) { exchange_first(path, Family::kRows); }, "not the one that was written",
       kFullLevel},
      {"a field container is gone", [](auto& path) { remove_first(path, Family::kFields); },
       "container is missing", kRecordsLevel},
      {"two field containers are exchanged",
       [](auto& path) { exchange_first(path, Family::kFields); }, "container disagrees",
       kRecordsLevel},
      {"a key is gone", [](auto& path) { remove_first(path, Family::kKeys); }, "keys for",
       kRecordsLevel},
      {"two keys are exchanged", [](auto& path) { exchange_first(path, Family::kKeys); },
       "another key", kRecordsLevel},
      {"a record is gone", [](auto& path) { remove_first(path, Family::kRecords); }, "records for",
       kRecordsLevel},
      {"two records are exchanged", [](auto& path) { exchange_first(path, Family::kRecords); },
       "another one's slot", kRecordsLevel},
      {"a live slot is none in the image", [](auto& path) { exchange_live(path, 0, kRecords / 2); },
       "dead slot", kRecordsLevel}};
  return all;
}

constexpr std::array kLevels = {VerifyLevel::kChecksums, VerifyLevel::kRecords, VerifyLevel::kFull};

/// The paths of all files of a kind in a store.
std::vector<std::string> files_of(const std::string& store, const std::string& kind) {
  static const std::map<std::string, std::pair<std::string, std::string>> places = {
      {"identity", {"", "ANEAR"}},         {"mark", {"", "MARK"}},
      {"current", {"records", "CURRENT"}}, {"list", {"records", "MANIFEST-"}},
      {"table", {"records", ".sst"}},      {"row file", {"rows", ".rows"}},
      {"image", {"images", ".image"}}};
  auto [directory, name] = places.at(kind);
  // An opening makes a list of its own, and removes the one before in the background.
  if (kind == "list") std::ifstream(store + "/records/CURRENT") >> name;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(store + "/" + directory)) {
    if (entry.path().filename().string().find(name) != std::string::npos)
      paths.push_back(entry.path());
  }
  REQUIRE_FALSE(paths.empty());
  return paths;
}

/// What can happen to a file; each as often as there is a place for it.
enum class Damage { kFlip, kCut, kLonger, kMissing };

void flip_byte(const std::string& path, std::uintmax_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 1));
  REQUIRE(file);
}

void damage(const std::string& path, Damage kind) {
  const std::uintmax_t size = std::filesystem::file_size(path);
  switch (kind) {
    case Damage::kFlip:
      // Of the file with the marks few bytes count.
      flip_byte(path, path.ends_with("MARK") ? 9 : size / 3);
      break;
    case Damage::kCut:
      std::filesystem::resize_file(path, size / 2);
      break;
    case Damage::kLonger:
      std::filesystem::resize_file(path, size + 1);
      break;
    case Damage::kMissing:
      std::filesystem::remove(path);
      break;
  }
}

/// Nothing is read behind the end of these.
bool may_be_harmless(const std::string& kind, Damage done) {
  return done == Damage::kLonger && (kind == "list" || kind == "mark" || kind == "identity");
}

void check_told(const Store& store, const std::string& kind, const std::string& file,
                bool may_be_silent) {
  for (const VerifyLevel level : kLevels) {
    const auto report = store.verify({.level = level});
    INFO((report ? "no damage" : report.error().message));
    if (may_be_silent && report) continue;
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ErrorCode::kCorruption);
    const std::string name = std::filesystem::path(file).filename();
    const bool is_named = report.error().message.find(name) != std::string::npos;
    CHECK((is_named || kind == "identity"));
  }
}

/// How far a verification told it was, and when to stop it.
struct Told {
  std::vector<std::pair<std::size_t, std::size_t>> calls;
  std::size_t stop_at = SIZE_MAX;
  ProgressCallback callback() {
    return {[](void* context, std::size_t done, std::size_t total) {
              auto& told = *static_cast<Told*>(context);
              told.calls.emplace_back(done, total);
              return told.calls.size() < told.stop_at;
            },
            this};
  }
};

}  // namespace

TEST_CASE("verify() tells of each single thing that is gone or another's, from its level on") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  REQUIRE(must_open(path, {.read_only = true}).verify());
  const std::size_t number = GENERATE(range(std::size_t{0}, std::size_t{13}));
  REQUIRE(changes().size() == 13);
  const Change& change = changes()[number];
  INFO(change.name);
  change.make(path);
  const Store store = must_open(path, {.read_only = true});
  for (const VerifyLevel level : kLevels) {
    const auto report = store.verify({.level = level});
    INFO("level " << static_cast<int>(level) << ": "
                  << (report ? "no damage" : report.error().message));
    REQUIRE(report.has_value() == (level < change.level));
    if (report) continue;
    CHECK(report.error().code == ErrorCode::kCorruption);
    CHECK(report.error().message.find(change.told) != std::string::npos);
  }
  CHECK(store.verify().has_value() == false);
}

TEST_CASE("Every level tells of each file of an open store that is damaged, and names it") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const std::string kind =
      GENERATE("identity", "mark", "current", "list", "table", "row file", "image");
  for (const Damage done : {Damage::kFlip, Damage::kCut, Damage::kLonger, Damage::kMissing}) {
    for (std::size_t i = 0; i < 2 * files_of(path, kind).size(); ++i) {
      const TempDirectory copies;
      const std::string copy = copies / "copy";
      std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
      const Store store = must_open(copy, {.read_only = i % 2 == 0});
      const std::string file = files_of(copy, kind).at(i / 2);
      INFO(file << ", damage " << static_cast<int>(done));
      damage(file, done);
      check_told(store, kind, file, may_be_harmless(kind, done));
    }
  }
}

TEST_CASE("A report of verify() says what was looked at") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const Store store = must_open(path, {.read_only = true});
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  for (const char* kind : {"identity", "mark", "current", "table", "row file", "image"}) {
    for (const std::string& file : files_of(path, kind)) {
      ++files;
      bytes += std::filesystem::file_size(file);
    }
  }
  for (const VerifyLevel level : kLevels) {
    const auto report = store.verify({.level = level});
    REQUIRE(report);
    CHECK(report->level == level);
    CHECK(report->files == files);
    CHECK(report->bytes == bytes);
    CHECK(report->images == files_of(path, "image").size());
    const bool records = level >= VerifyLevel::kRecords;
    CHECK(report->collections == (records ? 1 : 0));
    CHECK(report->records == (records ? kRecords : 0));
    CHECK((report->containers > 0) == records);
    CHECK(report->rows == (level == VerifyLevel::kFull ? kRecords : 0));
  }
}

TEST_CASE("verify() tells how far it is, ends with all that there is, and stops when it is asked") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const Store store = must_open(path, {.read_only = true});
  for (const VerifyLevel level : kLevels) {
    Told told;
    REQUIRE(store.verify({.level = level, .progress = told.callback()}));
    REQUIRE_FALSE(told.calls.empty());
    const std::size_t total = told.calls.front().second;
    std::size_t before = 0;
    for (const auto& [done, of] : told.calls) {
      CHECK((done >= before && done <= of && of == total));
      before = done;
    }
    if (level == VerifyLevel::kChecksums) CHECK(before == total);
    Told stopping;
    for (stopping.stop_at = 1; stopping.stop_at <= told.calls.size(); ++stopping.stop_at) {
      stopping.calls.clear();
      const auto stopped = store.verify({.level = level, .progress = stopping.callback()});
      REQUIRE_FALSE(stopped);
      CHECK(stopped.error().code == ErrorCode::kCancelled);
      CHECK(stopping.calls.size() == stopping.stop_at);
    }
  }
}

}  // namespace rocksdb_verify_test
