#include "collection/recovery.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "collection/images.hpp"
#include "collection/indexes.hpp"
#include "collection/live_keys.hpp"
#include "collection/row_files.hpp"
#include "collection/schema.hpp"
#include "collection/slot_algebra.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

/// Reads a collection from bytes, or what is new of it. Of the collection itself it changes only
/// what no view reads yet: keys of new slots, rows behind the tail.
class Opening {
 public:
  Opening(CollectionState& collection, const storage::ByteStore& bytes,
          const storage::CollectionManifest& manifest)
      : collection_(collection), bytes_(bytes) {
    found_.manifest = manifest;
    found_.dead_in_row_files.resize(collection.schema.vectors.size());
    version_.keys = collection.keys;
  }

  Status open() {
    found_.images_changed = true;
    if (Status status = read_slots(); !status) return status;
    if (has_dead_keys(version_)) version_.keys = table_of_live_keys(version_);
    return open_vectors(nullptr);
  }

  /// Goes on from `before`, the collection's current version.
  Status follow(const CollectionVersion& before) {
    const auto reached = replay_since(before);
    if (!reached) return reached.error();
    if (*reached) {
      if (has_dead_keys(version_)) version_.keys = table_of_live_keys(version_);
      return open_vectors(&before);
    }
    start_anew();  // Whoever holds the version before keeps its keys; they go with it.
    if (Status status = read_all_slots(); !status) return status;
    return open_vectors(nullptr);
  }

  OpenedCollection found() { return std::move(found_); }

 private:
  void degrade(const std::string& why) {
    if (found_.degraded_reason.empty()) found_.degraded_reason = why;
    collection_.runtime->log("collection '" + collection_.name + "': " + why +
                             "; answers stay exact, the index is built again");
  }

  Status read_slots() {
    const storage::ManifestImage* image = image_of(found_.manifest, kSlotsImage);
    if (image != nullptr) {
      Status opened = open_slots_image(collection_, version_, *image);
      if (opened) {
        version_.sequence = image->sequence;
        if (!is_read_only()) found_.free_slots = complement(version_.live, version_.next_slot);
        opened = replay(changes_after(image->sequence));
        if (!opened || !disagrees_) return opened;
        opened = Error{ErrorCode::kCorruption, "the slots image has other keys than the log"};
      }
      if (opened.error().code == ErrorCode::kIo) return opened;
      const Error error = missing_beside_writer(std::move(opened).error());
      if (error.code == ErrorCode::kSnapshotExpired) return error;
      degrade(error.message);
      start_anew();
    }
    return read_all_slots();
  }

  bool is_read_only() const noexcept { return collection_.runtime->options.read_only; }

  void start_anew() {
    disagrees_ = false;
    version_ = {};
    born_ = {};
    found_.free_slots = {};
    found_.logged = 0;
    version_.keys = std::make_shared<KeyTable>();
  }

  /// Without an image: every key leads to its slot.
  Status read_all_slots() {
    const auto entry = bytes_.iterate(keys::all_of(Family::kKeys, collection_.number), nullptr);
    for (; entry->valid(); entry->next()) {
      const auto slot = keys::decode_slot(entry->value());
      if (!slot) return slot.error();
      if (*slot == kNoSlot) {
        return Error{ErrorCode::kCorruption, "collection '" + collection_.name +
                                                 "': a key leads to no slot; repair() makes "
                                                 "the keys again from the records"};
      }
      version_.live.insert(*slot);
      version_.keys->set(*slot, keys::without_collection(entry->key()), 0);
      version_.next_slot = std::max(version_.next_slot, *slot + 1);
    }
    if (Status status = entry->status(); !status) return status;
    version_.next_slot = std::max(version_.next_slot, found_.manifest.next_slot);
    // What the log had of earlier commits may have been erased.
    if (const auto* image = image_of(found_.manifest, kSlotsImage); image != nullptr)
      version_.sequence = image->sequence;
    keys_are_read_ = true;
    return replay(changes_after(0));
  }

  std::unique_ptr<storage::ByteIterator> changes_after(Sequence sequence) const {
    return bytes_.iterate(keys::changes_after({collection_.number, sequence}), nullptr);
  }

  /// Brings live slots and keys from `before` to the newest state. False when the log does not lead
  /// there: what is missing in it went when images were written.
  Result<bool> replay_since(const CollectionVersion& before) {
    version_ = before;
    if (before.sequence == 0) {
      if (!found_.manifest.images.empty()) return false;
    }
    const auto entry = changes_after(before.sequence == 0 ? 0 : before.sequence - 1);
    if (before.sequence != 0) {
      const bool is_there =
          entry->valid() && keys::sequence_at_end(entry->key()) == before.sequence;
      if (!is_there) {
        if (Status status = entry->status(); !status) return std::move(status).error();
        return false;
      }
      found_.last_change = keys::checksum_of_changes(entry->value());
      if (collection_.last_change != 0 && found_.last_change != collection_.last_change) {
        return Error{ErrorCode::kLostWrites,
                     "collection '" + collection_.name + "': commit " +
                         std::to_string(before.sequence) +
                         ", which this reader has seen, is another one now: the store was put "
                         "back. Open it again"};
      }
      entry->next();
    }
    if (Status status = replay(entry); !status) return std::move(status).error();
    return !disagrees_;
  }

  Status replay(const std::unique_ptr<storage::ByteIterator>& entry) {
    for (; entry->valid(); entry->next()) {
      const auto changes = keys::decode_changes(entry->value());
      if (!changes) return changes.error();
      const Sequence sequence = keys::sequence_at_end(entry->key());
      found_.logged += changes->size();
      for (const keys::Change& change : *changes) apply(change, sequence);
      version_.sequence = std::max(version_.sequence, sequence);
      found_.last_change = keys::checksum_of_changes(entry->value());
    }
    return entry->status();
  }

  void apply(const keys::Change& change, Sequence sequence) {
    if (change.slot != kNoSlot) version_.next_slot = std::max(version_.next_slot, change.slot + 1);
    if (change.slot == change.before || keys_are_read_) return;
    // A reader that comes from before the change goes by the log alone.
    found_.free_slots.remove(change.slot);
    if (change.before != kNoSlot) {
      version_.live.remove(change.before);
      born_.remove(change.before);
      found_.dead.push_back({change.before, sequence});
    }
    if (change.slot == kNoSlot) return;
    disagrees_ = disagrees_ || !version_.live.insert(change.slot);
    born_.insert(change.slot);
    // A refresh that failed may have set it.
    if (version_.keys->key(change.slot, sequence) != change.key)
      version_.keys->set(change.slot, change.key, sequence);
  }

  /// Of `before` (may be null) the indexes and tails are kept whose images are still the same.
  Status open_vectors(const CollectionVersion* before) {
    version_.vectors.resize(collection_.schema.vectors.size());
    Sequence indexed = version_.sequence;
    for (std::size_t v = 0; v < version_.vectors.size(); ++v) {
      SearchedVector& vector = version_.vectors[v];
      const bool kept = before != nullptr && image_is_kept(v);
      Sequence covered = 0;
      if (kept) {
        covered = before->indexed_sequence;
        if (Status status = read_born(v); !status) return status;
      } else {
        vector = {};
        const auto opened = open_index(v);
        if (!opened) return opened.error();
        covered = *opened;
        found_.images_changed = true;
        if (Status status = read_tail(v); !status) return status;
      }
      if (vector.tail.rows() != 0) indexed = std::min(indexed, covered);
    }
    version_.indexed_sequence = indexed;
    return {};
  }

  bool image_is_kept(std::size_t v) const {
    const auto number = static_cast<std::uint32_t>(v);
    const storage::ManifestImage* held = image_of(collection_.manifest, number);
    const storage::ManifestImage* now = image_of(found_.manifest, number);
    return held == nullptr || now == nullptr ? held == now : *held == *now;
  }

  /// Puts the image's index (or an empty one, and the rows of its files into the tail) in place.
  /// Returns the commit that the index is of.
  Result<Sequence> open_index(std::size_t v) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const storage::ManifestImage* image = image_of(found_.manifest, static_cast<std::uint32_t>(v));
    std::vector<storage::Image> row_files;
    if (image != nullptr) {
      auto opened =
          open_row_files(*collection_.runtime, *image, when_checked(*collection_.runtime, *image),
                         collection_.row_files);
      if (!opened) return of_rows(collection_, v, missing_beside_writer(std::move(opened).error()));
      row_files = std::move(*opened);
      keep_mapped(*image, row_files);
      auto index = open_index_image(*collection_.runtime, vector, *image, row_files);
      if (index) {
        if (Status intact = index->table().intact(); !intact)
          return of_rows(collection_, v, std::move(intact).error());
        mark_dead(*index);
        if (Status noted = note_dead_rows(v, row_files, *index); !noted)
          return std::move(noted).error();
        version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
        found_.has_rows_in_files.push_back(v);
        return image->sequence;
      }
      if (index.error().code == ErrorCode::kIo) return std::move(index).error();
      const Error error = missing_beside_writer(std::move(index).error());
      if (error.code == ErrorCode::kSnapshotExpired) return error;
      degrade("the image of vector '" + vector.name + "' cannot be used: " + error.message);
    }
    auto index = make_index(vector);
    if (!index) return std::move(index).error();
    version_.vectors[v].index = std::make_shared<AnyIndex>(std::move(*index));
    SlotSet seen;
    for (const storage::Image& file : row_files) {
      if (Status whole = check_all(file); !whole)
        return of_rows(collection_, v, std::move(whole).error());
      if (Status read = read_row_file(v, file, seen); !read) return std::move(read).error();
    }
    return Sequence{0};
  }

  /// What died since the image was written, or was still seen by a view then.
  void mark_dead(AnyIndex& index) {
    for (Position at = 0; at < index.positions(); ++at) {
      const Slot slot = index.table().slot(at);
      if (slot == kNoSlot || version_.live.contains(slot)) continue;
      index.mark_deleted(slot);
      found_.free_slots.remove(slot);  // An old image holds its rows itself.
    }
  }

  /// Slots of rows that stand in the files and are in `index` no more.
  Status note_dead_rows(std::size_t v, const std::vector<storage::Image>& files,
                        const AnyIndex& index) {
    if (is_read_only()) return {};
    Position at = 0;
    for (const storage::Image& file : files) {
      const auto inside = look_into(file, collection_.schema.vectors[v]);
      if (!inside) return inside.error();
      for (const Slot slot : inside->slots) {
        const bool is_there = index.table().slot(at++) == slot;
        if (!is_there && slot != kNoSlot) note_dead_row(v, slot);
      }
    }
    return {};
  }
  void note_dead_row(std::size_t v, Slot slot) {
    if (is_read_only()) return;
    found_.free_slots.remove(slot);
    found_.dead_in_row_files[v].insert(slot);
  }

  /// A writer beside a store that is read-only may have replaced files since the bytes were opened.
  Error missing_beside_writer(Error error) const {
    if (error.code == ErrorCode::kNotFound) {
      error.code =
          bytes_.files_were_replaced() ? ErrorCode::kSnapshotExpired : ErrorCode::kCorruption;
    }
    return error;
  }

  /// The next refresh needs not map and check them again.
  void keep_mapped(const storage::ManifestImage& image, const std::vector<storage::Image>& files) {
    if (!collection_.runtime->options.read_only) return;
    for (std::size_t i = 0; i < files.size(); ++i)
      found_.row_files.emplace(image.rows[i].file, files[i]);
  }

  void add_to_tail(std::size_t v, VectorView row, Slot slot) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    std::shared_ptr<TailSegment>& segment = collection_.growing[v];
    if (segment == nullptr || segment->is_full())
      segment = std::make_shared<TailSegment>(vector.dimension, vector.metric, vector.kind);
    const std::uint32_t place = segment->append(row, slot);
    version_.vectors[v].tail.extend({segment, place, place + 1});
  }

  Status read_row_file(std::size_t v, const storage::Image& file, SlotSet& seen) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const auto inside = look_into(file, vector);
    if (!inside) return inside.error();
    for (std::size_t i = 0; i < inside->slots.size(); ++i) {
      const Slot slot = inside->slots[i];
      if (slot == kNoSlot) continue;
      if (!version_.live.contains(slot))
        note_dead_row(v, slot);
      else if (seen.insert(slot))
        add_to_tail(v, inside->row(i, vector), slot);
    }
    return {};
  }

  keys::VectorNumber number_of(std::size_t v) const {
    return {collection_.number, static_cast<std::uint16_t>(v)};
  }

  /// The rows that are in no file. Beside an old image, which holds its rows itself, they are all.
  Status read_tail(std::size_t v) {
    const AnyIndex& index = *version_.vectors[v].index;
    const auto entry = bytes_.iterate(keys::rows_of(number_of(v)), nullptr);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      if (!version_.live.contains(slot) || index.contains(slot)) continue;
      if (Status added = add_stored(v, entry->value(), slot); !added) return added;
    }
    return entry->status();
  }

  /// The rows of the slots that were born since the version before: they are in no file yet.
  Status read_born(std::size_t v) {
    constexpr std::size_t kAtOnce = 1'024;
    std::vector<Slot> slots;
    const auto read = [&]() -> Status {
      std::vector<std::string> names;
      names.reserve(slots.size());
      for (const Slot slot : slots) names.push_back(keys::row(number_of(v), slot));
      const auto rows = bytes_.get_many(Family::kRows, names, nullptr);
      if (!rows) return rows.error();
      for (std::size_t i = 0; i < slots.size(); ++i) {
        if (!(*rows)[i]) continue;  // The record has none.
        if (Status added = add_stored(v, *(*rows)[i], slots[i]); !added) return added;
      }
      slots.clear();
      return {};
    };
    Status status;
    born_.for_each([&](Slot slot) {
      slots.push_back(slot);
      if (status && slots.size() == kAtOnce) status = read();
    });
    return status ? read() : status;
  }

  Status add_stored(std::size_t v, std::string_view stored, Slot slot) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const auto row = keys::decode_row(stored, vector.dimension, vector.kind);
    if (!row) {
      return Error{ErrorCode::kCorruption,
                   "collection '" + collection_.name + "', vector '" + vector.name +
                       "': the row in slot " + std::to_string(slot) + " is damaged",
                   Subcode::kChecksum};
    }
    add_to_tail(v, *row, slot);
    return {};
  }

  CollectionState& collection_;
  const storage::ByteStore& bytes_;
  OpenedCollection found_;
  CollectionVersion& version_ = found_.version;
  SlotSet born_;                ///< Slots that changes gave out and that are live.
  bool disagrees_ = false;      ///< The log gives out a slot that is live.
  bool keys_are_read_ = false;  ///< The keys said what is live; changes only tell of slots.
};

}  // namespace

Status start_empty(CollectionState& collection) {
  CollectionVersion version;
  for (const VectorSchema& vector : collection.schema.vectors) {
    auto index = make_index(vector);
    if (!index) return std::move(index).error();
    version.vectors.push_back({std::make_shared<AnyIndex>(std::move(*index)), {}});
  }
  version.keys = collection.keys;
  collection.current = std::make_shared<CollectionVersion>(std::move(version));
  return {};
}

namespace {

/// No view has named the dead slots, and no index has them.
void begin_slots(CollectionState& collection, OpenedCollection& found) {
  const Slot end = found.version.next_slot;
  SlotSet& free = found.free_slots;
  collection.dead_slots = {difference(complement(found.version.live, end), free),
                           std::move(found.dead_in_row_files)};
  collection.slots.begin(end, std::move(free));
}

}  // namespace

Result<std::shared_ptr<Collection::Impl>> open_collection(
    const std::shared_ptr<StoreRuntime>& runtime, const storage::ByteStore& bytes,
    const storage::CollectionManifest& manifest) {
  auto schema = schema_of(manifest);
  if (!schema) return std::move(schema).error();
  auto collection = std::make_shared<Collection::Impl>(runtime, manifest, std::move(*schema));
  Opening opening(*collection, bytes, manifest);
  if (Status status = opening.open(); !status) return std::move(status).error();
  OpenedCollection found = opening.found();
  found.dead.clear();  // It never had a view that could name them.
  if (!runtime->options.read_only) begin_slots(*collection, found);
  collection->logged = found.logged;
  for (const std::size_t v : found.has_rows_in_files)
    collection->row_files_of[v] = found.version.vectors[v].index;
  prepare_take_over(*collection, found);
  take_over(*collection, std::move(found));
  collection->image_bytes = bytes_of_images(*collection);
  return collection;
}

Result<std::optional<OpenedCollection>> follow_collection(
    CollectionState& collection, const storage::ByteStore& bytes,
    const storage::CollectionManifest& manifest) {
  const std::shared_ptr<const CollectionVersion> before = collection.pin().version;
  Opening opening(collection, bytes, manifest);
  if (Status status = opening.follow(*before); !status) return std::move(status).error();
  OpenedCollection found = opening.found();
  if (found.version.sequence == before->sequence && !found.images_changed)
    return std::optional<OpenedCollection>{};
  return std::optional<OpenedCollection>(std::move(found));
}

void begin_anew(CollectionState& collection, CollectionState&& fresh) noexcept {
  collection.keys = std::move(fresh.keys);
  collection.slots.go_on_from(std::move(fresh.slots));
  collection.dead_slots = std::move(fresh.dead_slots);
  collection.growing = std::move(fresh.growing);
  collection.current = std::move(fresh.current);
  collection.dead.clear();  // The fresh indexes have none; older views have indexes of their own.
  collection.degraded = fresh.degraded;
  collection.degraded_reason = std::move(fresh.degraded_reason);
  collection.last_change = fresh.last_change;
  collection.manifest = std::move(fresh.manifest);
  collection.next_file = std::max(collection.next_file, fresh.next_file);
  collection.changed_since_image = fresh.changed_since_image;
  collection.logged = fresh.logged.load();
  collection.row_files_of = std::move(fresh.row_files_of);
  collection.erasing = fresh.erasing.load();
  collection.image_bytes = fresh.image_bytes.load();
  collection.image_sequence = fresh.image_sequence.load();
  collection.dropped = false;
  collection.tail_shrank.notify_all();
}

void prepare_take_over(CollectionState& collection, OpenedCollection& found) {
  // Nobody looks at them before the commits that they died of are published.
  if (!found.images_changed)
    collection.dead.insert(collection.dead.end(), found.dead.begin(), found.dead.end());
  if (collection.current != nullptr) collection.older.push_back(collection.current);
  found.next = std::make_shared<CollectionVersion>(std::move(found.version));
}

void take_over(CollectionState& collection, OpenedCollection&& found) noexcept {
  collection.last_change = found.last_change;
  if (found.images_changed) {
    // Indexes that were opened are without what is dead, and may have it where it was given out
    // again; those of older views go with them.
    collection.dead.clear();
    collection.row_files = std::move(found.row_files);
    collection.degraded_reason = std::move(found.degraded_reason);
    collection.degraded = !collection.degraded_reason.empty();
    const storage::ManifestImage* slots = image_of(found.manifest, kSlotsImage);
    if (slots != nullptr && !collection.degraded) collection.image_sequence = slots->sequence;
  }
  collection.manifest = std::move(found.manifest);
  collection.keys = found.next->keys;
  collection.current = std::move(found.next);
}

}  // namespace anear
