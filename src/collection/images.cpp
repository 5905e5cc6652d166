#include "collection/images.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "anear/storage/image_file.hpp"
#include "collection/caught.hpp"
#include "collection/commit_queue.hpp"
#include "collection/indexes.hpp"
#include "collection/live_keys.hpp"
#include "collection/row_files.hpp"
#include "collection/slot_algebra.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

/// Commits whose changes stay in the log behind the images, for those who follow it.
constexpr Sequence kChangesKept = 10'000;

/// Where the keys of live slots begin. Older images have offsets of all slots, by another name.
constexpr const char* kOffsetsOfLive = "live_key_offsets";
constexpr const char* kOffsetsOfAll = "key_offsets";

std::vector<storage::ImageSectionOut> sections_of(const LiveKeys& image) {
  return {
      {"live", sizeof(std::uint64_t), image.live.size(), {std::as_bytes(std::span(image.live))}},
      {kOffsetsOfLive,
       sizeof(std::uint64_t),
       image.offsets.size(),
       {std::as_bytes(std::span(image.offsets))}},
      {"key_bytes", 1, image.bytes.size(), {std::as_bytes(std::span(image.bytes))}}};
}

std::vector<storage::ImageSectionOut> out(const std::vector<SectionOut>& sections) {
  std::vector<storage::ImageSectionOut> out;
  out.reserve(sections.size());
  for (const SectionOut& section : sections)
    out.push_back({section.name, section.stride, section.count, section.pieces});
  return out;
}

Error damaged(const CollectionState& collection, const std::string& what) {
  return Error{ErrorCode::kCorruption,
               "the slots image of collection '" + collection.name + "' " + what};
}

/// The section `name` of an image, typed.
template <typename T>
Result<std::span<T>> section(const CollectionState& collection, const storage::Image& image,
                             std::string_view name) {
  for (const storage::ImageSectionIn& section : image.sections) {
    if (section.name != name) continue;
    if (section.stride != sizeof(T) || section.bytes.size() != section.count * sizeof(T)) break;
    return std::span<T>(reinterpret_cast<T*>(section.bytes.data()),
                        static_cast<std::size_t>(section.count));
  }
  return damaged(collection, "lacks its section '" + std::string(name) + "'");
}

/// Whether live bits of `slots` slots, and offsets of the keys of all of them or of the live ones,
/// fit together.
bool fit(std::span<const std::uint64_t> live, std::span<const std::uint64_t> offsets, Slot slots,
         bool has_all) {
  if (offsets.empty() || !std::is_sorted(offsets.begin(), offsets.end())) return false;
  if (live.size() != (std::size_t{slots} + 63) / 64) return false;
  const std::uint64_t beyond = slots % 64 == 0 ? 0 : ~std::uint64_t{0} << (slots % 64);
  if (!live.empty() && (live.back() & beyond) != 0) return false;
  std::size_t count = 0;
  for (const std::uint64_t word : live) count += static_cast<std::size_t>(std::popcount(word));
  return offsets.size() - 1 == (has_all ? slots : count);
}

bool has_section(const storage::Image& image, std::string_view name) {
  return std::any_of(image.sections.begin(), image.sections.end(),
                     [&](const storage::ImageSectionIn& section) { return section.name == name; });
}

class ImageWriter {
 public:
  ImageWriter(CollectionState& collection, const View& view)
      : collection_(collection),
        view_(view),
        runtime_(*collection.runtime),
        next_file_(collection.next_file),
        logged_(collection.logged) {}

  Status write_all() {
    // Before anything is written: what is damaged must not get a checksum that fits.
    for (std::size_t v = 0; v < view_->vectors.size(); ++v) {
      if (Status whole = check_written(v); !whole) return whole;
    }
    const LiveKeys slots(*view_);
    if (Status written = write(kSlotsImage, kSlotsImageKind, sections_of(slots)); !written)
      return written;
    for (std::size_t v = 0; v < view_->vectors.size(); ++v) {
      if (Status written = write_vector(v); !written) return written;
    }
    return {};
  }

  /// Names the written images in the manifest: from here on they count, and rows that are in files
  /// leave the tail's family.
  Status install() {
    storage::CollectionManifest manifest = collection_.manifest;
    manifest.images = images_;
    manifest.next_slot = view_->next_slot;
    manifest.next_file = next_file_;
    storage::WriteBatch batch;
    batch.put(storage::Family::kMeta, keys::manifest(collection_.number),
              storage::encode_manifest(manifest));
    // Key by key: a compaction of ranges that fails ends the process (ADR 0009).
    for (std::string& row : moved_) batch.remove(storage::Family::kRows, std::move(row));
    if (Status trimmed = trim_changes(batch); !trimmed) return trimmed;
    if (Status written = runtime_.commits->commit_derived(batch); !written) return written;
    std::swap(collection_.manifest, manifest);
    for (std::size_t v = 0; v < view_->vectors.size(); ++v) {
      const std::shared_ptr<AnyIndex>& index = view_->vectors[v].index;
      // All its files are new, and without what was dead.
      if (collection_.row_files_of[v].lock() != index) collection_.dead_slots.in_row_files[v] = {};
      collection_.row_files_of[v] = index;
    }
    replaced_ = unnamed(manifest.images);
    collection_.image_bytes = bytes_of_images(collection_);
    collection_.image_sequence = view_->sequence;
    collection_.changed_since_image = 0;
    collection_.logged -= logged_;
    return {};
  }

  void discard() {
    for (const std::string& file : unnamed(images_)) runtime_.remove_file(file);
  }
  FileNames replaced() { return std::move(replaced_); }

  static constexpr std::uint32_t kSlotsImageKind = 100;

 private:
  Status write_vector(std::size_t v) {
    const SearchedVector& vector = view_->vectors[v];
    const auto number = static_cast<std::uint32_t>(v);
    const IndexSections sections = split_sections(vector.index->sections());
    if (Status held = check_moved(v); !held) return held;
    auto rows =
        write_row_files(collection_, {number, view_->sequence}, sections, files_of(v), next_file_);
    if (!rows) return std::move(rows).error();
    Status written = write(number, vector.index->kind(), out(sections.other));
    // Also of an image that was not written: discard() has to know its row files.
    if (!written) images_.push_back({{}, 0, number, 0, {}});
    images_.back().rows = std::move(*rows);
    images_.back().next_slot = 0;
    return written;
  }

  /// The row files that a vector's index was read from or written to; none after a rebuild.
  std::vector<storage::ManifestRowFile> files_of(std::size_t v) const {
    const storage::ManifestImage* old =
        image_of(collection_.manifest, static_cast<std::uint32_t>(v));
    const bool grown =
        old != nullptr && collection_.row_files_of[v].lock() == view_->vectors[v].index;
    return grown ? old->rows : std::vector<storage::ManifestRowFile>{};
  }

  Status check_written(std::size_t v) const {
    const AnyIndex& index = *view_->vectors[v].index;
    const std::uint64_t kept = rows_kept(split_sections(index.sections()), files_of(v));
    Status whole = index.table().check_from(static_cast<Position>(kept));
    return whole ? whole : of_rows(collection_, v, std::move(whole).error());
  }

  /// Rows that the tail has not leave the byte store, but only when the index has each of them,
  /// number by number. Those of the tail have to be there: the row files of before may go.
  Status check_moved(std::size_t v) {
    const VectorSchema& schema = collection_.schema.vectors[v];
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(v)};
    const SlotSet in_tail = intersection(view_->vectors[v].tail.slots(), view_->live);
    std::size_t stay = 0;
    const auto entry = runtime_.bytes->iterate(keys::rows_of(number), view_.snapshot.get());
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      if (in_tail.contains(slot)) {
        ++stay;
        continue;
      }
      moved_.emplace_back(entry->key());
      if (!view_->live.contains(slot)) continue;
      const auto row = keys::decode_row(entry->value(), schema.dimension, schema.kind);
      if (!row) return row.error();
      const auto indexed = row_of(view_->vectors[v], slot);
      if (!indexed) return indexed.error();
      if (indexed->bytes() != row->bytes() ||
          std::memcmp(indexed->data(), row->data(), row->bytes()) != 0) {
        return Error{ErrorCode::kCorruption,
                     "collection '" + collection_.name + "', vector '" + schema.name +
                         "': the index has another row than was written in slot " +
                         std::to_string(slot)};
      }
    }
    if (Status read = entry->status(); !read || stay == in_tail.count()) return read;
    return Error{ErrorCode::kInternal, "collection '" + collection_.name + "', vector '" +
                                           schema.name +
                                           "': " + std::to_string(in_tail.count() - stay) +
                                           " rows are in the files of before alone"};
  }

  Status trim_changes(storage::WriteBatch& batch) const {
    if (view_->sequence <= kChangesKept) return {};
    storage::KeyRange old = keys::all_of(storage::Family::kChanges, collection_.number);
    old.end = keys::change({collection_.number, view_->sequence - kChangesKept});
    const auto entry = runtime_.bytes->iterate(std::move(old), view_.snapshot.get());
    for (; entry->valid(); entry->next())
      batch.remove(storage::Family::kChanges, std::string(entry->key()));
    return entry->status();
  }

  Status write(std::uint32_t vector, std::uint32_t kind,
               const std::vector<storage::ImageSectionOut>& sections) {
    std::uint64_t wanted = 0;
    for (const storage::ImageSectionOut& section : sections)
      wanted += section.count * section.stride;
    if (Status room = runtime_.headroom.check_room(wanted); !room) return room;
    const std::string part = vector == kSlotsImage ? "slots" : std::to_string(vector);
    const std::string name = std::to_string(collection_.number) + "-" + part + "-" +
                             std::to_string(next_file_++) + ".image";
    const auto bytes =
        storage::write_image(*runtime_.files, runtime_.directory(storage::kImagesDirectory), name,
                             {runtime_.identity.id, view_->sequence, kind}, sections);
    if (!bytes) return bytes.error();
    images_.push_back({name, view_->sequence, vector, view_->next_slot, {}});
    return {};
  }

  /// What `images` name and the manifest in force does not.
  FileNames unnamed(const std::vector<storage::ManifestImage>& images) const {
    FileNames names = names_of(images);
    for (const std::string& file : names_of(collection_.manifest.images)) names.erase(file);
    return names;
  }

  CollectionState& collection_;
  const View& view_;
  StoreRuntime& runtime_;
  std::vector<storage::ManifestImage> images_;
  std::vector<std::string> moved_;  ///< Keys of rows that are in files.
  std::uint64_t& next_file_;
  std::uint64_t logged_;  ///< Changes that the images make the log needless for.
  FileNames replaced_;
};

}  // namespace

FileNames names_of(std::span<const storage::ManifestImage> images) {
  FileNames names;
  for (const storage::ManifestImage& image : images) {
    if (!image.file.empty()) names.insert(storage::path_in(storage::kImagesDirectory, image.file));
    for (const storage::ManifestRowFile& file : image.rows)
      names.insert(storage::path_in(storage::kRowFilesDirectory, file.file));
  }
  return names;
}

const storage::ManifestImage* image_of(const storage::CollectionManifest& manifest,
                                       std::uint32_t vector) {
  for (const storage::ManifestImage& image : manifest.images) {
    if (image.vector == vector) return &image;
  }
  return nullptr;
}

Result<FileNames> write_images(CollectionState& collection, const View& view) {
  if (collection.runtime->is_in_memory()) return FileNames{};
  ImageWriter writer(collection, view);
  Status status = caught([&] { return writer.write_all(); });
  if (status) status = caught([&] { return writer.install(); });
  if (status) return writer.replaced();
  // An outcome that is unknown may turn out to name them: the next open removes what nothing names.
  if (status.error().code != ErrorCode::kOutcomeUnknown) (void)caught([&] { writer.discard(); });
  return std::move(status).error();
}

void settle_images(const CollectionState& collection, const FileNames& replaced) {
  const StoreRuntime& runtime = *collection.runtime;
  if (runtime.is_in_memory()) return;
  if (Status flushed = runtime.bytes->flush(); !flushed) {
    runtime.log("reclaiming space: " + flushed.error().message);
    return;
  }
  for (const std::string& file : replaced) runtime.remove_file(file);
  if (Status done = runtime.bytes->reclaim(keys::all_of(storage::Family::kRows, collection.number));
      !done) {
    runtime.log("reclaiming space: " + done.error().message);
  }
}

Status reclaim_removed(CollectionState& collection) {
  using storage::Family;
  const std::uint64_t removed = collection.removed.exchange(0);
  (void)collection.runtime->headroom.look();  // So that compactions know what room there is.
  for (const Family family :
       {Family::kRows, Family::kRecords, Family::kKeys, Family::kFields, Family::kChanges}) {
    Status done = collection.runtime->bytes->reclaim(keys::all_of(family, collection.number));
    if (done) continue;
    collection.removed += removed;
    return done;
  }
  return {};
}

std::uint64_t bytes_of_images(const CollectionState& collection) {
  const StoreRuntime& runtime = *collection.runtime;
  std::uint64_t bytes = 0;
  for (const std::string& file : names_of(collection.manifest.images)) {
    const auto facts = runtime.files->info(storage::path_in(runtime.path, file));
    if (facts) bytes += facts->bytes;
  }
  return bytes;
}

void remove_unnamed_files(const StoreRuntime& runtime, const FileNames& named) {
  for (const char* directory : {storage::kImagesDirectory, storage::kRowFilesDirectory}) {
    const auto names = runtime.files->list(runtime.directory(directory));
    if (!names) continue;
    for (const std::string& name : *names) {
      const std::string file = storage::path_in(directory, name);
      if (!named.contains(file)) runtime.remove_file(file);
    }
  }
}

Result<AnyIndex> open_index_image(const StoreRuntime& runtime, const VectorSchema& vector,
                                  const storage::ManifestImage& named,
                                  const std::vector<storage::Image>& row_files) {
  auto image = storage::open_image(*runtime.files, runtime.directory(storage::kImagesDirectory),
                                   named.file, runtime.identity.id, {runtime.image_bytes()});
  if (!image) return std::move(image).error();
  const auto owners = std::make_shared<std::vector<std::shared_ptr<void>>>();
  SectionSet set;
  const auto add = [&](const storage::Image& from, bool with_slots) {
    owners->push_back(from.owner);
    for (const storage::ImageSectionIn& section : from.sections) {
      if (!with_slots && section.name == "slots") continue;  // The image has the newer ones.
      set.sections.push_back(
          {section.name, section.stride, section.count, section.bytes, section.guard});
    }
  };
  for (const storage::Image& file : row_files) add(file, false);
  add(*image, true);
  set.owner = owners;
  return attach_index(vector, image->header.kind, set);
}

Status open_slots_image(const CollectionState& collection, CollectionVersion& version,
                        const storage::ManifestImage& named) {
  const StoreRuntime& runtime = *collection.runtime;
  auto image = storage::open_image(*runtime.files, runtime.directory(storage::kImagesDirectory),
                                   named.file, runtime.identity.id, {runtime.image_bytes()});
  if (!image) return std::move(image).error();
  const auto live = section<std::uint64_t>(collection, *image, "live");
  const bool has_all = has_section(*image, kOffsetsOfAll);
  const auto offsets =
      section<std::uint64_t>(collection, *image, has_all ? kOffsetsOfAll : kOffsetsOfLive);
  const auto bytes = section<const char>(collection, *image, "key_bytes");
  if (!live) return live.error();
  if (!offsets) return offsets.error();
  if (!bytes) return bytes.error();
  if (!offsets->empty() && offsets->back() > bytes->size())
    return damaged(collection, "has keys beyond its end");
  const Slot slots = named.next_slot;
  if (!fit(*live, *offsets, slots, has_all)) return damaged(collection, "does not fit together");
  version.keys->adopt({slots,
                       has_all ? std::span<const std::uint64_t>{} : *live,
                       *offsets,
                       {bytes->data(), bytes->size()},
                       image->owner});
  for (std::size_t first = 0; first < live->size(); first += SlotSet::kChunkWords) {
    const std::size_t words = std::min(SlotSet::kChunkWords, live->size() - first);
    const auto of_chunk = live->subspan(first, words);
    if (std::all_of(of_chunk.begin(), of_chunk.end(), [](std::uint64_t word) { return word == 0; }))
      continue;
    auto chunk = std::make_shared<SlotSet::Chunk>();
    std::copy(of_chunk.begin(), of_chunk.end(), chunk->begin());
    version.live.set_chunk(first / SlotSet::kChunkWords, std::move(chunk));
  }
  version.next_slot = slots;
  return {};
}

}  // namespace anear
