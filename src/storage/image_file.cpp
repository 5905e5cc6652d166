#include "anear/storage/image_file.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "anear/core/parallel.hpp"
#include "sealed.hpp"
#include "storage/schema/sections_generated.h"

namespace anear::storage {
namespace {

constexpr std::array<char, 8> kImageMagic = {'A', 'N', 'E', 'A', 'R', 'I', 'M', 'G'};
constexpr std::uint64_t kHeaderBytes = 4'096;
constexpr std::uint64_t kAlignment = 64;
constexpr std::uint32_t kBlockBytes = 64 << 10;
constexpr std::size_t kNameBytesMax = 64;

/// The first page of the file.
struct HeaderBytes {
  std::array<char, 8> magic;
  std::uint32_t format;
  std::uint32_t kind;
  StoreId store;
  std::uint64_t sequence;
  std::uint64_t file_bytes;
  std::uint64_t table_offset;  ///< Where the sections end.
  std::array<std::uint8_t, kHeaderBytes - 64> zero;
  std::uint64_t checksum;
};
static_assert(sizeof(HeaderBytes) == kHeaderBytes && std::is_trivially_copyable_v<HeaderBytes>);

std::span<const std::byte> bytes_of(const HeaderBytes& header) {
  return std::as_bytes(std::span(&header, 1));
}

std::uint64_t checksum_of(const HeaderBytes& header) {
  return checksum64(bytes_of(header).first(offsetof(HeaderBytes, checksum)));
}

std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

bool is_section_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/';
  });
}

Error image_error(const std::string& path, const std::string& why, Subcode subcode,
                  std::uint64_t offset) {
  return Error{ErrorCode::kCorruption, "image '" + path + "': " + why, subcode}.at_position(
      static_cast<std::int64_t>(offset));
}

/// Appends to a file and takes the checksum of each block on the way.
class BlockWriter {
 public:
  explicit BlockWriter(File& file) : file_(file) { block_.reserve(kBlockBytes); }

  Status add(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t room = std::min(bytes.size(), kBlockBytes - block_.size());
      block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(room));
      bytes = bytes.subspan(room);
      if (block_.size() < kBlockBytes) continue;
      if (Status done = end_block(); !done) return done;
    }
    return {};
  }
  Status pad() {
    constexpr std::array<std::byte, kAlignment> kZeros{};
    return add(std::span(kZeros).first(aligned(end()) - end()));
  }
  Status end_block() {
    if (block_.empty()) return {};
    checksums_.push_back(checksum64(block_));
    if (Status done = file_.append(block_); !done) return done;
    written_ += block_.size();
    block_.clear();
    return {};
  }
  std::uint64_t end() const noexcept { return kHeaderBytes + written_ + block_.size(); }
  const std::vector<std::uint64_t>& checksums() const noexcept { return checksums_; }

 private:
  File& file_;
  std::vector<std::byte> block_;
  std::vector<std::uint64_t> checksums_;
  std::uint64_t written_ = 0;
};

Status check_section(const ImageSectionOut& section) {
  if (!is_section_name(section.name)) {
    return invalid_argument("section name '" + section.name + "' is not 1 to 64 of [a-z0-9_./]");
  }
  std::uint64_t bytes = 0;
  for (const auto piece : section.pieces) bytes += piece.size();
  if (section.stride != 0 && bytes / section.stride == section.count &&
      bytes % section.stride == 0) {
    return {};
  }
  return invalid_argument("section '" + section.name + "' has " + std::to_string(bytes) +
                          " bytes; stated are " + std::to_string(section.count) + " of " +
                          std::to_string(section.stride));
}

Status add_section(BlockWriter& writer, const ImageSectionOut& section) {
  if (Status done = writer.pad(); !done) return done;
  for (const auto piece : section.pieces) {
    if (Status done = writer.add(piece); !done) return done;
  }
  return {};
}

/// Writes everything but the name: header last, so that an unfinished file has none.
Result<std::uint64_t> write_all(File& file, const ImageHeader& header,
                                std::span<const ImageSectionOut> sections) {
  HeaderBytes head{
      kImageMagic, kFormatVersion, header.kind, header.store, header.sequence, 0, 0, {}, 0};
  constexpr std::array<std::byte, kHeaderBytes> kNoHeader{};
  if (Status done = file.append(kNoHeader); !done) return std::move(done).error();
  BlockWriter writer(file);
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<fb::Section>> table;
  for (const ImageSectionOut& section : sections) {
    const std::uint64_t offset = aligned(writer.end());
    if (Status done = add_section(writer, section); !done) return std::move(done).error();
    table.push_back(fb::CreateSectionDirect(builder, section.name.c_str(), offset, section.stride,
                                            section.count));
  }
  if (Status done = writer.pad(); !done) return std::move(done).error();
  if (Status done = writer.end_block(); !done) return std::move(done).error();
  builder.Finish(fb::CreateSectionTableDirect(builder, &table, kBlockBytes, &writer.checksums()));
  const std::string sealed = seal(builder);
  head.table_offset = writer.end();
  head.file_bytes = head.table_offset + sealed.size();
  head.checksum = checksum_of(head);
  if (Status done = file.append(std::as_bytes(std::span(sealed))); !done) {
    return std::move(done).error();
  }
  if (Status done = file.write_at(0, bytes_of(head)); !done) return std::move(done).error();
  if (Status done = file.sync(); !done) return std::move(done).error();
  if (Status done = file.close(); !done) return std::move(done).error();
  return head.file_bytes;
}

Result<std::uint64_t> write_unfinished(FileSystem& files, const std::string& path,
                                       const ImageHeader& header,
                                       std::span<const ImageSectionOut> sections) {
  auto file = files.open(path, OpenMode::kCreateOrTruncate);
  if (!file) return std::move(file).error();
  return write_all(**file, header, sections);
}

/// Which checksums are compared.
enum class Trust : std::uint8_t { kNothing, kDamaged };

/// Reads the header and checks it alone, and against the length of the file.
Result<HeaderBytes> read_header(const File& file, const std::string& path, Trust trust) {
  HeaderBytes head{};
  const auto got = file.read_at(0, std::as_writable_bytes(std::span(&head, 1)));
  if (!got) return got.error();
  const auto size = file.size();
  if (!size) return size.error();
  if (*got < kImageMagic.size() || head.magic != kImageMagic) {
    return Error{ErrorCode::kUnsupportedFormat, "'" + path + "' is not an image of anear",
                 Subcode::kForeignFile}
        .at_position(0);
  }
  if (*got < kHeaderBytes) return image_error(path, "cut short", Subcode::kTruncated, *size);
  if (trust == Trust::kNothing && head.checksum != checksum_of(head)) {
    return image_error(path, "its header is damaged", Subcode::kChecksum, 0);
  }
  if (head.format > kFormatVersion) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "image '" + path + "' has format " + std::to_string(head.format) +
                     "; this anear reads formats up to " + std::to_string(kFormatVersion),
                 Subcode::kNewerFormat};
  }
  if (*size != head.file_bytes) {
    return image_error(
        path, "it has " + std::to_string(*size) + " bytes, not " + std::to_string(head.file_bytes),
        Subcode::kTruncated, std::min(*size, head.file_bytes));
  }
  if (head.table_offset < kHeaderBytes || head.table_offset > head.file_bytes) {
    return image_error(path, "its header is wrong", Subcode::kNone, 0);
  }
  return head;
}

Error damaged_table(const std::string& path, const HeaderBytes& head) {
  return image_error(path, "its section table is damaged", Subcode::kChecksum, head.table_offset);
}

Result<HeaderBytes> read_header_of(const File& file, const std::string& path, const StoreId& store,
                                   Trust trust) {
  auto head = read_header(file, path, trust);
  if (head && head->store != store)
    return image_error(path, "it belongs to another store", Subcode::kForeignFile, 0);
  return head;
}

/// One entry of the table, inside of [header, end), but for its bytes.
bool read_section(const fb::Section& from, std::uint64_t end, ImageSectionIn& to) {
  to.name = to_string(*from.name());
  to.stride = from.stride();
  to.count = from.count();
  const std::uint64_t offset = from.offset();
  if (!is_section_name(to.name) || to.stride == 0 || offset % kAlignment != 0) return false;
  if (offset < kHeaderBytes || offset > end) return false;
  return to.count <= (end - offset) / to.stride;
}

/// The blocks that follow the header, and their checksums.
class Blocks {
 public:
  Blocks(const fb::SectionTable& table, const HeaderBytes& head)
      : table_(table), bytes_(head.table_offset - kHeaderBytes) {}

  bool fit() const {
    const std::uint64_t block = table_.block_bytes();
    return block != 0 && count() == (bytes_ + block - 1) / block;
  }
  std::size_t count() const { return table_.checksums()->size(); }
  std::uint64_t offset(std::size_t i) const { return kHeaderBytes + i * table_.block_bytes(); }
  std::uint64_t size(std::size_t i) const {
    return std::min<std::uint64_t>(table_.block_bytes(), kHeaderBytes + bytes_ - offset(i));
  }
  bool is_whole(std::size_t i, std::span<const std::byte> block) const {
    return checksum64(block) == table_.checksums()->Get(static_cast<flatbuffers::uoffset_t>(i));
  }
  bool can_be_guarded() const { return std::has_single_bit(table_.block_bytes()); }
  std::shared_ptr<BlockGuard> make_guard(std::span<const std::byte> file, std::string path) const {
    return std::make_shared<BlockGuard>(
        BlockGuard::Blocks{.name = std::move(path),
                           .offset = kHeaderBytes,
                           .bytes = file.subspan(kHeaderBytes, bytes_),
                           .block_bytes = static_cast<std::size_t>(table_.block_bytes()),
                           .checksums = {table_.checksums()->begin(), table_.checksums()->end()},
                           .checksum = checksum64});
  }

 private:
  const fb::SectionTable& table_;
  std::uint64_t bytes_;
};

Error wrong_table(const std::string& path) {
  return image_error(path, "its section table is wrong", Subcode::kNone, 0);
}

Error damaged_block(const std::string& path, std::uint64_t offset) {
  return image_error(path, "a block is damaged", Subcode::kChecksum, offset);
}

/// On all processors: an opening waits for it.
Status check_in_memory(const Blocks& blocks, std::span<const std::byte> file,
                       const std::string& path) {
  constexpr std::size_t kBlocksAtOnce = 64;
  if (!blocks.fit()) return wrong_table(path);
  std::atomic<std::size_t> first_damaged{blocks.count()};
  parallel_for_joined(blocks.count(), 0, kBlocksAtOnce,
                      [&](std::size_t begin, std::size_t end, std::size_t) {
                        for (std::size_t i = begin; i < end; ++i) {
                          if (blocks.is_whole(i, file.subspan(blocks.offset(i), blocks.size(i))))
                            continue;
                          std::size_t first = first_damaged;
                          while (i < first && !first_damaged.compare_exchange_weak(first, i)) {
                          }
                          break;
                        }
                        return true;
                      });
  if (first_damaged == blocks.count()) return {};
  return damaged_block(path, blocks.offset(first_damaged));
}

/// A mapped or copied file, its path for messages, and what is left to check when it is read.
struct FileBytes {
  std::span<std::byte> bytes;
  const std::string& path;
  std::span<const std::string_view> on_first_touch{};
};

/// Checks what is not left for later. Null when nothing is.
Result<std::shared_ptr<BlockGuard>> check_blocks(const Blocks& blocks, const FileBytes& file,
                                                 std::vector<ImageSectionIn>& sections) {
  const auto is_later = [&](const ImageSectionIn& section) {
    return std::find(file.on_first_touch.begin(), file.on_first_touch.end(), section.name) !=
           file.on_first_touch.end();
  };
  if (!blocks.can_be_guarded() || std::none_of(sections.begin(), sections.end(), is_later)) {
    if (Status checked = check_in_memory(blocks, file.bytes, file.path); !checked)
      return std::move(checked).error();
    return std::shared_ptr<BlockGuard>();
  }
  if (!blocks.fit()) return wrong_table(file.path);
  std::shared_ptr<BlockGuard> guard = blocks.make_guard(file.bytes, file.path);
  for (ImageSectionIn& section : sections) {
    if (is_later(section))
      section.guard = guard.get();
    else if (!section.bytes.empty())
      guard->touch(section.bytes);
  }
  if (Status checked = guard->status(); !checked) return std::move(checked).error();
  return guard;
}

Result<std::shared_ptr<BlockGuard>> read_sections(const HeaderBytes& head, const FileBytes& file,
                                                  Trust trust,
                                                  std::vector<ImageSectionIn>& sections) {
  const auto sealed = file.bytes.subspan(head.table_offset);
  Unsealed<fb::SectionTable> table;
  if (!table.open({reinterpret_cast<const char*>(sealed.data()), sealed.size()})) {
    return damaged_table(file.path, head);
  }
  for (const fb::Section* from : *table->sections()) {
    ImageSectionIn to;
    if (!read_section(*from, head.table_offset, to)) {
      return image_error(file.path, "its section table is wrong", Subcode::kNone,
                         head.table_offset);
    }
    to.bytes = file.bytes.subspan(from->offset(), to.count * to.stride);
    sections.push_back(std::move(to));
  }
  if (trust == Trust::kDamaged) return std::shared_ptr<BlockGuard>();
  return check_blocks({*table, head}, file, sections);
}

Result<Mapping> copy_of(const File& file, const std::string& path, std::uint64_t bytes) {
  constexpr auto kPage = std::align_val_t{4'096};
  void* const start = ::operator new(bytes, kPage, std::nothrow);
  if (start == nullptr) return Error{ErrorCode::kOutOfMemory, "copy '" + path + "'"};
  Mapping copy{{static_cast<std::byte*>(start), bytes},
               std::shared_ptr<void>(start, [](void* at) { ::operator delete(at, kPage); })};
  const auto got = file.read_at(0, copy.bytes);
  if (!got) return got.error();
  if (*got < bytes) return image_error(path, "cut short", Subcode::kTruncated, *got);
  return copy;
}

Result<Image> open_as(FileSystem& files, const std::string& path, const StoreId& store,
                      const ImageOpening& how, Trust trust) {
  auto file = files.open(path, OpenMode::kRead);
  if (!file) return std::move(file).error();
  const auto head = read_header_of(**file, path, store, trust);
  if (!head) return head.error();
  auto held = how.bytes == ImageBytes::kCopied ? copy_of(**file, path, head->file_bytes)
                                               : files.map_private(path, head->file_bytes);
  if (!held) return std::move(held).error();
  Image image{{head->store, head->sequence, head->kind}, {}, head->file_bytes, held->owner};
  auto guard = read_sections(*head, {held->bytes, path, how.on_first_touch}, trust, image.sections);
  if (!guard) return std::move(guard).error();
  if (*guard == nullptr) return image;
  image.guard = guard->get();
  using Owners = std::pair<std::shared_ptr<void>, std::shared_ptr<BlockGuard>>;
  image.owner = std::make_shared<Owners>(std::move(image.owner), std::move(*guard));
  return image;
}

/// What an image is besides its sections. The table is sealed.
struct Outline {
  HeaderBytes head{};
  std::string table;
};

Result<Outline> read_outline(FileSystem& files, const std::string& path, const StoreId& store) {
  const auto file = files.open(path, OpenMode::kRead);
  if (!file) return file.error();
  const auto head = read_header_of(**file, path, store, Trust::kNothing);
  if (!head) return head.error();
  Outline outline{*head, std::string(head->file_bytes - head->table_offset, '\0')};
  const auto got =
      (*file)->read_at(head->table_offset, std::as_writable_bytes(std::span(outline.table)));
  if (!got) return got.error();
  if (*got == outline.table.size()) return outline;
  return image_error(path, "cut short", Subcode::kTruncated, head->table_offset + *got);
}

/// Reads an image block by block, and opens it for each.
Status check_on_disk(const Blocks& blocks, FileSystem& files, const std::string& path,
                     ByteProgress& progress) {
  if (!blocks.fit()) return wrong_table(path);
  std::vector<std::byte> block;
  for (std::size_t i = 0; i < blocks.count(); ++i) {
    {
      const auto file = files.open(path, OpenMode::kRead);
      if (!file) return file.error();
      block.resize(blocks.size(i));
      const auto got = (*file)->read_at(blocks.offset(i), block);
      if (!got) return got.error();
      if (*got != block.size())
        return image_error(path, "cut short", Subcode::kTruncated, blocks.offset(i) + *got);
    }
    if (!blocks.is_whole(i, block)) return damaged_block(path, blocks.offset(i));
    if (Status goes_on = progress.advance(block.size()); !goes_on) return goes_on;
  }
  return {};
}

}  // namespace

Result<std::uint64_t> write_image(FileSystem& files, const std::string& directory,
                                  const std::string& name, const ImageHeader& header,
                                  std::span<const ImageSectionOut> sections) {
  for (const ImageSectionOut& section : sections) {
    if (Status fits = check_section(section); !fits) return std::move(fits).error();
  }
  const std::string path = path_in(directory, name);
  const auto taken = files.exists(path);
  if (!taken) return taken.error();
  if (*taken) return Error{ErrorCode::kAlreadyExists, "image '" + path + "' is there already"};
  const std::string unfinished = path + ".tmp";
  auto bytes = write_unfinished(files, unfinished, header, sections);
  if (bytes) {
    const Status renamed = files.rename({.from = unfinished, .to = path});
    if (!renamed) bytes = renamed.error();
  }
  if (!bytes) {
    // The first error is the one to tell; the next image of this name replaces what is left.
    (void)files.remove(unfinished);
    return bytes;
  }
  if (Status synced = files.sync_directory(directory); !synced) return std::move(synced).error();
  return bytes;
}

Result<ImageIdentity> identify_image(FileSystem& files, const std::string& directory,
                                     const std::string& name, const StoreId& store) {
  const std::string path = path_in(directory, name);
  const auto outline = read_outline(files, path, store);
  if (!outline) return outline.error();
  if (Unsealed<fb::SectionTable> table; !table.open(outline->table))
    return damaged_table(path, outline->head);
  std::string bytes(kHeaderBytes, '\0');
  std::memcpy(bytes.data(), &outline->head, kHeaderBytes);
  return ImageIdentity{outline->head.file_bytes, checksum128(bytes.append(outline->table))};
}

Result<Image> open_image(FileSystem& files, const std::string& directory, const std::string& name,
                         const StoreId& store, const ImageOpening& how) {
  return open_as(files, path_in(directory, name), store, how, Trust::kNothing);
}

Status check_image(FileSystem& files, const std::string& directory, const std::string& name,
                   const StoreId& store, ByteProgress& progress) {
  const std::string path = path_in(directory, name);
  const auto outline = read_outline(files, path, store);
  if (!outline) return outline.error();
  const HeaderBytes& head = outline->head;
  Unsealed<fb::SectionTable> table;
  if (!table.open(outline->table)) return damaged_table(path, head);
  for (const fb::Section* from : *table->sections()) {
    if (ImageSectionIn to; !read_section(*from, head.table_offset, to))
      return image_error(path, "its section table is wrong", Subcode::kNone, head.table_offset);
  }
  if (Status told = progress.advance(kHeaderBytes + outline->table.size()); !told) return told;
  return check_on_disk({*table, head}, files, path, progress);
}

Result<Image> open_damaged_image(FileSystem& files, const std::string& directory,
                                 const std::string& name, const StoreId& store) {
  return open_as(files, path_in(directory, name), store, {}, Trust::kDamaged);
}

}  // namespace anear::storage
