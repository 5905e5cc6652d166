// The scrub: what is damaged beneath an open store is found at a rate, told, and made again where
// it can be.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "collection/scrub.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_scrub_test {

using namespace anear;
using anear::test::file_in;
using anear::test::must;
using anear::test::must_open;
using anear::test::near_to;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kRecords = 400;
constexpr std::size_t kDimension = 16;
constexpr std::uint64_t kFast = std::uint64_t{1} << 40;

struct OnDisk {
  TempDirectory directory;
  std::string path = directory / "store";
  test::Rows rows = test::clustered_rows({kRecords, kDimension}, 29);

  /// Half of the records are in images and row files, half in the tail.
  OnDisk() {
    Store store = must_open(path);
    auto docs = store.create_collection("docs", test::docs_schema(kDimension));
    REQUIRE(docs);
    test::add_docs(*docs, rows, 0, kRecords / 2);
    REQUIRE(docs->flush());
    test::add_docs(*docs, rows, kRecords / 2, kRecords / 2);
    REQUIRE(store.close());
  }

  /// `directory` of the store; the first file whose name begins with `prefix`.
  std::string file(const std::string& in, const std::string& prefix) const {
    return in + "/" + file_in(path + "/" + in, prefix);
  }
  /// Flips a bit of a byte in the file's first page, which nothing reads but a checksum.
  void flip(const std::string& name, std::streamoff at = 1'000) const {
    std::fstream file(path + "/" + name, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 4));
    REQUIRE(file);
  }
  std::string table() const {
    for (const auto& entry : std::filesystem::directory_iterator(path + "/records")) {
      if (entry.path().extension() == ".sst") return "records/" + entry.path().filename().string();
    }
    FAIL("no table");
    return {};
  }
  /// Every row is nearest to itself, exactly.
  void check_answers(const Store& store) const {
    const auto docs = must(store.collection("docs"));
    for (std::size_t i = 0; i < kRecords; i += 7) {
      const auto hits = must(docs.search(near_to(rows.view().row(i), 1)));
      REQUIRE(hits.hits.size() == 1);
      CHECK(hits.hits[0].record.key == "k" + std::to_string(i));
    }
  }
};

/// The messages of a store.
class Log {
 public:
  LogCallback callback() {
    return {[](void* context, const char* message) {
              auto& log = *static_cast<Log*>(context);
              const std::lock_guard hold(log.mutex_);
              log.lines_.emplace_back(message);
            },
            this};
  }
  /// Lines with `text` in them.
  std::size_t count(const std::string& text) {
    const std::lock_guard hold(mutex_);
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(),
        [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// Waits for what a thread of the store does; minutes are for slow machines only.
void wait_for(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!done()) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void wait_for_passes(const Store& store, std::uint64_t passes) {
  wait_for([&] { return must(store.scrub_stats()).passes >= passes; });
}

}  // namespace

TEST_CASE("The scrub finds a bit that flips beneath an open store, in every kind of file") {
  const OnDisk disk;
  const std::size_t kind = GENERATE(range(std::size_t{0}, std::size_t{6}));
  const bool read_only = GENERATE(false, true);
  Log log;
  Store store = must_open(disk.path, {.read_only = read_only,
                                      .scrub_bytes_per_second = kFast,
                                      .scrub_every_s = 0,
                                      .log = log.callback()});
  wait_for_passes(store, 1);
  const ScrubStats healthy = must(store.scrub_stats());
  CHECK(healthy.damaged.empty());
  CHECK(healthy.finished > 0);
  CHECK(healthy.files >= 6);
  CHECK(healthy.bytes >= std::filesystem::file_size(disk.path + "/" + disk.file("rows", "1-0-")));
  const std::vector<std::string> files = {
      disk.table(), disk.file("rows", "1-0-"), disk.file("images", "1-slots-"), "ANEAR",
      "MARK",       "records/CURRENT"};
  const std::string& flipped = files.at(kind);
  const std::streamoff at = flipped.find('.') == std::string::npos ? 9 : 1'000;
  disk.flip(flipped, at);
  wait_for([&] { return !must(store.scrub_stats()).damaged.empty(); });
  const ScrubStats stats = must(store.scrub_stats());
  REQUIRE(stats.damaged.size() == 1);
  CHECK(stats.damaged[0].file == flipped);
  CHECK_FALSE(stats.damaged[0].reason.empty());
  CHECK(stats.damaged[0].found >= healthy.finished);
  CHECK(must(must(store.collection("docs")).stats()).damaged_files == 1);
  wait_for_passes(store, stats.passes + 2);
  CHECK(must(store.scrub_stats()).damaged.size() == 1);
  CHECK(log.count("damage was found") == 1);
  disk.flip(flipped, at);
  wait_for([&] { return must(store.scrub_stats()).damaged.empty(); });
  REQUIRE(store.close());
}

TEST_CASE("An index whose image turns out to be damaged is built again while the store is open") {
  const OnDisk disk;
  const bool in_background = GENERATE(true, false);
  Store store = must_open(
      disk.path,
      {.scrub_bytes_per_second = kFast, .scrub_every_s = 0, .index_inline = !in_background});
  wait_for_passes(store, 1);
  auto docs = must(store.collection("docs"));
  if (in_background) REQUIRE(docs.flush());
  // Rows that the index has and its image has not, and a record that is gone.
  test::add_docs(docs, disk.rows, 10, 5);
  const std::string_view gone = "k3";
  REQUIRE(docs.delete_keys({&gone, 1}));
  const auto before = must(docs.stats());
  const std::string image = disk.file("images", "1-0-");
  disk.flip(image);
  wait_for([&] { return !std::filesystem::exists(disk.path + "/" + image); });
  wait_for_passes(store, must(store.scrub_stats()).passes + 2);
  CHECK(must(store.scrub_stats()).damaged.empty());
  const auto after = must(docs.stats());
  CHECK(after.records == before.records);
  CHECK(after.tail_records == 0);
  CHECK_FALSE(after.degraded);
  CHECK(disk.file("images", "1-0-") != image);
  CHECK(must(store.verify()).records == kRecords - 1);
  const auto hits = must(docs.search(near_to(disk.rows.view().row(3), 1)));
  CHECK(hits.hits.at(0).record.key != "k3");
  disk.check_answers(store);
  REQUIRE(store.close());
  CHECK(must(must_open(disk.path).verify()).records == kRecords - 1);
}

TEST_CASE("The scrub reads one piece and then waits as its rate says, and a close ends the wait") {
  const OnDisk disk;
  // One byte a second: the pause after the smallest file is longer than any test.
  Store store = must_open(disk.path, {.scrub_bytes_per_second = 1});
  wait_for([&] { return must(store.scrub_stats()).bytes_so_far != 0; });
  const std::uint64_t read = must(store.scrub_stats()).bytes_so_far;
  disk.check_answers(store);
  CHECK(must(store.scrub_stats()).bytes_so_far == read);
  CHECK(must(store.scrub_stats()).passes == 0);
  REQUIRE(store.close());
}

TEST_CASE("verify() at a rate is ended by its caller and by close()") {
  const OnDisk disk;
  Store store = must_open(disk.path);
  const VerifyOptions slow{.level = VerifyLevel::kChecksums, .bytes_per_second = 1};
  SECTION("by its caller, in the middle of a pause") {
    std::size_t calls = 0;
    VerifyOptions options = slow;
    options.progress = {[](void* context, std::size_t, std::size_t) {
                          return ++*static_cast<std::size_t*>(context) < 3;
                        },
                        &calls};
    CHECK(store.verify(options).error().code == ErrorCode::kCancelled);
    CHECK(calls == 3);
  }
  SECTION("by close()") {
    std::atomic<bool> begun{false};
    ErrorCode code = ErrorCode::kOk;
    std::thread reader([&] {
      VerifyOptions options = slow;
      options.progress = {[](void* context, std::size_t, std::size_t) {
                            *static_cast<std::atomic<bool>*>(context) = true;
                            return true;
                          },
                          &begun};
      const auto verified = store.verify(options);
      if (!verified) code = verified.error().code;
    });
    wait_for([&] { return begun.load(); });
    REQUIRE(store.close());
    reader.join();
    CHECK(code == ErrorCode::kClosed);
  }
}

TEST_CASE("verify() keeps what it finds in mind, and a pass that finds nothing counts") {
  const OnDisk disk;
  Store store = must_open(disk.path, {.read_only = true});
  CHECK(must(store.scrub_stats()).passes == 0);
  REQUIRE(store.verify({.level = VerifyLevel::kChecksums}));
  const ScrubStats clean = must(store.scrub_stats());
  CHECK(clean.passes == 1);
  CHECK(clean.bytes == must(store.verify()).bytes);
  const std::string rows = disk.file("rows", "1-0-");
  disk.flip(rows);
  CHECK_FALSE(store.verify({.level = VerifyLevel::kChecksums}));
  const ScrubStats found = must(store.scrub_stats());
  REQUIRE(found.damaged.size() == 1);
  CHECK(found.damaged[0].file == rows);
  CHECK(found.passes == 2);
}

TEST_CASE("The scrub takes files that are replaced beneath it for no damage") {
  const OnDisk disk;
  Store store = must_open(disk.path, {.scrub_bytes_per_second = kFast, .scrub_every_s = 0});
  auto docs = must(store.collection("docs"));
  for (int round = 0; round < 12; ++round) {
    test::add_docs(docs, disk.rows, 0, kRecords);
    REQUIRE(docs.flush());
    const std::string_view key = "k1";
    if (round % 4 == 3) REQUIRE(docs.erase_keys({&key, 1}));
    CHECK(must(store.scrub_stats()).damaged.empty());
  }
  wait_for_passes(store, must(store.scrub_stats()).passes + 1);
  CHECK(must(store.scrub_stats()).damaged.empty());
  REQUIRE(store.close());
}

TEST_CASE("The scrub of a reader takes what its writer replaces for no damage") {
  const OnDisk disk;
  Store writer = must_open(disk.path);
  Store reader = must_open(
      disk.path, {.read_only = true, .scrub_bytes_per_second = kFast, .scrub_every_s = 0});
  auto docs = must(writer.collection("docs"));
  for (int round = 0; round < 12; ++round) {
    test::add_docs(docs, disk.rows, 0, kRecords);
    REQUIRE(docs.flush());
    wait_for_passes(reader, must(reader.scrub_stats()).passes + 1);
    CHECK(must(reader.scrub_stats()).damaged.empty());
    if (round % 3 == 2) REQUIRE(reader.refresh());
  }
  REQUIRE(reader.close());
  REQUIRE(writer.close());
}

TEST_CASE("A file that cannot be read is told as damaged until it can be") {
  const OnDisk disk;
  const auto files = std::make_shared<testing::FaultFileSystem>();
  Store store = must_open(disk.path, {.file_system = files});
  const std::string rows = disk.file("rows", "1-0-");
  files->fail({.operation = testing::Operation::kRead, .name = rows});
  const auto told = store.verify({.level = VerifyLevel::kChecksums});
  REQUIRE_FALSE(told);
  CHECK(told.error().code == ErrorCode::kIo);
  REQUIRE(must(store.scrub_stats()).damaged.size() == 1);
  CHECK(must(store.scrub_stats()).damaged[0].file == rows);
  files->heal();
  REQUIRE(store.verify());
  CHECK(must(store.scrub_stats()).damaged.empty());
  REQUIRE(store.close());
}

TEST_CASE("A store in memory has no files to look at") {
  Store store = test::memory_store({.scrub_bytes_per_second = kFast, .scrub_every_s = 0});
  auto docs = must(store.create_collection("docs", test::docs_schema(kDimension)));
  test::add_docs(docs, test::clustered_rows({10, kDimension}, 3), 0, 10);
  const auto checksums = must(store.verify({.level = VerifyLevel::kChecksums}));
  CHECK((checksums.files == 0 && checksums.bytes == 0 && checksums.records == 0));
  CHECK(must(store.verify()).records == 10);
  CHECK(must(store.scrub_stats()).passes == 0);
}

TEST_CASE("A store that copied its files answers rightly while they are cut, changed or removed") {
  const OnDisk disk;
  const bool read_only = GENERATE(false, true);
  Store store = must_open(disk.path, {.read_only = read_only, .copy_files = true});
  const std::size_t damage = GENERATE(range(std::size_t{0}, std::size_t{3}));
  for (const char* in : {"rows", "images"}) {
    for (const auto& entry : std::filesystem::directory_iterator(disk.path + "/" + in)) {
      const std::uintmax_t size = entry.file_size();
      if (damage == 0) std::filesystem::resize_file(entry, 0);
      if (damage == 1) {
        std::filesystem::resize_file(entry, 0);
        std::filesystem::resize_file(entry, size);  // Zeros.
      }
      if (damage == 2) std::filesystem::remove(entry);
    }
  }
  disk.check_answers(store);
  auto docs = must(store.collection("docs"));
  const auto all = must(docs.scan({.limit = kRecords + 1}));
  CHECK(all.size() == kRecords);
  const auto told = store.verify();
  REQUIRE_FALSE(told);
  CHECK(told.error().code == ErrorCode::kCorruption);
  if (!read_only) {
    test::add_docs(docs, disk.rows, 0, 5);
    disk.check_answers(store);
  }
  REQUIRE(store.close());
}

TEST_CASE("What reads a whole file survives that it is cut beneath an open store, and says so") {
  const OnDisk disk;
  const std::string in = GENERATE("rows", "images");
  const auto cut = [&] {
    std::filesystem::resize_file(disk.path + "/" + disk.file(in, "1-0-"), 5'000);
  };
  SECTION("verify() and backups") {
    Store store = must_open(disk.path);
    cut();
    for (const VerifyLevel level :
         {VerifyLevel::kChecksums, VerifyLevel::kRecords, VerifyLevel::kFull}) {
      const auto told = store.verify({.level = level});
      REQUIRE_FALSE(told);
      CHECK(told.error().code == ErrorCode::kCorruption);
    }
    const auto backup = store.backup(disk.directory / "backups");
    REQUIRE(backup.has_value() == (in == "images"));
    if (backup) CHECK(backup->images_left_out == 1);
    REQUIRE(store.close());
  }
  SECTION("the scrub") {
    Store store = must_open(
        disk.path, {.read_only = true, .scrub_bytes_per_second = kFast, .scrub_every_s = 0});
    cut();
    wait_for([&] { return !must(store.scrub_stats()).damaged.empty(); });
    REQUIRE(store.close());
  }
  SECTION("the scrub, and the index is built again") {
    if (in == "rows") return;
    Store store = must_open(disk.path, {.scrub_bytes_per_second = kFast, .scrub_every_s = 0});
    const std::string image = disk.file(in, "1-0-");
    cut();
    wait_for([&] { return !std::filesystem::exists(disk.path + "/" + image); });
    disk.check_answers(store);
    REQUIRE(store.close());
  }
  SECTION("the opening") {
    cut();
    const auto store = Store::open(disk.path);
    REQUIRE(store.has_value() == (in == "images"));
    if (!store) CHECK(store.error().code == ErrorCode::kCorruption);
  }
}

}  // namespace rocksdb_scrub_test
