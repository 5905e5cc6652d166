#include "anear/storage/store_lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <span>
#include <string>

#include "directory_state.hpp"
#include "temp_directory.hpp"

namespace store_lock_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::state_of;
using anear::testing::TempDirectory;

namespace {

/// Runs `body` in a forked child and returns what it returned.
template <typename Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("A second writer is refused with the holder's process and advice, until it lets go") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  {
    const auto lock = StoreLock::acquire(files, directory.path());
    REQUIRE(lock);
    const auto second = StoreLock::acquire(files, directory.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::kLocked);
    CHECK(second.error().message.find("process " + std::to_string(::getpid())) !=
          std::string::npos);
    std::array<char, 256> host{};
    REQUIRE(::gethostname(host.data(), host.size() - 1) == 0);
    CHECK(second.error().message.find(std::string("on ") + host.data()) != std::string::npos);
    CHECK(second.error().message.find("since 20") != std::string::npos);
    CHECK(second.error().message.find("close it there") != std::string::npos);
    CHECK(second.error().message.find("read-only") != std::string::npos);
    // Closing another descriptor of the file, which drops a POSIX lock, keeps this one.
    REQUIRE(read_file(files, directory / "LOCK", 1'024));
    CHECK(in_child([&] { return StoreLock::acquire(files, directory.path()) ? 1 : 0; }) == 0);
  }
  CHECK(StoreLock::acquire(files, directory.path()));
}

TEST_CASE("A forked child knows it is one and does not keep its parent's lock") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  int ready[2];
  int finish[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(finish) == 0);
  pid_t child = 0;
  {
    const auto lock = StoreLock::acquire(files, directory.path());
    REQUIRE(lock);
    CHECK_FALSE(lock->process().in_forked_child());
    child = ::fork();
    if (child == 0) {
      const Status use = lock->process().check();
      const char right = !use && use.error().code == ErrorCode::kForked ? 'y' : 'n';
      if (::write(ready[1], &right, 1) != 1) ::_exit(1);
      char go = 0;
      ::_exit(::read(finish[0], &go, 1) == 1 ? 0 : 1);
    }
    char right = 0;
    REQUIRE(::read(ready[0], &right, 1) == 1);
    CHECK(right == 'y');
    CHECK_FALSE(StoreLock::acquire(files, directory.path()));
  }
  // The child still runs, and would still hold the lock if its descriptor had stayed open.
  CHECK(StoreLock::acquire(files, directory.path()));
  REQUIRE(::write(finish[1], "x", 1) == 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("The lock of a killed process is free") {
  const TempDirectory directory;
  CHECK(in_child([&] {
          const auto lock = StoreLock::acquire(*os_file_system(), directory.path());
          if (lock) ::raise(SIGKILL);
          return 0;
        }) == -1);
  CHECK(StoreLock::acquire(*os_file_system(), directory.path()));
}

TEST_CASE("A lock whose file was removed or moved away says so ever after, and changes no file") {
  const TempDirectory directory;
  const std::string place = directory / "place";
  const std::string aside = directory / "aside";
  FileSystem& files = *os_file_system();
  REQUIRE(files.make_directory(place));
  const auto lock = StoreLock::acquire(files, place);
  REQUIRE(lock);
  const auto guarded = lock->guard(os_file_system());
  const auto bytes = std::as_bytes(std::span("bytes"));
  auto log = guarded->open(place + "/log", OpenMode::kCreateNew);
  REQUIRE(log);
  REQUIRE((*log)->append(bytes));
  REQUIRE((*log)->sync());
  REQUIRE(lock->check(files));

  bool is_moved = false;
  SECTION("LOCK is removed and another writer comes") { REQUIRE(files.remove(place + "/LOCK")); }
  SECTION("the directory is moved and another made") {
    REQUIRE(files.rename({.from = place, .to = aside}));
    REQUIRE(files.make_directory(place));
    is_moved = true;
  }
  const auto next = StoreLock::acquire(files, place);
  REQUIRE(next);
  REQUIRE(install_file(files, place, "log", "another's"));
  REQUIRE(install_file(files, place, "table", "another's"));
  const auto before = state_of(directory.path());

  const auto is_refused = [](const auto& outcome) {
    return !outcome && outcome.error().code == ErrorCode::kIo &&
           outcome.error().message.find("open it again") != std::string::npos;
  };
  CHECK(is_refused(lock->check(files)));
  CHECK(is_refused((*log)->append(bytes)));
  CHECK(is_refused((*log)->write_at(0, bytes)));
  CHECK(is_refused((*log)->truncate(0)));
  CHECK(is_refused((*log)->sync()));
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite, OpenMode::kReadWriteCreate,
                              OpenMode::kCreateNew, OpenMode::kCreateOrTruncate})
    CHECK(is_refused(guarded->open(place + "/table", mode)));
  CHECK(is_refused(guarded->map_private(place + "/table", 1)));
  CHECK(is_refused(guarded->remove(place + "/table")));
  CHECK(is_refused(guarded->rename({.from = place + "/table", .to = place + "/log"})));
  CHECK(is_refused(guarded->link({.from = place + "/table", .to = directory / "table"})));
  CHECK(is_refused(guarded->make_directory(place + "/records")));
  CHECK(is_refused(guarded->remove_directory(place + "/records")));
  CHECK((state_of(directory.path()) == before));
  // What is open is read as before; what lies elsewhere is not its business.
  std::array<std::byte, 5> read{};
  CHECK(*(*log)->read_at(0, read) == read.size());
  CHECK((*log)->close());
  CHECK(install_file(*guarded, directory.path(), "placeholder", "elsewhere"));
  CHECK(next->check(files));
  if (is_moved) {
    // It may have been changed while it was away.
    REQUIRE(files.rename({.from = place, .to = directory / "third"}));
    REQUIRE(files.rename({.from = aside, .to = place}));
  }
  CHECK(is_refused(lock->check(files)));
}

}  // namespace store_lock_test
