#include "collection/images.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "anear/storage/image_file.hpp"
#include "collection/indexes.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

/// Commits whose changes stay in the log behind the images, for those who follow it.
constexpr Sequence kChangesKept = 10'000;

struct SlotsImage {
  std::vector<std::uint64_t> live;
  std::vector<std::uint64_t> offsets;
  std::string bytes;
};

SlotsImage slots_image(const CollectionState& collection, const CollectionVersion& version) {
  SlotsImage image;
  image.live.resize((std::size_t{version.next_slot} + 63) / 64);
  image.offsets.reserve(std::size_t{version.next_slot} + 1);
  for (Slot slot = 0; slot < version.next_slot; ++slot) {
    image.offsets.push_back(image.bytes.size());
    if (!version.live.contains(slot)) continue;
    image.live[slot / 64] |= std::uint64_t{1} << (slot % 64);
    image.bytes.append(collection.keys.key(slot));
  }
  image.offsets.push_back(image.bytes.size());
  return image;
}

std::vector<storage::ImageSectionOut> sections_of(const SlotsImage& image) {
  return {
      {"live", sizeof(std::uint64_t), image.live.size(), {std::as_bytes(std::span(image.live))}},
      {"key_offsets",
       sizeof(std::uint64_t),
       image.offsets.size(),
       {std::as_bytes(std::span(image.offsets))}},
      {"key_bytes", 1, image.bytes.size(), {std::as_bytes(std::span(image.bytes))}}};
}

std::vector<storage::ImageSectionOut> sections_of(const AnyIndex& index) {
  std::vector<storage::ImageSectionOut> out;
  for (SectionOut& section : index.sections()) {
    out.push_back(
        {std::move(section.name), section.stride, section.count, std::move(section.pieces)});
  }
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

void remove_file(const StoreRuntime& runtime, const std::string& file) {
  const std::string path = storage::path_in(runtime.images_directory(), file);
  if (Status removed = runtime.files->remove(path); !removed)
    runtime.log("cannot remove the old image '" + path + "': " + removed.error().message);
}

class ImageWriter {
 public:
  ImageWriter(CollectionState& collection, const View& view)
      : collection_(collection), view_(view), runtime_(*collection.runtime) {}

  Status write_all() {
    const SlotsImage slots = slots_image(collection_, *view_);
    if (Status written = write(kSlotsImage, kSlotsImageKind, sections_of(slots)); !written)
      return written;
    for (std::size_t v = 0; v < view_->vectors.size(); ++v) {
      const SearchedVector& vector = view_->vectors[v];
      if (Status written = write(static_cast<std::uint32_t>(v), vector.index->kind(),
                                 sections_of(*vector.index));
          !written) {
        return written;
      }
      images_.back().next_slot = vector.tail.first_slot(view_->next_slot);
    }
    return {};
  }

  /// Names the written images in the manifest: from here on they count.
  Status install() {
    storage::CollectionManifest manifest = collection_.manifest;
    manifest.images = images_;
    manifest.next_slot = view_->next_slot;
    storage::WriteBatch batch;
    batch.put(storage::Family::kMeta, keys::manifest(collection_.number),
              storage::encode_manifest(manifest));
    if (view_->sequence > kChangesKept) {
      batch.remove_range(storage::Family::kChanges, keys::change({collection_.number, 0}),
                         keys::change({collection_.number, view_->sequence - kChangesKept}));
    }
    if (Status written = runtime_.bytes->write(batch, /*sync=*/true); !written) return written;
    std::swap(collection_.manifest, manifest);
    remove_images(runtime_, manifest.images);
    collection_.image_bytes = bytes_;
    collection_.image_sequence = view_->sequence;
    collection_.changed_since_image = 0;
    return {};
  }

  void discard() { remove_images(runtime_, images_); }

  static constexpr std::uint32_t kSlotsImageKind = 100;

 private:
  Status write(std::uint32_t vector, std::uint32_t kind,
               const std::vector<storage::ImageSectionOut>& sections) {
    const std::string part = vector == kSlotsImage ? "slots" : std::to_string(vector);
    const std::string name = std::to_string(collection_.number) + "-" + part + "-" +
                             std::to_string(view_->sequence) + "-" +
                             std::to_string(collection_.images_written++) + ".image";
    const auto bytes =
        storage::write_image(*runtime_.files, runtime_.images_directory(), name,
                             {runtime_.identity.id, view_->sequence, kind}, sections);
    if (!bytes) return bytes.error();
    bytes_ += *bytes;
    images_.push_back({name, view_->sequence, vector, view_->next_slot});
    return {};
  }

  CollectionState& collection_;
  const View& view_;
  StoreRuntime& runtime_;
  std::vector<storage::ManifestImage> images_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Status write_images(CollectionState& collection, const View& view) {
  if (collection.runtime->is_in_memory()) return {};
  ImageWriter writer(collection, view);
  Status status = writer.write_all();
  if (status) status = writer.install();
  // An outcome that is unknown may turn out to name them: the next open removes what nothing names.
  if (!status && status.error().code != ErrorCode::kOutcomeUnknown) writer.discard();
  return status;
}

void remove_images(const StoreRuntime& runtime, std::span<const storage::ManifestImage> images) {
  for (const storage::ManifestImage& image : images) remove_file(runtime, image.file);
}

void remove_unnamed_images(const StoreRuntime& runtime, std::vector<std::string> named) {
  std::sort(named.begin(), named.end());
  const auto names = runtime.files->list(runtime.images_directory());
  if (!names) return;
  for (const std::string& name : *names) {
    if (!std::binary_search(named.begin(), named.end(), name)) remove_file(runtime, name);
  }
}

Result<AnyIndex> open_index_image(const StoreRuntime& runtime, const VectorSchema& vector,
                                  const storage::ManifestImage& named) {
  auto image = storage::open_image(*runtime.files, runtime.images_directory(), named.file,
                                   runtime.identity.id);
  if (!image) return std::move(image).error();
  SectionSet set;
  set.owner = image->owner;
  for (storage::ImageSectionIn& section : image->sections)
    set.sections.push_back({std::move(section.name), section.stride, section.count, section.bytes});
  return attach_index(vector, image->header.kind, set);
}

Status open_slots_image(CollectionState& collection, CollectionVersion& version,
                        const storage::ManifestImage& named) {
  const StoreRuntime& runtime = *collection.runtime;
  auto image = storage::open_image(*runtime.files, runtime.images_directory(), named.file,
                                   runtime.identity.id);
  if (!image) return std::move(image).error();
  const auto live = section<std::uint64_t>(collection, *image, "live");
  const auto offsets = section<std::uint64_t>(collection, *image, "key_offsets");
  const auto bytes = section<const char>(collection, *image, "key_bytes");
  if (!live) return live.error();
  if (!offsets) return offsets.error();
  if (!bytes) return bytes.error();
  const bool ordered = !offsets->empty() && std::is_sorted(offsets->begin(), offsets->end()) &&
                       offsets->back() <= bytes->size();
  if (!ordered || live->size() != (offsets->size() - 1 + 63) / 64)
    return damaged(collection, "does not fit together");
  collection.keys.adopt({*offsets, {bytes->data(), bytes->size()}, image->owner});
  for (std::size_t first = 0; first < live->size(); first += SlotSet::kChunkWords) {
    auto chunk = std::make_shared<SlotSet::Chunk>();
    const std::size_t words = std::min(SlotSet::kChunkWords, live->size() - first);
    std::copy_n(live->begin() + static_cast<std::ptrdiff_t>(first), words, chunk->begin());
    version.live.set_chunk(first / SlotSet::kChunkWords, std::move(chunk));
  }
  version.next_slot = static_cast<Slot>(offsets->size() - 1);
  return {};
}

}  // namespace anear
