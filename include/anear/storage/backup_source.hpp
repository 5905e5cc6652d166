// A file on its way into a backup.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace anear::storage {

struct BackupSource {
  std::string path;         ///< Whose directory it is in says who gives it.
  std::uint64_t bytes = 0;  ///< So many of the file's count.
  std::string contents{};   ///< Not empty: these count, whatever the file holds.
  /// Not empty: the file is never changed, and another one of the same identity has the same bytes.
  std::string identity{};
  std::optional<std::uint32_t> crc32c{};  ///< Of its bytes, where that is known: compared.
};

}  // namespace anear::storage
