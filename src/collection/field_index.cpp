#include "collection/field_index.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "collection/field_container.hpp"
#include "collection/field_keys.hpp"

namespace anear {
namespace {

/// The fields by name. Missing ones are left out, so that they equal absent ones.
std::vector<const Field*> sorted(const Fields* fields) {
  std::vector<const Field*> out;
  if (fields == nullptr) return out;
  for (const Field& field : *fields) {
    if (!std::holds_alternative<Missing>(field.second)) out.push_back(&field);
  }
  std::sort(out.begin(), out.end(),
            [](const Field* a, const Field* b) { return a->first < b->first; });
  return out;
}

std::vector<std::string> keys_or_none(std::uint32_t collection, const Field* field) {
  return field == nullptr ? std::vector<std::string>{} : keys_of(collection, *field);
}

std::vector<std::string> only_in_first(const std::vector<std::string>& first,
                                       const std::vector<std::string>& second) {
  std::vector<std::string> out;
  std::set_difference(first.begin(), first.end(), second.begin(), second.end(),
                      std::back_inserter(out));
  return out;
}

}  // namespace

void ContainerChanges::change(std::uint32_t collection, Slot slot, const Fields* before,
                              const Fields* after) {
  const std::vector<const Field*> old_fields = sorted(before);
  const std::vector<const Field*> new_fields = sorted(after);
  auto old_field = old_fields.begin();
  auto new_field = new_fields.begin();
  while (old_field != old_fields.end() || new_field != new_fields.end()) {
    const bool old_ends = old_field == old_fields.end();
    const bool new_ends = new_field == new_fields.end();
    if (new_ends || (!old_ends && (*old_field)->first < (*new_field)->first)) {
      change_field(collection, slot, *old_field++, nullptr);
    } else if (old_ends || (*new_field)->first < (*old_field)->first) {
      change_field(collection, slot, nullptr, *new_field++);
    } else {
      change_field(collection, slot, *old_field++, *new_field++);
    }
  }
}

void ContainerChanges::change_field(std::uint32_t collection, Slot slot, const Field* before,
                                    const Field* after) {
  if (before != nullptr && after != nullptr && before->second == after->second) return;
  const std::vector<std::string> old_keys = keys_or_none(collection, before);
  const std::vector<std::string> new_keys = keys_or_none(collection, after);
  if (old_keys == new_keys) return;
  const std::string& name = before != nullptr ? before->first : after->first;
  touched_.try_emplace(field_prefix(collection, name), TouchedField{collection, name});
  const auto note = [&](const std::vector<std::string>& keys, bool added) {
    for (const std::string& key : keys) {
      changes_[with_group(key, group_of(slot))].push_back(
          {static_cast<std::uint16_t>(slot & 0xFFFF), added});
    }
  };
  note(only_in_first(old_keys, new_keys), false);
  note(only_in_first(new_keys, old_keys), true);
}

void ContainerChanges::write_to(storage::WriteBatch& batch) const {
  std::vector<const std::string*> keys;
  keys.reserve(changes_.size());
  for (const auto& [key, changes] : changes_) keys.push_back(&key);
  std::sort(keys.begin(), keys.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  std::vector<std::uint16_t> added;
  std::vector<std::uint16_t> removed;
  for (const std::string* key : keys) {
    std::vector<Change> changes = changes_.find(*key)->second;
    std::stable_sort(changes.begin(), changes.end(),
                     [](const Change& a, const Change& b) { return a.slot < b.slot; });
    added.clear();
    removed.clear();
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const bool is_last = i + 1 == changes.size() || changes[i + 1].slot != changes[i].slot;
      if (is_last) (changes[i].added ? added : removed).push_back(changes[i].slot);
    }
    batch.merge(storage::Family::kFields, *key, encode_change(added, removed));
  }
}

void ContainerChanges::touch(FilterCache& cache, Sequence sequence) const {
  for (const auto& [prefix, field] : touched_) {
    cache.touch(field.collection, field.field, sequence);
  }
}

}  // namespace anear
