#include "collection/commit.hpp"

#include <utility>

#include "anear/core/slot_set.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/record_reader.hpp"
#include "collection/row_files.hpp"

namespace anear {
namespace {

using storage::Family;

/// Checks PreparedBatch::expected against what is there.
template <typename Records>
Status check_expected(const PreparedBatch& batch, const Records& current) {
  for (std::size_t i = 0; i < batch.expected.size(); ++i) {
    const Sequence there = current[i] ? current[i]->record.header.sequence : 0;
    if (there == batch.expected[i]) continue;
    return Error{ErrorCode::kConflict,
                 "record '" + std::string(batch.records[i].key) + "' is at sequence " +
                     std::to_string(there) + ", expected " + std::to_string(batch.expected[i]) +
                     (there == 0 ? " (it does not exist)" : ""),
                 Subcode::kNone, static_cast<std::int64_t>(i)};
  }
  return {};
}

std::vector<std::uint64_t> checksums_of(const PreparedRecord& record) {
  std::vector<std::uint64_t> checksums;
  checksums.reserve(record.rows.size());
  for (const std::string& row : record.rows)
    checksums.push_back(row.empty() ? 0 : keys::row_checksum(std::string_view(row)));
  return checksums;
}

/// `over` laid on `under`; both ascending by name.
Fields merged(const Fields& under, const Fields& over) {
  Fields all;
  auto below = under.begin();
  for (const Field& field : over) {
    while (below != under.end() && below->first < field.first) all.push_back(*below++);
    if (below != under.end() && below->first == field.first) ++below;
    all.push_back(field);
  }
  all.insert(all.end(), below, under.end());
  return all;
}

}  // namespace

Commit::Commit(StoreRuntime& runtime, Sequence written)
    : runtime_(runtime), sequence_(written), now_(storage::micros_now()) {}

Status Commit::stage(WriteRequest& request) {
  if (Status exists = request.collection->check_exists(); !exists) return exists;
  request.sequence = sequence_;
  switch (request.kind) {
    case WriteRequest::Kind::kUpsert:
      return stage_upsert(request);
    case WriteRequest::Kind::kUpdate:
      return stage_update(request);
    case WriteRequest::Kind::kDelete:
      return stage_delete(request);
    case WriteRequest::Kind::kDeleteMatching:
      return stage_delete_matching(request);
    case WriteRequest::Kind::kErase:
      return stage_erase(request);
  }
  return Error{ErrorCode::kInternal, "unknown kind of write"};
}

// A replaced record gets a new slot: views that pinned the old one go on reading it.
Status Commit::stage_upsert(WriteRequest& request) {
  CollectionState& collection = *request.collection;
  std::vector<PreparedRecord>& records = request.batch.records;
  const auto current = read_current(collection, records, {.fields = true, .payload = false});
  if (!current) return current.error();
  if (Status fits = check_expected(request.batch, *current); !fits) return fits;
  const auto slots = take_slots(collection, records.size());
  if (!slots) return slots.error();

  std::vector<keys::Change> changes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    PreparedRecord& record = records[i];
    const std::optional<Current>& old = (*current)[i];
    const Slot slot = (*slots)[i];
    const storage::RecordHeader header{.created = old ? old->record.header.created : now_,
                                       .updated = now_,
                                       .sequence = sequence_ + 1};
    if (old) {
      containers_.change(collection.number, old->slot, &old->record.fields, nullptr);
      remove_slot(collection, old->slot);
    }
    containers_.change(collection.number, slot, nullptr, &record.fields);
    const auto rows = checksums_of(record);
    put_record(collection, slot, {header, record.key, &record.fields, record.payload, rows});
    put_key(collection, slot, record);
    put_rows(collection, slot, record);
    changes.push_back({old ? old->slot : kNoSlot, slot, record.key});
  }
  finish(request, changes);
  return {};
}

// Fields and payload change in place; a record whose vectors change moves to a new slot.
Status Commit::stage_update(WriteRequest& request) {
  CollectionState& collection = *request.collection;
  std::vector<PreparedRecord>& records = request.batch.records;
  const auto current = read_current(collection, records, {.fields = true, .payload = true});
  if (!current) return current.error();
  // All earlier commits are published, and no request of this group names these records.
  const View view = collection.pin();
  std::size_t moved = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!(*current)[i]) {
      return Error{ErrorCode::kNotFound,
                   "there is no record " + quoted(records[i].key) + " to update", Subcode::kNone,
                   static_cast<std::int64_t>(i)};
    }
    if (!records[i].has_rows()) continue;
    ++moved;
    if (Status filled = fill_rows(collection, view, *(*current)[i], records[i]); !filled) {
      return std::move(filled).error().at_record(static_cast<std::int64_t>(i));
    }
  }
  if (Status fits = check_expected(request.batch, *current); !fits) return fits;
  const auto slots = take_slots(collection, moved);
  if (!slots) return slots.error();

  std::vector<keys::Change> changes;
  auto next = slots->begin();
  for (std::size_t i = 0; i < records.size(); ++i) {
    PreparedRecord& record = records[i];
    const storage::StoredRecord& old = (*current)[i]->record;
    const Slot old_slot = (*current)[i]->slot;
    const Fields fields = merged(old.fields, record.fields);
    storage::RecordHeader header = old.header;
    header.updated = now_;
    header.sequence = sequence_ + 1;
    const std::string_view payload = request.batch.sets_payload ? record.payload : old.payload;
    const bool moves = record.has_rows();
    const Slot slot = moves ? *next++ : old_slot;
    const auto rows = moves ? checksums_of(record) : old.rows;
    if (moves) {
      containers_.change(collection.number, old_slot, &old.fields, nullptr);
      containers_.change(collection.number, slot, nullptr, &fields);
      remove_slot(collection, old_slot);
      put_key(collection, slot, record);
      put_rows(collection, slot, record);
    } else {
      containers_.change(collection.number, slot, &old.fields, &fields);
    }
    put_record(collection, slot, {header, record.key, &fields, payload, rows});
    changes.push_back({old_slot, slot, record.key});
  }
  finish(request, changes);
  return {};
}

Status Commit::stage_delete(WriteRequest& request) {
  const auto changes = remove_records(request);
  if (!changes) return changes.error();
  if (!changes->empty()) finish(request, *changes);
  return {};
}

Result<std::vector<keys::Change>> Commit::remove_records(WriteRequest& request) {
  CollectionState& collection = *request.collection;
  const std::vector<PreparedRecord>& records = request.batch.records;
  const auto current = read_current(collection, records, {.fields = true, .payload = false});
  if (!current) return current.error();
  std::vector<keys::Change> changes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::optional<Current>& old = (*current)[i];
    if (!old) continue;
    containers_.change(collection.number, old->slot, &old->record.fields, nullptr);
    remove_slot(collection, old->slot);
    batch_.remove(Family::kKeys, keys::key(collection.number, records[i].key));
    changes.push_back({old->slot, kNoSlot, records[i].key});
  }
  return changes;
}

Status Commit::stage_delete_matching(WriteRequest& request) {
  if (Status found = find_matching(request); !found) return found;
  return stage_delete(request);
}

// Also where no record is there: what was deleted before is to be erased. The entry of the change
// log stays when all before it are dropped, so it names no keys.
Status Commit::stage_erase(WriteRequest& request) {
  if (request.filter != nullptr) {
    if (Status found = find_matching(request); !found) return found;
  }
  std::string name = keys::erasure(request.collection->number);
  const auto unfinished = runtime_.bytes->get(Family::kMeta, name, nullptr);
  if (!unfinished) return unfinished.error();
  keys::EraseMark mark{.begun = now_};
  if (*unfinished) {
    if (const auto before = keys::decode_erase_mark(**unfinished)) mark = *before;
  }
  auto changes = remove_records(request);
  if (!changes) return std::move(changes).error();
  for (keys::Change& change : *changes) change.key = {};
  finish(request, *changes);
  mark.sequence = request.sequence;
  mark.records += request.affected;
  batch_.put(Family::kMeta, std::move(name), keys::encode_erase_mark(mark));
  return {};
}

// The request is alone in its commit, so the newest view is the state it is applied to.
Status Commit::find_matching(WriteRequest& request) {
  const CollectionState& collection = *request.collection;
  const View view = collection.pin();
  const RecordReader reader(collection, view);
  const auto matching = reader.matching(*request.filter);
  if (!matching) return matching.error();
  matching->for_each([&](Slot slot) { request.batch.records.push_back({.key = view->key(slot)}); });
  return {};
}

Result<Commit::CurrentRecords> Commit::read_current(const CollectionState& collection,
                                                    const std::vector<PreparedRecord>& records,
                                                    const storage::RecordParts& parts) const {
  std::vector<std::string> names;
  names.reserve(records.size());
  for (const PreparedRecord& record : records)
    names.push_back(keys::key(collection.number, record.key));
  const auto slots = runtime_.bytes->get_many(Family::kKeys, names, nullptr);
  if (!slots) return slots.error();

  CurrentRecords current(records.size());
  std::vector<std::string> wanted;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!(*slots)[i]) continue;
    const auto slot = keys::decode_slot(*(*slots)[i]);
    if (!slot) return slot.error();
    current[i].emplace().slot = *slot;
    wanted.push_back(keys::record(collection.number, *slot));
    places.push_back(i);
  }
  if (wanted.empty()) return current;
  const auto stored = runtime_.bytes->get_many(Family::kRecords, wanted, nullptr);
  if (!stored) return stored.error();
  for (std::size_t j = 0; j < places.size(); ++j) {
    if (!(*stored)[j]) {
      return Error{ErrorCode::kCorruption, "collection '" + collection.name + "': the record of '" +
                                               std::string(records[places[j]].key) +
                                               "' is missing"};
    }
    auto record = storage::decode_record(*(*stored)[j], parts);
    if (!record) return std::move(record).error();
    current[places[j]]->record = std::move(*record);
  }
  return current;
}

/// Takes the rows that an update does not give from the record's old slot.
Status Commit::fill_rows(const CollectionState& collection, const View& view, const Current& from,
                         PreparedRecord& record) {
  for (std::size_t v = 0; v < record.rows.size(); ++v) {
    if (!record.rows[v].empty()) continue;
    const auto row = row_of(view->vectors[v], from.slot);
    if (!row) return of_rows(collection, v, row.error());
    const std::vector<std::uint64_t>& known = from.record.rows;
    const std::uint64_t there = row->empty() ? 0 : keys::row_checksum(*row);
    if (v < known.size() && known[v] != there) {
      return Error{ErrorCode::kCorruption,
                   "record " + quoted(record.key) + ": another row is in memory than was written",
                   Subcode::kChecksum};
    }
    if (!row->empty()) record.rows[v] = keys::encode_row(*row);
  }
  return {};
}

Commit::Effect& Commit::effect_on(CollectionState& collection) {
  const auto [place, added] = effects_.try_emplace(&collection);
  if (added) place->second.appended.resize(collection.schema.vectors.size());
  return place->second;
}

Result<std::vector<Slot>> Commit::take_slots(CollectionState& collection, std::size_t count) {
  auto slots = collection.slots.take(count);
  if (slots) {
    taken_.emplace_back(&collection, *slots);
    return slots;
  }
  Error error = std::move(slots).error();
  error.message.insert(0, "collection '" + collection.name + "': ");
  return error;
}

void Commit::put_record(CollectionState& collection, Slot slot, const storage::RecordView& record) {
  batch_.put(Family::kRecords, keys::record(collection.number, slot), encoder_.encode(record));
}

void Commit::put_key(CollectionState& collection, Slot slot, const PreparedRecord& record) {
  batch_.put(Family::kKeys, keys::key(collection.number, record.key), keys::encode_slot(slot));
  collection.keys->set(slot, record.key, sequence_ + 1);
  effect_on(collection).born.push_back(slot);
}

void Commit::put_rows(CollectionState& collection, Slot slot, PreparedRecord& record) {
  Effect& effect = effect_on(collection);
  for (std::size_t v = 0; v < record.rows.size(); ++v) {
    std::string& row = record.rows[v];
    if (row.empty()) continue;
    const VectorSchema& vector = collection.schema.vectors[v];
    std::shared_ptr<TailSegment>& segment = collection.growing[v];
    if (segment == nullptr || segment->is_full())
      segment = std::make_shared<TailSegment>(vector.dimension, vector.metric, vector.kind);
    const std::uint32_t place =
        segment->append({row.data() + keys::kRowOffset, vector.dimension, vector.kind}, slot);
    std::vector<TailPart>& appended = effect.appended[v];
    if (!appended.empty() && appended.back().segment == segment)
      appended.back().end = place + 1;
    else
      appended.push_back({segment, place, place + 1});
    const keys::VectorNumber number{collection.number, static_cast<std::uint16_t>(v)};
    batch_.put(Family::kRows, keys::row(number, slot), std::move(row));
  }
}

void Commit::remove_slot(CollectionState& collection, Slot slot) {
  batch_.remove(Family::kRecords, keys::record(collection.number, slot));
  for (std::size_t v = 0; v < collection.schema.vectors.size(); ++v) {
    const keys::VectorNumber number{collection.number, static_cast<std::uint16_t>(v)};
    batch_.remove(Family::kRows, keys::row(number, slot));
  }
  effect_on(collection).died.push_back(slot);
}

void Commit::finish(WriteRequest& request, const std::vector<keys::Change>& changes) {
  ++sequence_;
  // In memory nobody follows it, and nothing is opened again.
  if (!runtime_.is_in_memory()) {
    batch_.put(Family::kChanges, keys::change({request.collection->number, sequence_}),
               keys::encode_changes(changes));
  }
  Effect& effect = effect_on(*request.collection);
  effect.sequence = sequence_;
  effect.next_slot = request.collection->slots.end();
  effect.changes += changes.size();
  request.sequence = sequence_;
  request.affected = changes.size();
}

void Commit::seal() {
  containers_.write_to(batch_);
  if (empty()) return;
  batch_.put(Family::kMeta, keys::kSequence, keys::encode_sequence(sequence_));
}

void Commit::give_slots_back() {
  for (const auto& [collection, taken] : taken_) {
    SlotSet slots;
    for (const Slot slot : taken) slots.insert(slot);
    collection->slots.give_back(slots);
  }
}

Status Commit::write() {
  if (Status written = runtime_.bytes->write(batch_, /*sync=*/false); !written) return written;
  written_ = runtime_.bytes->snapshot();
  return {};
}

Status Commit::settle() {
  if (runtime_.options.durability != Durability::kDurable) return {};
  if (Status synced = runtime_.bytes->sync(); !synced) {
    // Also where a later commit has stopped the store: this one is in the log.
    Error error = std::move(synced).error();
    error.code = ErrorCode::kOutcomeUnknown;
    return error;
  }
  // A mark that lags is allowed: the commit itself is on the disk.
  if (Status marked = runtime_.set_mark(sequence_); !marked) runtime_.log(marked.error().message);
  return {};
}

// What allocates comes first.
void Commit::publish() {
  containers_.touch(runtime_.filters, sequence_);
  const std::lock_guard hold(runtime_.versions);
  std::vector<std::shared_ptr<const CollectionVersion>> versions;
  versions.reserve(effects_.size());
  for (const auto& [collection, effect] : effects_) {
    versions.push_back(make_next_version(*collection, [&](CollectionVersion& version) {
      version.sequence = effect.sequence;
      version.next_slot = effect.next_slot;
      for (const Slot slot : effect.died) version.live.remove(slot);
      for (const Slot slot : effect.born) version.live.insert(slot);
      for (std::size_t v = 0; v < effect.appended.size(); ++v) {
        for (const TailPart& part : effect.appended[v]) version.vectors[v].tail.extend(part);
      }
    }));
    // Nobody looks at them before their commit is published.
    for (const Slot slot : effect.died) collection->dead.push_back({slot, effect.sequence});
  }
  runtime_.snapshot.swap(written_);
  runtime_.last_sequence = sequence_;
  auto next = versions.begin();
  for (const auto& [collection, effect] : effects_) {
    collection->current = std::move(*next++);
    collection->logged.fetch_add(effect.changes, std::memory_order_relaxed);
    collection->removed.fetch_add(effect.died.size(), std::memory_order_relaxed);
  }
}

}  // namespace anear
