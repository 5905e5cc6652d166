#include "anear/storage/file_list.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <tuple>
#include <vector>

#include "anear/core/checksum.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {
namespace {

constexpr std::string_view kPrefix = "MANIFEST-";
constexpr std::string_view kCurrentFile = "CURRENT";

std::string_view name_in(std::string_view path) { return path.substr(path.rfind('/') + 1); }

Error list_error(const std::string& path, const std::string& why, Subcode subcode) {
  return Error{ErrorCode::kCorruption,
               "'" + path + "', which names the files of the records, " + why +
                   ". Nothing was changed; restore the file or a backup",
               subcode};
}

Result<std::string> name_of_list_in_use(FileSystem& files, const std::string& directory) {
  constexpr std::size_t kNameMax = 64;
  const std::string current = path_in(directory, kCurrentFile);
  auto name = read_file(files, current, kNameMax);
  if (!name && name.error().code == ErrorCode::kNotFound)
    return list_error(current, "is missing", Subcode::kTruncated);
  if (!name && name.error().code != ErrorCode::kLimitExceeded) return std::move(name).error();
  if (!name || name->empty() || name->back() != '\n' || list_number(*name) == 0) {
    return list_error(current, "does not name a list", Subcode::kTruncated);
  }
  name->pop_back();
  return name;
}

Result<std::uint32_t> checksum_of(const File& file, std::uint64_t bytes) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(bytes, 256 << 10));
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes - done));
    const auto got = file.read_at(done, part);
    if (!got) return got.error();
    if (*got == 0) break;
    checksum = crc32c(part.first(*got), checksum);
    done += *got;
  }
  return checksum;
}

}  // namespace

bool is_later(const FileListMark& mark, const FileListMark& other) noexcept {
  return std::tie(mark.number, mark.bytes) > std::tie(other.number, other.bytes);
}

Status check_file_list(FileSystem& files, const std::string& directory, const FileListMark& mark) {
  if (mark.number == 0) return {};
  const auto name = name_of_list_in_use(files, directory);
  if (!name) return name.error();
  const std::string path = path_in(directory, *name);
  const std::uint64_t number = list_number(*name);
  if (number > mark.number) return {};
  if (number < mark.number) {
    return list_error(path,
                      "is older than number " + std::to_string(mark.number) + ", which was in use",
                      Subcode::kTruncated);
  }
  const auto file = files.open(path, OpenMode::kRead);
  if (!file && file.error().code == ErrorCode::kNotFound) {
    // A writer may have put a later one in use since.
    const auto again = name_of_list_in_use(files, directory);
    if (again && list_number(*again) > mark.number) return {};
    return list_error(path, "is missing", Subcode::kTruncated);
  }
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size < mark.bytes) {
    return list_error(path,
                      "was cut to " + std::to_string(*size) + " of at least " +
                          std::to_string(mark.bytes) + " bytes",
                      Subcode::kTruncated);
  }
  const auto checksum = checksum_of(**file, mark.bytes);
  if (!checksum) return checksum.error();
  if (*checksum == mark.checksum) return {};
  return list_error(path, "holds other bytes than were written", Subcode::kChecksum);
}

Result<FileListMark> list_in_use(FileSystem& files, const std::string& directory) {
  const auto name = name_of_list_in_use(files, directory);
  if (!name) return name.error();
  const auto facts = files.info(path_in(directory, *name));
  if (!facts) return facts.error();
  return FileListMark{list_number(*name), static_cast<std::uint32_t>(facts->bytes), 0};
}

Result<FileListMark> measure_list_in_use(FileSystem& files, const std::string& directory) {
  const auto name = name_of_list_in_use(files, directory);
  if (!name) return name.error();
  auto mark = list_in_use(files, directory);
  if (!mark) return mark;
  const auto file = files.open(path_in(directory, *name), OpenMode::kRead);
  if (!file) return file.error();
  const auto checksum = checksum_of(**file, mark->bytes);
  if (!checksum) return checksum.error();
  mark->checksum = *checksum;
  return mark;
}

std::uint64_t list_number(std::string_view path) noexcept {
  std::string_view name = name_in(path);
  if (!name.starts_with(kPrefix)) return 0;
  name.remove_prefix(kPrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc{} ? number : 0;
}

bool names_list_in_use(std::string_view path) noexcept { return name_in(path) == kCurrentFile; }

void FileListTracker::synced(const FileListMark& synced) {
  {
    const std::lock_guard hold(mutex_);
    if (is_later(synced, newest_)) newest_ = synced;
    if (synced.number == in_use_.number && is_later(synced, in_use_)) in_use_ = synced;
  }
  tell();
}

void FileListTracker::renamed() {
  const std::lock_guard hold(mutex_);
  renamed_ = newest_.number;
}

void FileListTracker::directory_synced() {
  {
    const std::lock_guard hold(mutex_);
    if (renamed_ == newest_.number) in_use_ = newest_;
  }
  tell();
}

void FileListTracker::set_observer(FileListObserver* observer) {
  const std::lock_guard hold(telling_);
  observer_ = observer;
}

void FileListTracker::tell() {
  const std::lock_guard one_at_a_time(telling_);
  const FileListMark now = mark();
  if (observer_ == nullptr || now == told_) return;
  told_ = now;
  observer_->list_grew(now);
}

FileListMark FileListTracker::mark() const {
  const std::lock_guard hold(mutex_);
  return in_use_;
}

}  // namespace anear::storage
