// A hidden test of this program, run in a process of its own that is killed or ends by itself: as a
// program, not a fork, since threads of a database do not come along and a flush would wait for
// them.
//
// The worker is told what to do by a text and says numbers back.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <string>

namespace anear::testing {

inline constexpr const char* kWorkerTask = "ANEAR_WORKER_TASK";
inline constexpr const char* kWorkerPipe = "ANEAR_WORKER_PIPE";

/// In the worker: what it was told. Null: the test was not started as one.
inline const char* worker_task() { return std::getenv(kWorkerTask); }

/// In the worker: says a number to who started it. False when that one is gone.
template <typename Number>
bool say(const Number& number) {
  const int pipe = std::atoi(std::getenv(kWorkerPipe));
  return ::write(pipe, &number, sizeof number) == sizeof number;
}

class Worker {
 public:
  /// Starts the test of this name.
  Worker(const char* test, const std::string& task) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    said_ = ends[0];
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends[0]);
      ::setenv(kWorkerTask, task.c_str(), 1);
      ::setenv(kWorkerPipe, std::to_string(ends[1]).c_str(), 1);
      ::execl("/proc/self/exe", "worker", test, nullptr);
      ::_exit(2);
    }
    ::close(ends[1]);
  }
  ~Worker() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    wait();
    ::close(said_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The next number; waits for it. No value once the worker is gone and all was heard.
  template <typename Number>
  std::optional<Number> hear() {
    Number number{};
    if (::read(said_, &number, sizeof number) != sizeof number) return std::nullopt;
    return number;
  }
  /// Kills it after a while; it must not have ended by itself.
  void kill_after(std::uint64_t microseconds) {
    ::usleep(static_cast<::useconds_t>(microseconds));
    REQUIRE(::kill(child_, SIGKILL) == 0);
    const int status = wait();
    INFO("ended by itself with " << status);
    CHECK(WIFSIGNALED(status));
  }
  /// Its status at its end.
  int wait() {
    int status = 0;
    if (child_ > 0) (void)::waitpid(child_, &status, 0);
    child_ = 0;
    return status;
  }

 private:
  ::pid_t child_ = 0;
  int said_ = -1;
};

}  // namespace anear::testing
