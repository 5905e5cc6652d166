// A store that lost acknowledged commits is refused as it stands, and made usable on request.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <memory>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_salvage_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::must_open;
using anear::test::near_to;
using anear::testing::bytes_of_file;
using anear::testing::copy_as_after_a_kill;
using anear::testing::FaultFileSystem;
using anear::testing::held_by_log;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kIndexed = 20;  ///< Records in images and row files; then commits of kBatch.
constexpr std::size_t kBatch = 10;
constexpr std::size_t kRecords = 70;

test::Rows rows_of_docs() { return clustered_rows({kRecords + kBatch, kDimension}, 17); }

std::filesystem::path largest_log(const std::string& store) {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(store + "/records")) {
    if (entry.path().extension() != ".log") continue;
    if (found.empty() || entry.file_size() > std::filesystem::file_size(found))
      found = entry.path();
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

/// Makes a store at `path` as a kill leaves it.
void make_killed_store(const std::string& path) {
  const TempDirectory scratch;
  Store store = must_open(scratch / "store", {.index_inline = true});
  auto docs = store.create_collection("docs", docs_schema(kDimension));
  REQUIRE(docs);
  const auto rows = rows_of_docs();
  add_docs(*docs, rows, 0, kIndexed);
  REQUIRE(docs->flush());
  for (std::size_t i = kIndexed; i < kRecords; i += kBatch) add_docs(*docs, rows, i, kBatch);
  copy_as_after_a_kill(scratch / "store", path);
}

void cut_log(const std::string& store) {
  const auto log = largest_log(store);
  const std::string bytes = held_by_log(log);
  overwrite_file(log, bytes.substr(0, bytes.size() - 200));
}

/// The log of `store` is damaged: its last commit is gone, or about half of them.
void lose_commits(const std::string& store, bool cut) {
  if (cut) return cut_log(store);
  const auto log = largest_log(store);
  std::string bytes = held_by_log(log);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  overwrite_file(log, bytes);
}

/// Every file's bytes, by its path below `directory`; not of LOCK, which says who tried last.
std::map<std::string, std::string> all_bytes(const std::string& directory) {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
    found[std::filesystem::relative(entry.path(), directory)] = bytes_of_file(entry.path());
  }
  return found;
}

/// The store holds whole batches from the first on, and answers from them. Returns how many
/// records.
std::size_t expect_first_batches(const Store& store) {
  const auto rows = rows_of_docs();
  const auto docs = store.collection("docs");
  REQUIRE(docs);
  const std::size_t count = *docs->count({});
  CHECK(count >= kIndexed);
  CHECK(count % kBatch == 0);
  for (std::size_t i = 0; i < count; ++i) {
    const auto hits = docs->search(near_to(rows.row(i), 1));
    REQUIRE(hits);
    CHECK(hits->hits.at(0).record.key == "k" + std::to_string(i));
  }
  CHECK(*docs->count({"size >= " + std::to_string(count), {}}) == 0);
  const auto report = store.verify();
  INFO((report ? "" : report.error().message));
  CHECK(report);
  return count;
}

}  // namespace

TEST_CASE("recover() gives up what the log lost, keeps what it cuts, and the store goes on") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_killed_store(path);
  Store reader = must_open(path, {.read_only = true});
  lose_commits(path, GENERATE(true, false));
  const auto before = all_bytes(path);
  CHECK(Store::open(path).error().code == ErrorCode::kLostWrites);
  CHECK(Store::open(path).error().message.find("recover()") != std::string::npos);
  CHECK(all_bytes(path) == before);

  const auto report = Store::recover(path);
  INFO((report ? "" : report.error().message));
  REQUIRE(report);
  CHECK(report->recovered_sequence < report->marked_sequence);
  const std::string name = "lost-" + std::to_string(report->marked_sequence);
  CHECK(report->copy == path + "/" + name);
  const auto after = all_bytes(path);
  for (const auto& [file, bytes] : before) {
    if (file == "MARK") {
      CHECK(after.at(name + "/MARK") == bytes);
      continue;
    }
    CHECK(after.at(file) == bytes);
    if (file.starts_with("records/") && !file.ends_with(".sst"))
      CHECK(after.at(name + "/" + file.substr(8)) == bytes);
  }

  const auto again = Store::recover(path);
  REQUIRE(again);
  CHECK(again->copy.empty());
  CHECK(again->recovered_sequence == report->recovered_sequence);
  CHECK(all_bytes(path) == after);
  std::size_t count = 0;
  {
    Store store = must_open(path, {.index_inline = true});
    CHECK(store.recovery().recovered_sequence == report->recovered_sequence);
    CHECK_FALSE(store.recovery().warnings.empty());
    count = expect_first_batches(store);
    CHECK(count < kRecords);
    auto docs = store.collection("docs");
    add_docs(*docs, rows_of_docs(), count, kBatch);
    REQUIRE(docs->flush());
  }
  const Store store = must_open(path, {.index_inline = true});
  CHECK(expect_first_batches(store) == count + kBatch);
  // It has seen what was given up, and there may be as many commits again.
  const auto refreshed = reader.refresh();
  REQUIRE_FALSE(refreshed);
  CHECK(refreshed.error().code == ErrorCode::kLostWrites);
  CHECK(*reader.collection("docs")->count({}) == kRecords);
}

TEST_CASE("recover() of a store that lost nothing changes nothing") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_killed_store(path);
  const auto before = all_bytes(path);
  const auto report = Store::recover(path);
  REQUIRE(report);
  CHECK(report->copy.empty());
  CHECK(report->recovered_sequence >= report->marked_sequence);
  CHECK(all_bytes(path) == before);
  CHECK(expect_first_batches(must_open(path, {.index_inline = true})) == kRecords);
}

TEST_CASE("recover() wants a store on disk that nobody has open") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  CHECK(Store::recover(path).error().code == ErrorCode::kNotFound);
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(Store::recover("").error().code == ErrorCode::kInvalidArgument);
  CHECK(Store::recover("m", {.in_memory = true}).error().code == ErrorCode::kInvalidArgument);
  const Store store = must_open(path);
  CHECK(Store::recover(path).error().code == ErrorCode::kLocked);
}

TEST_CASE("Whichever change of recover() fails, the store is refused as before, or is recovered") {
  const TempDirectory directory;
  const std::string lost = directory / "lost";
  make_killed_store(lost);
  cut_log(lost);
  std::size_t failed = 0;
  std::size_t refused = 0;
  for (std::size_t change = 0;; ++change) {
    const std::string path = directory / "store";
    std::filesystem::copy(lost, path, std::filesystem::copy_options::recursive);
    const auto files = std::make_shared<FaultFileSystem>();
    files->fail_change(change, ErrorCode::kNoSpace, 1);
    const auto report = Store::recover(path, {.file_system = files});
    if (files->failures() == 0) break;
    INFO("change " + std::to_string(change));
    if (!report) {
      ++failed;
      CHECK(report.error().code == ErrorCode::kNoSpace);
      const auto opened = Store::open(path);
      // Marks that were written and not synced count for a process that goes on.
      if (!opened) CHECK(opened.error().code == ErrorCode::kLostWrites);
      refused += opened ? 0 : 1;
    }
    REQUIRE(Store::recover(path));
    CHECK(expect_first_batches(must_open(path, {.index_inline = true})) == kRecords - kBatch);
    std::filesystem::remove_all(path);
  }
  CHECK(failed >= 8);  // Directory, three files and the mark, synced; names; marks.
  CHECK(refused >= failed - 1);
}

}  // namespace rocksdb_salvage_test
