// Everything of a directory that a program may not change: which files, their bytes and times.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

#include "support/temp_directory.hpp"

namespace anear::testing {

struct FileState {
  std::string bytes;
  std::int64_t modified = 0;  ///< Nanoseconds.
  std::uint64_t inode = 0;
  std::uint32_t mode = 0;
  bool operator==(const FileState&) const = default;
};

/// By path. Of a directory: no bytes.
using DirectoryState = std::map<std::string, FileState>;

inline FileState state_of_file(const std::string& path) {
  struct ::stat facts;
  if (::stat(path.c_str(), &facts) != 0) throw std::runtime_error("stat " + path);
  const std::int64_t modified =
      std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
  return {S_ISREG(facts.st_mode) ? bytes_of_file(path) : std::string(), modified, facts.st_ino,
          facts.st_mode};
}

inline DirectoryState state_of(const std::string& directory) {
  DirectoryState state;
  state[directory] = state_of_file(directory);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    state[entry.path()] = state_of_file(entry.path());
  return state;
}

}  // namespace anear::testing
