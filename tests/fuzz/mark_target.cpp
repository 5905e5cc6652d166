// The small files that an open reads first: the marks, the store's identity, and the name of the
// database's list of files with the list itself.
#include "anear/core/checksum.hpp"
#include "anear/storage/file_list.hpp"
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/store_directory.hpp"
#include "sealed_bytes.hpp"
#include "support/memory_files.hpp"

namespace anear::fuzz {
namespace mark_target {
namespace {

using namespace storage;
using anear::testing::MemoryFiles;

constexpr StoreId kStore = {1, 2, 3};
constexpr std::size_t kMarkBytes = 64;
constexpr std::size_t kPlaceBytes = 4'096;

/// The first byte of an input.
enum class What : std::uint8_t { kMark, kMarkAsItIs, kIdentity, kIdentityAsItIs, kFileList, kAll };

/// | bytes of the first mark u8 | mark | mark |: each gets magic, store id and checksum.
std::string mended_marks(Input input) {
  std::string file;
  const std::size_t first = input.take<std::uint8_t>();
  for (const std::string_view given : {input.take_bytes(first), input.rest()}) {
    std::string mark(given.substr(0, kMarkBytes));
    mark.resize(kMarkBytes);
    mark.replace(0, 8, "ANEARMRK");
    mark.replace(24, kStore.size(), bytes_of(kStore));
    mark.replace(kMarkBytes - 8, 8,
                 bytes_of(checksum64(std::string_view(mark).substr(0, kMarkBytes - 8))));
    if (!given.empty()) file.append(mark).resize(file.size() < kPlaceBytes ? kPlaceBytes : 8'192);
  }
  return file;
}

void read_marks(std::string bytes) {
  MemoryFiles files;
  files.contents["d/MARK"] = std::move(bytes);
  const auto reading = HighWaterMark::read(files, "d", kStore);
  const auto opened = HighWaterMark::open(files, "d", kStore);
  require(reading.has_value() == opened.has_value(), "marks are read or refused in both ways");
  if (!reading) return;
  require(reading->sequence == opened->reading().sequence, "marks say the same in both ways");
  require(reading->unreadable < 2, "one of two marks was read");
}

void read_identity_text(std::string text) {
  MemoryFiles files;
  files.contents["d/ANEAR"] = std::move(text);
  const auto identity = read_identity(files, "d");
  if (!identity) return;
  require(identity->format >= 1 && identity->format <= kFormatVersion, "a format that is known");
}

/// | number u64, bytes u32, checksum u32 | bytes of CURRENT u8 | CURRENT | list |
void read_list(Input input) {
  FileListMark mark{input.take<std::uint64_t>(), input.take<std::uint32_t>(),
                    input.take<std::uint32_t>()};
  MemoryFiles files;
  const std::size_t name_bytes = input.take<std::uint8_t>();
  const std::string current(input.take_bytes(name_bytes));
  files.contents["d/CURRENT"] = current;
  const std::string name = current.substr(0, current.find('\n'));
  files.contents["d/" + name] = std::string(input.rest());
  (void)check_file_list(files, "d", mark);
  const auto list = list_in_use(files, "d");
  if (!list) return;
  require(list->number != 0, "a list in use has a number");
  // The mark of what stands there must be accepted.
  mark = *list;
  mark.checksum = crc32c(std::as_bytes(std::span(input.rest())));
  require(check_file_list(files, "d", mark).has_value(), "a list fits the mark of itself");
}

void run(std::string_view bytes) {
  Input input(bytes);
  const auto what =
      static_cast<What>(input.take<std::uint8_t>() % static_cast<std::uint8_t>(What::kAll));
  std::string text(input.rest());
  switch (what) {
    case What::kMark:
      return read_marks(mended_marks(input));
    case What::kMarkAsItIs:
      return read_marks(std::move(text));
    case What::kIdentity:
      text += "checksum ";
      char digits[17];
      std::snprintf(digits, sizeof digits, "%016llx",
                    static_cast<unsigned long long>(
                        checksum64(std::string_view(text).substr(0, text.size() - 9))));
      return read_identity_text(text + digits + "\n");
    case What::kIdentityAsItIs:
      return read_identity_text(std::move(text));
    case What::kFileList:
    case What::kAll:
      return read_list(input);
  }
}

std::string with(What what, std::string_view rest) {
  return std::string(1, static_cast<char>(what)).append(rest);
}

std::vector<std::string> seeds() {
  const std::string mark = std::string(8, '\0') + bytes_of(std::uint32_t{1}) +
                           bytes_of(std::uint32_t{1}) + bytes_of(std::uint64_t{42}) +
                           std::string(16, '\0') + bytes_of(std::uint64_t{5}) +
                           bytes_of(std::uint32_t{99}) + bytes_of(std::uint32_t{7});
  const std::string lengthed = std::string(1, static_cast<char>(mark.size())) + mark + mark;
  const std::string identity =
      "anear store\nformat 1\nid 000102030405060708090a0b0c0d0e0f\ncreated 1700000000000000\n";
  const std::string list = "the files of the records";
  const std::string current = "MANIFEST-000005\n";
  const std::string of_list = bytes_of(std::uint64_t{5}) +
                              bytes_of(static_cast<std::uint32_t>(list.size())) +
                              bytes_of(crc32c(std::as_bytes(std::span(list)))) +
                              std::string(1, static_cast<char>(current.size())) + current + list;
  return {with(What::kMark, lengthed), with(What::kMarkAsItIs, mended_marks(Input(lengthed))),
          with(What::kIdentity, identity), with(What::kIdentityAsItIs, identity + "checksum 0\n"),
          with(What::kFileList, of_list)};
}

}  // namespace
}  // namespace mark_target

extern const Target kMarkTarget;
const Target kMarkTarget = {"mark", mark_target::run, mark_target::seeds, 20'000};

}  // namespace anear::fuzz
