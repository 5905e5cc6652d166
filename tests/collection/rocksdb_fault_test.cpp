// A store on a disk that fails: what is answered meanwhile, and what is there after opening again.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_fault_test {

using namespace anear;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::expect_docs;
using anear::test::near_to;
using anear::testing::Event;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kRows = 200;

/// The messages of a store.
struct Log {
  std::mutex mutex;
  std::string text;
  LogCallback callback() {
    return {[](void* context, const char* message) {
              auto& log = *static_cast<Log*>(context);
              const std::lock_guard hold(log.mutex);
              log.text += std::string(message) + "\n";
            },
            this};
  }
};

struct OnDisk {
  TempDirectory directory;
  std::string path = directory / "store";
  std::shared_ptr<FaultFileSystem> files = std::make_shared<FaultFileSystem>();
  Log log;
  test::Rows rows = clustered_rows({kRows, kDimension}, 1);

  Result<Store> try_open(Durability durability = Durability::kDurable) {
    return Store::open(path, {.durability = durability,
                              .index_inline = true,
                              .log = log.callback(),
                              .file_system = files});
  }
  Store open(Durability durability = Durability::kDurable) {
    return test::must(try_open(durability));
  }
  /// Opens with files that do not fail.
  Store reopen() {
    files->heal();
    return open();
  }
  Result<Sequence> upsert(Collection& docs, std::size_t first, std::size_t count) const {
    return docs.upsert(Batch()
                           .numbered(first, count)
                           .vectors("embedding", rows.view().rows_from(first, count))
                           .field("size", test::numbers(first, count)));
  }
};

Result<Collection> create_docs(Store& store) {
  return store.create_collection("docs",
                                 {.vectors = {{.name = "embedding", .dimension = kDimension}},
                                  .fields = {{"size", FieldType::kInt64}}});
}

Collection must_create(Store& store) {
  auto docs = create_docs(store);
  REQUIRE(docs);
  return std::move(*docs);
}

void expect_stopped(Store& store, Collection& docs, const OnDisk& disk) {
  const std::vector<std::string_view> keys = {"k1"};
  const Status refusals[] = {
      disk.upsert(docs, 0, 5).error(), docs.update(Batch().numbered(0, 1)).error(),
      docs.delete_keys(keys).error(), docs.delete_matching({"size = 1", {}}).error(),
      store.create_collection("more", docs.schema()).error()};
  for (const Status& refused : refusals) {
    CHECK(refused.error().code == ErrorCode::kReadOnly);
    CHECK(refused.error().message.find("injected fault") != std::string::npos);
  }
  CHECK(docs.stats()->reason.find("injected fault") != std::string::npos);
}

/// The 50 records behind the first 100, without a call that resumes: at most a second after there
/// is space.
void write_again(const OnDisk& disk, Collection& docs) {
  for (int i = 0; i < 500; ++i) {
    if (disk.upsert(docs, 100, 50)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("writes stay stopped: " << disk.upsert(docs, 100, 50).error().message);
}

}  // namespace

TEST_CASE("A commit whose sync fails has an unknown outcome; nothing acknowledged is lost") {
  const bool loses = GENERATE(false, true);
  const std::size_t times = GENERATE(1, Fault::kAlways);
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    disk.files->fail(
        {.operation = Operation::kSync, .name = ".log", .times = times, .loses_unsynced = loses});
    const auto written = disk.upsert(docs, 100, 50);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kOutcomeUnknown);
    expect_stopped(store, docs, disk);
    expect_docs(docs, disk.rows, 100);
    (void)store.close();
  }
  Store store = disk.reopen();
  Collection docs = *store.collection("docs");
  expect_docs(docs, disk.rows, loses ? 100 : 150);
  CHECK(store.verify());
  REQUIRE(disk.upsert(docs, 100, 100));
  expect_docs(docs, disk.rows, 200);
}

TEST_CASE("A commit on a full disk is not there, and writes go on once there is space") {
  const std::size_t part = GENERATE(0, 1, 100, 1'000);
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    // Behind the log's end, or over what was reserved of it.
    for (const Operation operation : {Operation::kAppend, Operation::kWrite}) {
      disk.files->fail({.operation = operation,
                        .name = ".log",
                        .code = ErrorCode::kNoSpace,
                        .times = Fault::kAlways,
                        .bytes_written = part});
    }
    for (int i = 0; i < 3; ++i) {
      const auto written = disk.upsert(docs, 100, 50);
      REQUIRE_FALSE(written);
      // The second one has opened the files anew, or comes too soon for that.
      const ErrorCode code = written.error().code;
      CHECK((code == ErrorCode::kNoSpace || code == ErrorCode::kReadOnly));
      CHECK(written.error().message.find("injected fault") != std::string::npos);
      CHECK(store.state()->writes == WriteState::kStopped);
      CHECK(docs.stats()->reason.find("injected fault") != std::string::npos);
      expect_docs(docs, disk.rows, 100);
    }
    if (GENERATE(false, true)) {
      disk.files->heal();
      write_again(disk, docs);
      CHECK(store.state()->writes == WriteState::kWritable);
      expect_docs(docs, disk.rows, 150);
      CHECK(store.verify());
    }
    (void)store.close();
  }
  Store store = disk.reopen();
  Collection docs = *store.collection("docs");
  const std::size_t there = *docs.count({});
  CHECK((there == 100 || there == 150));
  expect_docs(docs, disk.rows, there);
  CHECK(store.verify());
  REQUIRE(disk.upsert(docs, 100, 100));
  expect_docs(docs, disk.rows, 200);
}

TEST_CASE("A buffered sync that fails stops writes, and is told by flush and in the log") {
  OnDisk disk;
  {
    Store store = disk.open(Durability::kBuffered);
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    disk.files->fail({.operation = Operation::kSync, .name = ".log", .times = Fault::kAlways});
    CHECK_FALSE(docs.flush());
    expect_stopped(store, docs, disk);
    expect_docs(docs, disk.rows, 100);
    (void)store.close();
  }
  Store store = disk.reopen();
  expect_docs(*store.collection("docs"), disk.rows, 100);
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
}

TEST_CASE("The mark never names a buffered commit that was not synced, not even at close") {
  OnDisk disk;
  {
    Store store = disk.open(Durability::kBuffered);
    Collection docs = must_create(store);
    REQUIRE(docs.flush());
    disk.files->fail({.operation = Operation::kSync,
                      .name = ".log",
                      .times = Fault::kAlways,
                      .loses_unsynced = true});
    // The regular sync may fail before, between or after these.
    for (std::size_t i = 0; i < 3; ++i) (void)disk.upsert(docs, 10 * i, 10);
    (void)store.close();
  }
  Store store = disk.reopen();
  CHECK(*store.collection("docs")->count({}) == 0);
}

TEST_CASE("A failed flush of the records stops writes and loses nothing") {
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    disk.files->fail({.operation = Operation::kAppend,
                      .name = ".sst",
                      .code = ErrorCode::kNoSpace,
                      .times = Fault::kAlways});
    const auto verified = store.verify();  // Flushes what is only in the log.
    REQUIRE_FALSE(verified);
    CHECK(verified.error().code == ErrorCode::kNoSpace);
    CHECK(store.state()->writes == WriteState::kStopped);
    expect_docs(docs, disk.rows, 100);
    (void)store.close();
  }
  Store store = disk.reopen();
  expect_docs(*store.collection("docs"), disk.rows, 100);
  CHECK(store.verify());
}

TEST_CASE("An image that cannot be written costs no answer, and is told") {
  const Operation operation = GENERATE(Operation::kCreate, Operation::kAppend, Operation::kWrite,
                                       Operation::kSync, Operation::kRename);
  const ErrorCode code = GENERATE(ErrorCode::kIo, ErrorCode::kNoSpace);
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    disk.files->fail(
        {.operation = operation, .name = ".image", .code = code, .times = Fault::kAlways});
    const Status flushed = docs.flush();
    REQUIRE_FALSE(flushed);
    CHECK(flushed.error().code == code);
    CHECK(docs.stats()->degraded);
    CHECK(docs.stats()->reason.find("injected fault") != std::string::npos);
    expect_docs(docs, disk.rows, 100);
    REQUIRE(disk.upsert(docs, 100, 50));
    expect_docs(docs, disk.rows, 150);
    CHECK(std::filesystem::is_empty(disk.path + "/images"));
    if (GENERATE(false, true)) {
      disk.files->heal();
      REQUIRE(docs.flush());
      CHECK_FALSE(docs.stats()->degraded);
      CHECK(docs.stats()->reason.empty());
      CHECK(docs.stats()->image_sequence == docs.stats()->last_sequence);
    }
    REQUIRE(store.close());
  }
  Store store = disk.reopen();
  expect_docs(*store.collection("docs"), disk.rows, 150);
  CHECK(store.verify());
}

TEST_CASE("A mark that cannot be written is told in the log and costs nothing") {
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    disk.files->fail({.operation = Operation::kWrite, .name = "MARK", .times = Fault::kAlways});
    REQUIRE(disk.upsert(docs, 0, 100));
    CHECK(disk.log.text.find("injected fault") != std::string::npos);
    expect_docs(docs, disk.rows, 100);
    CHECK_FALSE(store.close());
  }
  Store store = disk.reopen();
  CHECK_FALSE(store.recovery().clean);
  CHECK(store.recovery().recovered_sequence > store.recovery().marked_sequence);
  expect_docs(*store.collection("docs"), disk.rows, 100);
  CHECK(store.verify());
}

TEST_CASE("Reads that fail are errors, not missing records") {
  OnDisk disk;
  {
    Store store = disk.open();
    Collection docs = must_create(store);
    REQUIRE(disk.upsert(docs, 0, 100));
    REQUIRE(store.flush());
    REQUIRE(store.close());
  }
  Store store = disk.open();
  const Collection docs = *store.collection("docs");
  disk.files->fail({.operation = Operation::kRead, .name = ".sst", .times = Fault::kAlways});
  const std::vector<std::string_view> keys = {"k3"};
  const Error errors[] = {docs.search(near_to(disk.rows.row(3), 5)).error(),
                          docs.search(near_to(disk.rows.row(3), 5, "size = 3")).error(),
                          docs.get(keys, {}).error(), docs.count({"size < 10", {}}).error(),
                          docs.scan({}).error()};
  for (const Error& error : errors) CHECK(error.code == ErrorCode::kIo);
  disk.files->heal();
  expect_docs(docs, disk.rows, 100);
  CHECK(store.verify());
}

TEST_CASE("Each durable commit syncs the log before the mark names it") {
  OnDisk disk;
  Store store = disk.open();
  Collection docs = must_create(store);
  for (std::size_t i = 0; i < 10; ++i) {
    (void)disk.files->take_events();
    REQUIRE(disk.upsert(docs, 10 * i, 10));
    std::vector<Operation> order;
    for (const Event& event : disk.files->take_events()) {
      if (event.path.ends_with(".log") || event.path.ends_with("MARK"))
        order.push_back(event.operation);
    }
    REQUIRE(order.size() >= 3);
    CHECK((order.front() == Operation::kAppend || order.front() == Operation::kWrite));
    CHECK(order[order.size() - 2] == Operation::kSync);
    CHECK(order.back() == Operation::kWrite);
  }
}

TEST_CASE("The way to a new store and its mark are on the disk before its identity") {
  OnDisk disk;
  Store store = disk.open();
  std::size_t parent = 0, mark = 0, directory = 0, identity = 0;
  std::size_t number = 0;
  for (const Event& event : disk.files->take_events()) {
    ++number;
    if (event.operation == Operation::kSyncDirectory && event.path.ends_with("/.."))
      parent = number;
    if (event.operation == Operation::kSync && event.path.ends_with("MARK") && mark == 0)
      mark = number;
    if (event.operation == Operation::kSyncDirectory && mark != 0 && directory == 0)
      directory = number;
    if (event.operation == Operation::kRename && event.path.ends_with("ANEAR")) identity = number;
  }
  CHECK(parent != 0);
  CHECK(parent < mark);
  CHECK(mark < directory);
  CHECK(directory < identity);
}

TEST_CASE("That a store is open for writing is on the disk before its first commit") {
  OnDisk disk;
  Store store = disk.open();
  std::vector<Operation> of_mark;
  for (const Event& event : disk.files->take_events()) {
    if (event.path.ends_with("MARK")) of_mark.push_back(event.operation);
  }
  REQUIRE(of_mark.size() >= 2);
  CHECK(of_mark[of_mark.size() - 2] == Operation::kWrite);
  CHECK(of_mark.back() == Operation::kSync);
}

}  // namespace rocksdb_fault_test
