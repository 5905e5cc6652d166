#include "collection/row_files.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "anear/index/any_index.hpp"  // IWYU pragma: keep (AnyIndex is only declared elsewhere)
#include "anear/quant/scalar_codes.hpp"

namespace anear {
namespace {

constexpr std::uint32_t kRowFileKind = 101;
constexpr std::uint64_t kFileBytesMax = std::uint64_t{64} << 20;
/// For the header, the section table and what aligns the sections.
constexpr std::uint64_t kOverheadMax = 64 << 10;

/// A power of two, so that chunks of AlignedRows end with the file.
std::uint64_t rows_of_full_file(const IndexSections& sections) {
  std::uint64_t bytes = sizeof(Slot);
  for (const SectionOut& section : sections.growing) bytes += section.stride;
  std::uint64_t rows = 1;
  while (2 * rows * bytes <= kFileBytesMax - kOverheadMax) rows *= 2;
  return rows;
}

/// Entries [first, first + count) of a section.
struct Run {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

storage::ImageSectionOut part_of(const SectionOut& section, const Run& run) {
  storage::ImageSectionOut part{section.name, section.stride, run.count, {}};
  std::uint64_t skip = run.first * section.stride;
  std::uint64_t left = run.count * section.stride;
  for (const std::span<const std::byte> piece : section.pieces) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const std::uint64_t bytes = std::min(left, piece.size() - skip);
    if (bytes != 0) part.pieces.push_back(piece.subspan(skip, bytes));
    left -= bytes;
    skip = 0;
  }
  return part;
}

const SectionOut* slots_of(const IndexSections& sections) {
  for (const SectionOut& section : sections.other) {
    if (section.name == "slots") return &section;
  }
  return nullptr;
}

/// Of the image and of the row files behind the first `done` rows.
std::uint64_t bytes_to_write(const IndexSections& sections, std::uint64_t done) {
  std::uint64_t bytes = 0;
  for (const SectionOut& section : sections.growing)
    bytes += (sections.positions - done) * section.stride;
  for (const SectionOut& section : sections.other) bytes += section.count * section.stride;
  return bytes;
}

Error damaged(const std::string& file, const std::string& what) {
  return Error{ErrorCode::kCorruption, "row file '" + file + "' " + what};
}

std::vector<storage::ManifestRowFile> files_kept(
    const IndexSections& sections, const std::vector<storage::ManifestRowFile>& files) {
  const std::uint64_t full = rows_of_full_file(sections);
  std::vector<storage::ManifestRowFile> kept;
  std::uint64_t done = 0;
  for (const storage::ManifestRowFile& file : files) {
    if (file.rows != full && done + file.rows != sections.positions) break;
    kept.push_back(file);
    done += file.rows;
  }
  return kept;
}

}  // namespace

IndexSections split_sections(std::vector<SectionOut> sections) {
  IndexSections split;
  for (SectionOut& section : sections) {
    if (section.grows) split.positions = section.count;
    (section.grows ? split.growing : split.other).push_back(std::move(section));
  }
  return split;
}

Result<std::vector<storage::ManifestRowFile>> write_row_files(
    const CollectionState& collection, const RowsOf& of, const IndexSections& sections,
    const std::vector<storage::ManifestRowFile>& kept, std::uint64_t& next_file) {
  const StoreRuntime& runtime = *collection.runtime;
  const SectionOut* slots = slots_of(sections);
  if (slots == nullptr) return Error{ErrorCode::kInternal, "an index without a section 'slots'"};
  const std::uint64_t full = rows_of_full_file(sections);
  std::vector<storage::ManifestRowFile> files = files_kept(sections, kept);
  std::uint64_t done = rows_kept(sections, kept);
  const std::size_t written_from = files.size();
  if (Status room = runtime.headroom.check_room(bytes_to_write(sections, done)); !room)
    return std::move(room).error();
  while (done < sections.positions) {
    const Run run{done, std::min(full, sections.positions - done)};
    std::vector<storage::ImageSectionOut> parts;
    parts.reserve(sections.growing.size() + 1);
    for (const SectionOut& section : sections.growing) parts.push_back(part_of(section, run));
    parts.push_back(part_of(*slots, run));
    const std::string name = std::to_string(collection.number) + "-" + std::to_string(of.vector) +
                             "-" + std::to_string(next_file++) + ".rows";
    const auto bytes =
        storage::write_image(*runtime.files, runtime.directory(storage::kRowFilesDirectory), name,
                             {runtime.identity.id, of.sequence, kRowFileKind}, parts);
    if (!bytes) {
      for (std::size_t i = written_from; i < files.size(); ++i)
        runtime.remove_file(storage::path_in(storage::kRowFilesDirectory, files[i].file));
      return bytes.error();
    }
    files.push_back({name, run.count});
    done += run.count;
  }
  return files;
}

RowsChecked when_checked(const StoreRuntime& runtime, const storage::ManifestImage& of) {
  std::uint64_t bytes = 0;
  for (const storage::ManifestRowFile& named : of.rows) {
    const auto facts = runtime.files->info(
        storage::path_in(runtime.directory(storage::kRowFilesDirectory), named.file));
    if (facts) bytes += facts->bytes;
  }
  return bytes > runtime.options.checked_at_open_bytes ? RowsChecked::kWhenRead : RowsChecked::kNow;
}

Result<storage::Image> open_row_file(const StoreRuntime& runtime,
                                     const storage::ManifestRowFile& named,
                                     storage::ImageBytes bytes, RowsChecked checked) {
  static constexpr std::array<std::string_view, 2> kRowSections = {"rows", "codes"};
  storage::ImageOpening how{.bytes = bytes};
  if (checked == RowsChecked::kWhenRead) how.on_first_touch = kRowSections;
  auto file = storage::open_image(*runtime.files, runtime.directory(storage::kRowFilesDirectory),
                                  named.file, runtime.identity.id, how);
  if (!file) return file;
  if (file->header.kind != kRowFileKind) return damaged(named.file, "is none");
  const bool fits = std::all_of(
      file->sections.begin(), file->sections.end(),
      [&](const storage::ImageSectionIn& section) { return section.count == named.rows; });
  if (!fits) return damaged(named.file, "has not the rows that the manifest names");
  return file;
}

Result<std::vector<storage::Image>> open_row_files(const StoreRuntime& runtime,
                                                   const storage::ManifestImage& of,
                                                   RowsChecked checked, const MappedFiles& mapped) {
  std::vector<storage::Image> files;
  for (const storage::ManifestRowFile& named : of.rows) {
    if (const auto held = mapped.find(named.file); held != mapped.end()) {
      files.push_back(held->second);
      continue;
    }
    auto file = open_row_file(runtime, named, runtime.image_bytes(), checked);
    if (!file) return std::move(file).error();
    files.push_back(std::move(*file));
  }
  return files;
}

Status check_all(const storage::Image& file) {
  if (file.guard == nullptr) return {};
  file.guard->touch_all();
  return file.guard->status();
}

Error of_rows(const CollectionState& collection, std::size_t vector, Error error) {
  error.message.insert(0, "collection '" + collection.name + "', rows of vector '" +
                              collection.schema.vectors[vector].name + "': ");
  if (error.code == ErrorCode::kCorruption)
    error.message += "; restore a backup, or save the other rows by repair()";
  return error;
}

Status check_intact(const CollectionState& collection, const CollectionVersion& version) {
  for (std::size_t v = 0; v < version.vectors.size(); ++v) {
    Status intact = version.vectors[v].index->table().intact();
    if (!intact) return of_rows(collection, v, std::move(intact).error());
  }
  return {};
}

std::uint64_t rows_kept(const IndexSections& sections,
                        const std::vector<storage::ManifestRowFile>& kept) {
  std::uint64_t rows = 0;
  for (const storage::ManifestRowFile& file : files_kept(sections, kept)) rows += file.rows;
  return rows;
}

Result<RowFile> look_into(const storage::Image& file, const VectorSchema& vector) {
  RowFile inside;
  for (const storage::ImageSectionIn& section : file.sections) {
    if (section.name == "rows" &&
        section.stride == ScalarCodes::stride_of(vector.dimension, vector.kind)) {
      inside.rows = section.bytes;
      inside.stride = section.stride;
    }
    if (section.name == "slots" && section.stride == sizeof(Slot)) {
      inside.slots = {reinterpret_cast<const Slot*>(section.bytes.data()),
                      static_cast<std::size_t>(section.count)};
    }
  }
  if (inside.stride != 0 && inside.rows.size() == inside.slots.size() * inside.stride)
    return inside;
  return Error{ErrorCode::kCorruption, "a row file of vector '" + vector.name +
                                           "' has not the rows that its schema asks for"};
}

}  // namespace anear
