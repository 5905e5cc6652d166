#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "byte_store_contract.hpp"
#include "fault_file_system.hpp"
#include "temp_directory.hpp"

namespace rocksdb_store_test {

using namespace anear::testing;
using anear::storage::ByteStoreOptions;

namespace {

std::unique_ptr<ByteStore> open(const std::string& directory, bool read_only = false) {
  ByteStoreOptions options;
  options.directory = directory;
  options.read_only = read_only;
  options.merge = merge_letters;
  auto store = anear::storage::open_rocksdb_store(options);
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

std::set<std::string> logs_in(const std::string& directory) {
  std::set<std::string> logs;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") logs.insert(entry.path().filename());
  }
  return logs;
}

/// Lets something happen between the reading of the list of files and of the logs.
class Interrupted final : public FaultFileSystem {
 public:
  explicit Interrupted(std::function<void()> by) : by_(std::move(by)) {}
  anear::Result<std::unique_ptr<anear::storage::File>> open(
      const std::string& path, anear::storage::OpenMode mode) override {
    if (path.find("MANIFEST-") != path.npos) list_is_read_ = true;
    return FaultFileSystem::open(path, mode);
  }
  anear::Result<std::vector<std::string>> list(const std::string& path) override {
    if (list_is_read_ && by_) std::exchange(by_, nullptr)();
    return FaultFileSystem::list(path);
  }
  bool was_interrupted() const { return !by_; }

 private:
  std::function<void()> by_;
  bool list_is_read_ = false;
};

/// A store in a directory that ends with it.
struct Fresh {
  TempDirectory directory;
  std::unique_ptr<ByteStore> store = open(directory.path());
};

}  // namespace

TEST_CASE("RocksStore applies a batch in order and at once") { check_batches(*Fresh().store); }
TEST_CASE("RocksStore reads many keys in the order asked for") { check_many(*Fresh().store); }
TEST_CASE("RocksStore shows a snapshot what was there when it was taken") {
  check_snapshots(*Fresh().store);
}
TEST_CASE("RocksStore walks and deletes ranges") { check_ranges(*Fresh().store); }
TEST_CASE("RocksStore merges operands into values") { check_merges(*Fresh().store); }
TEST_CASE("RocksStore fails the read of a key that cannot be merged") {
  check_failed_merges(*Fresh().store);
}
TEST_CASE("RocksStore refuses every call after close") { check_closed(*Fresh().store); }

TEST_CASE("RocksStore equals a map under random batches and snapshots") {
  const Fresh fresh;
  CHECK(rc::check([&] { check_model(*fresh.store); }));
}

TEST_CASE("RocksStore keeps merges, deletes and range deletes over close and reopen") {
  const TempDirectory directory;
  for (int round = 0; round < 3; ++round) {
    const auto store = open(directory.path());
    WriteBatch batch;
    batch.merge(Family::kFields, "letters", std::string(1, static_cast<char>('a' + round)));
    batch.put(Family::kRows, "r" + std::to_string(round), "row");
    batch.put(Family::kRows, "s", "gone");
    batch.remove_range(Family::kRows, "s", "t");
    REQUIRE(store->write(batch, round == 1));
    if (round != 2) REQUIRE(store->close());
  }
  const auto store = open(directory.path());
  CHECK(value_of(*store, Family::kFields, "letters") == "abc");
  CHECK(all_in(*store, {Family::kRows, "", ""}) ==
        Pairs{{"r0", "row"}, {"r1", "row"}, {"r2", "row"}});
  CHECK(store->verify());
  CHECK(store->bytes_on_disk() > 0);
  CHECK(store->bytes_in_memory() > 0);
  CHECK(store->warnings() == std::vector<std::string>{});
}

TEST_CASE("RocksStore opened read-only reads, refuses writes and changes no byte") {
  const TempDirectory directory;
  {
    const auto store = open(directory.path());
    put(*store, "a", "1");
  }
  const auto contents = [&] {
    Pairs files;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      files.emplace_back(entry.path().filename().string(), bytes_of_file(entry.path().string()));
    }
    std::sort(files.begin(), files.end());
    return files;
  };
  const auto before = contents();
  {
    const auto store = open(directory.path(), /*read_only=*/true);
    CHECK(value_of(*store, Family::kKeys, "a") == "1");
    CHECK(store->verify());
    WriteBatch batch;
    batch.put(Family::kKeys, "b", "2");
    const auto refused = store->write(batch, true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == anear::ErrorCode::kReadOnly);
    CHECK(store->close());
  }
  CHECK((contents() == before));
}

TEST_CASE("RocksStore names what is wrong when it cannot open") {
  const TempDirectory directory;
  ByteStoreOptions options;
  options.directory = directory.path();
  options.read_only = true;
  const auto missing = anear::storage::open_rocksdb_store(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find(directory.path()) != std::string::npos);
}

TEST_CASE("RocksStore that is closed while a snapshot is held takes nothing from its successor") {
  const TempDirectory directory;
  auto first = open(directory.path());
  WriteBatch batch;
  batch.put(Family::kRows, "r", "row");
  REQUIRE(first->write(batch, true));
  auto snapshot = first->snapshot();
  REQUIRE(first->close());
  const auto second = open(directory.path());
  batch.put(Family::kRows, "s", "row");
  REQUIRE(second->write(batch, true));
  REQUIRE(second->verify());  // Makes files that the first does not know.
  first.reset();
  snapshot.reset();  // The first database ends here.
  CHECK(second->verify());
  CHECK(second->get(Family::kRows, "s", nullptr)->has_value());
}

TEST_CASE("RocksStore says that a missing table is damage") {
  const TempDirectory directory;
  {
    const auto store = open(directory.path());
    WriteBatch batch;
    batch.put(Family::kRows, "r", "row");
    REQUIRE(store->write(batch, true));
    REQUIRE(store->close());
  }
  const auto store = open(directory.path());
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() == ".sst") std::filesystem::remove(entry.path());
  }
  CHECK(store->verify().error().code == anear::ErrorCode::kCorruption);
}

TEST_CASE("RocksStore opened read-only has no hole where its writer removes a log meanwhile") {
  const TempDirectory directory;
  const auto writer = open(directory.path());
  put(*writer, "a", "1");
  const auto files = std::make_shared<Interrupted>([&] {
    const auto before = logs_in(directory.path());
    REQUIRE(writer->reclaim({Family::kKeys, "", ""}));
    const auto is_there = [&](const std::string& log) {
      return logs_in(directory.path()).contains(log);
    };
    while (std::any_of(before.begin(), before.end(), is_there))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    put(*writer, "b", "2");
  });
  ByteStoreOptions options;
  options.directory = directory.path();
  options.read_only = true;
  options.merge = merge_letters;
  options.file_system = files;
  const auto reader = anear::storage::open_rocksdb_store(options);
  REQUIRE(reader);
  CHECK(files->was_interrupted());
  CHECK(value_of(**reader, Family::kKeys, "a") == "1");
  CHECK(value_of(**reader, Family::kKeys, "b") == "2");
}

TEST_CASE("RocksStore opened read-only stays readable when its writer has replaced all files") {
  const TempDirectory directory;
  const auto writer = open(directory.path());
  for (char key = 'a'; key <= 'j'; ++key) {
    put(*writer, std::string(1, key), "old");
    REQUIRE(writer->reclaim({Family::kKeys, "", ""}));
  }
  const auto reader = open(directory.path(), /*read_only=*/true);
  CHECK_FALSE(reader->is_outdated());
  const auto tables = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      if (entry.path().extension() == ".sst") names.insert(entry.path().filename());
    }
    return names;
  };
  const auto before = tables();
  for (char key = 'a'; key <= 'j'; ++key) put(*writer, std::string(1, key), "new");
  CHECK(reader->is_outdated());
  CHECK_FALSE(reader->files_were_replaced());
  REQUIRE(writer->reclaim({Family::kKeys, "", ""}));
  CHECK(reader->files_were_replaced());
  const auto is_left = [&](const std::string& table) { return tables().contains(table); };
  while (std::any_of(before.begin(), before.end(), is_left))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (char key = 'a'; key <= 'j'; ++key)
    CHECK(value_of(*reader, Family::kKeys, std::string(1, key)) == "old");
  CHECK_FALSE(writer->is_outdated());
}

}  // namespace rocksdb_store_test
