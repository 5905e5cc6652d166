// A directory as one file: the tar format (ustar) as far as tests need it: files and directories
// with paths below 100 bytes; no times or owners, so that equal content gives equal bytes; a file
// that is equal to an earlier one is a link to it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/temp_directory.hpp"

namespace anear::testing {

struct TarHeader {
  char name[100];
  char mode[8], user[8], group[8];
  char size[12], modified[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6];
  char version[2];
  char rest[247];
};
inline constexpr std::size_t kTarBlock = 512;
static_assert(sizeof(TarHeader) == kTarBlock);

/// What one block says of what follows it.
struct TarEntry {
  std::string name{};
  char type = '0';
  std::size_t bytes = 0;
  std::string link{};
};

inline std::string tar_block(const TarEntry& entry) {
  const std::string& name = entry.name;
  TarHeader header{};
  if (name.size() >= sizeof header.name || entry.link.size() >= sizeof header.link)
    throw std::runtime_error("too long for tar: " + name);
  std::memcpy(header.name, name.data(), name.size());
  std::snprintf(header.mode, sizeof header.mode, "%07o", entry.type == '5' ? 0755U : 0644U);
  std::snprintf(header.user, sizeof header.user, "%07o", 0U);
  std::snprintf(header.group, sizeof header.group, "%07o", 0U);
  std::snprintf(header.size, sizeof header.size, "%011zo", entry.bytes);
  std::snprintf(header.modified, sizeof header.modified, "%011o", 0U);
  header.type = entry.type;
  std::memcpy(header.link, entry.link.data(), entry.link.size());
  std::memcpy(header.magic, "ustar", 6);
  std::memcpy(header.version, "00", 2);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  std::array<unsigned char, kTarBlock> raw;
  std::memcpy(raw.data(), &header, raw.size());
  unsigned sum = 0;
  for (const unsigned char byte : raw) sum += byte;
  std::snprintf(header.checksum, sizeof header.checksum, "%06o", sum & 0777777U);
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

/// What stands in `directory` but for files of whose name `skip` says so.
inline std::string pack_tar(const std::string& directory, bool (*skip)(std::string_view name)) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!skip(entry.path().filename().string())) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::string tar;
  std::map<std::string, std::string> packed;  // Path by bytes.
  for (const fs::path& path : paths) {
    TarEntry entry{.name = fs::relative(path, directory).string()};
    std::string bytes;
    if (fs::is_directory(path)) {
      entry.type = '5';
      entry.name += "/";
    } else {
      bytes = bytes_of_file(path);
      const auto [earlier, fresh] = packed.try_emplace(bytes, entry.name);
      if (!fresh) {
        entry.type = '1';
        entry.link = earlier->second;
        bytes.clear();
      }
    }
    entry.bytes = bytes.size();
    tar += tar_block(entry) + bytes;
    tar.resize((tar.size() + kTarBlock - 1) / kTarBlock * kTarBlock);
  }
  return tar.append(2 * kTarBlock, '\0');
}

/// Writes what `tar` holds below `directory`, which is made.
inline void unpack_tar(const std::string& tar, const std::string& directory) {
  std::filesystem::create_directories(directory);
  for (std::size_t at = 0; at + kTarBlock <= tar.size() && tar[at] != '\0';) {
    TarHeader header;
    std::memcpy(&header, tar.data() + at, sizeof header);
    const std::string path = directory + "/" + header.name;
    const std::size_t bytes = std::strtoull(header.size, nullptr, 8);
    at += kTarBlock;
    if (header.type == '5') {
      std::filesystem::create_directories(path);
    } else if (header.type == '1') {
      std::filesystem::copy_file(directory + "/" + header.link, path);
    } else {
      if (at + bytes > tar.size()) throw std::runtime_error("cut short: " + path);
      overwrite_file(path, tar.substr(at, bytes));
    }
    at += (bytes + kTarBlock - 1) / kTarBlock * kTarBlock;
  }
}

}  // namespace anear::testing
