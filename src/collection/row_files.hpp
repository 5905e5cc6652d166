// Row files: where the rows of an index stand at rest, each vector once. They are truth, unlike
// images: a row leaves the tail's family of the byte store when a manifest names the file that
// holds it.
//
// A row file is an image file (storage/image_file.hpp) of up to 64 MiB with a run of an index's
// positions:
//
//   "rows"    as the index's section of that name
//   "codes"   likewise, where the index has codes: they can be made again from the rows
//   "slots"   stride 4: the slot of each row when the file was written, kNoSlot when it was dead
//
// The files of one index follow one another; all but the last hold the same number of rows, so that
// an index that grew keeps the full ones and replaces the last. An index that was built anew has
// new files.
//
// Threads: CollectionState::indexing is held by write_row_files(); opening is before all sharing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/index/sections.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

/// The sections of an index on their way to disk.
struct IndexSections {
  std::vector<SectionOut> growing;  ///< For row files.
  std::vector<SectionOut> other;    ///< For the image.
  std::uint64_t positions = 0;
};
IndexSections split_sections(std::vector<SectionOut> sections);

/// Whose rows are written.
struct RowsOf {
  std::uint32_t vector = 0;
  Sequence sequence = 0;
};
/// Writes what `kept`, files of the same index, do not hold yet; `next_file` numbers the names.
/// Returns the files to be named: some of `kept`, then new ones. On failure the new ones are
/// removed again.
Result<std::vector<storage::ManifestRowFile>> write_row_files(
    const CollectionState& collection, const RowsOf& of, const IndexSections& sections,
    const std::vector<storage::ManifestRowFile>& kept, std::uint64_t& next_file);

/// When the rows and codes of a file are compared with their checksums.
enum class RowsChecked : std::uint8_t {
  kNow,
  kWhenRead,  ///< Image::guard. All else, as the slots, is checked now.
};
/// Of all row files of one index: by StoreOptions::checked_at_open_bytes.
RowsChecked when_checked(const StoreRuntime& runtime, const storage::ManifestImage& of);

/// Opens one row file and checks it as open_image() does, and its numbers.
Result<storage::Image> open_row_file(const StoreRuntime& runtime,
                                     const storage::ManifestRowFile& named,
                                     storage::ImageBytes bytes,
                                     RowsChecked checked = RowsChecked::kNow);
/// Opens the row files of an image and checks them as open_image() does, and their numbers. Those
/// of `mapped` are taken from there.
Result<std::vector<storage::Image>> open_row_files(const StoreRuntime& runtime,
                                                   const storage::ManifestImage& of,
                                                   RowsChecked checked = RowsChecked::kNow,
                                                   const MappedFiles& mapped = {});

/// Checks what of a file was left for when it is read.
Status check_all(const storage::Image& file);

/// What is wrong with the rows of a vector, with what to do.
Error of_rows(const CollectionState& collection, std::size_t vector, Error error);

/// of_rows() of the first index that is known to have damaged rows or codes.
Status check_intact(const CollectionState& collection, const CollectionVersion& version);

/// How many rows of an index write_row_files() leaves in files of `kept`.
std::uint64_t rows_kept(const IndexSections& sections,
                        const std::vector<storage::ManifestRowFile>& kept);

/// One row file, looked into.
struct RowFile {
  std::span<const Slot> slots;
  std::span<const std::byte> rows;
  std::size_t stride = 0;

  VectorView row(std::size_t i, const VectorSchema& vector) const noexcept {
    return {rows.data() + i * stride, vector.dimension, vector.kind};
  }
};
/// kCorruption when it has not the rows of `vector`.
Result<RowFile> look_into(const storage::Image& file, const VectorSchema& vector);

}  // namespace anear
