#include "collection/live_keys.hpp"

#include <cstddef>

#include "collection/commit_queue.hpp"
#include "collection/slot_algebra.hpp"

namespace anear {

LiveKeys::LiveKeys(const CollectionVersion& version)
    : live((std::size_t{version.next_slot} + 63) / 64) {
  offsets.reserve(version.live.count() + 1);
  version.live.for_each([&](Slot slot) {
    live[slot / 64] |= std::uint64_t{1} << (slot % 64);
    offsets.push_back(bytes.size());
    bytes.append(version.key(slot));
  });
  offsets.push_back(bytes.size());
  bytes.shrink_to_fit();
}

bool has_dead_keys(const CollectionVersion& version) {
  constexpr std::size_t kFew = 16'384;
  return version.keys->count() > 2 * version.live.count() + kFew;
}

std::shared_ptr<KeyTable> table_of_live_keys(const CollectionVersion& version) {
  const auto keys = std::make_shared<LiveKeys>(version);
  auto table = std::make_shared<KeyTable>();
  table->adopt({version.next_slot, keys->live, keys->offsets, keys->bytes, keys});
  return table;
}

void forget_dead_keys(CollectionState& collection) {
  StoreRuntime& runtime = *collection.runtime;
  const View before = collection.pin();
  const std::shared_ptr<KeyTable> fresh = table_of_live_keys(*before);
  const auto paused = runtime.commits->pause();
  const View now = collection.pin();
  // A slot that died since is not given out again before `indexing` is let go.
  difference(now->live, before->live).for_each([&](Slot slot) {
    fresh->set(slot, now->key(slot), now->sequence);
  });
  collection.keys = fresh;
  const std::lock_guard hold(runtime.versions);
  publish_version(collection, [&](CollectionVersion& version) {
    version.keys = fresh;
    version.live.drop_empty_chunks();
  });
}

}  // namespace anear
