// The command line as a shell sees it: what it prints and how it ends.
#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "anear/collection/store.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_cli_test {

using namespace anear;
using namespace anear::test;
using anear::testing::bytes_of_file;
using anear::testing::copy_as_after_a_kill;
using anear::testing::held_by_log;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;
using nlohmann::json;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kRecords = 60;

struct Ended {
  int code = -1;
  std::string said;  ///< On both outputs.
};

Ended run(const std::string& arguments) {
  const std::string command = "'" ANEAR_CLI "' " + arguments + " 2>&1";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ended ended;
  std::array<char, 4'096> part;
  for (std::size_t got = 1; got > 0;) {
    got = std::fread(part.data(), 1, part.size(), pipe);
    ended.said.append(part.data(), got);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  return ended;
}

json must_run(const std::string& arguments) {
  const Ended ended = run("--json " + arguments);
  INFO(arguments << ": " << ended.said);
  REQUIRE(ended.code == 0);
  return json::parse(ended.said);
}

bool says(const Ended& ended, const std::string& words) {
  return ended.said.find(words) != ended.said.npos;
}

void make_store(const std::string& path) {
  Store store = must_open(path);
  Collection docs = must(store.create_collection("docs", docs_schema(kDimension)));
  add_docs(docs, clustered_rows({kRecords, kDimension}, 9), 0, kRecords);
  REQUIRE(docs.flush());
}

/// The one file of a directory of the store.
std::filesystem::path only_file(const std::string& directory) {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    REQUIRE(found.empty());
    found = entry.path();
  }
  return found;
}

}  // namespace

TEST_CASE("The command line tells what is in a store and that it is whole, and changes nothing") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const json told = must_run("info '" + path + "'");
  CHECK(told["closed_properly"] == true);
  CHECK(told["free_bytes"] > told["reserved_bytes"]);
  CHECK(told["reserved_bytes"] > 0);
  CHECK(told["memory_bytes"] > 0);
  CHECK(told["room_for_writes"] == "yes");
  REQUIRE(told["collections"].size() == 1);
  CHECK(told["collections"][0]["name"] == "docs");
  CHECK(told["collections"][0]["records"] == kRecords);
  CHECK(must_run("verify '" + path + "'")["records"] == kRecords);
  const json read = must_run("verify '" + path + "' --level checksums --rate 100M");
  CHECK(read["files"] >= 6);
  CHECK(read["bytes"] > 0);
  CHECK_FALSE(read.contains("records"));
  CHECK_FALSE(must_run("verify '" + path + "' --level records").contains("rows"));
  const Ended text = run("info '" + path + "'");
  CHECK(text.code == 0);
  CHECK(says(text, "embedding: 8 numbers, cosine, hnsw"));
}

TEST_CASE("The command line says what is wrong, and by its exit code of which kind it is") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  CHECK(run("").code == 2);
  CHECK(run("verfy x").code == 2);
  CHECK(run("verify").code == 2);
  CHECK(run("verify x --level all").code == 2);
  CHECK(run("verify x --rate fast").code == 2);
  CHECK(run("erase a b").code == 2);
  CHECK(run("prune x --keep 0").code == 2);
  CHECK(run("--help").code == 0);
  CHECK(says(run("verify --help"), "The store's directory"));
  const Ended missing = run("verify '" + path + "'");
  CHECK(missing.code == 1);
  CHECK(says(missing, path));
  make_store(path);
  const auto rows = only_file(path + "/rows");
  const std::string whole = bytes_of_file(rows);
  std::string bytes = whole;
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  overwrite_file(rows, bytes);
  const Ended damaged = run("verify '" + path + "'");
  CHECK(damaged.code == 3);
  CHECK(run("verify '" + path + "' --level checksums").code == 3);
  CHECK(says(damaged, rows.filename()));
  const Store writer = [&] {
    overwrite_file(rows, whole);
    return must_open(path);
  }();
  CHECK(says(run("repair '" + path + "'"), "open for writing by process"));
}

TEST_CASE("The command line repairs and recovers") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  CHECK(must_run("repair '" + path + "'")["lost"].empty());
  CHECK(must_run("recover '" + path + "'")["commits_given_up"] == 0);
  const std::string lost = directory / "lost";
  {
    Store store = must_open(path);
    Collection docs = must(store.collection("docs"));
    add_docs(docs, clustered_rows({2 * kRecords, kDimension}, 9), kRecords, 1);
    copy_as_after_a_kill(path, lost);
  }
  for (const auto& entry : std::filesystem::directory_iterator(lost + "/records")) {
    if (entry.path().extension() != ".log") continue;
    const std::string held = held_by_log(entry.path());
    if (!held.empty()) overwrite_file(entry.path(), held.substr(0, held.size() - 20));
  }
  const Ended refused = run("verify '" + lost + "'");
  CHECK(refused.code == 3);
  CHECK(must_run("recover '" + lost + "'")["commits_given_up"] == 1);
  CHECK(must_run("verify '" + lost + "'")["records"] == kRecords);
}

TEST_CASE("The command line backs up, lists, restores and prunes") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  make_store(path);
  CHECK(must_run("backup '" + path + "' '" + backups + "'")["backup"] == 1);
  {
    Store store = must_open(path);
    Collection docs = must(store.collection("docs"));
    REQUIRE(docs.delete_matching({"size < 10", {}}));
  }
  CHECK(must_run("backup --copy '" + path + "' '" + backups + "'")["linked"] == 0);
  const json listed = must_run("backups '" + backups + "'");
  REQUIRE(listed.size() == 2);
  CHECK(must_run("verify-backup '" + backups + "'")["damage"] == "none");
  must_run("restore '" + backups + "' '" + (directory / "old") + "' --number 1");
  must_run("restore '" + backups + "' '" + (directory / "new") + "'");
  CHECK(must_run("verify '" + (directory / "old") + "'")["records"] == kRecords);
  CHECK(must_run("verify '" + (directory / "new") + "'")["records"] == kRecords - 10);
  CHECK(run("restore '" + backups + "' '" + (directory / "new") + "'").code == 1);
  CHECK(must_run("prune '" + backups + "' --keep 1")["backups_removed"] == 1);
}

TEST_CASE("The command line erases by keys or filter and prints what may still hold the records") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  make_store(path);
  must_run("backup '" + path + "' '" + backups + "'");
  CHECK(must_run("erase '" + path + "' docs --key k1 --key k2")["records"] == 2);
  const json receipt = must_run("erase '" + path + "' docs --filter 'size < 10'");
  CHECK(receipt["records"] == 8);
  CHECK_FALSE(receipt["outstanding"].empty());
  CHECK(must_run("verify '" + path + "'")["records"] == kRecords - 10);
  const Ended filter = run("erase '" + path + "' docs --filter 'size <'");
  CHECK(filter.code == 1);
  CHECK(run("erase '" + path + "' others --key k1").code == 1);
}

}  // namespace rocksdb_cli_test
