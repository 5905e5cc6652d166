// What RocksDB's threads mean for a child of fork().
//
// They do not exist in the child, and exit() there would wait for ever in RocksDB's own static
// destructors for one that held a condition variable. So a child that was forked while a database
// was open ends right after the handlers (atexit) that it registered itself: open files of stdio
// are flushed, handlers from before the fork are not run.
//
// Threads: any.
#pragma once

#include "anear/core/error.hpp"

namespace anear::storage {

/// Counts as an open database while it lives.
class OpenDatabase {
 public:
  OpenDatabase() noexcept;
  OpenDatabase(const OpenDatabase&) = delete;
  OpenDatabase& operator=(const OpenDatabase&) = delete;
  ~OpenDatabase();
};

/// To be called before a database is opened.
Status prepare_for_fork();

}  // namespace anear::storage
