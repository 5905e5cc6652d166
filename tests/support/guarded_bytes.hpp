// Memory between two pages that no one may touch: a read or write before its first byte or past its
// last one ends the process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <stdexcept>

namespace anear::test {

class GuardedBytes {
 public:
  /// At least `bytes` usable bytes, in whole pages.
  explicit GuardedBytes(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size_ = (bytes + page - 1) / page * page;
    mapped_ = size_ + 2 * page;
    base_ = ::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::runtime_error("mmap failed");
    first_ = static_cast<std::byte*>(base_) + page;
    if (::mprotect(first_, size_, PROT_READ | PROT_WRITE) != 0) {
      throw std::runtime_error("mprotect failed");
    }
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { ::munmap(base_, mapped_); }

  /// The first usable byte: one before it is guarded.
  std::byte* first() const noexcept { return first_; }
  /// Where `bytes` bytes end right before the guard.
  std::byte* last(std::size_t bytes) const noexcept { return first_ + size_ - bytes; }

 private:
  void* base_ = nullptr;
  std::byte* first_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

}  // namespace anear::test
