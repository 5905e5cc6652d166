/* Searches of a collection, against an exact search in plain C. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

#define SEED 20260302U
#define ROWS 2000

static anear_error error = ANEAR_ERROR_INIT;

/* The number in the key "note-<number>". */
static size_t number_of(anear_text key) {
  char digits[8] = {0};
  CHECK(key.size == 10 && memcmp(key.data, "note-", 5) == 0);
  memcpy(digits, key.data + 5, 5);
  return (size_t)strtoul(digits, NULL, 10);
}

static anear_query query_for(const float* row, size_t rows) {
  anear_query query = ANEAR_QUERY_INIT;
  query.queries = c_matrix(row, rows, C_DIMENSION);
  return query;
}

static void a_search_finds_the_nearest_that_match(void) {
  const c_notes opened = c_open_notes(c_directory("search"));
  float* rows = c_rows(ROWS, C_DIMENSION, SEED);
  float* asked = c_rows(20, C_DIMENSION, SEED + 1);
  uint8_t* tea = calloc(ROWS, 1);
  c_fill_notes(&opened, rows, ROWS);
  for (size_t i = 0; i < ROWS; ++i) tea[i] = i % 2 == 1 && i < 1500;
  const anear_parameter parameters[] = {{"t", anear_string("tea")},
                                        {"until", anear_timestamp(1500 * 1000000)}};
  size_t right = 0;
  for (size_t q = 0; q < 20; ++q) {
    anear_query query = query_for(asked + q * C_DIMENSION, 1);
    anear_hits* hits = NULL;
    query.k = 5;
    query.vector = "embedding";
    query.filter.text = "topic = $t and at < $until";
    query.filter.parameters = parameters;
    query.filter.parameter_count = 2;
    CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
    CHECK(anear_hits_size(hits) == 5 && anear_hits_at(hits, 5) == NULL);
    CHECK(anear_hits_sequence(hits) >= 1 && anear_hits_explain(hits) == NULL);
    for (size_t i = 0; i < 5; ++i) {
      const anear_hit* hit = anear_hits_at(hits, i);
      const size_t number = number_of(hit->record->key);
      const double exact = c_l2(asked + q * C_DIMENSION, rows + number * C_DIMENSION, C_DIMENSION);
      CHECK(tea[number] == 1 && hit->struct_size == sizeof *hit);
      CHECK(fabs((double)hit->distance - exact) <= 1e-4 * (1 + exact));
      CHECK(hit->score == -hit->distance && hit->relevance > 0 && hit->relevance <= 1);
      CHECK(hit->record->field_count == 0 && hit->record->payload.size == 0);
      if (c_nearer(asked + q * C_DIMENSION, c_matrix(rows, ROWS, C_DIMENSION),
                   (double)hit->distance, tea) <= i)
        ++right;
    }
    anear_hits_free(hits);
  }
  CHECK(right >= 90); /* Of 100, at the default recall of 0.95. */
  c_free_notes(opened);
  free(rows);
  free(asked);
  free(tea);
}

static void a_hit_carries_the_parts_that_were_asked_for(void) {
  const c_notes opened = c_open_notes(c_directory("hit_parts"));
  float* rows = c_rows(100, C_DIMENSION, SEED);
  c_fill_notes(&opened, rows, 100);
  anear_query query = query_for(rows + 41 * C_DIMENSION, 1);
  anear_hits* hits = NULL;
  query.k = 1;
  query.recall = 1;
  query.parts = ANEAR_WITH_FIELDS | ANEAR_WITH_PAYLOAD | ANEAR_WITH_VECTORS | ANEAR_WITH_EXPLAIN;
  CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
  const anear_record* record = anear_hits_at(hits, 0)->record;
  CHECK(anear_hits_at(hits, 0)->distance == 0 && c_text_is(record->key, "note-00041"));
  CHECK(c_text_is(anear_record_field(record, "topic")->as.text, "tea"));
  CHECK(anear_record_field(record, "size")->as.int64 == 41);
  CHECK(anear_record_field(record, "at")->type == ANEAR_TYPE_TIMESTAMP);
  CHECK(anear_record_field(record, "at")->as.int64 == 41000000);
  CHECK(c_text_is(record->payload, "payload 41") && record->vector_count == 1);
  CHECK(memcmp(record->vectors[0].row.data, rows + 41 * C_DIMENSION, C_DIMENSION * sizeof(float)) ==
        0);
  const anear_explain* explain = anear_hits_explain(hits);
  CHECK(explain != NULL && explain->struct_size == sizeof *explain && explain->plan[0] != '\0');
  CHECK(explain->live == 100 && explain->matches == 100);
  CHECK(explain->sequence == anear_hits_sequence(hits));
  anear_hits_free(hits);

  const char* const only[] = {"size"};
  query.parts = ANEAR_WITH_FIELDS;
  query.field_names = only;
  query.field_name_count = 1;
  CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
  record = anear_hits_at(hits, 0)->record;
  CHECK(record->field_count == 1 && strcmp(record->fields[0].name, "size") == 0);
  anear_hits_free(hits);
  c_free_notes(opened);
  free(rows);
}

static void more_like_a_record_leaves_the_record_out(void) {
  const c_notes opened = c_open_notes(c_directory("by_key"));
  float* rows = c_rows(100, C_DIMENSION, SEED);
  c_fill_notes(&opened, rows, 100);
  anear_query query = ANEAR_QUERY_INIT;
  anear_answers answers = ANEAR_ANSWERS_INIT;
  anear_hits* hits = NULL;
  float distances[3];
  query.key = anear_text_of("note-00007");
  query.k = 3;
  query.recall = 1;
  CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
  CHECK(anear_hits_size(hits) == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(number_of(anear_hits_at(hits, i)->record->key) != 7);
  answers.distances = distances;
  CHECK_OK(anear_collection_search_into(opened.notes, &query, &answers, &error), &error);
  for (size_t i = 0; i < 3; ++i) CHECK(distances[i] == anear_hits_at(hits, i)->distance);
  anear_hits_free(hits);
  query.key = anear_text_of("nobody");
  CHECK_CODE(ANEAR_NOT_FOUND, anear_collection_search(opened.notes, &query, &hits, &error), &error);
  c_free_notes(opened);
  free(rows);
}

static void a_filter_that_does_not_fit_is_refused_with_its_position(void) {
  const c_notes opened = c_open_notes(c_directory("filters"));
  static const struct {
    const char* text;
    int32_t subcode;
    int64_t position;
  } filters[] = {
      {"topic = 'tea' and and", ANEAR_SUB_FILTER_SYNTAX, 18},
      {"topic = ", ANEAR_SUB_FILTER_SYNTAX, 8},
      {"size < 'three'", ANEAR_SUB_FILTER_TYPE, 7},
      {"size > 1 and tempo = 3", ANEAR_SUB_UNKNOWN_FIELD, 13},
      {"topic = $missing", ANEAR_SUB_FILTER_PARAMETER, 8},
  };
  const float row[C_DIMENSION] = {1};
  for (size_t i = 0; i < sizeof filters / sizeof filters[0]; ++i) {
    anear_query query = query_for(row, 1);
    anear_hits* hits = NULL;
    uint64_t count = 0;
    query.filter.text = filters[i].text;
    CHECK_CODE(ANEAR_FILTER_INVALID, anear_collection_search(opened.notes, &query, &hits, &error),
               &error);
    CHECK(hits == NULL && error.subcode == filters[i].subcode);
    CHECK(error.position == filters[i].position);
    CHECK_CODE(ANEAR_FILTER_INVALID,
               anear_collection_count(opened.notes, &query.filter, &count, &error), &error);
    CHECK(error.position == filters[i].position);
  }
  c_free_notes(opened);
}

static void a_parameter_cannot_change_the_shape_of_a_filter(void) {
  const c_notes opened = c_open_notes(c_directory("injection"));
  float* rows = c_rows(10, C_DIMENSION, SEED);
  c_fill_notes(&opened, rows, 10);
  anear_parameter parameter = {"t", anear_string("tea' or topic = 'coffee")};
  const anear_filter filter = {"topic = $t", &parameter, 1};
  uint64_t count = 99;
  CHECK_OK(anear_collection_count(opened.notes, &filter, &count, &error), &error);
  CHECK(count == 0);
  parameter.value = anear_string("tea");
  CHECK_OK(anear_collection_count(opened.notes, &filter, &count, &error), &error);
  CHECK(count == 5);
  const anear_text both[] = {{"tea", 3}, {"coffee", 6}};
  parameter.value = anear_value_of(ANEAR_TYPE_STRING_LIST);
  parameter.value.as.list.data = both;
  parameter.value.as.list.size = 2;
  const anear_filter in = {"topic in $t", &parameter, 1};
  CHECK_OK(anear_collection_count(opened.notes, &in, &count, &error), &error);
  CHECK(count == 10);
  parameter.name = NULL;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_count(opened.notes, &in, &count, &error),
             &error);
  parameter.name = "t";
  parameter.value = anear_value_of(99);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_count(opened.notes, &in, &count, &error),
             &error);
  CHECK(error.subcode == ANEAR_SUB_FILTER_PARAMETER && count == 0);
  c_free_notes(opened);
  free(rows);
}

static void a_query_that_is_not_valid_is_refused(void) {
  const c_notes opened = c_open_notes(c_directory("bad_queries"));
  float row[2 * C_DIMENSION] = {1};
  anear_hits* hits = NULL;
  anear_answers answers = ANEAR_ANSWERS_INIT;
  const char* const unknown[] = {"size", "colour"};
  for (int which = 0; which < 15; ++which) {
    anear_query query = query_for(row, 1);
    int32_t subcode = 0;
    row[2] = 0;
    if (which == 0) query.queries.dimension = 3, subcode = ANEAR_SUB_DIMENSION_MISMATCH;
    if (which == 1) row[2] = (float)NAN, subcode = ANEAR_SUB_NOT_FINITE;
    if (which == 2) query.k = 10001, subcode = ANEAR_SUB_K_TOO_LARGE;
    if (which == 3) query.recall = -1;
    if (which == 4) query.vector = "picture", subcode = ANEAR_SUB_UNKNOWN_VECTOR;
    if (which == 5) query.key = anear_text_of("a");
    if (which == 6) query.parts = 256;
    if (which == 7) query.queries.data = NULL;
    if (which == 8) query.queries.scalar = 9, subcode = ANEAR_SUB_WRONG_TYPE;
    if (which == 9) query.struct_size = 0;
    if (which == 10) query.filter.parameter_count = 1;
    if (which == 11) query.key.size = 4;
    if (which == 12) query.field_name_count = 1;
    if (which == 13) query.queries.rows = 2, subcode = ANEAR_SUB_COUNT_MISMATCH;
    if (which == 14) {
      query.parts = ANEAR_WITH_FIELDS;
      query.field_names = unknown;
      query.field_name_count = 2;
      subcode = ANEAR_SUB_UNKNOWN_FIELD;
    }
    CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_search(opened.notes, &query, &hits, &error),
               &error);
    CHECK(hits == NULL && error.subcode == subcode);
    if (which >= 12) continue;
    CHECK_CODE(ANEAR_INVALID_ARGUMENT,
               anear_collection_search_into(opened.notes, &query, &answers, &error), &error);
  }
  anear_query query = query_for(row, 1);
  row[2] = 0;
#define REFUSED(call) CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error)
  REFUSED(anear_collection_search(NULL, &query, &hits, &error));
  REFUSED(anear_collection_search(opened.notes, NULL, &hits, &error));
  REFUSED(anear_collection_search(opened.notes, &query, NULL, &error));
  REFUSED(anear_collection_search_into(NULL, &query, &answers, &error));
  REFUSED(anear_collection_search_into(opened.notes, NULL, &answers, &error));
  REFUSED(anear_collection_search_into(opened.notes, &query, NULL, &error));
  query.threads = 4000;
  REFUSED(anear_collection_search_into(opened.notes, &query, &answers, &error));
  query.threads = 0;
  query.parts = ANEAR_WITH_FIELDS;
  REFUSED(anear_collection_search_into(opened.notes, &query, &answers, &error));
  query.parts = 0;
  answers.key_bytes_max = 10;
  REFUSED(anear_collection_search_into(opened.notes, &query, &answers, &error));
#undef REFUSED
  c_free_notes(opened);
}

static void many_queries_are_answered_into_the_callers_memory(void) {
  enum { kQueries = 9, kNearest = 4 };
  const c_notes opened = c_open_notes(c_directory("into"));
  float* rows = c_rows(300, C_DIMENSION, SEED);
  float distances[kQueries * kNearest];
  size_t offsets[kQueries * kNearest + 1];
  uint32_t found[kQueries];
  char keys[kQueries * kNearest * 10];
  anear_query query = query_for(rows, kQueries);
  anear_answers answers = ANEAR_ANSWERS_INIT;
  c_fill_notes(&opened, rows, 300);
  query.k = kNearest;
  query.recall = 1;
  query.threads = 2;
  query.filter.text = "size < 200";
  answers.distances = distances;
  answers.key_offsets = offsets;
  answers.found = found;
  CHECK_CODE(ANEAR_LIMIT_EXCEEDED,
             anear_collection_search_into(opened.notes, &query, &answers, &error), &error);
  CHECK(answers.key_bytes_used == sizeof keys);
  answers.key_bytes = keys;
  answers.key_bytes_max = sizeof keys;
  CHECK_OK(anear_collection_search_into(opened.notes, &query, &answers, &error), &error);
  CHECK(answers.key_bytes_used == sizeof keys && answers.sequence >= 1);
  for (size_t q = 0; q < kQueries; ++q) {
    anear_query one = query_for(rows + q * C_DIMENSION, 1);
    anear_hits* hits = NULL;
    one.k = kNearest;
    one.recall = 1;
    one.filter = query.filter;
    CHECK_OK(anear_collection_search(opened.notes, &one, &hits, &error), &error);
    CHECK(found[q] == kNearest);
    for (size_t i = 0; i < kNearest; ++i) {
      const size_t at = q * kNearest + i;
      const anear_text key = {keys + offsets[at], offsets[at + 1] - offsets[at]};
      CHECK(number_of(key) == number_of(anear_hits_at(hits, i)->record->key));
      CHECK(distances[at] == anear_hits_at(hits, i)->distance);
    }
    anear_hits_free(hits);
  }
  c_free_notes(opened);
  free(rows);
}

static void places_without_an_answer_are_marked(void) {
  const c_notes opened = c_open_notes(c_directory("few"));
  float* rows = c_rows(3, C_DIMENSION, SEED);
  float distances[10];
  size_t offsets[11];
  uint32_t found = 99;
  char keys[64];
  anear_query query = query_for(rows, 1);
  anear_answers answers = ANEAR_ANSWERS_INIT;
  anear_hits* hits = NULL;
  c_fill_notes(&opened, rows, 3);
  answers.distances = distances;
  answers.key_offsets = offsets;
  answers.found = &found;
  answers.key_bytes = keys;
  answers.key_bytes_max = sizeof keys;
  CHECK_OK(anear_collection_search_into(opened.notes, &query, &answers, &error), &error);
  CHECK(found == 3 && answers.key_bytes_used == 30 && distances[0] == 0);
  CHECK(offsets[3] == 30 && offsets[10] == 30 && isinf(distances[3]) && isinf(distances[9]));
  query.filter.text = "topic = 'cocoa'";
  CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
  CHECK(anear_hits_size(hits) == 0 && anear_hits_at(hits, 0) == NULL);
  anear_hits_free(hits);
  c_free_notes(opened);
  free(rows);
}

static void hits_outlive_store_and_collection(void) {
  const c_notes opened = c_open_notes(c_directory("hits_outlive"));
  float* rows = c_rows(20, C_DIMENSION, SEED);
  anear_query query = query_for(rows + 5 * C_DIMENSION, 1);
  anear_hits* hits = NULL;
  c_fill_notes(&opened, rows, 20);
  query.parts = ANEAR_WITH_FIELDS | ANEAR_WITH_EXPLAIN;
  CHECK_OK(anear_collection_search(opened.notes, &query, &hits, &error), &error);
  CHECK_OK(anear_store_close(opened.store, &error), &error);
  c_free_notes(opened);
  CHECK(anear_hits_size(hits) == 10);
  CHECK(c_text_is(anear_hits_at(hits, 0)->record->key, "note-00005"));
  CHECK(c_text_is(anear_record_field(anear_hits_at(hits, 0)->record, "topic")->as.text, "tea"));
  CHECK(anear_hits_explain(hits)->plan[0] != '\0');
  anear_hits_free(hits);
  free(rows);
}

static void* search_for_own_rows(void* context) {
  const anear_collection* notes = *(anear_collection* const*)context;
  anear_error own = ANEAR_ERROR_INIT;
  float* rows = c_rows(ROWS, C_DIMENSION, SEED);
  for (size_t i = 0; i < 200; ++i) {
    anear_query query = query_for(rows + i * C_DIMENSION, 1);
    anear_hits* hits = NULL;
    query.k = 3;
    query.recall = 1;
    query.filter.text = "size < 200";
    CHECK_OK(anear_collection_search(notes, &query, &hits, &own), &own);
    CHECK(number_of(anear_hits_at(hits, 0)->record->key) == i);
    anear_hits_free(hits);
  }
  free(rows);
  return NULL;
}

static void searches_run_beside_each_other_and_beside_writes(void) {
  const c_notes opened = c_open_notes(c_directory("threads"));
  float* rows = c_rows(ROWS, C_DIMENSION, SEED);
  pthread_t threads[4];
  c_fill_notes(&opened, rows, ROWS);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(pthread_create(&threads[i], NULL, search_for_own_rows, (void*)(uintptr_t)&opened.notes) ==
          0);
  }
  for (unsigned i = 1000; i < 1200; ++i) {
    char text[16];
    snprintf(text, sizeof text, "note-%05u", i);
    const anear_text key = anear_text_of(text);
    size_t deleted = 0;
    CHECK_OK(anear_collection_delete_keys(opened.notes, &key, 1, &deleted, &error), &error);
    CHECK(deleted == 1);
  }
  for (size_t i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  c_free_notes(opened);
  free(rows);
}

const c_test search_tests[] = {
    {"a search finds the nearest that match", a_search_finds_the_nearest_that_match},
    {"a hit carries the parts that were asked for", a_hit_carries_the_parts_that_were_asked_for},
    {"more like a record leaves the record out", more_like_a_record_leaves_the_record_out},
    {"a filter that does not fit is refused with its position",
     a_filter_that_does_not_fit_is_refused_with_its_position},
    {"a parameter cannot change the shape of a filter",
     a_parameter_cannot_change_the_shape_of_a_filter},
    {"a query that is not valid is refused", a_query_that_is_not_valid_is_refused},
    {"many queries are answered into the caller's memory",
     many_queries_are_answered_into_the_callers_memory},
    {"places without an answer are marked", places_without_an_answer_are_marked},
    {"hits outlive store and collection", hits_outlive_store_and_collection},
    {"searches run beside each other and beside writes",
     searches_run_beside_each_other_and_beside_writes},
    {NULL, NULL},
};
