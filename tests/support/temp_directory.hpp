// An empty directory for one test, removed with all it holds when the test ends.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>

namespace anear::testing {

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "anear_test_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Also where a store that is open removes files of its own meanwhile.
inline void remove_directory(const std::string& path) {
  std::error_code failed;
  do {
    failed.clear();
    std::filesystem::remove_all(path, failed);
  } while (failed == std::errc::no_such_file_or_directory);
  if (failed) throw std::filesystem::filesystem_error("remove", path, failed);
}

inline std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Of a log what it holds: without the zeros that a store that was killed has reserved behind it.
inline std::string held_by_log(const std::string& path) {
  std::string bytes = bytes_of_file(path);
  bytes.resize(bytes.find_last_not_of('\0') + 1);
  return bytes;
}

inline void overwrite_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The files below a directory and their sizes; none where one of them goes meanwhile.
inline std::map<std::string, std::uintmax_t> sizes_below(const std::string& directory) {
  std::map<std::string, std::uintmax_t> sizes;
  std::error_code failed;
  for (std::filesystem::recursive_directory_iterator entry(directory, failed), end;
       !failed && entry != end; entry.increment(failed)) {
    if (entry->is_regular_file(failed)) sizes[entry->path()] = entry->file_size(failed);
    if (failed) return {};
  }
  return sizes;
}

/// A copy of a store that is open, as a kill leaves it: of one moment, or else it is begun anew,
/// since its database may make and remove files meanwhile.
inline void copy_as_after_a_kill(const std::string& store, const std::string& copy) {
  constexpr int kTriesMax = 100;
  for (int tries = 1;; ++tries) {
    // The mark first: what it names is there by then, and what it names later may not be copied.
    const std::string mark = bytes_of_file(store + "/MARK");
    const auto before = sizes_below(store);
    std::error_code failed;
    std::filesystem::copy(store, copy, std::filesystem::copy_options::recursive, failed);
    if (!failed && !before.empty() && sizes_below(store) == before)
      return overwrite_file(copy + "/MARK", mark);
    std::filesystem::remove_all(copy);
    if (tries == kTriesMax)
      throw std::runtime_error("copy " + store + ": " +
                               (failed ? failed.message() : "it never stands still"));
  }
}

}  // namespace anear::testing
