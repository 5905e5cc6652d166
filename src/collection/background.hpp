// What threads of a store that work in the background have in common.
//
// Threads: plain functions.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace anear {

/// The calling thread gets a processor when no other thread wants it, nearly: searches and writers
/// go first. Where the system has no such thing for threads, nothing changes.
inline void yield_to_others() {
#if defined(__linux__)
  constexpr int kNice = 10;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
#endif
}

}  // namespace anear
