#include "collection/verify.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "anear/index/any_index.hpp"  // IWYU pragma: keep (AnyIndex is only declared elsewhere)
#include "anear/storage/high_water_mark.hpp"
#include "anear/storage/image_file.hpp"
#include "anear/storage/record.hpp"
#include "collection/field_container.hpp"
#include "collection/field_keys.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

class Verification {
 public:
  Verification(const CollectionState& collection, VerifyReport& report)
      : collection_(collection),
        report_(report),
        bytes_(*collection.runtime->bytes),
        view_(collection.pin()) {}

  Status run() {
    ++report_.collections;
    if (Status status = check_keys(); !status) return status;
    if (Status status = check_records(); !status) return status;
    for (std::size_t v = 0; v < collection_.schema.vectors.size(); ++v) {
      if (Status status = check_rows(v); !status) return status;
    }
    if (Status status = check_containers(); !status) return status;
    return check_images();
  }

 private:
  Error damaged(const std::string& what) const {
    return Error{ErrorCode::kCorruption, "collection '" + collection_.name + "': " + what};
  }
  std::unique_ptr<storage::ByteIterator> all_of(Family family) const {
    return bytes_.iterate(keys::all_of(family, collection_.number), view_.snapshot.get());
  }

  Status check_keys() {
    std::size_t count = 0;
    const auto entry = all_of(Family::kKeys);
    for (; entry->valid(); entry->next()) {
      const auto slot = keys::decode_slot(entry->value());
      if (!slot) return slot.error();
      const std::string key(keys::without_collection(entry->key()));
      if (!view_->live.contains(*slot)) return damaged("key '" + key + "' leads to a dead slot");
      if (collection_.keys.key(*slot) != key)
        return damaged("slot " + std::to_string(*slot) + " has another key than '" + key + "'");
      ++count;
    }
    if (Status status = entry->status(); !status) return status;
    if (count == view_->live.count()) return {};
    return damaged(std::to_string(count) + " keys for " + std::to_string(view_->live.count()) +
                   " records");
  }

  Status check_records() {
    std::size_t count = 0;
    const auto entry = all_of(Family::kRecords);
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const auto record = storage::decode_record(entry->value());
      if (!record)
        return damaged("the record in slot " + std::to_string(slot) + ": " +
                       record.error().message);
      if (!view_->live.contains(slot) || collection_.keys.key(slot) != record->key)
        return damaged("the record '" + record->key + "' stands in another one's slot");
      for (const Field& field : record->fields) expect_containers(slot, field);
      ++count;
    }
    if (Status status = entry->status(); !status) return status;
    report_.records += count;
    if (count == view_->live.count()) return {};
    return damaged(std::to_string(count) + " records for " + std::to_string(view_->live.count()) +
                   " keys");
  }

  void expect_containers(Slot slot, const Field& field) {
    for (const std::string& key : keys_of(collection_.number, field)) {
      std::string container = with_group(key, group_of(slot));
      expected_[std::move(container)].push_back(static_cast<std::uint16_t>(slot));
    }
  }

  Status check_rows(std::size_t v) {
    const VectorSchema& vector = collection_.schema.vectors[v];
    const SearchedVector& searched = view_->vectors[v];
    SlotSet in_tail;
    for (const TailPart& part : searched.tail.parts()) {
      for (const Slot slot : part.segment->slots(part.begin, part.end)) in_tail.insert(slot);
    }
    const keys::VectorNumber number{collection_.number, static_cast<std::uint16_t>(v)};
    const auto entry = bytes_.iterate(keys::rows_from(number, 0), view_.snapshot.get());
    for (; entry->valid(); entry->next()) {
      const Slot slot = keys::slot_at_end(entry->key());
      const std::string where = "vector '" + vector.name + "', slot " + std::to_string(slot);
      if (const auto row = keys::decode_row(entry->value(), vector.dimension, vector.kind); !row)
        return damaged(where + ": " + row.error().message);
      if (!view_->live.contains(slot)) return damaged(where + ": a row without a record");
      if (!searched.index->contains(slot) && !in_tail.contains(slot))
        return damaged(where + ": the row is neither in the index nor in the tail");
      ++report_.rows;
    }
    return entry->status();
  }

  Status check_containers() {
    const auto entry = all_of(Family::kFields);
    std::size_t matched = 0;
    for (; entry->valid(); entry->next()) {
      ContainerBits bits{};
      if (!unite_container(entry->value(), bits)) return damaged("a field container is damaged");
      const auto expected = expected_.find(std::string(entry->key()));
      std::size_t missing = 0;
      if (expected != expected_.end()) {
        ++matched;
        for (const std::uint16_t low : expected->second) {
          std::uint64_t& word = bits[low >> 6];
          const std::uint64_t bit = std::uint64_t{1} << (low & 63);
          missing += (word & bit) == 0 ? 1 : 0;
          word &= ~bit;
        }
      }
      const bool more = std::any_of(bits.begin(), bits.end(), [](auto word) { return word != 0; });
      if (missing != 0 || more) return damaged("a field container disagrees with the records");
    }
    if (Status status = entry->status(); !status) return status;
    return matched == expected_.size() ? Status{} : damaged("a field container is missing");
  }

  Status check_images() {
    const StoreRuntime& runtime = *collection_.runtime;
    if (runtime.is_in_memory()) return {};
    const auto stored = bytes_.get(Family::kMeta, keys::manifest(collection_.number), nullptr);
    if (!stored) return stored.error();
    if (!*stored) return damaged("its manifest is missing");
    const auto manifest = storage::decode_manifest(**stored);
    if (!manifest) return manifest.error();
    for (const storage::ManifestImage& named : manifest->images) {
      const auto image = storage::open_image(*runtime.files, runtime.images_directory(), named.file,
                                             runtime.identity.id);
      if (!image) return damaged("image '" + named.file + "': " + image.error().message);
      ++report_.images;
    }
    return {};
  }

  const CollectionState& collection_;
  VerifyReport& report_;
  const storage::ByteStore& bytes_;
  View view_;
  std::unordered_map<std::string, std::vector<std::uint16_t>> expected_;  ///< By container.
};

}  // namespace

Status verify_mark(StoreRuntime& runtime) {
  if (runtime.is_in_memory()) return {};
  // A reader may meet a writer in the middle of one.
  for (int tries = 0; tries < 3; ++tries) {
    const std::lock_guard hold(runtime.marking);
    const auto reading =
        storage::HighWaterMark::read(*runtime.files, runtime.path, runtime.identity.id);
    if (!reading) return reading.error();
    if (reading->unreadable == 0) return {};
  }
  return Error{ErrorCode::kCorruption,
               "high-water mark '" + storage::path_in(runtime.path, storage::kMarkFile) +
                   "': one of its two marks is not readable. The other one counts; opening the "
                   "store for writing renews both",
               Subcode::kChecksum};
}

Status verify_collection(const CollectionState& collection, VerifyReport& report) {
  return Verification(collection, report).run();
}

}  // namespace anear
