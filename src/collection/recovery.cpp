#include "collection/recovery.hpp"

#include <algorithm>
#include <utility>

#include "collection/images.hpp"
#include "collection/indexes.hpp"
#include "collection/row_files.hpp"
#include "collection/schema.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

class Opening {
 public:
  explicit Opening(CollectionState& collection)
      : collection_(collection), bytes_(*collection.runtime->bytes) {}

  Status run() {
    if (Status status = read_slots(); !status) return status;
    version_.vectors.resize(collection_.schema.vectors.size());
    Sequence indexed = version_.sequence;
    for (std::size_t v = 0; v < version_.vectors.size(); ++v) {
      const auto image = open_index(v);
      if (!image) return image.error();
      if (Status status = read_tail(v, image->next_slot); !status) return status;
      if (version_.vectors[v].tail.rows() != 0) indexed = std::min(indexed, image->sequence);
    }
    version_.indexed_sequence = indexed;
    collection_.next_slot = version_.next_slot;
    const storage::ManifestImage* slots = image_of(collection_.manifest, kSlotsImage);
    if (slots != nullptr && !collection_.degraded) collection_.image_sequence = slots->sequence;
    collection_.image_bytes = bytes_of_images(collection_);
    collection_.current = std::make_shared<CollectionVersion>(std::move(version_));
    return {};
  }

 private:
  void degrade(const std::string& why) {
    collection_.degraded = true;
    if (collection_.degraded_reason.empty()) collection_.degraded_reason = why;
    collection_.runtime->log("collection '" + collection_.name + "': " + why +
                             "; answers stay exact, the index is built again");
  }

  Status read_slots() {
    const storage::ManifestImage* image = image_of(collection_.manifest, kSlotsImage);
    if (image != nullptr) {
      Status opened = open_slots_image(collection_, version_, *image);
      if (opened) return replay_changes(image->sequence);
      if (opened.error().code == ErrorCode::kIo) return opened;
      degrade(opened.error().message);
      version_ = CollectionVersion{};
    }
    if (Status status = read_all_keys(); !status) return status;
    version_.next_slot = std::max(version_.next_slot, collection_.manifest.next_slot);
    return replay_changes(0);
  }

  /// Without an image: every key leads to its slot.
  Status read_all_keys() {
    const auto entry = bytes_.iterate(keys::all_of(Family::kKeys, collection_.number), nullptr);
    for (; entry->valid(); entry->next()) {
      const auto slot = keys::decode_slot(entry->value());
      if (!slot) return slot.error();
      if (*slot == kNoSlot) return Error{ErrorCode::kCorruption, "a key leads to no slot"};
      version_.live.insert(*slot);
      collection_.keys.set(*slot, keys::without_collection(entry->key()));
      version_.next_slot = std::max(version_.next_slot, *slot + 1);
    }
    return entry->status();
  }

  /// Brings live slots and keys from the state after commit `from` to the newest one.
  Status replay_changes(Sequence from) {
    version_.sequence = from;
    const auto entry = bytes_.iterate(keys::changes_after({collection_.number, from}), nullptr);
    for (; entry->valid(); entry->next()) {
      const auto changes = keys::decode_changes(entry->value());
      if (!changes) return changes.error();
      for (const keys::Change& change : *changes) apply(change, from != 0);
      version_.sequence = std::max(version_.sequence, keys::sequence_at_end(entry->key()));
    }
    return entry->status();
  }

  void apply(const keys::Change& change, bool to_image) {
    if (change.slot != kNoSlot) version_.next_slot = std::max(version_.next_slot, change.slot + 1);
    if (change.slot == change.before) return;
    if (!to_image) return;  // The keys said already what is live.
    if (change.before != kNoSlot) version_.live.remove(change.before);
    if (change.slot == kNoSlot) return;
    version_.live.insert(change.slot);
    collection_.keys.set(change.slot, change.key);
  }

  /// Puts the image's index (or an empty one) in place. Returns what the index and the rows that
  /// were read for it cover.
  Result<storage::ManifestImage> open_index(std::size_t v) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const storage::ManifestImage* image =
        image_of(collection_.manifest, static_cast<std::uint32_t>(v));
    storage::ManifestImage covered;
    std::vector<storage::Image> row_files;
    if (image != nullptr) {
      auto opened = open_row_files(*collection_.runtime, *image);
      if (!opened) {
        Error error = missing_beside_writer(std::move(opened).error());
        error.message.insert(
            0, "collection '" + collection_.name + "', rows of vector '" + vector.name + "': ");
        if (error.code == ErrorCode::kCorruption)
          error.message += "; restore a backup, or save the other rows by repair()";
        return error;
      }
      row_files = std::move(*opened);
      auto index = open_index_image(*collection_.runtime, vector, *image, row_files);
      if (index) {
        mark_dead(*index);
        version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
        collection_.row_files_of[v] = version_.vectors[v].index;
        return *image;
      }
      if (index.error().code == ErrorCode::kIo) return std::move(index).error();
      const Error error = missing_beside_writer(std::move(index).error());
      if (error.code == ErrorCode::kSnapshotExpired) return error;
      degrade("the image of vector '" + vector.name + "' cannot be used: " + error.message);
      if (!image->rows.empty()) covered.next_slot = image->next_slot;
    }
    auto index = make_index(vector);
    if (!index) return std::move(index).error();
    version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
    for (const storage::Image& file : row_files) {
      if (Status read = read_row_file(v, file); !read) return std::move(read).error();
    }
    return covered;
  }

  /// What died since the image was written, or was still seen by a view then.
  void mark_dead(AnyIndex& index) const {
    for (Position at = 0; at < index.positions(); ++at) {
      const Slot slot = index.table().slot(at);
      if (slot != kNoSlot && !version_.live.contains(slot)) index.mark_deleted(slot);
    }
  }

  /// A writer beside a store that is opened read-only may have replaced files since its manifest
  /// was read.
  Error missing_beside_writer(Error error) const {
    if (error.code == ErrorCode::kNotFound) {
      error.code =
          collection_.runtime->retries_open ? ErrorCode::kSnapshotExpired : ErrorCode::kCorruption;
    }
    return error;
  }

  void add_to_tail(std::size_t v, VectorView row, Slot slot) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    std::shared_ptr<TailSegment>& segment = collection_.growing[v];
    if (segment == nullptr || segment->is_full())
      segment = std::make_shared<TailSegment>(vector.dimension, vector.metric, vector.kind);
    const std::uint32_t place = segment->append(row, slot);
    version_.vectors[v].tail.extend({segment, place, place + 1});
  }

  Status read_row_file(std::size_t v, const storage::Image& file) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const auto inside = look_into(file, vector);
    if (!inside) return inside.error();
    for (std::size_t i = 0; i < inside->slots.size(); ++i) {
      const Slot slot = inside->slots[i];
      if (slot != kNoSlot && version_.live.contains(slot))
        add_to_tail(v, inside->row(i, vector), slot);
    }
    return {};
  }

  Status read_tail(std::size_t v, Slot first) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(v)};
    const auto entry = bytes_.iterate(keys::rows_from(number, first), nullptr);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      if (!version_.live.contains(slot)) continue;
      const auto row = keys::decode_row(entry->value(), vector.dimension, vector.kind);
      if (!row) {
        return Error{ErrorCode::kCorruption,
                     "collection '" + collection_.name + "', vector '" + vector.name +
                         "': the row in slot " + std::to_string(slot) + " is damaged",
                     Subcode::kChecksum};
      }
      add_to_tail(v, *row, slot);
    }
    return entry->status();
  }

  CollectionState& collection_;
  const storage::ByteStore& bytes_;
  CollectionVersion version_;
};

}  // namespace

Status start_empty(CollectionState& collection) {
  CollectionVersion version;
  for (const VectorSchema& vector : collection.schema.vectors) {
    auto index = make_index(vector);
    if (!index) return std::move(index).error();
    version.vectors.push_back({std::make_shared<AnyIndex>(std::move(*index)), {}});
  }
  collection.current = std::make_shared<CollectionVersion>(std::move(version));
  return {};
}

Result<std::shared_ptr<Collection::Impl>> open_collection(
    const std::shared_ptr<StoreRuntime>& runtime, const storage::CollectionManifest& manifest) {
  auto schema = schema_of(manifest);
  if (!schema) return std::move(schema).error();
  auto collection = std::make_shared<Collection::Impl>(runtime, manifest, std::move(*schema));
  if (Status status = Opening(*collection).run(); !status) return std::move(status).error();
  return collection;
}

}  // namespace anear
