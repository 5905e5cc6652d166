// What is built from the operations of a FileSystem.
#include "anear/storage/file_system.hpp"

namespace anear::storage {

Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t bytes_max) {
  auto file = files.open(path, OpenMode::kRead);
  if (!file) return std::move(file).error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size > bytes_max) {
    return Error{ErrorCode::kLimitExceeded, "'" + path + "' has " + std::to_string(*size) +
                                                " bytes; at most " + std::to_string(bytes_max) +
                                                " are read"};
  }
  std::string text(*size, '\0');
  const auto got = (*file)->read_at(0, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error();
  text.resize(*got);
  return text;
}

namespace {

Status write_synced(FileSystem& files, const std::string& path, std::string_view bytes) {
  auto file = files.open(path, OpenMode::kCreateOrTruncate);
  if (!file) return std::move(file).error();
  if (Status done = (*file)->append(std::as_bytes(std::span(bytes))); !done) return done;
  if (Status done = (*file)->sync(); !done) return done;
  return (*file)->close();
}

}  // namespace

bool is_one_file(const FileInfo& a, const FileInfo& b) noexcept {
  return a.inode != 0 && a.inode == b.inode && a.device == b.device;
}

Result<bool> leads_to(FileSystem& files, const std::string& path, const File& file) {
  const auto held = file.info();
  if (!held) return held.error();
  if (held->inode == 0) return true;
  const auto named = files.info(path);
  if (!named) return named.error();
  return is_one_file(*named, *held);
}

Status install_file(FileSystem& files, const std::string& directory, const std::string& name,
                    std::string_view bytes) {
  const std::string path = directory + "/" + name;
  const std::string unfinished = path + ".tmp";
  Status done = write_synced(files, unfinished, bytes);
  if (done) done = files.rename({.from = unfinished, .to = path});
  if (!done) {
    // The first error is the one to tell; a file left behind is replaced by the next try.
    (void)files.remove(unfinished);
    return done;
  }
  return files.sync_directory(directory);
}

Status ensure_directory(FileSystem& files, const std::string& path) {
  const auto there = files.exists(path);
  if (!there) return there.error();
  return *there ? Status{} : files.make_directory(path);
}

Result<bool> is_within(FileSystem& files, const std::string& inner, const std::string& outer) {
  const auto goal = files.info(outer);
  if (!goal && goal.error().code == ErrorCode::kNotFound) return false;
  if (!goal) return goal.error();
  std::string at = inner;
  auto here = files.info(at);
  while (here ? !here->is_directory : here.error().code == ErrorCode::kNotFound) {
    const std::size_t end = at.find_last_of('/', at.find_last_not_of('/'));
    if (end == at.npos || end == 0) return false;
    at.resize(end);
    here = files.info(at);
  }
  while (here) {
    if (is_one_file(*here, *goal)) return true;
    // The system's own way up: "a/.." is not "" where `a` is a link.
    at += "/..";
    auto above = files.info(at);
    if (above && (above->inode == 0 || is_one_file(*above, *here))) return false;
    here = std::move(above);
  }
  return here.error();
}

}  // namespace anear::storage
