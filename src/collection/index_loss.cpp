#include "collection/index_loss.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "anear/index/any_index.hpp"
#include "anear/storage/image_file.hpp"
#include "collection/images.hpp"
#include "collection/indexer.hpp"
#include "collection/indexes.hpp"
#include "collection/row_files.hpp"
#include "collection/store_keys.hpp"
#include "collection/tail.hpp"

namespace anear {
namespace {

/// The rows of an index, read again from where they stand at rest. CollectionState::indexing is
/// held.
class RowsOfIndex {
 public:
  RowsOfIndex(const CollectionState& collection, const storage::ManifestImage& image)
      : collection_(collection),
        image_(image),
        vector_(collection.schema.vectors[image.vector]),
        view_(collection.pin()) {}

  Status read() {
    for (const storage::ManifestRowFile& file : image_.rows) {
      if (Status status = read_file(file); !status) return status;
    }
    return read_since_image();
  }
  const Tail& rows() const noexcept { return rows_; }

 private:
  Status read_file(const storage::ManifestRowFile& named) {
    const auto file = open_row_file(*collection_.runtime, named, storage::ImageBytes::kCopied);
    if (!file) return file.error();
    const auto inside = look_into(*file, vector_);
    if (!inside) return inside.error();
    for (std::size_t i = 0; i < inside->slots.size(); ++i) {
      const Slot slot = inside->slots[i];
      if (slot != kNoSlot && view_->live.contains(slot)) add(inside->row(i, vector_), slot);
    }
    return {};
  }

  /// What the index took in after its image was written.
  Status read_since_image() {
    const SlotSet in_tail = view_->vectors[image_.vector].tail.slots();
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(image_.vector)};
    const auto entry = view_.bytes->iterate(keys::rows_of(number), view_.snapshot.get());
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      if (in_tail.contains(slot) || !view_->live.contains(slot)) continue;
      const auto row = keys::decode_row(entry->value(), vector_.dimension, vector_.kind);
      if (!row) return row.error();
      add(*row, slot);
    }
    return entry->status();
  }

  void add(VectorView row, Slot slot) {
    if (segment_ == nullptr || segment_->is_full())
      segment_ = std::make_shared<TailSegment>(vector_.dimension, vector_.metric, vector_.kind);
    const std::uint32_t place = segment_->append(row, slot);
    rows_.extend({segment_, place, place + 1});
  }

  const CollectionState& collection_;
  const storage::ManifestImage& image_;
  const VectorSchema& vector_;
  View view_;
  std::shared_ptr<TailSegment> segment_;
  Tail rows_;
};

/// False: there is nothing to replace.
Result<bool> give_up(CollectionState& collection, const std::string& file, const std::string& why) {
  const std::lock_guard hold(collection.indexing);
  const auto& images = collection.manifest.images;
  const auto image = std::find_if(images.begin(), images.end(), [&](const auto& each) {
    return storage::path_in(storage::kImagesDirectory, each.file) == file;
  });
  if (collection.dropped || image == images.end() || image->vector == kSlotsImage) return false;
  RowsOfIndex at_rest(collection, *image);
  if (Status read = at_rest.read(); !read) return std::move(read).error();
  auto empty = make_index(collection.schema.vectors[image->vector]);
  if (!empty) return std::move(empty).error();
  const auto index = std::make_shared<AnyIndex>(std::move(*empty));
  ++collection.changed_since_image;  // A new image is due, also of no rows.
  const std::lock_guard publishing(collection.runtime->versions);
  publish_version(collection, [&](CollectionVersion& version) {
    SearchedVector& vector = version.vectors[image->vector];
    Tail tail = at_rest.rows();
    for (const TailPart& part : vector.tail.parts()) tail.extend(part);
    vector = {index, std::move(tail)};
    version.indexed_sequence = std::min(version.indexed_sequence, image->sequence);
  });
  collection.degraded = true;
  collection.degraded_reason = "the image of vector '" +
                               collection.schema.vectors[image->vector].name +
                               "' is damaged: " + why;
  return true;
}

}  // namespace

Status replace_index_of(CollectionState& collection, const std::string& file,
                        const std::string& why) {
  const auto given_up = give_up(collection, file, why);
  if (!given_up) return given_up.error();
  return *given_up ? collection.runtime->indexer->flush(collection) : Status{};
}

}  // namespace anear
