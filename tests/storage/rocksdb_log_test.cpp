// The log of a store whose batches are small and synced: written over zeros that are there already.
#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "byte_store_contract.hpp"
#include "fault_file_system.hpp"
#include "temp_directory.hpp"

namespace rocksdb_log_test {

using namespace anear;
using namespace anear::testing;
namespace fs = std::filesystem;

namespace {

struct How {
  bool read_only = false;
  std::shared_ptr<storage::FileSystem> files{};
};

std::unique_ptr<ByteStore> open(const std::string& directory, const How& how = {}) {
  auto store = storage::open_rocksdb_store({.directory = directory,
                                            .read_only = how.read_only,
                                            .file_system = how.files,
                                            .merge = merge_letters,
                                            .reserve_log = true});
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

std::string key_of(std::size_t number) { return "key " + std::to_string(number); }

/// Of all lengths up to several blocks of the log, every other one with zeros at its end.
std::string value_numbered(std::size_t number) {
  std::string value(number * 37 % 3'000, static_cast<char>('a' + number % 26));
  if (number % 50 == 49) value.resize(70'000, 'z');
  if (number % 2 == 0) value.append(number % 61, '\0');
  return value;
}

void write_synced(ByteStore& store, std::size_t number) {
  WriteBatch batch;
  batch.put(Family::kKeys, key_of(number), value_numbered(number));
  REQUIRE(store.write(batch, /*sync=*/false));
  REQUIRE(store.sync());
}

std::vector<std::string> logs_of(const std::string& directory) {
  std::vector<std::string> logs;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") logs.push_back(bytes_of_file(entry.path()));
  }
  return logs;
}

std::size_t zeros_at_end(std::string_view bytes) {
  const std::size_t last = bytes.find_last_not_of('\0');
  return last == bytes.npos ? bytes.size() : bytes.size() - last - 1;
}

constexpr std::size_t kRecords = 300;

void check_holds(const ByteStore& store, std::size_t records) {
  for (std::size_t number = 0; number < records; ++number) {
    INFO("record " << number);
    REQUIRE(value_of(store, Family::kKeys, key_of(number)) == value_numbered(number));
  }
  CHECK_FALSE(value_of(store, Family::kKeys, key_of(records)));
}

}  // namespace

TEST_CASE("A log that is reserved ahead is read to its last record after a kill") {
  const TempDirectory directory;
  const TempDirectory killed;
  const auto writer = open(directory.path());
  for (std::size_t number = 0; number < kRecords; ++number) {
    write_synced(*writer, number);
    if (number % 60 != 0) continue;
    fs::remove_all(killed.path());
    fs::copy(directory.path(), killed.path());
    check_holds(*open(killed.path(), {.read_only = true}), number + 1);
    const auto reopened = open(killed.path());
    CHECK(reopened->warnings().empty());
    check_holds(*reopened, number + 1);
  }
  const auto logs = logs_of(directory.path());
  REQUIRE(logs.size() == 1);
  CHECK(zeros_at_end(logs.front()) > 16'000);
}

TEST_CASE("A reader is outdated by every record, whether the log grew or was reserved") {
  const TempDirectory directory;
  const auto writer = open(directory.path());
  write_synced(*writer, 0);
  std::size_t same_size = 0;
  for (std::size_t number = 1; number < 30; ++number) {
    const auto reader = open(directory.path(), {.read_only = true});
    CHECK_FALSE(reader->is_outdated());
    const std::size_t before = logs_of(directory.path()).front().size();
    write_synced(*writer, number);
    if (logs_of(directory.path()).front().size() == before) ++same_size;
    CHECK(reader->is_outdated());
  }
  CHECK(same_size > 10);
}

TEST_CASE("A full disk takes records as long as they find room, though nothing can be reserved") {
  const TempDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  const auto writer = open(directory.path(), {.files = files});
  write_synced(*writer, 0);
  files->fail({.operation = Operation::kWrite,
               .name = ".log",
               .code = ErrorCode::kNoSpace,
               .times = Fault::kAlways});
  for (std::size_t number = 1; number < 20; ++number) write_synced(*writer, number);
  CHECK(files->failures() > 0);
  check_holds(*writer, 20);
}

}  // namespace rocksdb_log_test
