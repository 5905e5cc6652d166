// save() and load() of an index by itself, without a store: one file of sections.
//
//   | header 64 B: magic, version, kind, dimension, option bytes, sections, table bytes, checksum
//   of header | | options | table: name 32 B, stride u64, count u64, offset u64, checksum u32, 4 B
//   zero: one a section, then its checksum | | sections, each 64-byte aligned |
//
// Little-endian. A reader checks lengths and checksums before it believes a number. The file is
// written beside its name and renamed. Threads: plain functions.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "anear/core/checksum.hpp"
#include "anear/core/error.hpp"
#include "anear/index/sections.hpp"

namespace anear::image_io {

inline constexpr std::uint64_t kMagic = 0x3178646e6961ULL;  // "aindx1"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kSectionsMax = 64;

struct Header {
  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t kind = 0;
  std::uint64_t dimension = 0;
  std::uint32_t option_bytes = 0;
  std::uint32_t sections = 0;
  std::uint64_t file_bytes = 0;
  std::uint32_t table_checksum = 0;
  std::uint32_t reserved[4] = {};
  std::uint32_t checksum = 0;
};
static_assert(sizeof(Header) == 64);

struct Entry {
  char name[32] = {};
  std::uint64_t stride = 0;
  std::uint64_t count = 0;
  std::uint64_t offset = 0;
  std::uint32_t checksum = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Entry) == 64);

constexpr std::uint64_t align(std::uint64_t offset) noexcept { return (offset + 63) / 64 * 64; }

template <typename T>
std::span<const std::byte> bytes_of_value(const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::byte*>(&value), sizeof value};
}

/// Calls of the system would take what stands before a zero byte for the path.
inline Status check_path(const std::string& path) {
  if (!path.empty() && path.find('\0') == path.npos) return {};
  return invalid_argument("the path of an index is empty or has a zero byte in it");
}

inline Error io_error(const std::string& path, const char* what) {
  const int cause = errno;
  const ErrorCode code = cause == ENOSPC   ? ErrorCode::kNoSpace
                         : cause == ENOENT ? ErrorCode::kNotFound
                                           : ErrorCode::kIo;
  return Error{code, "index file '" + path + "': " + what + ": " + std::strerror(cause)};
}

/// A stdio file that is closed with its owner.
struct Closer {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

inline bool write(std::FILE* file, std::span<const std::byte> bytes) {
  return bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
}

/// The table of `sections`, laid out one after another from `offset`; `end` is set to the length of
/// the file.
inline std::vector<Entry> lay_out(const std::vector<SectionOut>& sections, std::uint64_t offset,
                                  std::uint64_t& end) {
  std::vector<Entry> table;
  for (const SectionOut& section : sections) {
    Entry entry;
    std::memcpy(entry.name, section.name.data(), std::min(section.name.size(), sizeof entry.name));
    entry.stride = section.stride;
    entry.count = section.count;
    entry.offset = offset = align(offset);
    for (const auto& piece : section.pieces) entry.checksum = crc32c(piece, entry.checksum);
    offset += section.stride * section.count;
    table.push_back(entry);
  }
  end = offset;
  return table;
}

inline bool write_all(std::FILE* file, const Header& header, std::span<const std::byte> options,
                      const std::vector<Entry>& table, const std::vector<SectionOut>& sections) {
  static constexpr std::byte kZeros[64] = {};
  std::uint64_t written = sizeof header + options.size() + table.size() * sizeof(Entry);
  bool good = write(file, bytes_of_value(header)) && write(file, options) &&
              write(file, std::as_bytes(std::span(table)));
  for (std::size_t s = 0; s < sections.size() && good; ++s) {
    good = write(file, {kZeros, static_cast<std::size_t>(table[s].offset - written)});
    for (const auto& piece : sections[s].pieces) good = good && write(file, piece);
    written = table[s].offset + table[s].stride * table[s].count;
  }
  return good && std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
}

/// Writes `index` to `path`, replacing what was there only when all of it is on disk.
template <typename Index>
Status save(const Index& index, const std::string& path) {
  if (Status status = check_path(path); !status) return status;
  const std::vector<SectionOut> sections = index.sections();
  const auto options = bytes_of_value(index.options());
  Header header;
  header.kind = Index::kKind;
  header.dimension = index.dimension();
  header.option_bytes = static_cast<std::uint32_t>(options.size());
  header.sections = static_cast<std::uint32_t>(sections.size());
  const std::vector<Entry> table =
      lay_out(sections, sizeof header + options.size() + sections.size() * sizeof(Entry),
              header.file_bytes);
  header.table_checksum = crc32c(std::as_bytes(std::span(table)), crc32c(options));
  header.checksum = crc32c(bytes_of_value(header).first(60));

  const std::string beside = path + ".new";
  const File file(std::fopen(beside.c_str(), "wb"));
  if (!file) return io_error(beside, "cannot be created");
  if (!write_all(file.get(), header, options, table, sections)) {
    const Error error = io_error(beside, "cannot be written");
    std::remove(beside.c_str());
    return error;
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) return io_error(path, "cannot be replaced");
  return {};
}

/// A whole file in 64-byte aligned memory.
struct Loaded {
  std::shared_ptr<void> owner;
  std::span<std::byte> bytes;
};

inline Result<Loaded> read_file(const std::string& path) {
  if (Status status = check_path(path); !status) return std::move(status).error();
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) return io_error(path, "cannot be opened");
  struct ::stat facts;
  if (::fstat(::fileno(file.get()), &facts) != 0) return io_error(path, "cannot be read");
  if (!S_ISREG(facts.st_mode))
    return Error{ErrorCode::kIo, "index file '" + path + "' is not a regular file"};
  const auto length = static_cast<std::size_t>(facts.st_size);
  auto* memory = static_cast<std::byte*>(::operator new(length + 1, std::align_val_t{64}));
  const std::shared_ptr<void> owner(
      memory, [](void* bytes) { ::operator delete(bytes, std::align_val_t{64}); });
  if (std::fread(memory, 1, length, file.get()) != length) return io_error(path, "cannot be read");
  return Loaded{owner, {memory, length}};
}

inline Error damaged(const std::string& path, const std::string& what, Subcode subcode) {
  return Error{ErrorCode::kCorruption,
               "index file '" + path + "' " + what + "; build the index again from its rows",
               subcode};
}

inline Result<Header> read_header(const std::string& path, std::span<const std::byte> bytes,
                                  std::uint32_t kind) {
  Header header;
  if (bytes.size() < sizeof header)
    return damaged(path, "is shorter than its header", Subcode::kTruncated);
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic) {
    return Error{ErrorCode::kUnsupportedFormat, "'" + path + "' is not an anear index file",
                 Subcode::kForeignFile};
  }
  if (header.version > kVersion) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "index file '" + path + "' has format " + std::to_string(header.version) +
                     "; this library reads up to " + std::to_string(kVersion),
                 Subcode::kNewerFormat};
  }
  if (header.checksum != crc32c(bytes.first(60)))
    return damaged(path, "has a damaged header", Subcode::kChecksum);
  if (header.kind != kind) {
    return invalid_argument("index file '" + path + "' holds an index of another kind (" +
                                std::to_string(header.kind) + ")",
                            Subcode::kWrongType);
  }
  if (header.file_bytes != bytes.size()) {
    return damaged(path,
                   "has " + std::to_string(bytes.size()) + " bytes instead of " +
                       std::to_string(header.file_bytes),
                   Subcode::kTruncated);
  }
  const std::uint64_t need =
      sizeof header + header.option_bytes + std::uint64_t{header.sections} * sizeof(Entry);
  if (header.sections > kSectionsMax || need > bytes.size())
    return damaged(path, "has a table beyond its end", Subcode::kTruncated);
  return header;
}

inline Result<SectionIn> read_section(const std::string& path, std::span<std::byte> bytes,
                                      const Entry& entry) {
  const std::string name(entry.name, ::strnlen(entry.name, sizeof entry.name));
  const bool fits = entry.stride != 0 && entry.offset % 64 == 0 && entry.offset <= bytes.size() &&
                    entry.count <= (bytes.size() - entry.offset) / entry.stride;
  if (!fits) return damaged(path, "has section '" + name + "' beyond its end", Subcode::kTruncated);
  const auto content = bytes.subspan(static_cast<std::size_t>(entry.offset),
                                     static_cast<std::size_t>(entry.stride * entry.count));
  if (crc32c(content) != entry.checksum) {
    return damaged(
        path,
        "has damaged bytes in section '" + name + "' at offset " + std::to_string(entry.offset),
        Subcode::kChecksum);
  }
  return SectionIn{name, entry.stride, entry.count, content};
}

/// Reads an index of type `Index` back. kNotFound, kUnsupportedFormat, kCorruption,
/// kInvalidArgument (another kind of index).
template <typename Index>
Result<Index> load(const std::string& path) {
  auto loaded = read_file(path);
  if (!loaded) return loaded.error();
  const std::span<std::byte> bytes = loaded->bytes;
  const auto header = read_header(path, bytes, Index::kKind);
  if (!header) return header.error();
  typename Index::Options options;
  if (header->option_bytes != sizeof options) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "index file '" + path + "' was written by another version of anear: its options " +
                     "have " + std::to_string(header->option_bytes) + " bytes, here they have " +
                     std::to_string(sizeof options) + "; build the index again from its rows"};
  }
  const auto table =
      bytes.subspan(sizeof(Header) + sizeof options, header->sections * sizeof(Entry));
  if (crc32c(table, crc32c(bytes.subspan(sizeof(Header), sizeof options))) !=
      header->table_checksum) {
    return damaged(path, "has a damaged section table", Subcode::kChecksum);
  }
  std::memcpy(static_cast<void*>(&options), bytes.data() + sizeof(Header), sizeof options);
  SectionSet set;
  set.owner = loaded->owner;
  for (std::uint32_t s = 0; s < header->sections; ++s) {
    Entry entry;
    std::memcpy(&entry, table.data() + s * sizeof entry, sizeof entry);
    auto section = read_section(path, bytes, entry);
    if (!section) return section.error();
    set.sections.push_back(std::move(*section));
  }
  auto index = Index::attach(static_cast<std::size_t>(header->dimension), options, set);
  if (index) return index;
  Error error = std::move(index).error();
  error.message.insert(0, "index file '" + path + "': ");
  error.message += "; build the index again from its rows";
  return error;
}

}  // namespace anear::image_io
