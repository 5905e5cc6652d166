// Threads of a database: its jobs in order, what is taken back, and a child of a fork.
#include "storage/rocksdb_threads.hpp"

#include <rocksdb/file_system.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "anear/storage/byte_store.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_threads_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::TempDirectory;

namespace {

/// A job that waits until it is let go.
struct Gate {
  std::promise<void> begun;
  std::promise<void> open;
  static void run(void* gate) {
    static_cast<Gate*>(gate)->begun.set_value();
    static_cast<Gate*>(gate)->open.get_future().wait();
  }
};

void count(void* number) { ++*static_cast<int*>(number); }
void count_down(void* number) { --*static_cast<int*>(number); }

}  // namespace

TEST_CASE("A background thread does jobs in order, but for those that are taken back") {
  Gate gate;
  int done = 0;
  int others = 0;
  {
    BackgroundThread thread;
    REQUIRE(thread.start());
    thread.schedule(&Gate::run, &gate, &gate, nullptr);
    gate.begun.get_future().wait();
    for (int i = 0; i < 3; ++i) thread.schedule(&count, &done, &done, &count_down);
    thread.schedule(&count, &others, &others, &count_down);
    CHECK(thread.waiting() == 4);
    CHECK(thread.take_back(&gate) == 0);  // Has begun.
    CHECK(thread.take_back(&done) == 3);
    CHECK(done == -3);
    std::promise<void> last;
    thread.schedule([](void* promise) { static_cast<std::promise<void>*>(promise)->set_value(); },
                    &last, nullptr, nullptr);
    gate.open.set_value();
    last.get_future().wait();
  }
  CHECK(done == -3);
  CHECK(others == 1);
}

TEST_CASE("Jobs are taken back under the priority that they were given alone") {
  OwnThreads threads(rocksdb::NewCompositeEnv(rocksdb::FileSystem::Default()));
  int done = 0;
  threads.Schedule(&count, &done, rocksdb::Env::LOW, &done, &count_down);
  CHECK(threads.GetThreadPoolQueueLen(rocksdb::Env::LOW) == 1);
  CHECK(threads.UnSchedule(&done, rocksdb::Env::BOTTOM) == 0);
  CHECK(threads.UnSchedule(&done, rocksdb::Env::HIGH) == 0);
  CHECK(threads.UnSchedule(&done, rocksdb::Env::LOW) == 1);
  CHECK(done == -1);
}

TEST_CASE("A child of a fork flushes and merges, whatever databases its parent had open") {
  const TempDirectory directory;
  const auto write = [&](const std::string& name) {
    auto store = open_rocksdb_store({.directory = directory / name});
    if (!store) return false;
    for (int i = 0; i < 3; ++i) {
      WriteBatch batch;
      batch.put(Family::kRecords, "key", std::to_string(i));
      if (!(*store)->write(batch, true) || !(*store)->flush()) return false;
    }
    return true;
  };
  const auto held = open_rocksdb_store({.directory = directory / "held"});
  REQUIRE(held);
  REQUIRE(write("of the parent"));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(120);  // Instead of waiting for ever.
    ::_exit(write("of the parent") && write("of the child") ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace rocksdb_threads_test
