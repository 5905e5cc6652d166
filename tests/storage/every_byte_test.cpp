// Every bit of the small files and structures of a store flipped, and every length cut: refused
// with a typed error, or read as what was written. (Records and collections' manifests: their own
// files.)
#include <catch2/catch.hpp>
#include <span>

#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/manifest.hpp"
#include "anear/storage/store_directory.hpp"
#include "support/every_change.hpp"
#include "support/memory_files.hpp"
#include "support/temp_directory.hpp"

namespace every_byte_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::bytes_of_file;
using anear::testing::for_each_cut;
using anear::testing::for_each_flip;
using anear::testing::MemoryFiles;
using anear::testing::TempDirectory;

namespace {

const StoreId kStore = {1, 2, 3, 0xab, 0xcd, 0xef};

bool is_refusal(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kUnsupportedFormat;
}

}  // namespace

TEST_CASE("Every flip and cut of an identity is refused, or says the same") {
  const TempDirectory directory;
  REQUIRE(write_identity(*os_file_system(), directory.path(),
                         {.format = kFormatVersion, .id = kStore, .created = 1'700'000'000'000}));
  const std::string bytes = bytes_of_file(directory / "ANEAR");
  MemoryFiles files;
  std::size_t harmless = 0;
  for_each_flip(bytes, [&](const std::string& flipped, std::size_t at) {
    CAPTURE(at);
    files.contents["d/ANEAR"] = flipped;
    const auto read = read_identity(files, "d");
    if (!read) {
      REQUIRE(is_refusal(read.error()));
      return;
    }
    // A digit of the checksum in the other case.
    ++harmless;
    REQUIRE((read->id == kStore && read->created == 1'700'000'000'000));
    REQUIRE(at >= bytes.find("checksum "));
  });
  CHECK(harmless <= 16);
  for_each_cut(bytes, [&](const std::string& cut) {
    files.contents["d/ANEAR"] = cut;
    REQUIRE(is_refusal(read_identity(files, "d").error()));
  });
  files.contents["d/ANEAR"] = bytes + "\n";
  CHECK_FALSE(read_identity(files, "d"));
}

TEST_CASE("Every flip and cut of the marks leaves one that was written, or is refused") {
  const TempDirectory directory;
  REQUIRE(HighWaterMark::create(*os_file_system(), directory.path(), kStore));
  {
    auto mark = HighWaterMark::open(*os_file_system(), directory.path(), kStore);
    REQUIRE(mark);
    REQUIRE(mark->write(41, {3, 100, 7}));
    REQUIRE(mark->write(42, {3, 200, 8}));
  }
  const std::string bytes = bytes_of_file(directory / "MARK");
  REQUIRE(bytes.size() == 8'192);
  MemoryFiles files;
  const auto read = [&](const std::string& changed) {
    files.contents["d/MARK"] = changed;
    return HighWaterMark::read(files, "d", kStore);
  };
  const bool newer_first = read(bytes.substr(0, 4'096))->sequence == 42;
  for_each_flip(bytes, [&](const std::string& flipped, std::size_t at) {
    if (at % 4'096 >= 64 && at % 13 != 0) return;  // Zeros between the marks: some of them.
    const auto reading = read(flipped);
    CAPTURE(at);
    REQUIRE(reading);
    const bool in_mark = at % 4'096 < 64;
    const bool in_newer = (at < 4'096) == newer_first;
    REQUIRE(reading->sequence == (in_mark && in_newer ? 41 : 42));
    REQUIRE(reading->unreadable == (in_mark ? 1 : 0));
    REQUIRE(reading->file_list.bytes == (in_mark && in_newer ? 100 : 200));
  });
  for_each_cut(bytes, [&](const std::string& cut) {
    if (cut.size() % 4'096 > 64 && cut.size() % 13 != 0) return;
    const auto reading = read(cut);
    CAPTURE(cut.size());
    if (cut.size() < 64) {
      REQUIRE_FALSE(reading);
      REQUIRE(is_refusal(reading.error()));
      return;
    }
    REQUIRE(reading);
    const bool both = cut.size() >= 4'096 + 64;
    REQUIRE(reading->unreadable == (both ? 0 : 1));
    REQUIRE(reading->sequence == (both || newer_first ? 42 : 41));
  });
}

TEST_CASE("Every flip and cut of the store's own manifest is refused") {
  StoreMeta meta;
  meta.identity.id = kStore;
  meta.next_collection = 8;
  const std::string bytes = encode_store_meta(meta);
  for_each_flip(bytes, [](const std::string& flipped, std::size_t at) {
    CAPTURE(at);
    REQUIRE(is_refusal(decode_store_meta(flipped).error()));
    REQUIRE(is_refusal(decode_manifest(flipped).error()));
  });
  for_each_cut(bytes,
               [](const std::string& cut) { REQUIRE(is_refusal(decode_store_meta(cut).error())); });
}

TEST_CASE("Every flip and cut of a small image is refused: header, sections and table") {
  const TempDirectory directory;
  const std::string rows(300, 'r'), odd(21, 'o');
  const auto as_bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  const std::vector<ImageSectionOut> sections = {
      {"rows", 4, 75, {as_bytes(rows)}}, {"level.0", 7, 3, {as_bytes(odd)}}, {"none", 4, 0, {}}};
  REQUIRE(write_image(*os_file_system(), directory.path(), "a", {kStore, 42, 3}, sections));
  const std::string bytes = bytes_of_file(directory / "a");
  MemoryFiles files;
  const auto is_refused = [&](const std::string& changed) {
    files.contents["d/a"] = changed;
    const auto image = open_image(files, "d", "a", kStore);
    return !image && is_refusal(image.error());
  };
  REQUIRE_FALSE(is_refused(bytes));
  for_each_flip(bytes, [&](const std::string& flipped, std::size_t at) {
    if (!is_refused(flipped)) FAIL("the flip in byte " << at << " was not seen");
  });
  for_each_cut(bytes, [&](const std::string& cut) {
    if (!is_refused(cut)) FAIL("the cut to " << cut.size() << " bytes was not seen");
  });
  for (const std::size_t more : {1U, 63U, 64U, 4'096U})
    CHECK(is_refused(bytes + std::string(more, '\0')));
}

}  // namespace every_byte_test
