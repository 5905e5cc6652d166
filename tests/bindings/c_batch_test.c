/* Batches that are refused: nothing is changed, and the error names the record. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <stdlib.h>

#include "c_test.h"

#define COUNT 3

static anear_error error = ANEAR_ERROR_INIT;
static char refusal[ANEAR_MESSAGE_SIZE]; /* What check_refused() was told. */

/* A batch of three good records, of which a test spoils a part. */
typedef struct good_batch {
  float rows[COUNT][C_DIMENSION];
  anear_text keys[COUNT];
  anear_value topics[COUNT];
  anear_text payloads[COUNT];
  uint64_t expected[COUNT];
  uint8_t present[COUNT];
  anear_vector_column vectors[1];
  anear_field_column fields[1];
  anear_batch batch;
} good_batch;

static void make_good(good_batch* good) {
  static const char* const keys[COUNT] = {"x", "y", "z"};
  const anear_batch empty = ANEAR_BATCH_INIT;
  memset(good, 0, sizeof *good);
  good->batch = empty;
  for (size_t i = 0; i < COUNT; ++i) {
    good->rows[i][i] = 1;
    good->keys[i] = anear_text_of(keys[i]);
    good->topics[i] = anear_string("tea");
    good->payloads[i] = anear_text_of("p");
    good->present[i] = 1;
  }
  good->vectors[0].name = "embedding";
  good->vectors[0].rows = c_matrix(good->rows[0], COUNT, C_DIMENSION);
  good->vectors[0].present = good->present;
  good->fields[0].name = "topic";
  good->fields[0].values = good->topics;
  good->batch.count = COUNT;
  good->batch.keys = good->keys;
  good->batch.vectors = good->vectors;
  good->batch.vector_count = 1;
  good->batch.fields = good->fields;
  good->batch.field_count = 1;
  good->batch.payloads = good->payloads;
}

static c_notes open_cosine(const char* directory) {
  c_notes opened = {NULL, NULL};
  anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
  const anear_vector_schema vector = {"embedding", &index};
  const anear_field_schema field = {"topic", ANEAR_TYPE_STRING, 0};
  anear_schema schema = ANEAR_SCHEMA_INIT;
  index.dimension = C_DIMENSION;
  schema.vectors = &vector;
  schema.vector_count = 1;
  schema.fields = &field;
  schema.field_count = 1;
  CHECK_OK(anear_store_open(directory, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_collection_create(opened.store, "notes", &schema, &opened.notes, &error), &error);
  return opened;
}

/* Refused with `code` and `subcode`, at `record`; the collection keeps what it had. */
static void check_refused_as(int32_t code, const c_notes* opened, const good_batch* bad,
                             int32_t subcode, int64_t record) {
  uint64_t sequence = 99;
  uint64_t count = 99;
  CHECK_CODE(code, anear_collection_upsert(opened->notes, &bad->batch, &sequence, &error), &error);
  CHECK(error.subcode == subcode);
  CHECK(error.record == record);
  CHECK(sequence == 0 && error.message[0] != '\0');
  memcpy(refusal, error.message, sizeof refusal);
  CHECK_OK(anear_collection_count(opened->notes, NULL, &count, &error), &error);
  CHECK(count == 0);
}

static void check_refused(const c_notes* opened, const good_batch* bad, int32_t subcode,
                          int64_t record) {
  check_refused_as(ANEAR_INVALID_ARGUMENT, opened, bad, subcode, record);
}

static void a_bad_vector_refuses_the_batch_and_is_named(void) {
  const c_notes opened = open_cosine(c_directory("bad_vectors"));
  good_batch bad;
  make_good(&bad);
  bad.rows[1][3] = (float)NAN;
  check_refused(&opened, &bad, ANEAR_SUB_NOT_FINITE, 1);
  bad.rows[1][3] = (float)INFINITY;
  check_refused(&opened, &bad, ANEAR_SUB_NOT_FINITE, 1);
  make_good(&bad);
  bad.rows[1][1] = 0;
  check_refused(&opened, &bad, ANEAR_SUB_ZERO_VECTOR, 1);
  make_good(&bad);
  bad.vectors[0].rows.dimension = C_DIMENSION - 1;
  bad.vectors[0].rows.stride_bytes = C_DIMENSION * sizeof(float);
  check_refused(&opened, &bad, ANEAR_SUB_DIMENSION_MISMATCH, 0);
  CHECK(strstr(refusal, "15") != NULL && strstr(refusal, "16") != NULL);
  make_good(&bad);
  bad.vectors[0].name = "picture";
  check_refused(&opened, &bad, ANEAR_SUB_UNKNOWN_VECTOR, -1);
  make_good(&bad);
  bad.vectors[0].rows.rows = 2;
  check_refused(&opened, &bad, ANEAR_SUB_COUNT_MISMATCH, -1);
  /* A row that is not there is not looked at. */
  make_good(&bad);
  bad.rows[1][3] = (float)NAN;
  bad.present[1] = 0;
  CHECK_OK(anear_collection_upsert(opened.notes, &bad.batch, NULL, &error), &error);
  c_free_notes(opened);
}

static void a_bad_key_refuses_the_batch_and_is_named(void) {
  const c_notes opened = open_cosine(c_directory("bad_keys"));
  char* key = malloc(1025);
  good_batch bad;
  CHECK(key != NULL);
  memset(key, 'k', 1025);
  make_good(&bad);
  bad.keys[2].data = key;
  bad.keys[2].size = 1025;
  check_refused(&opened, &bad, ANEAR_SUB_KEY_INVALID, 2);
  bad.keys[2].size = 0;
  check_refused(&opened, &bad, ANEAR_SUB_KEY_INVALID, 2);
  bad.keys[2] = anear_text_of("\xFF\xFE");
  check_refused(&opened, &bad, ANEAR_SUB_KEY_INVALID, 2);
  bad.keys[2] = bad.keys[0];
  check_refused(&opened, &bad, ANEAR_SUB_DUPLICATE_KEY, 2);
  bad.keys[1].data = NULL;
  check_refused(&opened, &bad, 0, 1);
  make_good(&bad);
  bad.keys[2].data = key;
  bad.keys[2].size = 1024;
  CHECK_OK(anear_collection_upsert(opened.notes, &bad.batch, NULL, &error), &error);
  free(key);
  c_free_notes(opened);
}

static void a_bad_field_refuses_the_batch_and_is_named(void) {
  const c_notes opened = open_cosine(c_directory("bad_fields"));
  good_batch bad;
  make_good(&bad);
  bad.fields[0].name = "topik";
  CHECK_CODE(ANEAR_INVALID_ARGUMENT,
             anear_collection_upsert(opened.notes, &bad.batch, NULL, &error), &error);
  CHECK(error.subcode == ANEAR_SUB_UNKNOWN_FIELD && strstr(error.message, "topik") != NULL);
  make_good(&bad);
  bad.topics[1] = anear_int64(3);
  check_refused(&opened, &bad, ANEAR_SUB_WRONG_TYPE, 1);
  bad.topics[1] = anear_value_of(40);
  check_refused(&opened, &bad, ANEAR_SUB_WRONG_TYPE, 1);
  CHECK(strstr(refusal, "topic") != NULL);
  bad.topics[1] = anear_string("tea");
  bad.topics[1].as.text.data = NULL;
  check_refused(&opened, &bad, 0, 1);
  bad.topics[1] = anear_value_of(ANEAR_TYPE_STRING_LIST);
  bad.topics[1].as.list.size = 4;
  check_refused(&opened, &bad, 0, 1);
  c_free_notes(opened);
}

static void a_payload_over_16_mib_is_refused(void) {
  const c_notes opened = open_cosine(c_directory("payload"));
  const size_t size = ((size_t)16 << 20) + 1;
  char* payload = calloc(size, 1);
  good_batch bad;
  CHECK(payload != NULL);
  make_good(&bad);
  bad.payloads[1].data = payload;
  bad.payloads[1].size = size;
  check_refused_as(ANEAR_LIMIT_EXCEEDED, &opened, &bad, ANEAR_SUB_PAYLOAD_TOO_LARGE, 1);
  free(payload);
  c_free_notes(opened);
}

static void an_expected_sequence_guards_against_others(void) {
  const c_notes opened = open_cosine(c_directory("expected"));
  good_batch good;
  uint64_t sequence = 0;
  uint64_t count = 0;
  make_good(&good);
  good.batch.expected = good.expected; /* 0: must not exist. */
  CHECK_OK(anear_collection_upsert(opened.notes, &good.batch, &sequence, &error), &error);
  CHECK_CODE(ANEAR_CONFLICT, anear_collection_upsert(opened.notes, &good.batch, NULL, &error),
             &error);
  CHECK(error.record == 0);
  for (size_t i = 0; i < COUNT; ++i) good.expected[i] = sequence;
  CHECK_OK(anear_collection_upsert(opened.notes, &good.batch, NULL, &error), &error);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == COUNT);
  c_free_notes(opened);
}

static void null_and_unknown_parts_are_refused(void) {
  const c_notes opened = open_cosine(c_directory("null_batches"));
  good_batch bad;
#define REFUSED(collection, batch)                                                             \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_upsert(collection, batch, NULL, &error), \
             &error);                                                                          \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_update(collection, batch, NULL, &error), \
             &error)
  make_good(&bad);
  REFUSED(NULL, &bad.batch);
  REFUSED(opened.notes, NULL);
  bad.batch.keys = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.batch.vectors = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.batch.fields = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.fields[0].name = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.fields[0].values = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.vectors[0].rows.data = NULL;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.batch.flags = 1;
  REFUSED(opened.notes, &bad.batch);
  make_good(&bad);
  bad.batch.struct_size = 3;
  REFUSED(opened.notes, &bad.batch);
#undef REFUSED
  c_free_notes(opened);
}

static void a_batch_of_an_older_caller_is_taken(void) {
  const c_notes opened = open_cosine(c_directory("older_batch"));
  good_batch older;
  make_good(&older);
  older.batch.payloads = (const anear_text*)(const void*)&older; /* Beyond its end: not read. */
  older.batch.expected = (const uint64_t*)(const void*)&older;
  older.batch.struct_size = (uint32_t)offsetof(anear_batch, payloads);
  CHECK_OK(anear_collection_upsert(opened.notes, &older.batch, NULL, &error), &error);
  c_free_notes(opened);
}

const c_test batch_tests[] = {
    {"a bad vector refuses the batch and is named", a_bad_vector_refuses_the_batch_and_is_named},
    {"a bad key refuses the batch and is named", a_bad_key_refuses_the_batch_and_is_named},
    {"a bad field refuses the batch and is named", a_bad_field_refuses_the_batch_and_is_named},
    {"a payload over 16 MiB is refused", a_payload_over_16_mib_is_refused},
    {"an expected sequence guards against others", an_expected_sequence_guards_against_others},
    {"NULL and unknown parts are refused", null_and_unknown_parts_are_refused},
    {"a batch of an older caller is taken", a_batch_of_an_older_caller_is_taken},
    {NULL, NULL},
};
