// The commands, each as a function from its arguments to an exit code.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anear/collection/verify.hpp"

namespace anear::cli {

/// What the commands are given; each uses its part.
struct Arguments {
  std::string store;
  std::string directory;  ///< Of backups.
  std::string target;     ///< Of a restore.
  std::string collection;
  std::vector<std::string> keys;
  std::string filter;
  std::uint64_t sequence = 0;
  std::uint64_t number = 0;
  std::uint64_t keep = 0;
  VerifyLevel level = VerifyLevel::kFull;
  std::uint64_t bytes_per_second = 0;  ///< 0: no limit.
  bool copy = false;                   ///< No hard links.
  bool remove_lost_copies = false;
  bool as_json = false;
};

int info(const Arguments& arguments);
int verify(const Arguments& arguments);
int repair(const Arguments& arguments);
int recover(const Arguments& arguments);
int erase(const Arguments& arguments);
int backup(const Arguments& arguments);
int backups(const Arguments& arguments);
int verify_backup(const Arguments& arguments);
int restore(const Arguments& arguments);
int prune(const Arguments& arguments);

}  // namespace anear::cli
