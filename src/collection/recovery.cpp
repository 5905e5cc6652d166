#include "collection/recovery.hpp"

#include <algorithm>
#include <utility>

#include "collection/images.hpp"
#include "collection/indexes.hpp"
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
    for (const Slot slot : died_) collection_.dead.push_back({slot, version_.sequence});
    const storage::ManifestImage* slots = image_of(kSlotsImage);
    if (slots != nullptr && !collection_.degraded) collection_.image_sequence = slots->sequence;
    for (const storage::ManifestImage& image : collection_.manifest.images) {
      const auto facts = collection_.runtime->files->info(
          storage::path_in(collection_.runtime->images_directory(), image.file));
      if (facts) collection_.image_bytes += facts->bytes;
    }
    collection_.current = std::make_shared<CollectionVersion>(std::move(version_));
    return {};
  }

 private:
  const storage::ManifestImage* image_of(std::uint32_t vector) const {
    for (const storage::ManifestImage& image : collection_.manifest.images) {
      if (image.vector == vector) return &image;
    }
    return nullptr;
  }

  void degrade(const std::string& why) {
    collection_.degraded = true;
    if (collection_.degraded_reason.empty()) collection_.degraded_reason = why;
    collection_.runtime->log("collection '" + collection_.name + "': " + why +
                             "; answers stay exact, the index is built again");
  }

  Status read_slots() {
    const storage::ManifestImage* image = image_of(kSlotsImage);
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
    if (change.before != kNoSlot) died_.push_back(change.before);
    if (!to_image) return;  // The keys said already what is live.
    if (change.before != kNoSlot) version_.live.remove(change.before);
    if (change.slot == kNoSlot) return;
    version_.live.insert(change.slot);
    collection_.keys.set(change.slot, change.key);
  }

  /// Puts the image's index (or an empty one) in place. Returns what the image covers.
  Result<storage::ManifestImage> open_index(std::size_t v) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const storage::ManifestImage* image = image_of(static_cast<std::uint32_t>(v));
    if (image != nullptr) {
      auto index = open_index_image(*collection_.runtime, vector, *image);
      if (index) {
        version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
        return *image;
      }
      if (index.error().code == ErrorCode::kIo) return std::move(index).error();
      degrade("the image of vector '" + vector.name + "' cannot be used: " + index.error().message);
    }
    auto index = make_index(vector);
    if (!index) return std::move(index).error();
    version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
    return storage::ManifestImage{};
  }

  Status read_tail(std::size_t v, Slot first) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(v)};
    std::shared_ptr<TailSegment>& segment = collection_.growing[v];
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
      if (segment == nullptr || segment->is_full())
        segment = std::make_shared<TailSegment>(vector.dimension, vector.metric, vector.kind);
      const std::uint32_t place = segment->append(*row, slot);
      version_.vectors[v].tail.extend({segment, place, place + 1});
    }
    return entry->status();
  }

  CollectionState& collection_;
  const storage::ByteStore& bytes_;
  CollectionVersion version_;
  std::vector<Slot> died_;  ///< They may still stand in the image's index.
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
