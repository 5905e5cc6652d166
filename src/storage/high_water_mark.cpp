#include "anear/storage/high_water_mark.hpp"

#include <array>
#include <cstring>
#include <optional>

#include "anear/storage/checksum.hpp"

namespace anear::storage {
namespace {

struct MarkBytes {
  std::array<char, 8> magic;
  std::uint32_t format;
  std::uint32_t clean;
  std::uint64_t sequence;
  StoreId store;
  FileListMark file_list;
  std::uint64_t checksum;
};
static_assert(sizeof(MarkBytes) == 64 && std::is_trivially_copyable_v<MarkBytes>);

constexpr std::array<char, 8> kMarkMagic = {'A', 'N', 'E', 'A', 'R', 'M', 'R', 'K'};
constexpr std::uint64_t kPlaces = 2;
constexpr std::uint64_t kPlaceBytes = 4'096;  // Two sectors of any disk, so one can be torn alone.
constexpr std::uint64_t kFileBytes = kPlaces * kPlaceBytes;

std::span<const std::byte> bytes_of(const MarkBytes& mark) {
  return std::as_bytes(std::span(&mark, 1));
}

std::uint64_t checksum_of(const MarkBytes& mark) {
  return checksum64(bytes_of(mark).first(offsetof(MarkBytes, checksum)));
}

MarkBytes make_mark(const StoreId& id, Sequence sequence, const FileListMark& files, bool clean) {
  MarkBytes mark{kMarkMagic, kFormatVersion, clean ? 1U : 0U, sequence, id, files, 0};
  mark.checksum = checksum_of(mark);
  return mark;
}

Error mark_error(const std::string& path, const std::string& why, Subcode subcode) {
  return Error{ErrorCode::kCorruption, "high-water mark '" + path + "': " + why, subcode};
}

struct PlacedReading {
  HighWaterMark::Reading reading;
  std::uint64_t next_place = 0;
};

/// The mark at one place; no value where its bytes are not a mark.
Result<std::optional<MarkBytes>> read_place(const File& file, const std::string& path,
                                            std::uint64_t place) {
  MarkBytes mark{};
  const auto got = file.read_at(place * kPlaceBytes, std::as_writable_bytes(std::span(&mark, 1)));
  if (!got) return got.error();
  if (*got != sizeof(mark) || mark.magic != kMarkMagic || mark.checksum != checksum_of(mark)) {
    return std::optional<MarkBytes>{};
  }
  if (mark.format <= kFormatVersion) return std::optional<MarkBytes>(mark);
  return Error{ErrorCode::kUnsupportedFormat,
               "high-water mark '" + path + "' has format " + std::to_string(mark.format) +
                   "; this anear reads formats up to " + std::to_string(kFormatVersion),
               Subcode::kNewerFormat};
}

Result<PlacedReading> read_marks(const File& file, const std::string& path, const StoreId& id) {
  PlacedReading found;
  bool any = false;
  for (std::uint64_t place = 0; place < kPlaces; ++place) {
    const auto read = read_place(file, path, place);
    if (!read) return read.error();
    const std::optional<MarkBytes>& mark = *read;
    if (!mark) {
      ++found.reading.unreadable;
      continue;
    }
    if (mark->store != id) {
      return mark_error(path, "it belongs to another store", Subcode::kForeignFile);
    }
    // Of two with one sequence the later says "clean", or that the store was opened since: the
    // careful reading is "not clean".
    const bool newer = !any || mark->sequence > found.reading.sequence;
    const bool same = any && mark->sequence == found.reading.sequence;
    if (newer) {
      found.reading.sequence = mark->sequence;
      found.reading.clean = mark->clean == 1;
      found.next_place = (place + 1) % kPlaces;
    }
    if (is_later(mark->file_list, found.reading.file_list))
      found.reading.file_list = mark->file_list;
    if (same) found.reading.clean = found.reading.clean && mark->clean == 1;
    any = true;
  }
  if (!any) return mark_error(path, "neither of its two marks is readable", Subcode::kChecksum);
  return found;
}

Result<std::unique_ptr<File>> open_marks(FileSystem& files, const std::string& path,
                                         OpenMode mode) {
  auto file = files.open(path, mode);
  if (!file && file.error().code == ErrorCode::kNotFound) {
    return mark_error(path,
                      "it is missing, so that nobody can tell whether commits were lost; put it "
                      "back, or restore a backup",
                      Subcode::kTruncated);
  }
  return file;
}

}  // namespace

Status HighWaterMark::create(FileSystem& files, const std::string& directory, const StoreId& id) {
  auto file = files.open(path_in(directory, kMarkFile), OpenMode::kCreateOrTruncate);
  if (!file) return std::move(file).error();
  const MarkBytes mark = make_mark(id, 0, {}, true);
  std::vector<std::byte> bytes(kFileBytes);
  for (std::uint64_t place = 0; place < kPlaces; ++place) {
    std::memcpy(bytes.data() + place * kPlaceBytes, &mark, sizeof(mark));
  }
  if (Status done = (*file)->append(bytes); !done) return done;
  if (Status done = (*file)->sync(); !done) return done;
  return (*file)->close();
}

Result<HighWaterMark::Reading> HighWaterMark::read(FileSystem& files, const std::string& directory,
                                                   const StoreId& id) {
  const std::string path = path_in(directory, kMarkFile);
  const auto file = open_marks(files, path, OpenMode::kRead);
  if (!file) return file.error();
  const auto found = read_marks(**file, path, id);
  if (!found) return found.error();
  return found->reading;
}

Result<HighWaterMark> HighWaterMark::open(FileSystem& files, const std::string& directory,
                                          const StoreId& id) {
  const std::string path = path_in(directory, kMarkFile);
  auto file = open_marks(files, path, OpenMode::kReadWrite);
  if (!file) return std::move(file).error();
  const auto found = read_marks(**file, path, id);
  if (!found) return found.error();
  HighWaterMark mark(std::move(*file), id);
  mark.reading_ = found->reading;
  mark.sequence_ = found->reading.sequence;
  mark.next_place_ = found->next_place;
  return mark;
}

Status HighWaterMark::write(Sequence synced, const FileListMark& files) {
  return write_mark(synced, files, false);
}

Status HighWaterMark::write_list(const FileListMark& files) {
  return write_mark(sequence_, files, false);
}

Status HighWaterMark::write_clean(Sequence synced, const FileListMark& files) {
  // The older "not clean" of the same sequence would outvote this one.
  return write_both(synced, files, true);
}

Status HighWaterMark::lower(Sequence sequence) {
  return write_both(sequence, reading_.file_list, false);
}

Status HighWaterMark::write_both(Sequence sequence, const FileListMark& files, bool clean) {
  for (std::uint64_t i = 0; i < kPlaces; ++i) {
    if (Status done = write_mark(sequence, files, clean); !done) return done;
  }
  return sync();
}

Status HighWaterMark::sync() { return file_->sync(); }

Status HighWaterMark::write_mark(Sequence sequence, const FileListMark& files, bool clean) {
  const MarkBytes mark = make_mark(id_, sequence, files, clean);
  if (Status done = file_->write_at(next_place_ * kPlaceBytes, bytes_of(mark)); !done) return done;
  sequence_ = sequence;
  next_place_ = (next_place_ + 1) % kPlaces;
  return {};
}

}  // namespace anear::storage
