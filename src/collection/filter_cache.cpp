#include "collection/filter_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "collection/field_keys.hpp"

namespace anear {
namespace {

// Undeclared fields have no bound; past this many all are taken for touched once more.
constexpr std::size_t kTouchedMax = 65'536;

std::string key_of(const FilterCache::Name& name) {
  return field_prefix(name.collection, name.field) + std::string(name.text);
}

std::size_t bytes_of(const SlotSet& slots) noexcept {
  std::size_t bytes = sizeof(SlotSet) + slots.chunks() * 24;
  for (const std::uint64_t* chunk : slots.words()) bytes += chunk != nullptr ? 4'096 : 0;
  return bytes;
}

}  // namespace

FilterCache::FilterCache(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

std::shared_ptr<const SlotSet> FilterCache::find(const Name& name, Sequence sequence) {
  const std::string key = key_of(name);
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  const bool is_current =
      newest_touch(name.collection, name.field) <= std::min(sequence, entry->sequence);
  if (!is_current && entry->sequence != sequence) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->slots;
}

void FilterCache::keep(const Name& name, Sequence sequence, std::shared_ptr<const SlotSet> slots) {
  Entry entry{.key = key_of(name), .sequence = sequence, .slots = std::move(slots)};
  entry.bytes = bytes_of(*entry.slots) + entry.key.size() + sizeof(Entry) + 64;
  if (entry.bytes > bytes_max_ / 4) return;
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(entry.key);
  if (found != by_key_.end()) {
    if (found->second->sequence > sequence) return;  // A younger view has been here.
    drop(found->second);
  }
  while (!entries_.empty() && bytes_ + entry.bytes > bytes_max_) drop(std::prev(entries_.end()));
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
}

void FilterCache::touch(std::uint32_t collection, std::string_view field, Sequence sequence) {
  const std::lock_guard lock(mutex_);
  if (touched_.size() >= kTouchedMax) {
    for (const auto& [name, newest] : touched_) touched_all_ = std::max(touched_all_, newest);
    touched_.clear();
  }
  Sequence& newest = touched_[field_prefix(collection, field)];
  newest = std::max(newest, sequence);
}

void FilterCache::touch_all(Sequence sequence) {
  const std::lock_guard lock(mutex_);
  touched_all_ = std::max(touched_all_, sequence);
}

void FilterCache::forget(std::uint32_t collection) {
  // The numbers of dropped collections are not given out again, so what touched_ holds does no
  // harm.
  const std::string prefix = field_prefix(collection, {}).substr(0, sizeof(collection));
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->key.starts_with(prefix)) drop(entry);
    entry = next;
  }
}

std::size_t FilterCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

Sequence FilterCache::newest_touch(std::uint32_t collection, std::string_view field) const {
  const auto found = touched_.find(field_prefix(collection, field));
  return found == touched_.end() ? touched_all_ : std::max(touched_all_, found->second);
}

void FilterCache::drop(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace anear
