#include "collection/repair.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "anear/index/any_index.hpp"
#include "anear/storage/record.hpp"
#include "collection/field_container.hpp"
#include "collection/field_keys.hpp"
#include "collection/images.hpp"
#include "collection/row_files.hpp"
#include "collection/salvage.hpp"
#include "collection/schema.hpp"
#include "collection/slot_values.hpp"
#include "collection/store_keys.hpp"
#include "collection/store_opening.hpp"

namespace anear {
namespace {

using storage::Family;

constexpr std::size_t kBatchBytes = std::size_t{4} << 20;

/// Records decide: of two with one key the younger counts, and keys, containers, rows and images
/// that do not fit them go. Each step can be done again after one that was cut short; the manifest
/// is written last.
class Repair {
 public:
  Repair(StoreRuntime& runtime, storage::CollectionManifest manifest, RepairReport& report)
      : runtime_(runtime),
        bytes_(*runtime.bytes),
        manifest_(std::move(manifest)),
        report_(report) {}

  Status run() {
    auto schema = schema_of(manifest_);
    if (!schema) return std::move(schema).error();
    schema_ = std::move(*schema);
    if (Status done = find_records(); !done) return done;
    if (Status done = settle_keys(); !done) return done;
    if (Status done = read_records(); !done) return done;
    if (Status done = settle_containers(); !done) return done;
    if (Status done = settle_changes(); !done) return done;
    for (std::size_t v = 0; v < schema_.vectors.size(); ++v) {
      if (Status done = settle_rows(v); !done) return done;
    }
    if (Status done = settle_records(); !done) return done;
    // Which slots are live is read from the keys at the next open.
    std::erase_if(manifest_.images,
                  [](const storage::ManifestImage& image) { return image.vector == kSlotsImage; });
    batch_.put(Family::kMeta, keys::manifest(manifest_.number),
               storage::encode_manifest(manifest_));
    return write();
  }

 private:
  struct Found {
    Slot slot = kNoSlot;
    Sequence sequence = 0;
  };

  Status write() {
    if (batch_.empty()) return {};
    return bytes_.write(std::exchange(batch_, {}), /*sync=*/true);
  }
  Status write_when_large() { return batch_.bytes() < kBatchBytes ? Status{} : write(); }

  std::unique_ptr<storage::ByteIterator> all_of(Family family) const {
    return bytes_.iterate(keys::all_of(family, manifest_.number), nullptr);
  }
  keys::VectorNumber vector_number(std::size_t v) const {
    return {manifest_.number, static_cast<std::uint16_t>(v)};
  }

  Status find_records() {
    const auto entry = all_of(Family::kRecords);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const auto record = storage::decode_record(entry->value());
      if (!record || slot == kNoSlot) {
        batch_.remove(Family::kRecords, std::string(entry->key()));
        continue;
      }
      Found& found = records_[record->key];
      if (found.slot != kNoSlot && found.sequence >= record->header.sequence) continue;
      found = {slot, record->header.sequence};
    }
    for (const auto& [key, found] : records_) live_.insert(found.slot);
    return entry->status();
  }

  Status settle_keys() {
    std::unordered_map<std::string, Slot> stored;
    const auto entry = all_of(Family::kKeys);
    for (; entry->valid(); entry->next()) {
      const std::string key(keys::without_collection(entry->key()));
      const auto found = records_.find(key);
      if (found == records_.end()) {
        batch_.remove(Family::kKeys, std::string(entry->key()));
        report_.lost.push_back({manifest_.name, {}, key});
        continue;
      }
      const auto slot = keys::decode_slot(entry->value());
      if (slot && *slot == found->second.slot) stored.emplace(key, *slot);
    }
    for (const auto& [key, found] : records_) {
      if (stored.contains(key)) continue;
      batch_.put(Family::kKeys, keys::key(manifest_.number, key), keys::encode_slot(found.slot));
      ++report_.keys;
    }
    if (Status read = entry->status(); !read) return read;
    return write();
  }

  /// What fields and rows the records ask for; older ones of a key go.
  Status read_records() {
    Slot end = 0;
    live_.for_each([&](Slot slot) { end = std::max(end, slot + 1); });
    manifest_.next_slot = std::max(manifest_.next_slot, end);
    checksums_.resize(schema_.vectors.size());
    const auto entry = all_of(Family::kRecords);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      if (!live_.contains(slot)) {
        batch_.remove(Family::kRecords, std::string(entry->key()));
        continue;
      }
      const auto record = storage::decode_record(entry->value());
      if (!record) return record.error();
      for (const Field& field : record->fields) {
        for (const std::string& key : keys_of(manifest_.number, field))
          containers_[with_group(key, group_of(slot))].push_back(static_cast<std::uint16_t>(slot));
      }
      if (!record->rows.empty()) says_rows_.insert(slot);
      for (std::size_t v = 0; v < std::min(record->rows.size(), checksums_.size()); ++v)
        checksums_[v].set(slot, record->rows[v]);
    }
    return entry->status();
  }

  Status settle_containers() {
    const auto entry = all_of(Family::kFields);
    for (; entry->valid(); entry->next()) {
      const auto expected = containers_.find(std::string(entry->key()));
      if (expected == containers_.end()) {
        batch_.remove(Family::kFields, std::string(entry->key()));
        ++report_.containers;
      } else if (entry->value() == whole(expected->second)) {
        containers_.erase(expected);
      }
    }
    if (Status read = entry->status(); !read) return read;
    for (auto& [key, slots] : containers_) {
      batch_.put(Family::kFields, key, whole(slots));
      ++report_.containers;
      if (Status written = write_when_large(); !written) return written;
    }
    return write();
  }
  /// Records are read in ascending order of slots, and so are these.
  static std::string whole(const std::vector<std::uint16_t>& slots) {
    return merge_containers(std::nullopt, encode_change(slots, {})).value_or(std::string());
  }

  Status settle_changes() {
    const auto entry = all_of(Family::kChanges);
    for (; entry->valid(); entry->next()) {
      if (!keys::decode_changes(entry->value()))
        batch_.remove(Family::kChanges, std::string(entry->key()));
    }
    if (Status read = entry->status(); !read) return read;
    return write();
  }

  /// Rows of an index that is damaged go back to where they were before they were indexed.
  Status settle_rows(std::size_t v) {
    SlotSet there;
    if (Status read = keep_tail_rows(v, there); !read) return read;
    const storage::ManifestImage* image = image_of(manifest_, static_cast<std::uint32_t>(v));
    if (image != nullptr) {
      if (Status settled = settle_index(v, *image, there); !settled) return settled;
    }
    for (const auto& [key, found] : records_) {
      if (checksums_[v][found.slot] == 0 || there.contains(found.slot)) continue;
      report_.lost.push_back({manifest_.name, schema_.vectors[v].name, key});
      checksums_[v].set(found.slot, 0);
      without_row_.insert(found.slot);
    }
    return {};
  }

  /// Adds the rows of an index to `there`, and takes it out of use where it is damaged.
  Status settle_index(std::size_t v, const storage::ManifestImage& image, SlotSet& there) {
    const auto files = open_row_files(runtime_, image);
    if (files && take_from_index(v, image, *files, there)) return {};
    ++report_.indexes;
    if (files && take_from_files(v, *files, there)) {
      // Without it the next open scans the files.
      runtime_.remove_file(storage::path_in(storage::kImagesDirectory, image.file));
      return {};
    }
    for (const storage::ManifestRowFile& file : image.rows) {
      if (Status saved = save_rows(v, file.file, there); !saved) return saved;
    }
    manifest_.images.erase(manifest_.images.begin() + (&image - manifest_.images.data()));
    return {};
  }

  bool is_row_of(std::size_t v, Slot slot, VectorView row) const {
    return !says_rows_.contains(slot) || checksums_[v][slot] == keys::row_checksum(row);
  }

  Status keep_tail_rows(std::size_t v, SlotSet& there) {
    const VectorSchema& vector = schema_.vectors[v];
    const auto entry = bytes_.iterate(keys::rows_of(vector_number(v)), nullptr);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const auto row = keys::decode_row(entry->value(), vector.dimension, vector.kind);
      if (row && live_.contains(slot) && is_row_of(v, slot, *row))
        there.insert(slot);
      else
        batch_.remove(Family::kRows, std::string(entry->key()));
    }
    if (Status read = entry->status(); !read) return read;
    return write();
  }

  /// Adds the rows of the image's index to `there`; false, and nothing added, when it is not what
  /// the records ask for.
  bool take_from_index(std::size_t v, const storage::ManifestImage& image,
                       const std::vector<storage::Image>& files, SlotSet& there) const {
    const auto index = open_index_image(runtime_, schema_.vectors[v], image, files);
    if (!index || !index->verify()) return false;
    SlotSet held;
    bool fits = true;
    live_.for_each([&](Slot slot) {
      const Position at = index->table().position(slot);
      if (at == kNoPosition) return;
      held.insert(slot);
      fits = fits && is_row_of(v, slot, index->table().rows().view(at));
    });
    return fits && add_if_complete(v, held, there);
  }

  /// The same for its row files, which may be good where the index is not.
  bool take_from_files(std::size_t v, const std::vector<storage::Image>& files,
                       SlotSet& there) const {
    const VectorSchema& vector = schema_.vectors[v];
    SlotSet held;
    for (const storage::Image& file : files) {
      const auto inside = look_into(file, vector);
      if (!inside) return false;
      for (std::size_t i = 0; i < inside->slots.size(); ++i) {
        const Slot slot = inside->slots[i];
        if (slot == kNoSlot || !live_.contains(slot)) continue;
        if (!is_row_of(v, slot, inside->row(i, vector))) return false;
        held.insert(slot);
      }
    }
    return add_if_complete(v, held, there);
  }

  bool add_if_complete(std::size_t v, const SlotSet& held, SlotSet& there) const {
    bool complete = true;
    live_.for_each([&](Slot slot) {
      const bool has_row = held.contains(slot) || there.contains(slot);
      complete = complete && (has_row || checksums_[v][slot] == 0);
    });
    if (complete) held.for_each([&](Slot slot) { there.insert(slot); });
    return complete;
  }

  /// Puts rows of a file that may be damaged back into the byte store.
  Status save_rows(std::size_t v, const std::string& name, SlotSet& there) {
    const std::string directory = runtime_.directory(storage::kRowFilesDirectory);
    const VectorSchema& vector = schema_.vectors[v];
    const storage::StoreId& store = runtime_.identity.id;
    auto file = storage::open_image(*runtime_.files, directory, name, store);
    const bool whole_file = file.has_value();
    if (!whole_file) file = storage::open_damaged_image(*runtime_.files, directory, name, store);
    if (!file) return keep_aside(name);
    const auto inside = look_into(*file, vector);
    if (!whole_file || !inside) {
      if (Status kept = keep_aside(name); !kept) return kept;
    }
    if (!inside) return {};
    for (std::size_t i = 0; i < inside->slots.size(); ++i) {
      const Slot slot = inside->slots[i];
      if (slot == kNoSlot || !live_.contains(slot) || there.contains(slot)) continue;
      // A record that does not name its rows cannot tell a damaged one.
      const VectorView row = inside->row(i, vector);
      if (!(says_rows_.contains(slot) ? is_row_of(v, slot, row) : whole_file)) continue;
      there.insert(slot);
      batch_.put(Family::kRows, keys::row(vector_number(v), slot), keys::encode_row(row));
      if (Status written = write_when_large(); !written) return written;
    }
    return write();
  }

  /// A damaged file will not be named any more, and so be removed at the next open: a second name
  /// keeps it.
  Status keep_aside(const std::string& name) {
    const std::string path =
        storage::path_in(runtime_.directory(storage::kRowFilesDirectory), name);
    const auto there = runtime_.files->exists(path);
    if (!there || !*there) return there ? Status{} : Status(there.error());
    if (report_.copy.empty()) {
      auto made = make_lost_directory(runtime_, runtime_.last_sequence);
      if (!made) return std::move(made).error();
      report_.copy = std::move(*made);
    }
    return runtime_.files->link({path, storage::path_in(report_.copy, name)});
  }

  /// Records say no longer that they have the rows that are lost.
  Status settle_records() {
    Status settled;
    without_row_.for_each([&](Slot slot) {
      if (!settled) return;
      std::string key = keys::record(manifest_.number, slot);
      const auto stored = bytes_.get(Family::kRecords, key, nullptr);
      if (!stored || !*stored) return;
      auto record = storage::decode_record(**stored);
      if (!record) return;
      for (std::size_t v = 0; v < std::min(record->rows.size(), checksums_.size()); ++v)
        record->rows[v] = checksums_[v][slot];
      batch_.put(Family::kRecords, std::move(key),
                 storage::encode_record({record->header, record->key, &record->fields,
                                         record->payload, record->rows}));
      settled = write_when_large();
    });
    return settled ? write() : settled;
  }

  StoreRuntime& runtime_;
  storage::ByteStore& bytes_;
  storage::CollectionManifest manifest_;
  RepairReport& report_;
  CollectionSchema schema_;
  storage::WriteBatch batch_;
  std::unordered_map<std::string, Found> records_;  ///< By key.
  SlotSet live_;
  SlotSet says_rows_;                  ///< Whose records name their rows.
  SlotSet without_row_;                ///< Whose records have lost one.
  std::vector<SlotValues> checksums_;  ///< By vector and slot; 0: no row.
  std::unordered_map<std::string, std::vector<std::uint16_t>> containers_;  ///< To be written.
};

}  // namespace

Status repair_records(StoreRuntime& runtime, RepairReport& report) {
  storage::StoreMeta meta;
  if (Status opened = open_bytes(runtime, meta); !opened) return opened;
  auto manifests = read_manifests(*runtime.bytes);
  if (!manifests) return std::move(manifests).error();
  for (storage::CollectionManifest& manifest : *manifests) {
    if (Status done = Repair(runtime, std::move(manifest), report).run(); !done) return done;
  }
  return runtime.bytes->close();
}

}  // namespace anear
