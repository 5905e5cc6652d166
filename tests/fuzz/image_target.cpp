// An image or row file: its header, its section table, and the sections it says there are.
//
//   | mend u8 | format u32 | kind u32 | sequence u64 | file bytes u64 | table offset u64 | body |
//
// The header page is made from these numbers, so that inputs need not hold 4,032 zeros. Bits of
// `mend` set what no change of bytes would hit: 1 the length, 2 the seal of the table, 4 the
// checksums of the blocks.
#include <flatbuffers/flatbuffers.h>

#include "anear/storage/image_file.hpp"
#include "sealed_bytes.hpp"
#include "storage/schema/sections_generated.h"
#include "support/memory_files.hpp"
#include "support/temp_directory.hpp"

namespace anear::fuzz {
namespace image_target {
namespace {

using namespace storage;
using anear::testing::MemoryFiles;

constexpr StoreId kStore = {1, 2, 3};
constexpr std::size_t kHeaderBytes = 4'096;
constexpr std::size_t kNumbersAt = 8;  ///< Of format and kind; the store's id stands behind them.
constexpr std::uint8_t kMendLength = 1, kMendSeal = 2, kMendBlocks = 4;

/// Puts right checksums of `data` into the table, where there is one that can be read.
void mend_blocks(std::string& table, std::string_view data) {
  std::vector<std::uint64_t> aligned(table.size() / 8 + 1);
  std::memcpy(aligned.data(), table.data(), table.size());
  auto* const bytes = reinterpret_cast<std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(bytes, table.size());
  if (!verifier.VerifyBuffer<fb::SectionTable>(nullptr)) return;
  const auto* root = flatbuffers::GetRoot<fb::SectionTable>(bytes);
  const std::uint64_t block = root->block_bytes();
  // The vector is part of `aligned`, which is ours to change.
  auto* checksums = const_cast<flatbuffers::Vector<std::uint64_t>*>(root->checksums());
  for (flatbuffers::uoffset_t i = 0; i < checksums->size() && block != 0; ++i) {
    if (i * block >= data.size()) break;
    const std::uint64_t checksum = checksum64(data.substr(i * block, block));
    std::memcpy(checksums->Data() + 8 * i, &checksum, 8);
  }
  table.assign(reinterpret_cast<const char*>(bytes), table.size());
}

std::string file_of(Input input) {
  const auto mend = input.take<std::uint8_t>();
  const std::string numbers(input.take_bytes(8));
  const auto sequence = input.take<std::uint64_t>();
  auto file_bytes = input.take<std::uint64_t>();
  const auto table_at = input.take<std::uint64_t>();
  std::string body(input.rest());
  const std::uint64_t all = kHeaderBytes + body.size();
  if ((mend & kMendLength) != 0) file_bytes = all;
  if ((mend & kMendSeal) != 0 && table_at >= kHeaderBytes && table_at <= all - 8) {
    const std::size_t data_bytes = table_at - kHeaderBytes;
    std::string table = body.substr(data_bytes + 8);
    body.resize(data_bytes);
    if ((mend & kMendBlocks) != 0) mend_blocks(table, body);
    body += sealed(table);
  }
  std::string head = "ANEARIMG" + numbers;
  head.resize(kNumbersAt + 8);
  head += bytes_of(kStore) + bytes_of(sequence) + bytes_of(file_bytes) + bytes_of(table_at);
  head.resize(kHeaderBytes - 8);
  return head + bytes_of(checksum64(std::string_view(head))) + body;
}

void read_file(std::string bytes) {
  MemoryFiles files;
  std::string& file = files.contents["d/a"] = std::move(bytes);
  const auto image = open_image(files, "d", "a", kStore);
  if (!image) {
    const ErrorCode code = image.error().code;
    require(code == ErrorCode::kCorruption || code == ErrorCode::kUnsupportedFormat,
            "a bad image is damaged or not of this format");
    return;
  }
  require(image->bytes == file.size(), "an image is as long as its file");
  for (const ImageSectionIn& section : image->sections) {
    require(section.bytes.size() == section.stride * section.count, "sections are whole");
    for (std::byte& byte : section.bytes) byte ^= std::byte{1};  // Reads and writes every one.
  }
}

void run(std::string_view bytes) {
  MemoryFiles files;
  read_file(std::string(bytes));
  read_file(file_of(Input(bytes)));
}

/// The input that file_of() makes `file` of.
std::string input_of(std::string_view file, std::uint8_t mend) {
  std::string input(1, static_cast<char>(mend));
  input += file.substr(kNumbersAt, 8);
  input += file.substr(32, 24);
  input += file.substr(kHeaderBytes);
  return input;
}

std::vector<std::string> seeds() {
  const testing::TempDirectory directory;
  const std::string rows(640, 'r'), odd(21, 'o');
  const auto as_bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  const std::vector<std::vector<ImageSectionOut>> images = {
      {{"rows", 16, 40, {as_bytes(rows)}}, {"level.0", 7, 3, {as_bytes(odd)}}, {"none", 4, 0, {}}},
      {{"slots", 4, 5, {as_bytes(std::string_view(rows).substr(0, 20))}}},
      {}};
  std::vector<std::string> inputs;
  for (const auto& sections : images) {
    const std::string name = std::to_string(inputs.size());
    (void)write_image(*os_file_system(), directory.path(), name, {kStore, 42, 3}, sections);
    const std::string file = testing::bytes_of_file(directory / name);
    inputs.push_back(input_of(file, 0));
    inputs.push_back(input_of(file, kMendLength | kMendSeal | kMendBlocks));
  }
  return inputs;
}

}  // namespace
}  // namespace image_target

extern const Target kImageTarget;
const Target kImageTarget = {"image", image_target::run, image_target::seeds, 10'000};

}  // namespace anear::fuzz
