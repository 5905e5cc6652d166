// Image files: named, fixed-stride byte sections that are written once, checked and mapped back.
// What the sections mean is not known here.
//
//   0      header, 4,096 bytes: "ANEARIMG", format, kind, store id, sequence, lengths, XXH3-64 of
//   all
//          that stands before it in its last 8 bytes
//   4,096  the sections, each from a multiple of 64 on, zeros between
//   …      the section table (FlatBuffers, sections.fbs): names, strides, counts, offsets, and the
//          XXH3-64 of every 64 KiB block of the bytes above
//
// Invariants: (1) a named image file is never changed; a new one gets a new name. (2) Every byte of
// the file is under a checksum. (3) Nothing read is used before its checksum was: at the opening,
// or for sections that are chosen for it, by a BlockGuard when it is first read.
//
// Threads: plain functions; an Image is shared by its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/block_guard.hpp"
#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/storage/byte_progress.hpp"
#include "anear/storage/checksum.hpp"
#include "anear/storage/file_system.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {

/// One section on its way out: `pieces` are borrowed and hold stride · count bytes in all.
struct ImageSectionOut {
  std::string name;  ///< 1 to 64 bytes of [a-z0-9_./]; each once.
  std::uint64_t stride = 1;
  std::uint64_t count = 0;
  std::vector<std::span<const std::byte>> pieces;
};

/// One section on its way in: contiguous, 64-byte aligned, private and writable.
struct ImageSectionIn {
  std::string name;
  std::uint64_t stride = 1;
  std::uint64_t count = 0;
  std::span<std::byte> bytes;
  const BlockGuard* guard = nullptr;  ///< To be asked before bytes are read; null: nothing is.
};

/// What the image is of. `kind` is the caller's number (which sort of index, which layout).
struct ImageHeader {
  StoreId store{};
  Sequence sequence = 0;  ///< Commits up to here are in the image.
  std::uint32_t kind = 0;
};

struct Image {
  ImageHeader header;
  std::vector<ImageSectionIn> sections;
  std::uint64_t bytes = 0;            ///< Of the file.
  std::shared_ptr<void> owner;        ///< Keeps the sections' bytes and the guard valid.
  const BlockGuard* guard = nullptr;  ///< Of sections that are not checked yet; null: all are.
};

/// Writes `directory`/`name` by a temporary name, synced and renamed; durable on return. On failure
/// no file of that name was made. kAlreadyExists when there is one. Returns the file's bytes.
Result<std::uint64_t> write_image(FileSystem& files, const std::string& directory,
                                  const std::string& name, const ImageHeader& header,
                                  std::span<const ImageSectionOut> sections);

/// Tells an image file from every other, whatever their names: made of its header and its section
/// table, in which the checksums of all blocks stand. Checks and reads those alone. Errors as
/// open_image().
struct ImageIdentity {
  std::uint64_t bytes = 0;  ///< Of the file.
  Checksum128 identity{};
};
Result<ImageIdentity> identify_image(FileSystem& files, const std::string& directory,
                                     const std::string& name, const StoreId& store);

/// Where the bytes of an open image stand.
enum class ImageBytes : std::uint8_t {
  kMapped,  ///< In the file, mapped: memory is the kernel's to give and take. Who shrinks or
            ///< changes the file later, changes the image (FileSystem::map_private).
  kCopied,  ///< In memory of the process, whatever happens to the file.
};

struct ImageOpening {
  ImageBytes bytes = ImageBytes::kMapped;
  std::span<const std::string_view> on_first_touch{};  ///< Sections that a guard checks later.
};

/// Maps or copies an image and checks it before it returns, but for the sections that `how` names:
/// reads every other byte once. kNotFound, kUnsupportedFormat (kForeignFile, kNewerFormat),
/// kCorruption (kTruncated, kChecksum, kForeignFile for an image of another store) with the file
/// and, in Error::position, the offset.
Result<Image> open_image(FileSystem& files, const std::string& directory, const std::string& name,
                         const StoreId& store, const ImageOpening& how = {});

/// Reads and checks what open_image() does, with the same errors, and keeps nothing. Maps nothing:
/// a file that is changed meanwhile is damaged, no more. The file is not held open while
/// `progress` is told, so that one that is removed meanwhile takes no space; kNotFound then.
Status check_image(FileSystem& files, const std::string& directory, const std::string& name,
                   const StoreId& store, ByteProgress& progress);

/// For saving what can be saved: as open_image(), but only the section table is checked, not what
/// is in the sections, nor what the header's checksum is over.
Result<Image> open_damaged_image(FileSystem& files, const std::string& directory,
                                 const std::string& name, const StoreId& store);

}  // namespace anear::storage
