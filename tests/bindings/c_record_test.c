/* Records: what goes in comes out, by key, page and filter; merging and deleting. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

/* Every type of a field, in the order of enum anear_type from BOOL; field "t01" to "t11". */
static c_notes open_typed(const char* directory) {
  static const char* const names[] = {"t01", "t02", "t03", "t04", "t05", "t06",
                                      "t07", "t08", "t09", "t10", "t11"};
  c_notes opened = {NULL, NULL};
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
  const anear_vector_schema vector = {"v", &index};
  anear_field_schema fields[11];
  anear_schema schema = ANEAR_SCHEMA_INIT;
  index.dimension = 2;
  index.kind = ANEAR_INDEX_FLAT;
  for (int i = 0; i < 11; ++i) {
    fields[i].name = names[i];
    fields[i].type = ANEAR_TYPE_BOOL + i;
    fields[i].flags = 0;
  }
  schema.flags = ANEAR_SCHEMA_DYNAMIC;
  schema.vectors = &vector;
  schema.vector_count = 1;
  schema.fields = fields;
  schema.field_count = 11;
  CHECK_OK(anear_store_open(directory, &options, &opened.store, &error), &error);
  CHECK_OK(anear_collection_create(opened.store, "typed", &schema, &opened.notes, &error), &error);
  return opened;
}

static anear_value list_value(int32_t type, const void* data, size_t size) {
  anear_value value = anear_value_of(type);
  value.as.list.data = data;
  value.as.list.size = size;
  return value;
}

static void check_same(const anear_value* got, const anear_value* expected) {
  CHECK(got != NULL && got->type == expected->type);
  const anear_list* a = &got->as.list;
  const anear_list* b = &expected->as.list;
  switch (got->type) {
    case ANEAR_TYPE_NULL:
      return;
    case ANEAR_TYPE_BOOL:
      CHECK(got->as.boolean == expected->as.boolean);
      return;
    case ANEAR_TYPE_STRING:
    case ANEAR_TYPE_JSON:
      CHECK(got->as.text.size == expected->as.text.size);
      CHECK(memcmp(got->as.text.data, expected->as.text.data, got->as.text.size) == 0);
      return;
    case ANEAR_TYPE_STRING_LIST:
      CHECK(a->size == b->size);
      for (size_t i = 0; i < a->size; ++i) {
        const anear_text* x = (const anear_text*)a->data + i;
        const anear_text* y = (const anear_text*)b->data + i;
        CHECK(x->size == y->size && memcmp(x->data, y->data, x->size) == 0);
      }
      return;
    case ANEAR_TYPE_BOOL_LIST:
      CHECK(a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
      return;
    case ANEAR_TYPE_INT64_LIST:
    case ANEAR_TYPE_FLOAT64_LIST:
    case ANEAR_TYPE_TIMESTAMP_LIST:
      CHECK(a->size == b->size && memcmp(a->data, b->data, a->size * 8) == 0);
      return;
    default:
      CHECK(got->as.int64 == expected->as.int64);
  }
}

static anear_records* get_one(const anear_collection* collection, const char* key, uint32_t parts) {
  anear_get get = ANEAR_GET_INIT;
  const anear_text text = anear_text_of(key);
  anear_records* records = NULL;
  get.parts = parts;
  get.keys = &text;
  get.key_count = 1;
  CHECK_OK(anear_collection_get(collection, &get, &records, &error), &error);
  CHECK(anear_records_size(records) == 1);
  return records;
}

static void a_value_of_every_type_comes_back(void) {
  const c_notes opened = open_typed(c_directory("types"));
  const uint8_t bools[] = {1, 0, 1};
  const int64_t numbers[] = {INT64_MIN, -1, INT64_MAX};
  const double doubles[] = {-0.5, 1e300};
  const anear_text texts[] = {{"a", 1}, {"", 0}, {"\xC3\xA9", 2}};
  anear_value json = anear_string("{\"a\":[1,2]}");
  anear_value values[11];
  anear_field_column columns[11];
  anear_batch batch = ANEAR_BATCH_INIT;
  const anear_text key = anear_text_of("all");
  char names[11][4];
  json.type = ANEAR_TYPE_JSON;
  values[0] = anear_bool(1);
  values[1] = anear_int64(INT64_MIN);
  values[2] = anear_float64(0.1);
  values[3] = anear_string("caf\xC3\xA9");
  values[4] = anear_timestamp(-62135596800000000);
  values[5] = list_value(ANEAR_TYPE_BOOL_LIST, bools, 3);
  values[6] = list_value(ANEAR_TYPE_INT64_LIST, numbers, 3);
  values[7] = list_value(ANEAR_TYPE_FLOAT64_LIST, doubles, 2);
  values[8] = list_value(ANEAR_TYPE_STRING_LIST, texts, 3);
  values[9] = list_value(ANEAR_TYPE_TIMESTAMP_LIST, numbers + 1, 1);
  values[10] = json;
  for (int i = 0; i < 11; ++i) {
    snprintf(names[i], sizeof names[i], "t%02d", i + 1);
    columns[i].name = names[i];
    columns[i].values = &values[i];
  }
  batch.count = 1;
  batch.keys = &key;
  batch.fields = columns;
  batch.field_count = 11;
  CHECK_OK(anear_collection_upsert(opened.notes, &batch, NULL, &error), &error);

  anear_records* records = get_one(opened.notes, "all", ANEAR_WITH_FIELDS);
  const anear_record* record = anear_records_at(records, 0);
  CHECK(record != NULL && c_text_is(record->key, "all") && record->field_count == 11);
  CHECK(record->payload.size == 0 && record->vector_count == 0);
  for (int i = 0; i < 11; ++i) {
    check_same(anear_record_field(record, names[i]), &values[i]);
    CHECK(strcmp(record->fields[i].name, names[i]) == 0);
  }
  CHECK(anear_record_field(record, "t12") == NULL && anear_record_field(record, NULL) == NULL);
  CHECK(anear_records_at(records, 1) == NULL);
  anear_records_free(records);
  c_free_notes(opened);
}

static void missing_null_and_undeclared_fields_are_told_apart(void) {
  const c_notes opened = open_typed(c_directory("states"));
  anear_value null = anear_null();
  anear_value missing = anear_value_of(ANEAR_TYPE_MISSING);
  anear_value extra = anear_float64(2.5);
  const anear_field_column columns[] = {{"t02", &null}, {"t03", &missing}, {"extra", &extra}};
  const anear_text key = anear_text_of("one");
  anear_batch batch = ANEAR_BATCH_INIT;
  batch.count = 1;
  batch.keys = &key;
  batch.fields = columns;
  batch.field_count = 3;
  CHECK_OK(anear_collection_upsert(opened.notes, &batch, NULL, &error), &error);
  anear_records* records = get_one(opened.notes, "one", ANEAR_WITH_FIELDS);
  const anear_record* record = anear_records_at(records, 0);
  check_same(anear_record_field(record, "t02"), &null);
  CHECK(anear_record_field(record, "t03") == NULL);
  check_same(anear_record_field(record, "extra"), &extra);
  anear_records_free(records);
  c_free_notes(opened);
}

static void vectors_payloads_and_times_come_back(void) {
  const c_notes opened = open_typed(c_directory("parts"));
  const float rows[] = {1, 2, 9, 9, 0, 0, 3, 4};
  const uint8_t present[] = {1, 0};
  const anear_vector_column column = {
      NULL, {rows, 2, 2, 6 * sizeof(float), ANEAR_SCALAR_F32}, present};
  const anear_text keys[] = {{"a", 1}, {"b", 1}};
  const anear_text payloads[] = {{"x\0y", 3}, {NULL, 0}};
  anear_batch batch = ANEAR_BATCH_INIT;
  uint64_t sequence = 0;
  batch.count = 2;
  batch.keys = keys;
  batch.vectors = &column;
  batch.vector_count = 1;
  batch.payloads = payloads;
  CHECK_OK(anear_collection_upsert(opened.notes, &batch, &sequence, &error), &error);
  CHECK(sequence >= 1);

  anear_get get = ANEAR_GET_INIT;
  const anear_text asked[] = {{"b", 1}, {"none", 4}, {"a", 1}};
  anear_records* records = NULL;
  get.parts = ANEAR_WITH_VECTORS | ANEAR_WITH_PAYLOAD;
  get.keys = asked;
  get.key_count = 3;
  CHECK_OK(anear_collection_get(opened.notes, &get, &records, &error), &error);
  CHECK(anear_records_size(records) == 3 && anear_records_at(records, 1) == NULL);
  const anear_record* b = anear_records_at(records, 0);
  const anear_record* a = anear_records_at(records, 2);
  CHECK(c_text_is(b->key, "b") && b->vector_count == 0 && b->payload.size == 0);
  CHECK(c_text_is(a->key, "a") && a->vector_count == 1 && a->field_count == 0);
  CHECK(strcmp(a->vectors[0].name, "v") == 0 && a->vectors[0].row.rows == 1);
  CHECK(a->vectors[0].row.dimension == 2 && a->vectors[0].row.scalar == ANEAR_SCALAR_F32);
  CHECK(memcmp(a->vectors[0].row.data, rows, 2 * sizeof(float)) == 0);
  CHECK(a->payload.size == 3 && memcmp(a->payload.data, "x\0y", 3) == 0);
  CHECK(a->sequence == sequence && a->struct_size == sizeof *a);
  CHECK(a->created > 1700000000000000 && a->updated >= a->created);
  anear_records_free(records);
  c_free_notes(opened);
}

static void an_update_merges_and_an_upsert_replaces(void) {
  const c_notes opened = c_open_notes(c_directory("merge"));
  float* rows = c_rows(4, C_DIMENSION, 11);
  c_fill_notes(&opened, rows, 4);
  const anear_text key = anear_text_of("note-00001");
  const anear_value size = anear_int64(77);
  const anear_field_column column = {"size", &size};
  anear_batch batch = ANEAR_BATCH_INIT;
  uint64_t first = 0;
  uint64_t second = 0;
  batch.count = 1;
  batch.keys = &key;
  batch.fields = &column;
  batch.field_count = 1;
  CHECK_OK(anear_collection_update(opened.notes, &batch, &first, &error), &error);
  const uint32_t all = ANEAR_WITH_FIELDS | ANEAR_WITH_PAYLOAD | ANEAR_WITH_VECTORS;
  anear_records* records = get_one(opened.notes, "note-00001", all);
  const anear_record* record = anear_records_at(records, 0);
  CHECK(anear_record_field(record, "size")->as.int64 == 77);
  CHECK(c_text_is(anear_record_field(record, "topic")->as.text, "tea"));
  CHECK(record->vector_count == 1 && c_text_is(record->payload, "payload 1"));
  anear_records_free(records);

  CHECK_OK(anear_collection_upsert(opened.notes, &batch, &second, &error), &error);
  CHECK(second > first);
  records = get_one(opened.notes, "note-00001", all);
  record = anear_records_at(records, 0);
  CHECK(record->field_count == 1 && record->vector_count == 0 && record->payload.size == 0);
  anear_records_free(records);

  const anear_text unknown = anear_text_of("nobody");
  batch.keys = &unknown;
  CHECK_CODE(ANEAR_NOT_FOUND, anear_collection_update(opened.notes, &batch, &first, &error),
             &error);
  CHECK(first == 0 && error.record == 0 && strstr(error.message, "nobody") != NULL);
  c_free_notes(opened);
  free(rows);
}

static void pages_of_a_scan_hold_every_matching_record_once_in_order(void) {
  const c_notes opened = c_open_notes(c_directory("scan"));
  float* rows = c_rows(50, C_DIMENSION, 12);
  c_fill_notes(&opened, rows, 50);
  const anear_parameter parameters[] = {{"topic", anear_string("tea")}, {"least", anear_int64(11)}};
  const char* const only[] = {"size"};
  anear_scan scan = ANEAR_SCAN_INIT;
  char last[32] = "";
  int64_t expected = 11;
  scan.parts = ANEAR_WITH_FIELDS;
  scan.filter.text = "topic = $topic and size >= $least";
  scan.filter.parameters = parameters;
  scan.filter.parameter_count = 2;
  scan.limit = 7;
  scan.field_names = only;
  scan.field_name_count = 1;
  for (;;) {
    anear_records* page = NULL;
    scan.after = anear_text_of(last);
    CHECK_OK(anear_collection_scan(opened.notes, &scan, &page, &error), &error);
    const size_t size = anear_records_size(page);
    for (size_t i = 0; i < size; ++i, expected += 2) {
      const anear_record* record = anear_records_at(page, i);
      CHECK(record->field_count == 1 && record->fields[0].value.as.int64 == expected);
      CHECK(record->key.size < sizeof last);
      memcpy(last, record->key.data, record->key.size);
      last[record->key.size] = '\0';
    }
    anear_records_free(page);
    if (size < 7) break;
  }
  CHECK(expected == 51);
  anear_records* all = NULL;
  CHECK_OK(anear_collection_scan(opened.notes, NULL, &all, &error), &error);
  CHECK(anear_records_size(all) == 50 && anear_records_at(all, 0)->field_count == 0);
  anear_records_free(all);
  c_free_notes(opened);
  free(rows);
}

static void records_are_counted_and_deleted_by_key_and_filter(void) {
  const c_notes opened = c_open_notes(c_directory("delete"));
  float* rows = c_rows(10, C_DIMENSION, 13);
  c_fill_notes(&opened, rows, 10);
  const anear_text keys[] = {{"note-00001", 10}, {"nobody", 6}, {"note-00002", 10}};
  const anear_filter tea = {"topic = 'tea'", NULL, 0};
  const anear_filter empty = {NULL, NULL, 0};
  size_t deleted = 0;
  uint64_t count = 0;
  CHECK_OK(anear_collection_count(opened.notes, &tea, &count, &error), &error);
  CHECK(count == 5);
  CHECK_OK(anear_collection_delete_keys(opened.notes, keys, 3, &deleted, &error), &error);
  CHECK(deleted == 2);
  CHECK_OK(anear_collection_delete_matching(opened.notes, &tea, &deleted, &error), &error);
  CHECK(deleted == 4);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT,
             anear_collection_delete_matching(opened.notes, &empty, &deleted, &error), &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT,
             anear_collection_delete_matching(opened.notes, NULL, &deleted, &error), &error);
  CHECK(deleted == 0);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 4);
  c_free_notes(opened);
  free(rows);
}

static void records_outlive_store_and_collection(void) {
  const c_notes opened = c_open_notes(c_directory("outlive"));
  float* rows = c_rows(2, C_DIMENSION, 14);
  c_fill_notes(&opened, rows, 2);
  anear_records* records = get_one(opened.notes, "note-00001", ANEAR_WITH_FIELDS);
  CHECK_OK(anear_store_close(opened.store, &error), &error);
  c_free_notes(opened);
  const anear_record* record = anear_records_at(records, 0);
  CHECK(c_text_is(record->key, "note-00001"));
  CHECK(c_text_is(anear_record_field(record, "topic")->as.text, "tea"));
  anear_records_free(records);
  free(rows);
}

static void requests_that_are_not_valid_are_refused(void) {
  const c_notes opened = c_open_notes(c_directory("bad_requests"));
  anear_get get = ANEAR_GET_INIT;
  anear_scan scan = ANEAR_SCAN_INIT;
  anear_records* records = NULL;
  const anear_text broken = {NULL, 3};
  uint64_t count = 0;
#define REFUSED(call) CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error)
  REFUSED(anear_collection_get(NULL, &get, &records, &error));
  REFUSED(anear_collection_get(opened.notes, NULL, &records, &error));
  REFUSED(anear_collection_get(opened.notes, &get, NULL, &error));
  get.key_count = 1;
  REFUSED(anear_collection_get(opened.notes, &get, &records, &error));
  get.keys = &broken;
  REFUSED(anear_collection_get(opened.notes, &get, &records, &error));
  CHECK(error.record == 0);
  get.key_count = 0;
  get.parts = ANEAR_WITH_EXPLAIN;
  REFUSED(anear_collection_get(opened.notes, &get, &records, &error));
  get.parts = ANEAR_WITH_FIELDS;
  get.field_name_count = 2;
  REFUSED(anear_collection_get(opened.notes, &get, &records, &error));
  REFUSED(anear_collection_scan(NULL, &scan, &records, &error));
  REFUSED(anear_collection_scan(opened.notes, &scan, NULL, &error));
  scan.parts = 64;
  REFUSED(anear_collection_scan(opened.notes, &scan, &records, &error));
  scan.parts = 0;
  scan.after = broken;
  REFUSED(anear_collection_scan(opened.notes, &scan, &records, &error));
  REFUSED(anear_collection_count(NULL, NULL, &count, &error));
  REFUSED(anear_collection_count(opened.notes, NULL, NULL, &error));
  REFUSED(anear_collection_delete_keys(NULL, NULL, 0, NULL, &error));
  REFUSED(anear_collection_delete_keys(opened.notes, NULL, 1, NULL, &error));
  REFUSED(anear_collection_delete_keys(opened.notes, &broken, 1, NULL, &error));
  REFUSED(anear_collection_delete_matching(NULL, NULL, NULL, &error));
#undef REFUSED
  CHECK(records == NULL);
  c_free_notes(opened);
}

const c_test record_tests[] = {
    {"a value of every type comes back", a_value_of_every_type_comes_back},
    {"missing, null and undeclared fields are told apart",
     missing_null_and_undeclared_fields_are_told_apart},
    {"vectors, payloads and times come back", vectors_payloads_and_times_come_back},
    {"an update merges and an upsert replaces", an_update_merges_and_an_upsert_replaces},
    {"pages of a scan hold every matching record once, in order",
     pages_of_a_scan_hold_every_matching_record_once_in_order},
    {"records are counted and deleted by key and filter",
     records_are_counted_and_deleted_by_key_and_filter},
    {"records outlive store and collection", records_outlive_store_and_collection},
    {"requests that are not valid are refused", requests_that_are_not_valid_are_refused},
    {NULL, NULL},
};
