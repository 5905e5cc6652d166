// What a store writes: counted, and held to a rate where nobody has to wait for it.
//
// Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "anear/storage/file_system.hpp"
#include "anear/storage/pace.hpp"
#include "anear/storage/written_bytes.hpp"

namespace anear::storage {

class WriteAccount {
 public:
  /// Of the files below `directory`.
  explicit WriteAccount(std::string directory);

  WrittenBytes written() const noexcept;
  /// From now on row files and images are written at no more than this rate, all together, and one
  /// piece beyond it: who has written one waits. 0: no limit; who waits goes on. Tables do not
  /// wait: the threads that write them serve all databases of the process.
  void hold_to(std::uint64_t bytes_per_second);

  /// What a file is for, in the order of WrittenBytes.
  enum class Purpose : std::uint8_t { kLog, kTables, kRows, kImages, kOther, kElsewhere };
  Purpose purpose_of(std::string_view path) const;
  /// So much was written. May wait, see hold_to().
  void add(Purpose purpose, std::size_t bytes);

 private:
  static constexpr std::size_t kCounted = static_cast<std::size_t>(Purpose::kElsewhere);

  std::string directory_;
  std::array<std::atomic<std::uint64_t>, kCounted> written_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  Pace pace_;                  ///< Under `mutex_`.
  std::uint64_t changes_ = 0;  ///< Of the rate. Under `mutex_`.
};

/// `files`, with what is written through it added to `account`.
std::shared_ptr<FileSystem> make_accounted_file_system(std::shared_ptr<FileSystem> files,
                                                       std::shared_ptr<WriteAccount> account);

}  // namespace anear::storage
