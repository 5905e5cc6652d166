// What an erase has to take out of a store: records with bytes that stand nowhere else, and a look
// at every byte of every file for them. Files are read raw at any alignment; what the database
// packs or hides (older versions, what marks a removal) is unpacked and read too.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/utilities/debug.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/random.hpp"
#include "anear/core/value.hpp"
#include "anear/quant/scalar_codes.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/field_keys.hpp"
#include "support/collection/batches.hpp"
#include "support/temp_directory.hpp"

namespace anear::test {

/// Bytes to look for, and what they are.
struct Needle {
  std::string what;
  std::string bytes;
};

/// One record whose every part is found by its bytes.
struct Canary {
  std::string key;
  std::string payload;
  Fields fields;
  std::vector<float> row;
};

inline std::string random_word(Random& random) {
  std::string word;
  for (int i = 0; i < 24; ++i)
    word += static_cast<char>((random.below(2) == 0 ? 'a' : 'A') + random.below(26));
  return word;
}

/// Version `version` of canary `number`: all but its key is another one's.
inline Canary canary(std::size_t number, std::size_t version, std::size_t dimension) {
  Random of_key(9'000 + number);
  Random random(100'000 * (number + 1) + version);
  Canary made;
  made.key = "key-" + random_word(of_key);
  made.payload = "some text around " + random_word(random) + " that a packer may shorten";
  const auto number_value = static_cast<std::int64_t>(random.next() >> 2);
  made.fields = {{"big", random_word(random) + std::string(200, 'b') + random_word(random)},
                 {"body", Json{R"({"deep":[")" + random_word(random) + R"("]})"}},
                 {"field_" + random_word(random), true},
                 {"moment", Timestamp{static_cast<std::int64_t>(random.next() >> 8)}},
                 {"number", number_value},
                 {"tags", std::vector<std::string>{random_word(random), random_word(random)}},
                 {"word", random_word(random)}};
  for (std::size_t i = 0; i < dimension; ++i) made.row.push_back(normal(random));
  return made;
}

/// Begin, middle and end of a run of bytes, so that one that is torn is found as well.
inline void add_pieces(std::vector<Needle>& needles, const std::string& what, const void* bytes,
                       std::size_t size) {
  constexpr std::size_t kPiece = 12;
  const std::string all(static_cast<const char*>(bytes), size);
  REQUIRE(size >= 2 * kPiece);
  for (const std::size_t at : {std::size_t{0}, (size - kPiece) / 2, size - kPiece})
    needles.push_back({what + " from byte " + std::to_string(at), all.substr(at, kPiece)});
}

inline std::vector<Half> halves(const std::vector<float>& row) {
  std::vector<Half> half(row.size());
  kernels().f32_to_f16(row.data(), half.data(), row.size());
  return half;
}

/// The row in every form in which something may have kept it.
inline void add_row(std::vector<Needle>& needles, const Canary& from, Metric metric) {
  const std::size_t dimension = from.row.size();
  add_pieces(needles, "f32 row", from.row.data(), dimension * sizeof(float));
  const auto half = halves(from.row);
  add_pieces(needles, "f16 row", half.data(), dimension * sizeof(Half));
  std::vector<float> back(dimension);
  kernels().f16_to_f32(half.data(), back.data(), dimension);
  add_pieces(needles, "f32 of the f16 row", back.data(), dimension * sizeof(float));
  float norm2 = 0;
  for (const float value : from.row) norm2 += value * value;
  std::vector<float> unit;
  for (const float value : from.row) unit.push_back(value / std::sqrt(norm2));
  add_pieces(needles, "normalised row", unit.data(), dimension * sizeof(float));
  for (const std::vector<float>& row : {from.row, back}) {
    ScalarCodes codes(dimension, metric, ScalarKind::kI8);
    codes.grow_to(1);
    codes.set(0, VectorView(row.data(), dimension, ScalarKind::kF32));
    add_pieces(needles, "int8 code", codes.storage().row(0), dimension);
  }
}

inline void add_value(std::vector<Needle>& needles, const std::string& what, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    needles.push_back({what, text->substr(0, 24)});
    needles.push_back({what + ", its end", text->substr(text->size() - 24)});
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    needles.push_back({what, std::string(reinterpret_cast<const char*>(number), 8)});
  } else if (const auto* moment = std::get_if<Timestamp>(&value)) {
    needles.push_back({what, std::string(reinterpret_cast<const char*>(&moment->micros), 8)});
  } else if (const auto* json = std::get_if<Json>(&value)) {
    needles.push_back({what, json->text.substr(10, 24)});
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& each : *list) needles.push_back({what, each});
  }
}

/// All that must not be found once `from` is erased.
inline std::vector<Needle> needles_of(const Canary& from, Metric metric) {
  std::vector<Needle> needles = {{"key", from.key}, {"payload", from.payload.substr(17, 24)}};
  for (const Field& field : from.fields) {
    if (field.first.size() > 8) needles.push_back({"name of a field", field.first});
    add_value(needles, "field " + field.first, field.second);
    // As it stands in the keys of containers, but for what all values of its kind have.
    for (const std::string& key : keys_of(1, field)) {
      const std::size_t name = 4 + 2 + field.first.size() + 1;
      if (key.size() >= name + 8)
        needles.push_back({"container of " + field.first, key.substr(name)});
    }
  }
  add_row(needles, from, metric);
  return needles;
}

/// Which of the needles stand in `bytes`, by their place in the list.
inline void look_in(const std::string& bytes, const std::string& where,
                    const std::vector<Needle>& needles, std::set<std::size_t>& found,
                    std::vector<std::string>& told) {
  for (std::size_t i = 0; i < needles.size(); ++i) {
    const void* at =
        ::memmem(bytes.data(), bytes.size(), needles[i].bytes.data(), needles[i].bytes.size());
    if (at == nullptr) continue;
    found.insert(i);
    told.push_back(needles[i].what + " in " + where);
  }
}

struct Found {
  std::set<std::size_t> needles;   ///< By their place in the list.
  std::vector<std::string> where;  ///< For people.
};

/// Every key and value in every table, whatever hides it.
inline void look_in_database(const std::string& directory, const std::vector<Needle>& needles,
                             Found& found) {
  rocksdb::DBOptions options;
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies(options, directory, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.reserve(names.size());
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(options, directory, families, &handles, &opened);
  INFO(status.ToString());
  REQUIRE(status.ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (rocksdb::ColumnFamilyHandle* family : handles) {
    std::vector<rocksdb::KeyVersion> versions;
    REQUIRE(rocksdb::GetAllKeyVersions(db.get(), family, {}, {}, 1'000'000, &versions).ok());
    for (const rocksdb::KeyVersion& version : versions) {
      const std::string where = "family " + family->GetName();
      look_in(version.user_key, where + ", a key", needles, found.needles, found.where);
      look_in(version.value, where + ", a value", needles, found.needles, found.where);
    }
    REQUIRE(db->DestroyColumnFamilyHandle(family).ok());
  }
}

/// Looks for the needles in all files below `store`, which may be open.
inline Found found_in(const std::string& store, const std::vector<Needle>& needles) {
  Found found;
  const testing::TempDirectory directory;
  const std::string copy = directory / "copy";
  testing::copy_as_after_a_kill(store, copy);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    const std::string path = entry.path();
    look_in(path.substr(copy.size()), "a name", needles, found.needles, found.where);
    if (!entry.is_regular_file()) continue;
    look_in(testing::bytes_of_file(path), path.substr(copy.size()), needles, found.needles,
            found.where);
  }
  look_in_database(copy + "/records", needles, found);
  return found;
}

/// Slots in the row files and index images of `store`, dead ones included: each position of an
/// index is a row, a code, an entry of a list.
inline std::pair<std::size_t, std::size_t> live_and_dead_positions(const std::string& store) {
  const auto files = storage::os_file_system();
  const auto identity = storage::read_identity(*files, store);
  REQUIRE(identity);
  std::size_t live = 0;
  std::size_t dead = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store + "/rows")) {
    const auto file =
        storage::open_image(*files, store + "/rows", entry.path().filename(), identity->id);
    REQUIRE(file);
    for (const storage::ImageSectionIn& section : file->sections) {
      if (section.name != "slots") continue;
      const auto* slots = reinterpret_cast<const Slot*>(section.bytes.data());
      for (std::size_t i = 0; i < section.count; ++i) ++(slots[i] == kNoSlot ? dead : live);
    }
  }
  return {live, dead};
}

}  // namespace anear::test
