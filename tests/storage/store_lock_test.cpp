#include "anear/storage/store_lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>

#include "temp_directory.hpp"

using namespace anear;
using namespace anear::storage;
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
