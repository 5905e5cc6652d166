// Backups that are damaged, cut short, refused; restores that are.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/storage/backup_directory.hpp"
#include "anear/storage/store_directory.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_backup_fault_test {

using namespace anear;
using anear::test::must;
using anear::test::must_open;
using anear::test::NumberedBatches;
using anear::testing::bytes_of_file;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

/// A store with images, row files and a tail, and the commits that are in it.
struct Source {
  explicit Source(const std::string& path, const StoreOptions& options = {.index_inline = true})
      : store(must_open(path, options)), docs(NumberedBatches::make(store)) {
    write_to(12);
    REQUIRE(docs.flush());
    write_to(15);
  }
  void write_to(Sequence last) {
    while (sequence < last) REQUIRE(NumberedBatches::write(docs, ++sequence));
  }
  Store store;
  Collection docs;
  Sequence sequence = 1;
};

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_a_store(const std::string& path) {
  return Store::open(path, {.create_if_missing = false, .read_only = true}).has_value();
}

void expect_state(const std::string& path, Sequence sequence) {
  Store store = must_open(path, {.create_if_missing = false});
  NumberedBatches::expect_state(must(store.collection("docs")), sequence);
}

/// Every third change by default; ANEAR_FAULT_STEP=1: all.
std::size_t fault_step() {
  const char* text = std::getenv("ANEAR_FAULT_STEP");
  return text == nullptr ? 3 : std::max<std::size_t>(1, std::strtoull(text, nullptr, 10));
}

/// Each name in the pool is one that some backup needs.
void expect_no_strays(const std::string& backups) {
  std::set<std::string> wanted;
  for (const auto& entry : must(storage::list_backups(*storage::os_file_system(), backups))) {
    REQUIRE(entry.manifest);
    for (const storage::BackupFile& file : entry.manifest->files)
      wanted.insert(storage::hex(file.checksum) + "-" + std::to_string(file.bytes));
  }
  const auto names = names_in(backups + "/files");
  CHECK(std::set<std::string>(names.begin(), names.end()) == wanted);
}

void flip(const std::string& path, std::size_t at) {
  std::string bytes = bytes_of_file(path);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 4);
  overwrite_file(path, bytes);
}

}  // namespace

TEST_CASE("A damaged backup is not restored, whatever is damaged, and says where") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  {
    Source source(directory / "store");
    must(source.store.backup(backups, {.hard_links = false}));
  }
  std::size_t tried = 0;
  for (const std::string& name : names_in(backups + "/files")) {
    const std::string path = backups + "/files/" + name;
    const std::string whole = bytes_of_file(path);
    std::vector<std::pair<std::string, std::function<void()>>> damages = {
        {"missing", [&] { std::filesystem::remove(path); }},
        {"extended", [&] { overwrite_file(path, whole + '\0'); }}};
    if (!whole.empty()) {
      damages.push_back({"cut", [&] { overwrite_file(path, whole.substr(0, whole.size() - 1)); }});
      damages.push_back({"flipped", [&] { flip(path, whole.size() * 7 / 11); }});
    }
    for (const auto& [how, damage] : damages) {
      INFO(how << " " << name);
      damage();
      const auto restored = Store::restore(backups, directory / "target");
      REQUIRE_FALSE(restored);
      CHECK(restored.error().code == ErrorCode::kCorruption);
      CHECK(restored.error().message.find(name) != std::string::npos);
      CHECK_FALSE(is_a_store(directory / "target"));
      CHECK(Store::verify_backup(backups).error().code == ErrorCode::kCorruption);
      overwrite_file(path, whole);
      ++tried;
    }
  }
  CHECK(tried > 20);
  must(Store::verify_backup(backups));
  must(Store::restore(backups, directory / "target"));
  expect_state(directory / "target", 15);
}

TEST_CASE("A backup whose manifest is damaged is told, and the others stay") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  Source source(directory / "store");
  must(source.store.backup(backups));
  source.write_to(20);
  must(source.store.backup(backups));
  const std::string path = backups + "/backups/2.backup";
  const std::string whole = bytes_of_file(path);
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == 0)
      overwrite_file(path, "");
    else if (i == 1)
      overwrite_file(path, whole.substr(0, whole.size() / 2));
    else if (i == 2)
      overwrite_file(path, bytes_of_file(backups + "/backups/1.backup"));
    else
      flip(path, whole.size() * (i - 3) / 5);
    INFO(i);
    const auto listed = must(Store::backups(backups));
    REQUIRE(listed.size() == 2);
    CHECK(listed[0].damage.empty());
    CHECK(listed[1].number == 2);
    CHECK(listed[1].damage.find("2.backup") != std::string::npos);
    // Not the older one instead, unasked.
    CHECK(Store::restore(backups, directory / "target").error().code == ErrorCode::kCorruption);
    CHECK_FALSE(std::filesystem::exists(directory / "target"));
    CHECK(must(Store::verify_backup(backups, {.sequence = 15})).number == 1);
    overwrite_file(path, whole);
  }
  flip(path, 9);
  // What only the damaged one names is kept, as long as it is there.
  const std::size_t files = names_in(backups + "/files").size();
  source.write_to(22);
  CHECK(must(source.store.backup(backups)).number == 3);
  CHECK(names_in(backups + "/files").size() >= files);
  CHECK(must(Store::prune_backups(backups, 2)).backups_removed == 0);
  CHECK(must(Store::prune_backups(backups, 1)).backups_removed == 2);
  expect_no_strays(backups);
  must(Store::restore(backups, directory / "target"));
  expect_state(directory / "target", 22);
}

TEST_CASE("A backup whose manifest leads out of the store's directories is refused") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  Source source(directory / "store");
  must(source.store.backup(backups));
  const std::string path = backups + "/backups/1.backup";
  auto manifest = must(storage::decode_backup(bytes_of_file(path)));
  const std::string good = manifest.files.front().path;
  for (const char* bad : {"../stolen", "records/../../stolen", "/tmp/stolen", "stolen", "ANEAR",
                          "records/", "records/..", "records//stolen", "backups/stolen", ""}) {
    INFO(bad);
    manifest.files.front().path = bad;
    overwrite_file(path, storage::encode_backup(manifest));
    const auto restored = Store::restore(backups, directory / "target/store");
    REQUIRE_FALSE(restored);
    CHECK(restored.error().code == ErrorCode::kCorruption);
    CHECK(names_in(directory.path()) == std::vector<std::string>{"backups", "store"});
  }
  manifest.files.front().path = manifest.files.back().path;  // Twice.
  overwrite_file(path, storage::encode_backup(manifest));
  CHECK(Store::restore(backups, directory / "target").error().code == ErrorCode::kCorruption);
  manifest.files.front().path = good;
  overwrite_file(path, storage::encode_backup(manifest));
  must(Store::restore(backups, directory / "target"));
}

TEST_CASE("Whichever change of the disk fails during a backup, earlier ones stay whole") {
  const TempDirectory directory;
  const std::string backups = directory / "kept/backups";
  std::filesystem::create_directory(directory / "kept");
  const auto files = std::make_shared<FaultFileSystem>();
  Source source(directory / "store", {.index_inline = true, .file_system = files});
  const bool hard_links = GENERATE(false, true);
  const bool for_good = !hard_links;  // The disk stays full.
  const BackupOptions options{.hard_links = hard_links};
  must(source.store.backup(backups, options));
  const Sequence first = source.sequence;
  std::size_t failed = 0;
  for (std::size_t n = 0;; n += fault_step()) {
    INFO("change " << n << (hard_links ? ", linked" : "") << (for_good ? ", for good" : ""));
    source.write_to(source.sequence + 1);
    if (n % 4 == 0) REQUIRE(source.docs.flush());
    const std::size_t before = files->failures();
    files->fail_change(n, n % 2 == 0 ? ErrorCode::kNoSpace : ErrorCode::kIo,
                       for_good ? Fault::kAlways : 1, "/kept/");
    const auto report = source.store.backup(backups, options);
    const bool was_hit = files->failures() != before;
    files->heal();
    const auto listed = must(Store::backups(backups));
    if (!report) {
      ++failed;
      CHECK(was_hit);
      CHECK((report.error().code == ErrorCode::kNoSpace || report.error().code == ErrorCode::kIo));
    }
    // What could not be taken back is whole; what was not taken is not there.
    for (const BackupInfo& info : listed) {
      CHECK(info.damage.empty());
      must(Store::verify_backup(backups, {.number = info.number}));
    }
    REQUIRE_FALSE(listed.empty());
    CHECK(listed.front().sequence <= source.sequence);
    if (!was_hit) break;
    CHECK(must(source.store.backup(backups, options)).sequence == source.sequence);
    expect_no_strays(backups);
    must(Store::prune_backups(backups, 1));
    expect_no_strays(backups);
  }
  CHECK(failed > 4);
  CHECK(source.sequence > first);
  CHECK(must(Store::restore(backups, directory / "target")).sequence == source.sequence);
  expect_state(directory / "target", source.sequence);
}

TEST_CASE("Whichever change of the disk fails during a restore, there is no store") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  {
    Source source(directory / "store");
    must(source.store.backup(backups));
  }
  const std::string target = directory / "target";
  const bool for_good = GENERATE(false, true);
  std::size_t failed = 0;
  for (std::size_t n = for_good ? 1 : 0;; n += fault_step()) {
    INFO("change " << n << (for_good ? ", for good" : ""));
    const auto files = std::make_shared<FaultFileSystem>();
    files->fail_change(n, ErrorCode::kNoSpace, for_good ? Fault::kAlways : 1, "/target");
    const auto report = Store::restore(backups, target, {.file_system = files});
    if (report) {
      // The last change of all tidies up; it may fail.
      expect_state(target, 15);
      if (files->failures() == 0) break;
      std::filesystem::remove_all(target);
      continue;
    }
    ++failed;
    CHECK(report.error().code == ErrorCode::kNoSpace);
    if (for_good && is_a_store(target)) {
      // Only where the very last step could neither be made sure of nor be taken back.
      expect_state(target, 15);
      std::filesystem::remove_all(target);
      continue;
    }
    CHECK_FALSE(is_a_store(target));
    // It can be tried again.
    must(Store::restore(backups, target));
    expect_state(target, 15);
    std::filesystem::remove_all(target);
  }
  CHECK(failed > 6);
}

TEST_CASE("A restore that was cut short is not a store, and can be done again") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  const std::string target = directory / "target";
  {
    Source source(directory / "store");
    must(source.store.backup(backups));
  }
  const ProgressCallback stop{
      [](void*, std::size_t done, std::size_t total) { return done * 2 < total; }, nullptr};
  CHECK(Store::restore(backups, target, {.progress = stop}).error().code == ErrorCode::kCancelled);
  CHECK_FALSE(is_a_store(target));
  // A killed process takes nothing away.
  using std::filesystem::copy_options;
  std::filesystem::copy(directory / "store", target,
                        copy_options::recursive | copy_options::overwrite_existing);
  std::filesystem::remove(target + "/ANEAR");
  overwrite_file(target + "/RESTORING", "");
  const auto opened = Store::open(target);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kUnsupportedFormat);
  CHECK(opened.error().message.find("restore") != std::string::npos);
  must(Store::restore(backups, target));
  expect_state(target, 15);
  CHECK_FALSE(std::filesystem::exists(target + "/RESTORING"));
}

TEST_CASE("A backup that is stopped leaves nothing") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  Source source(directory / "store");
  const ProgressCallback stop{
      [](void*, std::size_t done, std::size_t total) { return done * 2 < total; }, nullptr};
  const auto stopped = source.store.backup(backups, {.hard_links = false, .progress = stop});
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::kCancelled);
  CHECK(must(Store::backups(backups)).empty());
  CHECK(names_in(backups + "/files").empty());
  // A killed process takes nothing away.
  overwrite_file(backups + "/files/incoming", "half of a file");
  overwrite_file(backups + "/files/0123-4", "abcd");
  overwrite_file(backups + "/backups/1.backup.tmp", "half of a manifest");
  must(source.store.backup(backups));
  expect_no_strays(backups);
  CHECK(names_in(backups + "/backups") == std::vector<std::string>{"1.backup"});
}

TEST_CASE("A damaged file of the store is not backed up as if it were whole") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  const auto first_of = [&](const std::string& kind, const std::string& ending) {
    for (const std::string& name : names_in(path + "/" + kind)) {
      if (name.ends_with(ending)) return path + "/" + kind + "/" + name;
    }
    FAIL("no file in " << kind);
    return std::string();
  };
  Source source(path);
  SECTION("An image is left out, and built again after the restore") {
    flip(first_of("images", ".image"), 4'096 + 100);
    CHECK(must(source.store.backup(backups)).images_left_out == 1);
    must(Store::restore(backups, directory / "target"));
    expect_state(directory / "target", 15);
  }
  SECTION("A missing image likewise") {
    std::filesystem::remove(first_of("images", ".image"));
    CHECK(must(source.store.backup(backups)).images_left_out == 1);
    must(Store::restore(backups, directory / "target"));
    expect_state(directory / "target", 15);
  }
}

TEST_CASE("A damaged row file or table of the store fails its backup") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const bool missing = GENERATE(false, true);
  const std::string kind = GENERATE("rows", "records");
  Source source(path);
  must(source.store.backup(directory / "first"));
  // One that is in use: it was linked.
  std::string file;
  for (const std::string& name : names_in(path + "/" + kind)) {
    const std::string candidate = path + "/" + kind + "/" + name;
    if (std::filesystem::hard_link_count(candidate) == 2) file = candidate;
  }
  INFO(file);
  REQUIRE_FALSE(file.empty());
  if (missing)
    std::filesystem::remove(file);
  else
    flip(file, 200);
  const auto report = source.store.backup(directory / "backups");
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::kCorruption);
  CHECK(report.error().message.find(std::filesystem::path(file).filename().string()) !=
        std::string::npos);
  CHECK(must(Store::backups(directory / "backups")).empty());
}

TEST_CASE("Backups and restores are refused where they would do harm") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  Source source(path);
  const auto refused = [&](const std::string& to) {
    const auto report = source.store.backup(to);
    REQUIRE_FALSE(report);
    return report.error().code;
  };
  std::filesystem::create_directory_symlink(path, directory / "link");
  for (const char* inside : {"store", "store/", "store/backups", "store/records/x", "link",
                             "link/backups", "store/../store/backups", "."}) {
    INFO(inside);
    CHECK(refused(directory / inside) == ErrorCode::kInvalidArgument);
  }
  CHECK(refused("") == ErrorCode::kInvalidArgument);
  CHECK(refused(directory / "none/backups") == ErrorCode::kNotFound);
  std::filesystem::create_directory(directory / "home");
  std::filesystem::create_directory(directory / "home/files");
  overwrite_file(directory / "home/files/letter", "dear");
  CHECK(refused(directory / "home") == ErrorCode::kUnsupportedFormat);
  CHECK(refused(directory / "home/files/letter") == ErrorCode::kUnsupportedFormat);
  CHECK(bytes_of_file(directory / "home/files/letter") == "dear");

  must(source.store.backup(backups));
  Source other(directory / "other");
  CHECK(other.store.backup(backups).error().code == ErrorCode::kUnsupportedFormat);
  CHECK(test::memory_store().backup(directory / "x").error().code == ErrorCode::kInvalidArgument);
  const Store reader = must_open(path, {.read_only = true});
  CHECK(reader.backup(backups).error().code == ErrorCode::kReadOnly);
  {
    const auto lock = storage::StoreLock::acquire(*storage::os_file_system(), backups);
    REQUIRE(lock);
    CHECK(refused(backups) == ErrorCode::kLocked);
    CHECK(Store::prune_backups(backups, 1).error().code == ErrorCode::kLocked);
    CHECK(must(Store::backups(backups)).size() == 1);
  }
  const auto not_restored = [&](const std::string& to) {
    const auto report = Store::restore(backups, to);
    REQUIRE_FALSE(report);
    return report.error().code;
  };
  CHECK(not_restored(path) == ErrorCode::kAlreadyExists);
  CHECK(not_restored(directory / "home") == ErrorCode::kUnsupportedFormat);
  CHECK(not_restored(backups) == ErrorCode::kInvalidArgument);
  CHECK(not_restored(backups + "/store") == ErrorCode::kInvalidArgument);
  CHECK(not_restored(directory.path()) == ErrorCode::kInvalidArgument);
  CHECK(Store::restore(path, directory / "x").error().code == ErrorCode::kUnsupportedFormat);
  CHECK(Store::prune_backups(directory / "home", 1).error().code == ErrorCode::kUnsupportedFormat);
  NumberedBatches::expect_state(source.docs, 15);
  REQUIRE(source.store.verify());
  overwrite_file(backups + "/BACKUPS", "anear backups\nformat 2\nsomething new\n");
  CHECK(refused(backups) == ErrorCode::kUnsupportedFormat);
  CHECK(Store::backups(backups).error().subcode == Subcode::kNewerFormat);
  CHECK(Store::prune_backups(backups, 1).error().subcode == Subcode::kNewerFormat);
}

}  // namespace rocksdb_backup_fault_test
