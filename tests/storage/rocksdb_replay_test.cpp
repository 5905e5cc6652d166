// What RocksDB is given of its list of files and its log after a power cut: whole records, without
// a gap.
#include "storage/rocksdb_replay.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "anear/storage/byte_store.hpp"
#include "support/every_change.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"
#include "support/traced_disk.hpp"

namespace rocksdb_replay_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::DiskFiles;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;
using anear::testing::TracedDisk;
using anear::testing::TracedFiles;

namespace {

constexpr std::size_t kBlock = 32'768;
constexpr const char* kDirectory = "/records";

std::unique_ptr<ByteStore> open_on(const std::shared_ptr<TracedDisk>& disk,
                                   bool read_only = false) {
  auto store = open_rocksdb_store({.directory = kDirectory,
                                   .read_only = read_only,
                                   .file_system = std::make_shared<TracedFiles>(disk)});
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  return std::move(*store);
}

std::shared_ptr<TracedDisk> new_disk() {
  auto disk = std::make_shared<TracedDisk>();
  REQUIRE(TracedFiles(disk).make_directory(kDirectory));
  return disk;
}

/// The newest file whose name has `part` in it.
std::uint32_t file_with(const DiskFiles& disk, const std::string& part) {
  std::uint32_t found = 0;
  for (const auto& [name, number] : disk[disk[0].names.at("records")].names) {
    if (name.find(part) != name.npos) found = number;
  }
  REQUIRE(found != 0);
  return found;
}

void put(ByteStore& store, const std::string& key, std::size_t bytes) {
  WriteBatch batch;
  batch.put(Family::kRecords, key, std::string(bytes, 'v'));
  REQUIRE(store.write(batch, /*sync=*/false));
}

/// Writes records a, b, c, d, each from the beginning of a block of the log to its end.
void fill_blocks(ByteStore& store, const std::shared_ptr<TracedDisk>& disk) {
  const auto log_bytes = [&] {
    const DiskFiles files = disk->end();
    return files[file_with(files, ".log")].bytes.size();
  };
  put(store, "measured", 20'000);
  const std::size_t around = log_bytes() - 20'000 - std::string("measured").size() + 1;
  REQUIRE(store.flush());  // A new log.
  for (const char* const key : {"a", "b", "c", "d"}) put(store, key, kBlock - around);
  REQUIRE(log_bytes() == 4 * kBlock);
}

std::string keys_in(const ByteStore& store) {
  std::string keys;
  const auto entry = store.iterate({Family::kRecords, {}, {}}, nullptr);
  for (; entry->valid(); entry->next()) {
    if (entry->key().size() == 1) keys += entry->key();
  }
  REQUIRE(entry->status());
  return keys;
}

void zero_block(DiskFiles& files, std::size_t block) {
  std::string& log = files[file_with(files, ".log")].bytes;
  std::fill_n(log.begin() + static_cast<std::ptrdiff_t>(block * kBlock), kBlock, '\0');
}

}  // namespace

TEST_CASE("RocksStore replays its log up to the first hole, also one at the beginning") {
  const auto disk = new_disk();
  const auto store = open_on(disk);
  fill_blocks(*store, disk);
  const std::vector<std::string> kept = {"", "a", "ab", "abc"};
  for (std::size_t block = 0; block < kept.size(); ++block) {
    DiskFiles files = disk->end();
    zero_block(files, block);
    INFO("block " << block);
    CHECK(keys_in(*open_on(std::make_shared<TracedDisk>(files), /*read_only=*/true)) ==
          kept[block]);
    const auto recovered = std::make_shared<TracedDisk>(files);
    CHECK(keys_in(*open_on(recovered)) == kept[block]);
    // And goes on from there.
    {
      const auto again = open_on(recovered);
      put(*again, "e", 10);
    }
    CHECK(keys_in(*open_on(recovered)) == kept[block] + "e");
  }
}

TEST_CASE("RocksStore goes on to the next log only where the one before is whole") {
  const auto disk = new_disk();
  const auto store = open_on(disk);
  fill_blocks(*store, disk);
  const DiskFiles before = disk->end();
  REQUIRE(store->flush());
  put(*store, "e", 10);
  // As if the tables were not written yet, and the log that they replace still there.
  DiskFiles files = disk->end();
  const std::uint32_t list = file_with(before, "MANIFEST");
  files[list].bytes = before[list].bytes;
  for (const auto& [name, number] : before[before[0].names.at("records")].names) {
    if (name.ends_with(".log")) files[files[0].names.at("records")].names[name] = number;
  }
  CHECK(keys_in(*open_on(std::make_shared<TracedDisk>(files))) == "abcde");
  const std::uint32_t log = file_with(before, ".log");
  files[log].bytes.resize(3 * kBlock);
  CHECK(keys_in(*open_on(std::make_shared<TracedDisk>(files))) == "abc");
  files[log].bytes.clear();
  CHECK(keys_in(*open_on(std::make_shared<TracedDisk>(files))).empty());
}

TEST_CASE("RocksStore that went on behind a damaged log keeps what it wrote then") {
  const auto disk = new_disk();
  const auto store = open_on(disk);
  fill_blocks(*store, disk);
  DiskFiles files = disk->end();
  std::string& log = files[file_with(files, ".log")].bytes;
  log[kBlock + 100] = static_cast<char>(log[kBlock + 100] ^ 1);
  const auto recovered = std::make_shared<TracedDisk>(files);
  const auto again = open_on(recovered);
  CHECK(keys_in(*again) == "a");
  put(*again, "e", 10);
  put(*again, "f", 10);
  // As a kill leaves it.
  CHECK(keys_in(*open_on(std::make_shared<TracedDisk>(recovered->end()))) == "aef");
}

TEST_CASE("RocksStore opens with a list of files whose end was never synced, and changes nothing") {
  const auto disk = new_disk();
  FileListMark mark;
  {
    const auto store = open_on(disk);
    put(*store, "a", 10);
    REQUIRE(store->flush());
    mark = store->file_list();
  }
  const DiskFiles whole = disk->end();
  const std::size_t synced = whole[file_with(whole, "MANIFEST")].bytes.size();
  const std::string record = whole[file_with(whole, "MANIFEST")].bytes.substr(0, 60);
  const std::vector<std::string> ends = {std::string(100, '\0'), "torn",
                                         std::string(8, 'x') + std::string(100, '\0'),
                                         std::string(9, '\0') + record};
  for (const std::string& end : ends) {
    for (const bool read_only : {true, false}) {
      DiskFiles files = whole;
      files[file_with(files, "MANIFEST")].bytes += end;
      const auto damaged = std::make_shared<TracedDisk>(files);
      auto store = open_rocksdb_store({.directory = kDirectory,
                                       .read_only = read_only,
                                       .file_system = std::make_shared<TracedFiles>(damaged),
                                       .file_list = mark});
      INFO((store ? "" : store.error().message));
      REQUIRE(store);
      CHECK(keys_in(**store) == "a");
      CHECK((read_only ? damaged->change_count() == 0 : damaged->change_count() > 0));
      const auto warnings = (*store)->warnings();
      CHECK(std::any_of(warnings.begin(), warnings.end(), [&](const std::string& line) {
        return line.find(std::to_string(end.size()) + " bytes behind") != line.npos;
      }));
    }
  }
  // What was synced is not left out.
  CHECK(mark.bytes <= synced);
  DiskFiles files = whole;
  std::string& list = files[file_with(files, "MANIFEST")].bytes;
  list[mark.bytes - 5] = static_cast<char>(list[mark.bytes - 5] ^ 1);
  const auto refused = open_rocksdb_store(
      {.directory = kDirectory,
       .file_system = std::make_shared<TracedFiles>(std::make_shared<TracedDisk>(files)),
       .file_list = mark});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCorruption);
}

TEST_CASE("A list of files cut anywhere ends with its last whole record") {
  const auto disk = new_disk();
  {
    const auto store = open_on(disk);
    // Records of more than a block, and on both sides of one.
    for (int i = 0; i < 40; ++i) {
      put(*store, std::string(900, static_cast<char>('A' + i)), 10);
      REQUIRE(store->flush());
    }
  }
  const DiskFiles files = disk->end();
  std::string longest;
  for (const auto& [name, number] : files[files[0].names.at("records")].names) {
    if (name.starts_with("MANIFEST") && files[number].bytes.size() > longest.size())
      longest = files[number].bytes;
  }
  REQUIRE(longest.size() > kBlock);
  const WholeList all = whole_part_of(longest);
  CHECK(all.bytes == longest.size());
  REQUIRE(all.last_entry);
  CHECK(*all.last_entry >= 40);
  WholeList before;
  for (std::size_t size = 0; size <= longest.size(); ++size) {
    const WholeList cut = whole_part_of(std::string_view(longest).substr(0, size));
    REQUIRE(cut.bytes <= size);
    REQUIRE((cut.bytes == before.bytes || cut.bytes == size));
    REQUIRE(cut.last_entry.value_or(0) >= before.last_entry.value_or(0));
    before = cut;
  }
}

TEST_CASE("A list of files with a flipped bit ends before it") {
  const auto disk = new_disk();
  REQUIRE(open_on(disk)->flush());
  const DiskFiles files = disk->end();
  const std::string list = files[file_with(files, "MANIFEST")].bytes;
  REQUIRE(list.size() < kBlock);
  testing::for_each_flip(list, [](const std::string& flipped, std::size_t byte) {
    REQUIRE(whole_part_of(flipped).bytes <= byte);
  });
}

TEST_CASE("A new list of files has its name on the disk before it is named as the one in use") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  REQUIRE(open_rocksdb_store({.directory = directory.path(), .file_system = files}));
  const auto events = files->take_events();
  std::size_t renames = 0;
  bool named = false;
  for (const auto& event : events) {
    if (event.operation == Operation::kCreate && event.path.find("MANIFEST") != event.path.npos)
      named = false;
    if (event.operation == Operation::kSyncDirectory) named = true;
    if (event.operation != Operation::kRename || !event.path.ends_with("/CURRENT")) continue;
    CHECK(named);
    ++renames;
  }
  CHECK(renames > 0);
}

}  // namespace rocksdb_replay_test
