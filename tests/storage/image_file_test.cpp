#include "anear/storage/image_file.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "temp_directory.hpp"

namespace image_file_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::bytes_of_file;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

const StoreId kStore = {1, 2, 3};
const ImageHeader kHeader{.store = kStore, .sequence = 42, .kind = 3};

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// An image with a section of several pieces and blocks, a small odd one and an empty one.
struct Written {
  TempDirectory directory;
  std::string rows = random_bytes(200'000, 1);
  std::string odd = random_bytes(21, 2);
  std::shared_ptr<FileSystem> files = os_file_system();

  Written() {
    const std::string_view all = rows;
    const std::vector<ImageSectionOut> sections = {
        {"rows", 16, 12'500, {as_bytes(all.substr(0, 70'001)), as_bytes(all.substr(70'001))}},
        {"level.0", 7, 3, {as_bytes(odd)}},
        {"none", 4, 0, {}}};
    const auto bytes = write_image(*files, directory.path(), "a", kHeader, sections);
    if (!bytes) FAIL(bytes.error().message);
    CHECK(*bytes == std::filesystem::file_size(path()));
  }
  std::string path() const { return directory / "a"; }
  Result<Image> open() const { return open_image(*files, directory.path(), "a", kStore); }
  /// Whatever is in the file: the sections that were written, or a typed error.
  void check_right_or_refused() const {
    const auto image = open();
    if (!image) {
      CHECK((image.error().code == ErrorCode::kCorruption ||
             image.error().code == ErrorCode::kUnsupportedFormat));
      CHECK(image.error().message.find(path()) != std::string::npos);
      return;
    }
    REQUIRE(image->sections.size() == 3);
    const auto& bytes = image->sections[0].bytes;
    CHECK(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == rows);
  }
};

}  // namespace

TEST_CASE("Of an image that is checked as it is read, the rest is checked at once") {
  const Written written;
  const std::string whole = bytes_of_file(written.path());
  constexpr std::array<std::string_view, 2> kLater = {"rows", "none"};
  for (std::size_t at = 10; at < whole.size(); at += 1'009) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    overwrite_file(written.path(), damaged);
    INFO("byte " << at);
    const auto image = open_image(*written.files, written.directory.path(), "a", kStore,
                                  {.on_first_touch = kLater});
    // Sections begin at 4,096; the last block of the rows has the other section, too.
    const bool is_left = at >= 4'096 && at < 4'096 + 3 * 65'536;
    REQUIRE(image.has_value() == is_left);
    if (!image) continue;
    REQUIRE(image->guard != nullptr);
    CHECK(image->sections[0].guard == image->guard);
    CHECK(image->sections[1].guard == nullptr);
    CHECK(image->guard->intact());
    image->guard->touch(image->sections[0].bytes.first(1));
    CHECK(image->guard->intact() == (at >= 4'096 + 65'536));
    image->guard->touch_all();
    REQUIRE_FALSE(image->guard->status());
    CHECK(image->guard->status().error().position ==
          static_cast<std::int64_t>(4'096 + (at - 4'096) / 65'536 * 65'536));
  }
  overwrite_file(written.path(), whole);
  CHECK(open_image(*written.files, written.directory.path(), "a", kStore)->guard == nullptr);
}

TEST_CASE("An image comes back with its sections, aligned and writable") {
  const Written written;
  const auto image = written.open();
  if (!image) FAIL(image.error().message);
  CHECK(image->header.sequence == 42);
  CHECK(image->header.kind == 3);
  REQUIRE(image->sections.size() == 3);
  const std::string before = bytes_of_file(written.path());
  for (const ImageSectionIn& section : image->sections) {
    CHECK(section.bytes.size() == section.stride * section.count);
    CHECK(reinterpret_cast<std::uintptr_t>(section.bytes.data()) % 64 == 0);
    std::fill(section.bytes.begin(), section.bytes.end(), std::byte{0});
  }
  CHECK(bytes_of_file(written.path()) == before);
  written.check_right_or_refused();
}

TEST_CASE("An image is never written over, and leaves no file when it cannot be written") {
  const Written written;
  const auto again = write_image(*written.files, written.directory.path(), "a", kHeader, {});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kAlreadyExists);
  const std::vector<ImageSectionOut> wrong = {{"rows", 4, 2, {as_bytes("seven..")}}};
  CHECK_FALSE(write_image(*written.files, written.directory.path(), "b", kHeader, wrong));
  const std::vector<ImageSectionOut> named = {{"Rows", 1, 1, {as_bytes("x")}}};
  CHECK_FALSE(write_image(*written.files, written.directory.path(), "b", kHeader, named));
  const auto names = written.files->list(written.directory.path());
  REQUIRE(names);
  CHECK(*names == std::vector<std::string>{"a"});
}

TEST_CASE("An image cut short or extended is refused with its place") {
  const Written written;
  const std::string whole = bytes_of_file(written.path());
  std::vector<std::size_t> sizes = {0, 1, 7, 8, 63, 4'095, 4'096, 4'097, whole.size() - 1};
  for (std::size_t size = 8'192; size < whole.size(); size += 4'096) {
    sizes.insert(sizes.end(), {size - 1, size, size + 1});
  }
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    overwrite_file(written.path(), whole.substr(0, size));
    CHECK_FALSE(written.open());
  }
  overwrite_file(written.path(), whole + '\0');
  const auto longer = written.open();
  REQUIRE_FALSE(longer);
  CHECK(longer.error().subcode == Subcode::kTruncated);
  CHECK(longer.error().position == static_cast<std::int64_t>(whole.size()));
}

TEST_CASE("A flipped byte anywhere in an image is refused") {
  const Written written;
  const std::string whole = bytes_of_file(written.path());
  const auto flip = [&](std::size_t at, unsigned char mask) {
    CAPTURE(at, static_cast<int>(mask));
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ mask);
    overwrite_file(written.path(), flipped);
    CHECK_FALSE(written.open());
    written.check_right_or_refused();
  };
  for (std::size_t at = 0; at < 80; ++at) flip(at, 1);
  for (std::size_t at = 80; at < 4'096; at += 41) flip(at, 0x80);
  for (std::size_t at = whole.size() - 300; at < whole.size(); ++at) flip(at, 4);
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) flip(random() % whole.size(), 16);
}

TEST_CASE("An image of another store, or no image at all, is named as such") {
  const Written written;
  const auto other = open_image(*written.files, written.directory.path(), "a", StoreId{9});
  REQUIRE_FALSE(other);
  CHECK(other.error().subcode == Subcode::kForeignFile);
  overwrite_file(written.path(), std::string(10'000, 'x'));
  const auto foreign = written.open();
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == ErrorCode::kUnsupportedFormat);
  const auto missing = open_image(*written.files, written.directory.path(), "z", kStore);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
}

}  // namespace image_file_test
