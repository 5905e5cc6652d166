// What a command says: a list of names and values, for people or as one JSON object; progress of
// long work; and how it ends.
//
// Threads: one, but for the signal that asks to stop.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "anear/core/error.hpp"
#include "anear/core/progress.hpp"

namespace anear::cli {

/// How a command ends, for scripts.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,     ///< Refused or failed; the message says why.
  kUsage = 2,      ///< The arguments are wrong.
  kDamaged = 3,    ///< The store or backup is damaged, or lost acknowledged commits.
  kStopped = 130,  ///< By SIGINT.
};

using Report = nlohmann::ordered_json;

/// To standard output: names and values in lines, or the object as JSON.
void print(const Report& report, bool as_json);
/// To standard error, and the exit code that says of which kind it is.
int fail(const Error& error);

/// From now on SIGINT and SIGTERM ask the work to stop, and the second one ends the process.
void stop_on_signals();

/// A line on a terminal that tells how far the work is, in bytes or steps; nothing elsewhere.
class Progress {
 public:
  explicit Progress(const char* of) noexcept : of_(of) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  ProgressCallback callback() noexcept { return {&Progress::call, this}; }

 private:
  static bool call(void* context, std::size_t done, std::size_t total);

  const char* of_;
  int shown_ = -1;  ///< Percent.
};

/// "12.3 MiB".
std::string in_bytes(std::uint64_t bytes);
/// "2026-11-26 08:30:00 UTC".
std::string as_time(std::int64_t micros);

}  // namespace anear::cli
