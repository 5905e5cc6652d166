// Collections: conversions, one call, the answer. Searches stand in search_c.cpp.
#include <utility>

#include "anear.h"
#include "anear/collection/collection.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "sized.hpp"

using anear::Collection;
using anear::Result;
using anear::Status;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace {

Status hand_out(Result<Collection> collection, anear_collection** to) {
  if (!collection) return std::move(collection).error();
  *to = new anear_collection{std::move(*collection)};
  return {};
}

using Write = Result<anear::Sequence> (Collection::*)(const anear::RecordBatch&);

int32_t write(anear_collection* collection, const anear_batch* batch, Write how, uint64_t* sequence,
              anear_error* error) {
  reset(sequence);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}}); !status) return status;
    const auto owned = batch_of(batch);
    if (!owned) return owned.error();
    const auto written = (collection->collection.*how)(owned->batch);
    if (!written) return written.error();
    if (sequence != nullptr) *sequence = *written;
    return {};
  });
}

}  // namespace

int32_t anear_collection_create(anear_store* store, const char* name, const anear_schema* schema,
                                anear_collection** collection, anear_error* error) {
  reset(collection);
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {name, "name"}, {collection, "collection"}});
        !status)
      return status;
    const auto converted = schema_of(schema);
    if (!converted) return converted.error();
    return hand_out(store->store.create_collection(name, *converted), collection);
  });
}

int32_t anear_collection_open(const anear_store* store, const char* name,
                              anear_collection** collection, anear_error* error) {
  reset(collection);
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {name, "name"}, {collection, "collection"}});
        !status)
      return status;
    return hand_out(store->store.collection(name), collection);
  });
}

int32_t anear_collection_pin(const anear_collection* collection, anear_collection** pinned,
                             anear_error* error) {
  reset(pinned);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {pinned, "pinned"}}); !status)
      return status;
    return hand_out(collection->collection.pinned(), pinned);
  });
}

int32_t anear_collection_drop(anear_store* store, const char* name, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {name, "name"}}); !status) return status;
    return store->store.drop_collection(name);
  });
}

void anear_collection_free(anear_collection* collection) { delete collection; }

const char* anear_collection_name(const anear_collection* collection) {
  return collection == nullptr ? "" : collection->collection.name().c_str();
}

const anear_schema* anear_collection_schema(const anear_collection* collection) {
  return collection == nullptr ? nullptr : collection->schema.get();
}

int32_t anear_collection_upsert(anear_collection* collection, const anear_batch* batch,
                                uint64_t* sequence, anear_error* error) {
  return write(collection, batch, &Collection::upsert, sequence, error);
}

int32_t anear_collection_update(anear_collection* collection, const anear_batch* batch,
                                uint64_t* sequence, anear_error* error) {
  return write(collection, batch, &Collection::update, sequence, error);
}

int32_t anear_collection_delete_keys(anear_collection* collection, const anear_text* keys,
                                     size_t key_count, size_t* deleted, anear_error* error) {
  reset(deleted);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}}); !status) return status;
    const auto given = span_of(keys, key_count, "keys");
    if (!given) return given.error();
    const auto views = views_of(*given, "key");
    if (!views) return views.error();
    const auto count = collection->collection.delete_keys(*views);
    if (!count) return count.error();
    if (deleted != nullptr) *deleted = *count;
    return {};
  });
}

int32_t anear_collection_delete_matching(anear_collection* collection, const anear_filter* filter,
                                         size_t* deleted, anear_error* error) {
  reset(deleted);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}}); !status) return status;
    const auto text = filter_of(filter);
    if (!text) return text.error();
    const auto count = collection->collection.delete_matching(*text);
    if (!count) return count.error();
    if (deleted != nullptr) *deleted = *count;
    return {};
  });
}

int32_t anear_collection_count(const anear_collection* collection, const anear_filter* filter,
                               uint64_t* count, anear_error* error) {
  reset(count);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {count, "count"}}); !status)
      return status;
    const auto text = filter_of(filter);
    if (!text) return text.error();
    const auto counted = collection->collection.count(*text);
    if (!counted) return counted.error();
    *count = *counted;
    return {};
  });
}

int32_t anear_collection_flush(anear_collection* collection, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}}); !status) return status;
    return collection->collection.flush();
  });
}

int32_t anear_collection_stats(const anear_collection* collection, anear_stats* stats,
                               anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {stats, "stats"}}); !status)
      return status;
    const auto now = collection->collection.stats();
    if (!now) return now.error();
    anear_stats known{};
    known.degraded = now->degraded ? 1 : 0;
    known.records = now->records;
    known.last_sequence = now->last_sequence;
    known.indexed_sequence = now->indexed_sequence;
    known.tail_records = now->tail_records;
    known.stalls = now->stalls;
    known.slots = now->slots;
    known.memory_bytes = now->memory_bytes;
    known.image_bytes = now->image_bytes;
    known.image_sequence = now->image_sequence;
    known.erasing = now->erasing;
    known.damaged_files = now->damaged_files;
    copy_message(now->reason.data(), now->reason.size(), known.reason, sizeof known.reason);
    return write_sized(known, stats, "anear_stats");
  });
}
