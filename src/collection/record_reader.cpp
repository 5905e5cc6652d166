#include "collection/record_reader.hpp"

#include <algorithm>
#include <utility>

#include "anear/filter/parser.hpp"
#include "anear/storage/record.hpp"
#include "collection/prepare.hpp"
#include "collection/row_files.hpp"
#include "collection/schema.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

using storage::Family;

Error missing(const CollectionState& collection, Slot slot) {
  return Error{ErrorCode::kCorruption, "collection '" + collection.name + "': the record in slot " +
                                           std::to_string(slot) + " is missing"};
}

/// Every field that is asked for can be in a record.
Status check_parts(const Parts& parts, const CollectionSchema& schema) {
  if (!parts.fields || schema.dynamic) return {};
  for (const std::string& name : parts.field_names) {
    const bool known = std::any_of(schema.fields.begin(), schema.fields.end(),
                                   [&](const FieldSchema& field) { return field.name == name; });
    if (known) continue;
    const std::string declared = listed(schema.fields, &FieldSchema::name);
    return invalid_argument("there is no field " + quoted(name) +
                                " to be returned; the collection " +
                                (declared.empty() ? "declares none" : "has " + declared),
                            Subcode::kUnknownField);
  }
  return {};
}

}  // namespace

Result<BoundFilter> bind_filter(const FilterText& text, const CollectionState& collection) {
  auto expression = parse_filter(text.text, text.parameters);
  if (!expression) return std::move(expression).error();
  return bind(std::move(*expression), collection.types);
}

Result<SlotSet> RecordReader::matching(const BoundFilter& filter) const {
  if (filter.matches_all()) return view_->live;
  StoreRuntime& runtime = *collection_.runtime;
  return resolve(filter, {.store = *view_.bytes,
                          .snapshot = view_.snapshot.get(),
                          .collection = collection_.number,
                          .sequence = view_.sequence,
                          .live = view_->live,
                          .records = *this,
                          .cache = &runtime.filters});
}

Result<std::vector<std::optional<Slot>>> RecordReader::slots_of(
    std::span<const std::string_view> keys) const {
  std::vector<std::string> names;
  names.reserve(keys.size());
  for (const std::string_view key : keys) names.push_back(keys::key(collection_.number, key));
  const auto values = view_.bytes->get_many(Family::kKeys, names, view_.snapshot.get());
  if (!values) return values.error();
  std::vector<std::optional<Slot>> slots(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!(*values)[i]) continue;
    const auto slot = keys::decode_slot(*(*values)[i]);
    if (!slot) return slot.error();
    slots[i] = *slot;
  }
  return slots;
}

Result<std::vector<Record>> RecordReader::records(std::span<const Slot> slots,
                                                  const Parts& parts) const {
  if (Status known = check_parts(parts, collection_.schema); !known)
    return std::move(known).error();
  std::vector<Record> records(slots.size());
  std::vector<std::string> names;
  names.reserve(slots.size());
  for (const Slot slot : slots) names.push_back(keys::record(collection_.number, slot));
  const auto stored = view_.bytes->get_many(Family::kRecords, names, view_.snapshot.get());
  if (!stored) return stored.error();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!(*stored)[i]) return missing(collection_, slots[i]);
    auto record =
        storage::decode_record(*(*stored)[i], {.fields = parts.fields, .payload = parts.payload});
    if (!record) return std::move(record).error();
    keep_fields(parts, record->fields);
    records[i].key = std::move(record->key);
    records[i].sequence = record->header.sequence;
    records[i].created = record->header.created;
    records[i].updated = record->header.updated;
    records[i].fields = std::move(record->fields);
    records[i].payload = std::move(record->payload);
  }
  if (parts.vectors) {
    for (std::size_t v = 0; v < collection_.schema.vectors.size(); ++v) {
      for (std::size_t i = 0; i < slots.size(); ++i) {
        auto vector = row(slots[i], v);
        if (!vector) return std::move(vector).error();
        if (!vector->bytes.empty()) records[i].vectors.push_back(std::move(*vector));
      }
    }
  }
  return records;
}

Result<StoredVector> RecordReader::row(Slot slot, std::size_t vector) const {
  const VectorSchema& schema = collection_.schema.vectors[vector];
  const auto row = row_of(view_->vectors[vector], slot);
  if (!row) return of_rows(collection_, vector, row.error());
  const auto* bytes = static_cast<const std::byte*>(row->data());
  return StoredVector{schema.name, schema.kind, {bytes, bytes + row->bytes()}};
}

Result<Fields> RecordReader::fields_of(Slot slot) const {
  const auto stored = view_.bytes->get(Family::kRecords, keys::record(collection_.number, slot),
                                       view_.snapshot.get());
  if (!stored) return stored.error();
  if (!*stored) return missing(collection_, slot);
  auto record = storage::decode_record(**stored, {.fields = true, .payload = false});
  if (!record) return std::move(record).error();
  return std::move(record->fields);
}

void keep_fields(const Parts& parts, Fields& fields) {
  if (!parts.fields) {
    fields.clear();
    return;
  }
  if (parts.field_names.empty()) return;
  std::erase_if(fields, [&](const Field& field) {
    return std::find(parts.field_names.begin(), parts.field_names.end(), field.first) ==
           parts.field_names.end();
  });
}

}  // namespace anear
