#include "anear/storage/store_directory.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "anear/storage/high_water_mark.hpp"
#include "temp_directory.hpp"

namespace store_directory_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::bytes_of_file;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

TEST_CASE("A directory is missing, empty, a store, or foreign") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  CHECK(*inspect_directory(files, directory / "none") == DirectoryKind::kMissing);
  CHECK(*inspect_directory(files, directory.path()) == DirectoryKind::kEmpty);
  overwrite_file(directory / "LOCK", "");
  overwrite_file(directory / "ANEAR.tmp", "");
  CHECK(*inspect_directory(files, directory.path()) == DirectoryKind::kEmpty);
  overwrite_file(directory / "letter.txt", "");
  const auto foreign = inspect_directory(files, directory.path());
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().subcode == Subcode::kForeignFile);
  CHECK(foreign.error().message.find("letter.txt") != std::string::npos);
  CHECK_FALSE(inspect_directory(files, directory / "letter.txt"));
  overwrite_file(directory / "ANEAR", "");
  CHECK(*inspect_directory(files, directory.path()) == DirectoryKind::kStore);
}

TEST_CASE("An identity comes back, and any change of its bytes is refused") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  const auto identity = make_identity();
  REQUIRE(identity);
  REQUIRE(write_identity(files, directory.path(), *identity));
  const auto read = read_identity(files, directory.path());
  if (!read) FAIL(read.error().message);
  CHECK(read->id == identity->id);
  CHECK(read->created == identity->created);
  const std::string bytes = bytes_of_file(directory / "ANEAR");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    overwrite_file(directory / "ANEAR", flipped);
    CHECK_FALSE(read_identity(files, directory.path()));
    overwrite_file(directory / "ANEAR", bytes.substr(0, at));
    CHECK_FALSE(read_identity(files, directory.path()));
  }
}

TEST_CASE("A store of a newer format is refused with both versions") {
  const TempDirectory directory;
  overwrite_file(directory / "ANEAR", "anear store\nformat 99\nsomething new\n");
  const auto read = read_identity(*os_file_system(), directory.path());
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kUnsupportedFormat);
  CHECK(read.error().subcode == Subcode::kNewerFormat);
  CHECK(read.error().message.find("99") != std::string::npos);
}

TEST_CASE("The high-water mark tells the highest sequence and whether the store was closed") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  const StoreId id = {7};
  REQUIRE(HighWaterMark::create(files, directory.path(), id));
  {
    auto mark = HighWaterMark::open(files, directory.path(), id);
    REQUIRE(mark);
    CHECK(mark->reading().sequence == 0);
    CHECK(mark->reading().clean);
    for (Sequence sequence = 0; sequence <= 5; ++sequence) REQUIRE(mark->write(sequence, {}));
  }
  CHECK(HighWaterMark::read(files, directory.path(), id)->sequence == 5);
  CHECK_FALSE(HighWaterMark::read(files, directory.path(), id)->clean);
  auto mark = HighWaterMark::open(files, directory.path(), id);
  REQUIRE(mark);
  REQUIRE(mark->write_clean(6, {}));
  CHECK(HighWaterMark::read(files, directory.path(), id)->sequence == 6);
  CHECK(HighWaterMark::read(files, directory.path(), id)->clean);
  REQUIRE(mark->write(6, {}));
  CHECK_FALSE(HighWaterMark::read(files, directory.path(), id)->clean);
  const auto other = HighWaterMark::read(files, directory.path(), StoreId{8});
  REQUIRE_FALSE(other);
  CHECK(other.error().subcode == Subcode::kForeignFile);
}

TEST_CASE("A mark torn at any byte leaves the one before") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  const StoreId id = {7};
  REQUIRE(HighWaterMark::create(files, directory.path(), id));
  const auto write = [&](Sequence sequence) {
    auto mark = HighWaterMark::open(files, directory.path(), id);
    REQUIRE(mark);
    REQUIRE(mark->write(sequence, {}));
  };
  write(1'000);
  const std::string before = bytes_of_file(directory / "MARK");
  write(0x1234567890);
  const std::string after = bytes_of_file(directory / "MARK");
  const std::size_t begin = before.compare(0, 64, after, 0, 64) == 0 ? 4'096 : 0;
  for (std::size_t cut = 0; cut <= 64; ++cut) {
    std::string torn = before;
    torn.replace(begin, cut, after, begin, cut);
    overwrite_file(directory / "MARK", torn);
    const auto reading = HighWaterMark::read(files, directory.path(), id);
    REQUIRE(reading);
    CHECK((reading->sequence == 1'000 || (cut == 64 && reading->sequence == 0x1234567890)));
    write(2'000);
    CHECK(HighWaterMark::read(files, directory.path(), id)->sequence ==
          (cut == 64 ? 0x1234567890 : 2'000));
  }
  overwrite_file(directory / "MARK", std::string(8'192, '\0'));
  const auto none = HighWaterMark::read(files, directory.path(), id);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kCorruption);
  std::filesystem::remove(directory / "MARK");
  CHECK(HighWaterMark::read(files, directory.path(), id).error().code == ErrorCode::kCorruption);
}

}  // namespace store_directory_test
