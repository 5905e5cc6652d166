/* Stores: opening, collections, closing, reopening, what they report. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

#define REFUSED(call) CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error)
#define NULL_REFUSED(call) \
  REFUSED(call);           \
  CHECK(strstr(error.message, "NULL") != NULL)

static void a_store_is_made_unless_it_must_exist(void) {
  const char* path = c_directory("made");
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_store* store = NULL;
  options.flags = ANEAR_STORE_MUST_EXIST;
  CHECK_CODE(ANEAR_NOT_FOUND, anear_store_open(path, &options, &store, &error), &error);
  CHECK(store == NULL);
  CHECK_OK(anear_store_open(path, NULL, &store, &error), &error);
  CHECK_OK(anear_store_close(store, &error), &error);
  anear_store_free(store);
  CHECK_OK(anear_store_open(path, &options, &store, &error), &error);
  anear_store_free(store);
}

static void a_directory_of_something_else_is_left_alone(void) {
  const char* path = c_directory("foreign");
  char manifest[400];
  char read[8] = {0};
  anear_store* store = NULL;
  c_make_directory(path);
  snprintf(manifest, sizeof manifest, "%s/%s", path, "notes.txt");
  FILE* file = fopen(manifest, "wb");
  CHECK(file != NULL && fputs("mine", file) >= 0 && fclose(file) == 0);
  CHECK_CODE(ANEAR_UNSUPPORTED_FORMAT, anear_store_open(path, NULL, &store, &error), &error);
  CHECK(store == NULL);
  file = fopen(manifest, "rb");
  CHECK(file != NULL && fread(read, 1, 4, file) == 4 && fclose(file) == 0);
  CHECK(strcmp(read, "mine") == 0);
}

static void collections_are_made_listed_opened_and_dropped(void) {
  const c_notes opened = c_open_notes(c_directory("collections"));
  anear_schema schema = ANEAR_SCHEMA_INIT;
  anear_field_schema field = {"flag", ANEAR_TYPE_BOOL, 0};
  anear_collection* other = NULL;
  anear_collection* again = NULL;
  char names[64];
  size_t size = 0;
  uint64_t count = 0;
  schema.fields = &field;
  schema.field_count = 1;
  CHECK_CODE(ANEAR_ALREADY_EXISTS,
             anear_collection_create(opened.store, "notes", &schema, &other, &error), &error);
  CHECK(other == NULL);
  anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
  const anear_vector_schema vector = {"v", &index};
  index.dimension = 2;
  schema.vectors = &vector;
  schema.vector_count = 1;
  CHECK_OK(anear_collection_create(opened.store, "others", &schema, &other, &error), &error);
  CHECK_OK(anear_collection_open(opened.store, "others", &again, &error), &error);
  CHECK(strcmp(anear_collection_name(again), "others") == 0);

  CHECK_CODE(ANEAR_LIMIT_EXCEEDED, anear_store_collections(opened.store, NULL, &size, &error),
             &error);
  CHECK(size == sizeof "notes" + sizeof "others");
  size -= 1;
  CHECK_CODE(ANEAR_LIMIT_EXCEEDED, anear_store_collections(opened.store, names, &size, &error),
             &error);
  size = sizeof names;
  CHECK_OK(anear_store_collections(opened.store, names, &size, &error), &error);
  CHECK(size == 13 && memcmp(names, "notes\0others", size) == 0);

  CHECK_OK(anear_collection_drop(opened.store, "others", &error), &error);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_collection_drop(opened.store, "others", &error), &error);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_collection_count(other, NULL, &count, &error), &error);
  anear_collection_free(again);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_collection_open(opened.store, "others", &again, &error),
             &error);
  CHECK(again == NULL);
  anear_collection_free(other);
  c_free_notes(opened);
}

static void a_schema_reads_back_with_its_defaults(void) {
  const c_notes opened = c_open_notes(c_directory("schema"));
  const anear_schema* schema = anear_collection_schema(opened.notes);
  CHECK(schema->struct_size == sizeof *schema && schema->flags == 0);
  CHECK(schema->vector_count == 1 && strcmp(schema->vectors[0].name, "embedding") == 0);
  CHECK(schema->vectors[0].index->dimension == C_DIMENSION);
  CHECK(schema->vectors[0].index->kind == ANEAR_INDEX_HNSW);
  CHECK(schema->vectors[0].index->metric == ANEAR_METRIC_L2);
  CHECK(schema->vectors[0].index->rows == ANEAR_SCALAR_F32);
  CHECK(schema->vectors[0].index->links_max == 16);
  CHECK(schema->field_count == 3);
  for (size_t i = 0; i < 3; ++i) {
    if (strcmp(schema->fields[i].name, "at") == 0)
      CHECK(schema->fields[i].type == ANEAR_TYPE_TIMESTAMP);
  }
  /* What came out can go in again. */
  anear_collection* twin = NULL;
  CHECK_OK(anear_collection_create(opened.store, "twin", schema, &twin, &error), &error);
  anear_collection_free(twin);
  c_free_notes(opened);
}

static void schemas_that_are_not_valid_are_refused(void) {
  const c_notes opened = c_open_notes(c_directory("bad_schema"));
  for (int which = 0; which < 9; ++which) {
    anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
    anear_vector_schema vector = {"v", &index};
    anear_field_schema field = {"f", ANEAR_TYPE_STRING, 0};
    anear_schema schema = ANEAR_SCHEMA_INIT;
    anear_collection* made = NULL;
    const char* name = "made";
    index.dimension = 2;
    schema.vectors = &vector;
    schema.vector_count = 1;
    schema.fields = &field;
    schema.field_count = 1;
    if (which == 0) name = "with space";
    if (which == 1) vector.name = "";
    if (which == 2) vector.index = NULL;
    if (which == 3) index.dimension = 0;
    if (which == 4) field.type = ANEAR_TYPE_MISSING;
    if (which == 5) field.type = 12;
    if (which == 6) field.flags = 1;
    if (which == 7) schema.flags = 8;
    if (which == 8) schema.fields = NULL;
    REFUSED(anear_collection_create(opened.store, name, &schema, &made, &error));
    CHECK(made == NULL && error.message[0] != '\0');
  }
  c_free_notes(opened);
}

static void a_closed_store_refuses_every_call(void) {
  const c_notes opened = c_open_notes(c_directory("closed"));
  anear_batch batch = ANEAR_BATCH_INIT;
  anear_get get = ANEAR_GET_INIT;
  anear_query query = ANEAR_QUERY_INIT;
  anear_answers answers = ANEAR_ANSWERS_INIT;
  anear_stats stats = ANEAR_STATS_INIT;
  anear_verification verification = ANEAR_VERIFICATION_INIT;
  anear_recovery recovery = ANEAR_RECOVERY_INIT;
  anear_schema schema = ANEAR_SCHEMA_INIT;
  anear_collection* collection = NULL;
  anear_records* records = NULL;
  anear_hits* hits = NULL;
  const anear_text key = anear_text_of("a");
  const anear_filter filter = {"topic = 'tea'", NULL, 0};
  const float row[C_DIMENSION] = {1};
  uint64_t count = 0;
  size_t size = 0;
  batch.count = 1;
  batch.keys = &key;
  query.queries = c_matrix(row, 1, C_DIMENSION);
  CHECK_OK(anear_store_close(opened.store, &error), &error);
  CHECK_OK(anear_store_close(opened.store, &error), &error);
#define CLOSED(call) CHECK_CODE(ANEAR_CLOSED, call, &error)
  CLOSED(anear_collection_upsert(opened.notes, &batch, NULL, &error));
  CLOSED(anear_collection_update(opened.notes, &batch, NULL, &error));
  CLOSED(anear_collection_delete_keys(opened.notes, &key, 1, NULL, &error));
  CLOSED(anear_collection_delete_matching(opened.notes, &filter, NULL, &error));
  CLOSED(anear_collection_get(opened.notes, &get, &records, &error));
  CLOSED(anear_collection_scan(opened.notes, NULL, &records, &error));
  CLOSED(anear_collection_count(opened.notes, NULL, &count, &error));
  CLOSED(anear_collection_search(opened.notes, &query, &hits, &error));
  CLOSED(anear_collection_search_into(opened.notes, &query, &answers, &error));
  CLOSED(anear_collection_flush(opened.notes, &error));
  CLOSED(anear_collection_stats(opened.notes, &stats, &error));
  CLOSED(anear_collection_open(opened.store, "notes", &collection, &error));
  CLOSED(anear_collection_create(opened.store, "more", &schema, &collection, &error));
  CLOSED(anear_collection_drop(opened.store, "notes", &error));
  CLOSED(anear_store_collections(opened.store, NULL, &size, &error));
  CLOSED(anear_store_flush(opened.store, &error));
  CLOSED(anear_store_verify(opened.store, &verification, &error));
#undef CLOSED
  CHECK(collection == NULL && records == NULL && hits == NULL);
  CHECK_OK(anear_store_recovery(opened.store, &recovery, &error), &error);
  CHECK(strcmp(anear_collection_name(opened.notes), "notes") == 0);
  CHECK(anear_collection_schema(opened.notes)->field_count == 3);
  c_free_notes(opened);
}

static void records_are_there_after_reopening(void) {
  const char* path = c_directory("reopened");
  float* rows = c_rows(300, C_DIMENSION, 5);
  anear_recovery recovery = ANEAR_RECOVERY_INIT;
  anear_verification verification = ANEAR_VERIFICATION_INIT;
  uint64_t count = 0;
  c_notes opened = c_open_notes(path);
  CHECK_OK(anear_store_recovery(opened.store, &recovery, &error), &error);
  CHECK(recovery.recovered_sequence == 0);
  c_fill_notes(&opened, rows, 300);
  CHECK_OK(anear_store_flush(opened.store, &error), &error);
  CHECK_OK(anear_store_close(opened.store, &error), &error);
  anear_store_free(opened.store); /* Before the collection's handle, which is allowed. */
  anear_collection_free(opened.notes);

  CHECK_OK(anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_collection_open(opened.store, "notes", &opened.notes, &error), &error);
  CHECK_OK(anear_store_recovery(opened.store, &recovery, &error), &error);
  CHECK(recovery.clean == 1 && recovery.recovered_sequence >= 1);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 300);
  CHECK_OK(anear_store_verify(opened.store, &verification, &error), &error);
  CHECK(verification.collections == 1 && verification.records == 300 && verification.rows == 300);
  CHECK_OK(anear_store_verify(opened.store, NULL, &error), &error);
  c_free_notes(opened);
  free(rows);
}

static void a_collection_counts_what_it_holds(void) {
  const c_notes opened = c_open_notes(c_directory("stats"));
  float* rows = c_rows(200, C_DIMENSION, 6);
  anear_stats stats = ANEAR_STATS_INIT;
  c_fill_notes(&opened, rows, 200);
  CHECK_OK(anear_collection_flush(opened.notes, &error), &error);
  CHECK_OK(anear_collection_stats(opened.notes, &stats, &error), &error);
  CHECK(stats.records == 200 && stats.last_sequence >= 1 && stats.slots >= 200);
  CHECK(stats.indexed_sequence == stats.last_sequence && stats.tail_records == 0);
  CHECK(stats.image_sequence == stats.last_sequence && stats.image_bytes > 0);
  CHECK(stats.memory_bytes >= 200 * C_DIMENSION * sizeof(float));
  CHECK(stats.degraded == 0 && stats.reason[0] == '\0');
  c_free_notes(opened);
  free(rows);
}

static void a_read_only_store_takes_no_writes(void) {
  const char* path = c_directory("read_only");
  float* rows = c_rows(20, C_DIMENSION, 7);
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_schema schema = ANEAR_SCHEMA_INIT;
  const anear_text key = anear_text_of("note-00001");
  uint64_t count = 0;
  c_notes opened = c_open_notes(path);
  c_fill_notes(&opened, rows, 20);
  c_free_notes(opened);
  options.flags = ANEAR_STORE_READ_ONLY;
  CHECK_OK(anear_store_open(path, &options, &opened.store, &error), &error);
  CHECK_OK(anear_collection_open(opened.store, "notes", &opened.notes, &error), &error);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 20);
  CHECK_CODE(ANEAR_READ_ONLY, anear_collection_delete_keys(opened.notes, &key, 1, NULL, &error),
             &error);
  anear_collection* made = NULL;
  CHECK_CODE(ANEAR_READ_ONLY, anear_collection_create(opened.store, "more", &schema, &made, &error),
             &error);
  c_free_notes(opened);
  free(rows);
}

static uint64_t count_of(const anear_collection* notes) {
  uint64_t count = 0;
  CHECK_OK(anear_collection_count(notes, NULL, &count, &error), &error);
  return count;
}

static void a_reader_follows_its_writer_when_asked(void) {
  const char* path = c_directory("followed");
  float* rows = c_rows(40, C_DIMENSION, 8);
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  c_notes reader = {NULL, NULL};
  anear_collection* pinned = NULL;
  uint64_t sequence = 0;
  uint64_t written = 0;
  const anear_text key = anear_text_of("note-00001");
  const c_notes writer = c_open_notes(path);
  c_fill_notes(&writer, rows, 20);
  options.flags = ANEAR_STORE_READ_ONLY;
  CHECK_OK(anear_store_open(path, &options, &reader.store, &error), &error);
  CHECK_OK(anear_collection_open(reader.store, "notes", &reader.notes, &error), &error);
  CHECK_OK(anear_collection_pin(reader.notes, &pinned, &error), &error);
  c_fill_notes(&writer, rows, 40);
  CHECK(count_of(reader.notes) == 20);
  CHECK_OK(anear_store_refresh(reader.store, &sequence, &error), &error);
  CHECK_OK(anear_store_refresh(writer.store, &written, &error), &error);
  CHECK(sequence == written && sequence != 0);
  CHECK(count_of(reader.notes) == 40 && count_of(pinned) == 20);
  CHECK(strcmp(anear_collection_name(pinned), "notes") == 0);
  CHECK_OK(anear_store_refresh(reader.store, NULL, &error), &error);

  anear_collection* kept = NULL;
  CHECK_OK(anear_collection_pin(writer.notes, &kept, &error), &error);
  CHECK_CODE(ANEAR_READ_ONLY, anear_collection_delete_keys(kept, &key, 1, NULL, &error), &error);
  CHECK_OK(anear_collection_delete_keys(writer.notes, &key, 1, NULL, &error), &error);
  CHECK(count_of(kept) == 40 && count_of(writer.notes) == 39);
  anear_collection_free(kept);

  NULL_REFUSED(anear_store_refresh(NULL, &sequence, &error));
  CHECK(sequence == 0);
  NULL_REFUSED(anear_collection_pin(NULL, &kept, &error));
  CHECK(kept == NULL);
  NULL_REFUSED(anear_collection_pin(writer.notes, NULL, &error));
  CHECK_OK(anear_store_close(reader.store, &error), &error);
  CHECK_CODE(ANEAR_CLOSED, anear_store_refresh(reader.store, NULL, &error), &error);
  anear_collection_free(pinned);
  c_free_notes(reader);
  c_free_notes(writer);
  free(rows);
}

static void a_reader_can_follow_by_itself(void) {
  const char* path = c_directory("following");
  float* rows = c_rows(40, C_DIMENSION, 9);
  const struct timespec pause = {0, 1000000};
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  c_notes reader = {NULL, NULL};
  const c_notes writer = c_open_notes(path);
  options.flags = ANEAR_STORE_READ_ONLY;
  options.follow_every_ms = (size_t)1 << 40;
  REFUSED(anear_store_open(path, &options, &reader.store, &error));
  options.follow_every_ms = 5;
  CHECK_OK(anear_store_open(path, &options, &reader.store, &error), &error);
  CHECK_OK(anear_collection_open(reader.store, "notes", &reader.notes, &error), &error);
  c_fill_notes(&writer, rows, 40);
  while (count_of(reader.notes) != 40) nanosleep(&pause, NULL);
  c_free_notes(reader);
  c_free_notes(writer);
  free(rows);
}

static void a_store_keeps_part_of_the_disk_and_says_so(void) {
  const char* path = c_directory("headroom");
  float* rows = c_rows(10, C_DIMENSION, 9);
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_state state = ANEAR_STATE_INIT;
  c_notes notes = c_open_notes(path);
  CHECK_OK(anear_store_state(notes.store, &state, &error), &error);
  CHECK(state.writes == ANEAR_WRITES_ALL && state.reason[0] == '\0');
  CHECK(state.free_bytes > state.reserved_bytes && state.reserved_bytes != 0);
  CHECK(state.memory_bytes != 0);
  c_fill_notes(&notes, rows, 10);
  CHECK_OK(anear_store_flush(notes.store, &error), &error);
  CHECK_OK(anear_store_state(notes.store, &state, &error), &error);
  CHECK(state.written_log != 0 && state.written_rows != 0 && state.written_images != 0);
  CHECK(state.written_other != 0);
  NULL_REFUSED(anear_store_state(NULL, &state, &error));
  NULL_REFUSED(anear_store_state(notes.store, NULL, &error));
  c_free_notes(notes);

  options.reserved_bytes = (uint64_t)1 << 60;
  CHECK_OK(anear_store_open(path, &options, &notes.store, &error), &error);
  CHECK_OK(anear_collection_open(notes.store, "notes", &notes.notes, &error), &error);
  CHECK_OK(anear_store_state(notes.store, &state, &error), &error);
  CHECK(state.writes == ANEAR_WRITES_FULL && state.reserved_bytes == (uint64_t)1 << 60);
  CHECK(strstr(state.reason, "reserved") != NULL);
  const anear_text key = anear_text_of("note-00001");
  anear_batch batch = ANEAR_BATCH_INIT;
  batch.count = 1;
  batch.keys = &key;
  CHECK_CODE(ANEAR_NO_SPACE, anear_collection_upsert(notes.notes, &batch, NULL, &error), &error);
  CHECK_OK(anear_collection_delete_keys(notes.notes, &key, 1, NULL, &error), &error);
  CHECK(count_of(notes.notes) == 9);
  c_free_notes(notes);

  options.flags = ANEAR_STORE_NO_RESERVE;
  CHECK_OK(anear_store_open(path, &options, &notes.store, &error), &error);
  CHECK_OK(anear_collection_open(notes.store, "notes", &notes.notes, &error), &error);
  CHECK_OK(anear_store_state(notes.store, &state, &error), &error);
  CHECK(state.writes == ANEAR_WRITES_ALL && state.reserved_bytes == 0);
  CHECK_OK(anear_collection_upsert(notes.notes, &batch, NULL, &error), &error);
  CHECK(count_of(notes.notes) == 10);
  CHECK_OK(anear_store_resume(notes.store, &error), &error); /* Nothing to do. */
  c_free_notes(notes);

  options.background_threads = (size_t)1 << 32;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_open(path, &options, &notes.store, &error),
             &error);
  options.background_threads = 1;
  options.pinned_seconds_max = (size_t)1 << 32;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_open(path, &options, &notes.store, &error),
             &error);
  options.pinned_seconds_max = SIZE_MAX;
  options.background_bytes_per_second = (uint64_t)1 << 30;
  options.checked_at_open_bytes = 1;
  options.memory_bytes_max = 1000;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_open(path, &options, &notes.store, &error),
             &error);
  options.memory_bytes_max = (uint64_t)16 << 20;
  CHECK_OK(anear_store_open(path, &options, &notes.store, &error), &error);
  CHECK_OK(anear_collection_open(notes.store, "notes", &notes.notes, &error), &error);
  CHECK_OK(anear_store_state(notes.store, &state, &error), &error);
  CHECK(state.memory_bytes != 0 && state.memory_bytes < options.memory_bytes_max);
  char* payload = calloc((size_t)12 << 20, 1);
  CHECK(payload != NULL);
  const anear_text large = {payload, (size_t)12 << 20};
  batch.payloads = &large;
  CHECK_CODE(ANEAR_LIMIT_EXCEEDED, anear_collection_upsert(notes.notes, &batch, NULL, &error),
             &error);
  CHECK(strstr(error.message, "memory_bytes_max") != NULL);
  free(payload);
  NULL_REFUSED(anear_store_resume(NULL, &error));
  CHECK_OK(anear_store_close(notes.store, &error), &error);
  CHECK_CODE(ANEAR_CLOSED, anear_store_resume(notes.store, &error), &error);
  CHECK_CODE(ANEAR_CLOSED, anear_store_state(notes.store, &state, &error), &error);
  c_free_notes(notes);
  free(rows);
}

static void a_store_in_memory_leaves_nothing_behind(void) {
  const char* path = c_directory("only_a_name");
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_store* store = NULL;
  options.flags = ANEAR_STORE_IN_MEMORY | ANEAR_STORE_INDEX_INLINE | ANEAR_STORE_BUFFERED;
  options.tail_records_max = 10;
  CHECK_OK(anear_store_open(path, &options, &store, &error), &error);
  anear_store_free(store);
  FILE* nothing = fopen(path, "rb");
  CHECK(nothing == NULL);
}

static void options_of_older_and_newer_callers_are_understood(void) {
  struct {
    anear_store_options options;
    uint64_t newer;
  } place = {ANEAR_STORE_OPTIONS_INIT, 0};
  const char* path = c_directory("sizes");
  anear_store* store = NULL;
  place.options.flags = ANEAR_STORE_IN_MEMORY;
  place.options.struct_size = 8; /* Of a caller that knows the flags alone. */
  place.options.log = NULL;
  CHECK_OK(anear_store_open(path, &place.options, &store, &error), &error);
  anear_store_free(store);
  place.options.struct_size = (uint32_t)sizeof place;
  CHECK_OK(anear_store_open(path, &place.options, &store, &error), &error);
  anear_store_free(store);
  place.newer = 1;
  REFUSED(anear_store_open(path, &place.options, &store, &error));
  place.newer = 0;
  place.options.flags = 1U << 30;
  REFUSED(anear_store_open(path, &place.options, &store, &error));
  CHECK(store == NULL);

  /* Output structs: an older caller's rest is not touched, a newer one's is zeroed. */
  const c_notes opened = c_open_notes(c_directory("output_sizes"));
  struct {
    anear_stats stats;
    unsigned char newer[16];
    unsigned char after[16];
  } output;
  memset(&output, 0x5A, sizeof output);
  output.stats.struct_size = (uint32_t)offsetof(anear_stats, last_sequence);
  CHECK_OK(anear_collection_stats(opened.notes, &output.stats, &error), &error);
  CHECK(output.stats.records == 0 && output.stats.last_sequence == 0x5A5A5A5A5A5A5A5AU);
  output.stats.struct_size = (uint32_t)(sizeof output.stats + sizeof output.newer);
  CHECK_OK(anear_collection_stats(opened.notes, &output.stats, &error), &error);
  CHECK(output.newer[0] == 0 && output.newer[15] == 0 && output.after[0] == 0x5A);
  output.stats.struct_size = 0;
  REFUSED(anear_collection_stats(opened.notes, &output.stats, &error));
  c_free_notes(opened);
}

static void null_is_refused(void) {
  const c_notes opened = c_open_notes(c_directory("nulls"));
  anear_schema schema = ANEAR_SCHEMA_INIT;
  anear_recovery recovery = ANEAR_RECOVERY_INIT;
  anear_store* store = opened.store;
  anear_collection* made = opened.notes;
  char names[8];
  size_t size = sizeof names;
  NULL_REFUSED(anear_store_open(NULL, NULL, &store, &error));
  CHECK(store == NULL);
  NULL_REFUSED(anear_store_open("x", NULL, NULL, &error));
  NULL_REFUSED(anear_store_close(NULL, &error));
  NULL_REFUSED(anear_store_collections(NULL, names, &size, &error));
  NULL_REFUSED(anear_store_collections(opened.store, NULL, &size, &error));
  NULL_REFUSED(anear_store_collections(opened.store, names, NULL, &error));
  NULL_REFUSED(anear_store_flush(NULL, &error));
  NULL_REFUSED(anear_store_verify(NULL, NULL, &error));
  NULL_REFUSED(anear_store_recovery(NULL, &recovery, &error));
  NULL_REFUSED(anear_store_recovery(opened.store, NULL, &error));
  NULL_REFUSED(anear_collection_create(NULL, "x", &schema, &made, &error));
  CHECK(made == NULL);
  NULL_REFUSED(anear_collection_create(opened.store, NULL, &schema, &made, &error));
  NULL_REFUSED(anear_collection_create(opened.store, "x", NULL, &made, &error));
  NULL_REFUSED(anear_collection_create(opened.store, "x", &schema, NULL, &error));
  NULL_REFUSED(anear_collection_open(NULL, "x", &made, &error));
  NULL_REFUSED(anear_collection_open(opened.store, NULL, &made, &error));
  NULL_REFUSED(anear_collection_open(opened.store, "notes", NULL, &error));
  NULL_REFUSED(anear_collection_drop(NULL, "notes", &error));
  NULL_REFUSED(anear_collection_drop(opened.store, NULL, &error));
  NULL_REFUSED(anear_collection_flush(NULL, &error));
  NULL_REFUSED(anear_collection_stats(NULL, NULL, &error));
  NULL_REFUSED(anear_collection_stats(opened.notes, NULL, &error));
  c_free_notes(opened);
}

const c_test store_tests[] = {
    {"a store is made unless it must exist", a_store_is_made_unless_it_must_exist},
    {"a directory of something else is left alone", a_directory_of_something_else_is_left_alone},
    {"collections are made, listed, opened and dropped",
     collections_are_made_listed_opened_and_dropped},
    {"a schema reads back with its defaults", a_schema_reads_back_with_its_defaults},
    {"schemas that are not valid are refused", schemas_that_are_not_valid_are_refused},
    {"a closed store refuses every call", a_closed_store_refuses_every_call},
    {"records are there after reopening", records_are_there_after_reopening},
    {"a collection counts what it holds", a_collection_counts_what_it_holds},
    {"a read-only store takes no writes", a_read_only_store_takes_no_writes},
    {"a reader follows its writer when asked", a_reader_follows_its_writer_when_asked},
    {"a reader can follow by itself", a_reader_can_follow_by_itself},
    {"a store keeps part of the disk and says so", a_store_keeps_part_of_the_disk_and_says_so},
    {"a store in memory leaves nothing behind", a_store_in_memory_leaves_nothing_behind},
    {"options of older and newer callers are understood",
     options_of_older_and_newer_callers_are_understood},
    {"NULL is refused", null_is_refused},
    {NULL, NULL},
};
