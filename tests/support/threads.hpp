// Threads that work beside each other.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

namespace anear::test {

/// Runs `work(number)` in so many threads, numbered from 0 on, until all have ended.
template <typename Work>
void run_beside(std::size_t count, Work work) {
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < count; ++number)
    threads.emplace_back([&work, number] { work(number); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace anear::test
