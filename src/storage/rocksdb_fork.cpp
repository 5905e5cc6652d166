#include "rocksdb_fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace anear::storage {
namespace {

// For the whole process, as fork() is.
std::atomic<int> open_databases{0};

void end_now(int status, void*) {
  (void)std::fflush(nullptr);
  ::_exit(status);
}

void in_child_after_fork() {
  // exit() runs handlers in the reverse of their order: this one before RocksDB's destructors.
  if (open_databases.load(std::memory_order_relaxed) > 0) (void)::on_exit(end_now, nullptr);
}

}  // namespace

OpenDatabase::OpenDatabase() noexcept { open_databases.fetch_add(1, std::memory_order_relaxed); }

OpenDatabase::~OpenDatabase() { open_databases.fetch_sub(1, std::memory_order_relaxed); }

Status prepare_for_fork() {
  static const bool registered = ::pthread_atfork(nullptr, nullptr, in_child_after_fork) == 0;
  return registered ? Status{} : Status{Error{ErrorCode::kOutOfMemory, "prepare for fork()"}};
}

}  // namespace anear::storage
