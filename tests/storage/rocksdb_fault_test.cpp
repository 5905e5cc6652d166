// The records on a disk that fails: what is answered, what stops, what is there afterwards.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "byte_store_contract.hpp"
#include "fault_file_system.hpp"
#include "temp_directory.hpp"

namespace rocksdb_fault_test {

using namespace anear;
using namespace anear::testing;
using anear::storage::ByteStoreOptions;

namespace {

Result<std::unique_ptr<ByteStore>> try_open(const std::string& directory,
                                            std::shared_ptr<FaultFileSystem> files,
                                            bool read_only = false) {
  ByteStoreOptions options;
  options.directory = directory;
  options.read_only = read_only;
  options.file_system = std::move(files);
  options.merge = merge_letters;
  return storage::open_rocksdb_store(options);
}

std::unique_ptr<ByteStore> open(
    const std::string& directory,
    std::shared_ptr<FaultFileSystem> files = std::make_shared<FaultFileSystem>()) {
  auto store = try_open(directory, std::move(files));
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

/// Two entries, of which either both or none must be there later.
WriteBatch pair_of(const std::string& key, std::size_t bytes = 10) {
  WriteBatch batch;
  batch.put(Family::kKeys, key, std::string(bytes, 'k'));
  batch.put(Family::kRecords, key, std::string(bytes, 'r'));
  return batch;
}

/// Whether the pair is there; a torn one fails the test.
bool has_pair(const ByteStore& store, const std::string& key) {
  const bool first = value_of(store, Family::kKeys, key).has_value();
  CHECK(value_of(store, Family::kRecords, key).has_value() == first);
  return first;
}

void expect_stopped(ByteStore& store) {
  const Status refused = store.write(pair_of("later"), true);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kReadOnly);
  CHECK(refused.error().message.find("injected fault") != std::string::npos);
  CHECK_FALSE(has_pair(store, "later"));
}

/// Writes until writes are refused, which a background failure causes; the keys that were
/// acknowledged.
std::vector<std::string> write_until_stopped(ByteStore& store, std::size_t bytes) {
  std::vector<std::string> acknowledged;
  for (std::size_t i = 0; i < 2'000; ++i) {
    const std::string key = "w" + std::to_string(i);
    const Status written = store.write(pair_of(key, bytes), false);
    if (written) {
      acknowledged.push_back(key);
      continue;
    }
    const ErrorCode code = written.error().code;
    CHECK((code == ErrorCode::kReadOnly || code == ErrorCode::kOutcomeUnknown));
    expect_stopped(store);
    return acknowledged;
  }
  FAIL("writes went on");
  return acknowledged;
}

}  // namespace

TEST_CASE("A durable write is answered after its append to the log and a sync behind that") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  const auto store = open(directory.path(), files);
  for (int i = 0; i < 20; ++i) {
    (void)files->take_events();
    REQUIRE(store->write(pair_of("k" + std::to_string(i), 1 + 3'000 * i), true));
    std::vector<Operation> log;
    for (const Event& event : files->take_events()) {
      if (event.path.ends_with(".log")) log.push_back(event.operation);
    }
    REQUIRE(log.size() >= 2);
    CHECK(std::count(log.begin(), log.end(), Operation::kSync) == 1);
    CHECK(log.back() == Operation::kSync);
    CHECK(std::count(log.begin(), log.end(), Operation::kAppend) + 1 ==
          static_cast<std::ptrdiff_t>(log.size()));
  }
}

TEST_CASE("A log that cannot be synced leaves the outcome open and stops writes") {
  const bool loses = GENERATE(false, true);
  const std::size_t times = GENERATE(1, Fault::kAlways);
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  {
    const auto store = open(directory.path(), files);
    REQUIRE(store->write(pair_of("a"), true));
    REQUIRE(store->write(pair_of("b"), true));
    files->fail({.operation = Operation::kSync,
                 .name = ".log",
                 .code = GENERATE(ErrorCode::kIo, ErrorCode::kNoSpace),
                 .times = times,
                 .loses_unsynced = loses});
    const Status written = store->write(pair_of("c"), true);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kOutcomeUnknown);
    expect_stopped(*store);
    CHECK_FALSE(store->sync());
    CHECK(has_pair(*store, "a"));
    CHECK(has_pair(*store, "b"));
    (void)store->close();
  }
  const auto store = open(directory.path());
  CHECK(has_pair(*store, "a"));
  CHECK(has_pair(*store, "b"));
  CHECK(has_pair(*store, "c") != loses);
  CHECK_FALSE(has_pair(*store, "later"));
  CHECK(store->verify());
  CHECK(store->write(pair_of("d"), true));
}

TEST_CASE("A full disk at the log's append: nothing of the batch is there, then or later") {
  const std::size_t times = GENERATE(1, Fault::kAlways);
  // Of a value of `bytes` bytes, `part` reach the file: none, some of a header, most of a block.
  const std::size_t part = GENERATE(0, 5, 60, 40'000);
  const std::size_t bytes = part < 60 ? 10 : 100'000;
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  {
    const auto store = open(directory.path(), files);
    REQUIRE(store->write(pair_of("a"), true));
    files->fail({.operation = Operation::kAppend,
                 .name = ".log",
                 .code = ErrorCode::kNoSpace,
                 .times = times,
                 .bytes_written = part});
    const Status written = store->write(pair_of("b", bytes), GENERATE(false, true));
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kNoSpace);
    CHECK_FALSE(has_pair(*store, "b"));
    expect_stopped(*store);
    (void)store->close();
  }
  const auto store = open(directory.path());
  CHECK(has_pair(*store, "a"));
  CHECK_FALSE(has_pair(*store, "b"));
  CHECK_FALSE(has_pair(*store, "later"));
  CHECK(store->verify());
  CHECK(store->write(pair_of("b"), true));
}

// RocksDB would resume by itself once there is space, and flush records behind a torn log: it then
// refuses its own files at the next open.
TEST_CASE("After a full disk nothing is written any more, though there is space again") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  {
    const auto store = open(directory.path(), files);
    REQUIRE(store->write(pair_of("a"), true));
    files->fail({.operation = Operation::kAppend,
                 .name = ".log",
                 .code = ErrorCode::kNoSpace,
                 .bytes_written = 5});
    REQUIRE_FALSE(store->write(pair_of("b"), true));
    (void)files->take_events();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // Its recovery has a thread.
    for (const Event& event : files->take_events()) {
      INFO(event.path);
      CHECK_FALSE(changes_disk(event.operation));
    }
    (void)store->close();
  }
  CHECK(has_pair(*open(directory.path()), "a"));
}

TEST_CASE("A flush that fails stops writes and loses nothing") {
  const Operation operation = GENERATE(Operation::kCreate, Operation::kAppend, Operation::kSync);
  // What a failed sync left on the disk is not known: never "no space".
  const ErrorCode code = operation == Operation::kAppend ? ErrorCode::kNoSpace : ErrorCode::kIo;
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  {
    const auto store = open(directory.path(), files);
    REQUIRE(store->write(pair_of("a"), true));
    files->fail({.operation = operation, .name = ".sst", .code = code, .times = Fault::kAlways});
    const Status verified = store->verify();
    REQUIRE_FALSE(verified);
    CHECK(verified.error().code == code);
    expect_stopped(*store);
    CHECK(has_pair(*store, "a"));
    (void)store->close();
  }
  const auto store = open(directory.path());
  CHECK(has_pair(*store, "a"));
  CHECK(store->verify());
  CHECK(store->write(pair_of("b"), true));
}

TEST_CASE("A flush that fails in the background stops writes and loses nothing") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  std::vector<std::string> acknowledged;
  {
    const auto store = open(directory.path(), files);
    files->fail({.operation = Operation::kAppend, .name = ".sst", .times = Fault::kAlways});
    acknowledged = write_until_stopped(*store, 500'000);
    for (const std::string& key : acknowledged) CHECK(has_pair(*store, key));
    (void)store->close();
  }
  const auto store = open(directory.path());
  for (const std::string& key : acknowledged) CHECK(has_pair(*store, key));
  CHECK(store->verify());
}

TEST_CASE("A compaction that fails stops writes and loses nothing") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  std::vector<std::string> acknowledged;
  constexpr std::size_t kFlushes = 4;  // What level 0 holds before it is compacted.
  {
    const auto store = open(directory.path(), files);
    files->fail({.operation = Operation::kCreate,
                 .name = ".sst",
                 .after = 2 * kFlushes,
                 .times = Fault::kAlways});
    for (std::size_t i = 0; i < kFlushes; ++i) {
      REQUIRE(store->write(pair_of("a" + std::to_string(i)), true));
      (void)store->verify();
    }
    acknowledged = write_until_stopped(*store, 500'000);
    (void)store->close();
  }
  const auto store = open(directory.path());
  for (std::size_t i = 0; i < kFlushes; ++i) CHECK(has_pair(*store, "a" + std::to_string(i)));
  for (const std::string& key : acknowledged) CHECK(has_pair(*store, key));
  CHECK(store->verify());
}

TEST_CASE("A list of files that cannot be written stops writes and loses nothing") {
  const Operation operation = GENERATE(Operation::kAppend, Operation::kSync);
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  {
    const auto store = open(directory.path(), files);
    REQUIRE(store->write(pair_of("a"), true));
    files->fail({.operation = operation,
                 .name = "MANIFEST",
                 .code = operation == Operation::kAppend ? ErrorCode::kNoSpace : ErrorCode::kIo,
                 .times = GENERATE(1, Fault::kAlways)});
    CHECK_FALSE(store->verify());
    expect_stopped(*store);
    CHECK(has_pair(*store, "a"));
    (void)store->close();
  }
  const auto store = open(directory.path());
  CHECK(has_pair(*store, "a"));
  CHECK(store->verify());
}

TEST_CASE("A read that fails is an error, not a missing value") {
  const TempDirectory directory;
  {
    const auto store = open(directory.path());
    REQUIRE(store->write(pair_of("a"), true));
    REQUIRE(store->close());
  }
  const auto files = std::make_shared<FaultFileSystem>();
  const auto store = open(directory.path(), files);
  files->fail({.operation = Operation::kRead, .name = ".sst", .times = Fault::kAlways});
  const auto one = store->get(Family::kKeys, "a", nullptr);
  REQUIRE_FALSE(one);
  CHECK(one.error().code == ErrorCode::kIo);
  const auto many = store->get_many(Family::kRecords, std::vector<std::string>{"a"}, nullptr);
  REQUIRE_FALSE(many);
  CHECK(many.error().code == ErrorCode::kIo);
  const auto walk = store->iterate({Family::kKeys, "", ""}, nullptr);
  CHECK_FALSE(walk->valid());
  REQUIRE_FALSE(walk->status());
  CHECK(walk->status().error().code == ErrorCode::kIo);
  CHECK_FALSE(store->verify());
  files->heal();
  CHECK(has_pair(*store, "a"));
  CHECK(store->verify());
  CHECK(store->write(pair_of("b"), true));
}

TEST_CASE("An open whose reads fail says so, and the next one finds all that was written") {
  const std::string name = GENERATE(".log", "MANIFEST", "CURRENT", ".sst");
  const bool read_only = GENERATE(false, true);
  const std::size_t after = GENERATE(0, 1, 2);
  const TempDirectory directory;
  const std::string copy = directory / "copy";
  std::filesystem::create_directory(directory / "store");
  {
    const auto store = open(directory / "store");
    REQUIRE(store->write(pair_of("a"), true));
    REQUIRE(store->verify());
    for (std::size_t i = 0; i < 40; ++i)
      REQUIRE(store->write(pair_of("b" + std::to_string(i), 2'000), false));
    copy_as_after_a_kill(directory / "store", copy);
  }
  const auto files = std::make_shared<FaultFileSystem>();
  files->fail({.operation = Operation::kRead,
               .name = name,
               .after = after,
               .times = GENERATE(1, Fault::kAlways)});
  {
    const auto opened = try_open(copy, files, read_only);
    INFO(name << " after " << after);
    if (files->failures() == 0) return;
    if (!opened) CHECK(opened.error().code == ErrorCode::kIo);
    if (opened) {
      files->heal();
      for (std::size_t i = 0; i < 40; ++i) CHECK(has_pair(**opened, "b" + std::to_string(i)));
    }
  }
  const auto store = open(copy);
  CHECK(has_pair(*store, "a"));
  for (std::size_t i = 0; i < 40; ++i) CHECK(has_pair(*store, "b" + std::to_string(i)));
}

TEST_CASE("An abandoned store reads on and changes no file, not even when it is destroyed") {
  const bool was_stopped = GENERATE(false, true);
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  auto opened = storage::open_rocksdb_store({.directory = directory.path(),
                                             .file_system = files,
                                             .merge = merge_letters,
                                             .reserve_log = true});
  REQUIRE(opened);
  std::unique_ptr<ByteStore> store = std::move(*opened);
  REQUIRE(store->write(pair_of("a", 100), true));
  REQUIRE(store->flush());
  // Its log is longer than what it holds, and would be cut when it is closed.
  for (int i = 0; i < 5; ++i) REQUIRE(store->write(pair_of("b", 100), true));
  if (was_stopped) {
    files->fail({.operation = Operation::kAppend, .name = ".log", .bytes_written = 10});
    files->fail({.operation = Operation::kWrite, .name = ".log", .bytes_written = 10});
    CHECK_FALSE(store->write(pair_of("c", 100), true));
    files->heal();
  }
  auto snapshot = store->snapshot();
  (void)files->take_events();
  store->abandon();
  CHECK(store->write(pair_of("d"), true).error().code == ErrorCode::kReadOnly);
  CHECK_FALSE(store->flush());
  CHECK(has_pair(*store, "a"));
  CHECK(has_pair(*store, "b"));
  {
    const auto next = open(directory.path());
    CHECK(has_pair(*next, "b"));
    REQUIRE(next->write(pair_of("e"), true));
    CHECK(has_pair(*store, "b"));
    snapshot.reset();
    store.reset();
    for (const Event& event : files->take_events()) {
      INFO(event.path << ", operation " << static_cast<int>(event.operation));
      CHECK((event.operation == Operation::kClose || !changes_disk(event.operation)));
    }
    REQUIRE(next->write(pair_of("f"), true));
  }
  const auto again = open(directory.path());
  for (const char* key : {"a", "b", "e", "f"}) CHECK(has_pair(*again, key));
}

}  // namespace rocksdb_fault_test
