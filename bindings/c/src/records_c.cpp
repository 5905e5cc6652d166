// Records out of a collection: get, scan, and what they answer.
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "anear.h"
#include "anear/collection/collection.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "sized.hpp"

using anear::Record;
using anear::Status;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace {

/// Fills in the views of `records`, whose places stand already: null for "to come".
void view_all(anear_records& handle, const std::vector<bool>& present) {
  handle.views.reserve(handle.records.size());
  handle.places.assign(present.size(), nullptr);
  std::size_t next = 0;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (present[i]) handle.places[i] = handle.views.add(handle.records[next++]);
  }
}

std::unique_ptr<anear_records> handle_of(std::vector<Record> records) {
  auto handle = std::make_unique<anear_records>();
  handle->records = std::move(records);
  view_all(*handle, std::vector<bool>(handle->records.size(), true));
  return handle;
}

std::unique_ptr<anear_records> handle_of(std::vector<std::optional<Record>> records) {
  auto handle = std::make_unique<anear_records>();
  std::vector<bool> present;
  present.reserve(records.size());
  for (std::optional<Record>& record : records) {
    present.push_back(record.has_value());
    if (record) handle->records.push_back(std::move(*record));
  }
  view_all(*handle, present);
  return handle;
}

}  // namespace

int32_t anear_collection_get(const anear_collection* collection, const anear_get* get,
                             anear_records** records, anear_error* error) {
  reset(records);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {get, "get"}, {records, "records"}});
        !status)
      return status;
    const auto given = read_sized(get, "anear_get");
    if (!given) return given.error();
    const auto keys = span_of(given->keys, given->key_count, "keys");
    if (!keys) return keys.error();
    const auto views = views_of(*keys, "key");
    if (!views) return views.error();
    const auto parts =
        parts_of({given->parts, given->field_names, given->field_name_count}, kPartsOfRecords);
    if (!parts) return parts.error();
    auto found = collection->collection.get(*views, *parts);
    if (!found) return std::move(found).error();
    *records = handle_of(std::move(*found)).release();
    return {};
  });
}

int32_t anear_collection_scan(const anear_collection* collection, const anear_scan* scan,
                              anear_records** records, anear_error* error) {
  reset(records);
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {records, "records"}}); !status)
      return status;
    const auto request = scan_of(scan);
    if (!request) return request.error();
    auto page = collection->collection.scan(*request);
    if (!page) return std::move(page).error();
    *records = handle_of(std::move(*page)).release();
    return {};
  });
}

size_t anear_records_size(const anear_records* records) {
  return records == nullptr ? 0 : records->places.size();
}

const anear_record* anear_records_at(const anear_records* records, size_t index) {
  return index < anear_records_size(records) ? records->places[index] : nullptr;
}

void anear_records_free(anear_records* records) { delete records; }

const anear_value* anear_record_field(const anear_record* record, const char* name) {
  if (record == nullptr || name == nullptr) return nullptr;
  for (size_t i = 0; i < record->field_count; ++i) {
    if (std::strcmp(record->fields[i].name, name) == 0) return &record->fields[i].value;
  }
  return nullptr;
}
