#include "collection/dead_slots.hpp"

#include <cstdint>
#include <limits>

#include "anear/index/any_index.hpp"  // IWYU pragma: keep (AnyIndex is only declared elsewhere)
#include "collection/images.hpp"
#include "collection/slot_algebra.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

/// How many positions of the vector's index the row files in force hold; all of them where the
/// files are those of another index.
std::uint64_t positions_in_files(const CollectionState& collection,
                                 const CollectionVersion& version, std::size_t v) {
  const storage::ManifestImage* image =
      image_of(collection.manifest, static_cast<std::uint32_t>(v));
  if (image == nullptr || image->rows.empty()) return 0;
  if (collection.row_files_of[v].lock() != version.vectors[v].index)
    return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t rows = 0;
  for (const storage::ManifestRowFile& file : image->rows) rows += file.rows;
  return rows;
}

}  // namespace

SlotSet DeadSlots::take_free() {
  if (buried.count() == 0) return {};
  SlotSet free = buried;
  for (const SlotSet& held : in_row_files) free = difference(free, held);
  buried = difference(buried, free);
  return free;
}

void bury(CollectionState& collection, const CollectionVersion& version,
          std::span<const Slot> slots) {
  DeadSlots& dead = collection.dead_slots;
  for (const Slot slot : slots) dead.buried.insert(slot);
  for (std::size_t v = 0; v < version.vectors.size(); ++v) {
    const std::uint64_t in_files = positions_in_files(collection, version, v);
    if (in_files == 0) continue;
    const VectorTable& table = version.vectors[v].index->table();
    for (const Slot slot : slots) {
      // kNoPosition is below "all of them" alone.
      if (table.position(slot) < in_files) dead.in_row_files[v].insert(slot);
    }
  }
}

}  // namespace anear
