// One thing of a closed store is changed as a defect of anear would leave it: every checksum fits.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/storage/byte_store.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/field_container.hpp"

namespace anear::test {

/// The first file of `directory` whose name begins with `prefix`.
inline std::string file_in(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const auto& name) { return name.starts_with(prefix); });
  REQUIRE(found != names.end());
  return *found;
}

/// Which section of which file: "rows" or "images" of the store, the beginning of its name.
struct SectionPlace {
  std::string directory;
  std::string file;
  std::string section;
};

/// Changes the bytes of one section and writes the file anew.
inline void edit_section(const std::string& store, const SectionPlace& place,
                         const std::function<void(std::span<std::byte>, std::uint64_t)>& edit) {
  const auto files = storage::os_file_system();
  const auto identity = storage::read_identity(*files, store);
  REQUIRE(identity);
  const std::string directory = store + "/" + place.directory;
  const std::string name = file_in(directory, place.file);
  auto image = storage::open_image(*files, directory, name, identity->id);
  REQUIRE(image);
  std::vector<storage::ImageSectionOut> sections;
  bool edited = false;
  for (const storage::ImageSectionIn& section : image->sections) {
    if (section.name == place.section) {
      edit(section.bytes, section.stride);
      edited = true;
    }
    sections.push_back({section.name, section.stride, section.count, {section.bytes}});
  }
  REQUIRE(edited);
  std::filesystem::remove(directory + "/" + name);
  REQUIRE(storage::write_image(*files, directory, name, image->header, sections));
}

/// Overwrites entry `to` of a section with entry `from`.
inline void copy_entry(const std::string& store, const SectionPlace& place, std::size_t from,
                       std::size_t to) {
  edit_section(store, place, [&](std::span<std::byte> bytes, std::uint64_t stride) {
    std::memmove(bytes.data() + to * stride, bytes.data() + from * stride, stride);
  });
}

/// Fills entry `at` of a section with ones.
inline void fill_entry(const std::string& store, const SectionPlace& place, std::size_t at) {
  edit_section(store, place, [&](std::span<std::byte> bytes, std::uint64_t stride) {
    std::memset(bytes.data() + at * stride, 0xff, stride);
  });
}

/// No position of the graph in images/`file` links to `position` on level 0 any more.
inline void cut_links_to(const std::string& store, const std::string& file,
                         std::uint32_t position) {
  edit_section(store, {"images", file, "links"}, [&](auto bytes, std::uint64_t stride) {
    for (std::size_t at = 0; at < bytes.size(); at += stride) {
      auto* const block = reinterpret_cast<std::uint32_t*>(bytes.data() + at);
      auto* const end = std::remove(block + 1, block + 1 + block[0], position);
      block[0] = static_cast<std::uint32_t>(end - block - 1);
    }
  });
}

/// Changes the byte store of `store`.
inline void edit_bytes(
    const std::string& store,
    const std::function<void(storage::WriteBatch&, const storage::ByteStore&)>& edit) {
  const auto bytes =
      storage::open_rocksdb_store({.directory = store + "/records", .merge = merge_containers});
  REQUIRE(bytes);
  storage::WriteBatch batch;
  edit(batch, **bytes);
  REQUIRE((*bytes)->write(batch, true));
  REQUIRE((*bytes)->close());
}

/// The keys of a family that stand in the collections, in order.
inline std::vector<std::string> keys_in(const storage::ByteStore& bytes, storage::Family family) {
  std::vector<std::string> keys;
  const auto entry = bytes.iterate({family, {}, {}}, nullptr);
  for (; entry->valid(); entry->next()) keys.emplace_back(entry->key());
  return keys;
}

/// The first key of a family is gone, and what stood under it.
inline void remove_first(const std::string& store, storage::Family family) {
  edit_bytes(store, [&](storage::WriteBatch& batch, const storage::ByteStore& bytes) {
    batch.remove(family, keys_in(bytes, family).at(0));
  });
}

}  // namespace anear::test
