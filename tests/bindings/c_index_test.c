/* Indexes by themselves, against an exact search in plain C. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

#define SEED 20260301U
#define DIMENSION 24
#define ROWS 3000

static anear_index* make_index(int32_t kind, int32_t metric, size_t dimension) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  anear_index* index = NULL;
  options.kind = kind;
  options.metric = metric;
  options.dimension = dimension;
  CHECK_OK(anear_index_create(&options, &index, &error), &error);
  return index;
}

static void add_all(anear_index* index, anear_matrix rows) {
  anear_error error = ANEAR_ERROR_INIT;
  uint32_t* slots = malloc(rows.rows * sizeof *slots);
  CHECK(slots != NULL);
  for (size_t i = 0; i < rows.rows; ++i) slots[i] = (uint32_t)i;
  CHECK_OK(anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK_OK(anear_index_calibrate(index, NULL, &error), &error);
  free(slots);
}

/* The share of `k` answers that are right by distance. */
static double recall_of(const anear_index* index, anear_matrix rows, size_t queries, size_t k) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  float* asked = c_rows(queries, DIMENSION, SEED + 1);
  size_t right = 0;
  neighbors.slots = malloc(queries * k * sizeof *neighbors.slots);
  neighbors.distances = malloc(queries * k * sizeof *neighbors.distances);
  neighbors.found = malloc(queries * sizeof *neighbors.found);
  query.queries = c_matrix(asked, queries, DIMENSION);
  query.k = k;
  query.threads = 2;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  for (size_t q = 0; q < queries; ++q) {
    CHECK(neighbors.found[q] == k);
    for (size_t i = 0; i < k; ++i) {
      const float* row = (const float*)rows.data + neighbors.slots[q * k + i] * rows.dimension;
      const double distance = (double)neighbors.distances[q * k + i];
      const double exact = c_l2(asked + q * DIMENSION, row, DIMENSION);
      CHECK(fabs(distance - exact) <= 1e-4 * (1 + exact));
      if (c_nearer(asked + q * DIMENSION, rows, distance, NULL) <= i) ++right;
    }
  }
  free(neighbors.slots);
  free(neighbors.distances);
  free(neighbors.found);
  free(asked);
  return (double)right / (double)(queries * k);
}

static void a_flat_index_finds_exactly_the_nearest_and_others_nearly_all(void) {
  float* data = c_rows(ROWS, DIMENSION, SEED);
  const anear_matrix rows = c_matrix(data, ROWS, DIMENSION);
  const int32_t kinds[] = {ANEAR_INDEX_FLAT, ANEAR_INDEX_HNSW, ANEAR_INDEX_IVF_PQ};
  anear_error error = ANEAR_ERROR_INIT;
  for (size_t i = 0; i < 3; ++i) {
    anear_index* index = make_index(kinds[i], ANEAR_METRIC_L2, DIMENSION);
    CHECK_OK(anear_index_train(index, &rows, NULL, &error), &error);
    add_all(index, rows);
    const double recall = recall_of(index, rows, 50, 10);
    CHECK(recall >= (kinds[i] == ANEAR_INDEX_FLAT ? 1.0 : 0.93));
    anear_index_free(index);
  }
  free(data);
}

static void an_index_says_what_it_is_and_holds(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  anear_index* index = make_index(0, 0, DIMENSION);
  float* data = c_rows(10, DIMENSION, SEED);
  const uint32_t gone[] = {3, 4, 99};
  size_t deleted = 0;
  add_all(index, c_matrix(data, 10, DIMENSION));
  CHECK_OK(anear_index_delete(index, gone, 3, &deleted, &error), &error);
  CHECK(deleted == 2);
  CHECK_OK(anear_index_delete(index, NULL, 0, NULL, &error), &error);
  CHECK_OK(anear_index_stats(index, &facts, &error), &error);
  CHECK(facts.kind == ANEAR_INDEX_HNSW && facts.metric == ANEAR_METRIC_COSINE);
  CHECK(facts.rows == ANEAR_SCALAR_F32 && facts.dimension == DIMENSION);
  CHECK(facts.live == 8 && facts.positions == 10 && facts.bytes >= 10 * DIMENSION * sizeof(float));
  anear_index_free(index);
  free(data);
}

static void deleted_and_unwanted_slots_are_not_returned(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  float* data = c_rows(ROWS, DIMENSION, SEED);
  uint8_t* counts = calloc(ROWS, 1);
  uint64_t words[(ROWS + 63) / 64] = {0};
  uint32_t slots[20];
  float distances[20];
  uint32_t found = 0;
  anear_index* index = make_index(ANEAR_INDEX_HNSW, ANEAR_METRIC_L2, DIMENSION);
  add_all(index, c_matrix(data, ROWS, DIMENSION));
  for (uint32_t i = 7; i < ROWS; i += 50) {
    words[i / 64] |= (uint64_t)1 << (i % 64);
    counts[i] = 1;
  }
  const uint32_t gone = 57;
  CHECK_OK(anear_index_delete(index, &gone, 1, NULL, &error), &error);
  counts[gone] = 0;
  query.queries = c_matrix(data + gone * DIMENSION, 1, DIMENSION);
  query.k = 20;
  query.recall = 1;
  query.wanted = words;
  query.wanted_words = sizeof words / sizeof words[0];
  neighbors.slots = slots;
  neighbors.distances = distances;
  neighbors.found = &found;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  CHECK(found == 20);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(slots[i] % 50 == 7 && slots[i] != gone);
    CHECK(c_nearer(query.queries.data, c_matrix(data, ROWS, DIMENSION), (double)distances[i],
                   counts) <= i);
  }
  query.wanted_words = 0;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  CHECK(found == 0 && slots[0] == ANEAR_NO_SLOT && isinf(distances[0]));
  anear_index_free(index);
  free(data);
  free(counts);
}

static void places_without_an_answer_are_marked(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  anear_index* index = make_index(ANEAR_INDEX_FLAT, ANEAR_METRIC_L2, 2);
  const float data[] = {0, 0, 1, 0, 9, 9, 0, 0.5F, 7, 7};
  anear_matrix rows = {data, 3, 2, 4 * sizeof(float), ANEAR_SCALAR_F32};
  const uint32_t at[] = {5, 0, 9};
  uint32_t slots[10];
  float distances[10];
  uint32_t found[1] = {0};
  rows.rows = 2;
  CHECK_OK(anear_index_add(index, &rows, at, NULL, &error), &error);
  query.queries = c_matrix(data, 1, 2);
  neighbors.slots = slots;
  neighbors.distances = distances;
  neighbors.found = found;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  CHECK(found[0] == 2 && slots[0] == 5 && distances[0] == 0 && slots[1] == 0);
  CHECK(distances[1] == 162 && slots[2] == ANEAR_NO_SLOT && isinf(distances[9]));
  neighbors.slots = NULL;
  neighbors.found = NULL;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  anear_index_free(index);
}

static void half_precision_rows_are_taken(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  const uint16_t halves[] = {0x3C00, 0x0000, 0x4000, 0x3800}; /* 1, 0 and 2, 0.5 */
  const anear_matrix rows = {halves, 2, 2, 0, ANEAR_SCALAR_F16};
  const uint32_t at[] = {0, 1};
  const float asked[] = {2, 1};
  uint32_t slots[2];
  float distances[2];
  anear_index* index = make_index(ANEAR_INDEX_HNSW, ANEAR_METRIC_L2, 2);
  CHECK_OK(anear_index_add(index, &rows, at, NULL, &error), &error);
  query.queries = c_matrix(asked, 1, 2);
  query.k = 2;
  neighbors.slots = slots;
  neighbors.distances = distances;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  CHECK(slots[0] == 1 && distances[0] == 0.25F && slots[1] == 0 && distances[1] == 2);
  anear_index_free(index);
}

static void a_bad_row_changes_nothing_and_is_named(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  anear_index* index = make_index(ANEAR_INDEX_HNSW, ANEAR_METRIC_COSINE, 3);
  float data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const uint32_t slots[] = {0, 1, ANEAR_NO_SLOT};
  anear_matrix rows = c_matrix(data, 3, 3);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK(error.record == 2);
  rows.rows = 2;
  data[4] = (float)NAN;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK(error.record == 1 && error.subcode == ANEAR_SUB_NOT_FINITE);
  data[3] = data[4] = data[5] = 0;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK(error.record == 1 && error.subcode == ANEAR_SUB_ZERO_VECTOR);
  rows.dimension = 2;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK(error.subcode == ANEAR_SUB_DIMENSION_MISMATCH);
  rows.dimension = 3;
  rows.stride_bytes = 3;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  rows.stride_bytes = 0;
  rows.scalar = ANEAR_SCALAR_I8;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  rows.scalar = 17;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK_OK(anear_index_stats(index, &facts, &error), &error);
  CHECK(facts.positions == 0);
  anear_index_free(index);
}

static void inverted_lists_are_trained_once_and_before_rows(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index* index = make_index(ANEAR_INDEX_IVF_PQ, ANEAR_METRIC_L2, 2);
  const float data[] = {1, 2, 3, 4};
  const uint32_t slots[] = {0, 1};
  anear_matrix rows = c_matrix(data, 2, 2);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, NULL, &error), &error);
  CHECK(error.subcode == ANEAR_SUB_NOT_TRAINED);
  rows.rows = 0;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_train(index, &rows, NULL, &error), &error);
  rows.rows = 2;
  CHECK_OK(anear_index_train(index, &rows, NULL, &error), &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_train(index, &rows, NULL, &error), &error);
  CHECK_OK(anear_index_add(index, &rows, slots, NULL, &error), &error);
  anear_index_free(index);
}

static void a_bad_query_is_refused(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  anear_index* index = make_index(ANEAR_INDEX_FLAT, ANEAR_METRIC_COSINE, 3);
  const float data[] = {1, 0, 0, 0, 0, 0};
  uint32_t slots[20];
  query.queries = c_matrix(data, 2, 3);
  neighbors.slots = slots;
#define REFUSED() \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_search(index, &query, &neighbors, &error), &error)
  REFUSED();
  CHECK(error.subcode == ANEAR_SUB_ZERO_VECTOR && error.record == 1);
  CHECK(strncmp(error.message, "row 1: query vector is zero", 27) == 0);
  query.queries.rows = 1;
  query.k = 10001;
  REFUSED();
  CHECK(error.subcode == ANEAR_SUB_K_TOO_LARGE);
  query.k = 10;
  query.recall = 1.5F;
  REFUSED();
  CHECK(error.record == -1 && strncmp(error.message, "recall is 1.5", 13) == 0);
  query.recall = (float)NAN;
  REFUSED();
  query.recall = 0;
  query.threads = 5000;
  REFUSED();
  query.threads = ANEAR_ALL_THREADS;
  query.flags = 2;
  REFUSED();
  query.flags = 0;
  query.wanted_words = 3;
  REFUSED();
  query.wanted_words = 0;
  query.queries.dimension = 4;
  REFUSED();
  CHECK(error.subcode == ANEAR_SUB_DIMENSION_MISMATCH);
  CHECK(strchr(error.message, '4') != NULL && strchr(error.message, '3') != NULL);
  query.queries = c_matrix(NULL, 1, 3);
  REFUSED();
  query.queries = c_matrix(data, 1, 3);
  neighbors.flags = 1;
  REFUSED();
#undef REFUSED
  neighbors.flags = 0;
  CHECK_OK(anear_index_search(index, &query, &neighbors, &error), &error);
  anear_index_free(index);
}

static void options_out_of_range_are_refused(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index* index = NULL;
  for (int which = 0; which < 8; ++which) {
    anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
    options.dimension = 8;
    if (which == 0) options.dimension = 65536;
    if (which == 1) options.kind = 77;
    if (which == 2) options.metric = -1;
    if (which == 3) options.rows = ANEAR_SCALAR_I8;
    if (which == 4) options.codes = 4;
    if (which == 5) options.links_max = 1;
    if (which == 6) options.ef_construction = 100001;
    if (which == 7) options.flags = 0x80;
    CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_create(&options, &index, &error), &error);
    CHECK(index == NULL && error.message[0] != '\0');
  }
}

static void structs_of_older_and_newer_callers_are_understood(void) {
  struct {
    anear_index_options options;
    uint64_t newer[2];
  } place = {ANEAR_INDEX_OPTIONS_INIT, {0, 0}};
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  anear_index* index = NULL;
  place.options.dimension = 8;
  place.options.links_max = 1; /* Refused, unless beyond the end of the caller's struct. */
  place.options.struct_size = (uint32_t)offsetof(anear_index_options, rows);
  CHECK_OK(anear_index_create(&place.options, &index, &error), &error);
  facts.struct_size = (uint32_t)offsetof(anear_index_facts, live);
  facts.live = 12345;
  CHECK_OK(anear_index_stats(index, &facts, &error), &error);
  CHECK(facts.dimension == 8 && facts.live == 12345);
  anear_index_free(index);

  place.options.links_max = 8;
  place.options.struct_size = (uint32_t)sizeof place;
  CHECK_OK(anear_index_create(&place.options, &index, &error), &error);
  anear_index_free(index);
  place.newer[1] = 1;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_create(&place.options, &index, &error), &error);
  const uint32_t garbage[] = {0, 7, 13, 1U << 30};
  for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; ++i) {
    place.options.struct_size = garbage[i];
    CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_create(&place.options, &index, &error), &error);
    CHECK(strstr(error.message, "struct_size") != NULL);
  }
}

static void an_index_comes_back_from_its_file(void) {
  anear_error error = ANEAR_ERROR_INIT;
  float* data = c_rows(500, DIMENSION, SEED);
  const anear_matrix rows = c_matrix(data, 500, DIMENSION);
  const int32_t kinds[] = {ANEAR_INDEX_FLAT, ANEAR_INDEX_HNSW, ANEAR_INDEX_IVF_PQ};
  const char* names[] = {"flat.index", "graph.index", "lists.index"};
  for (size_t i = 0; i < 3; ++i) {
    const char* path = c_directory(names[i]);
    anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
    anear_index* index = make_index(kinds[i], ANEAR_METRIC_L2, DIMENSION);
    CHECK_OK(anear_index_train(index, &rows, NULL, &error), &error);
    add_all(index, rows);
    CHECK_OK(anear_index_save(index, path, &error), &error);
    anear_index_free(index);
    CHECK_OK(anear_index_load(path, &index, &error), &error);
    CHECK_OK(anear_index_stats(index, &facts, &error), &error);
    CHECK(facts.kind == kinds[i] && facts.live == 500 && facts.metric == ANEAR_METRIC_L2);
    CHECK(recall_of(index, rows, 10, 5) >= 0.9);
    anear_index_free(index);
  }
  free(data);
}

static void files_that_hold_no_index_are_refused(void) {
  anear_error error = ANEAR_ERROR_INIT;
  const char* path = c_directory("damaged.index");
  anear_index* index = make_index(ANEAR_INDEX_FLAT, ANEAR_METRIC_L2, 4);
  const float row[] = {1, 2, 3, 4};
  const uint32_t slot = 0;
  const anear_matrix rows = c_matrix(row, 1, 4);
  CHECK_OK(anear_index_add(index, &rows, &slot, NULL, &error), &error);
  CHECK_OK(anear_index_save(index, path, &error), &error);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_index_save(index, "/nonexistent/place", &error), &error);
  anear_index_free(index);

  FILE* file = fopen(path, "r+b");
  CHECK(file != NULL && fseek(file, -1, SEEK_END) == 0 && fputc(0x77, file) == 0x77);
  CHECK(fclose(file) == 0);
  CHECK_CODE(ANEAR_CORRUPTION, anear_index_load(path, &index, &error), &error);
  CHECK(index == NULL && strstr(error.message, path) != NULL);
  file = fopen(path, "wb");
  for (int i = 0; i < 200; ++i) CHECK(fputc('x', file) == 'x');
  CHECK(fclose(file) == 0);
  CHECK_CODE(ANEAR_UNSUPPORTED_FORMAT, anear_index_load(path, &index, &error), &error);
  CHECK(error.subcode == ANEAR_SUB_FOREIGN_FILE);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_index_load(c_directory("none.index"), &index, &error), &error);
}

static int32_t stop_at_half(void* context, size_t done, size_t total) {
  size_t* calls = context;
  ++*calls;
  return done * 2 >= total;
}

static void a_build_can_be_stopped(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_build build = ANEAR_BUILD_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  anear_index* index = make_index(ANEAR_INDEX_HNSW, ANEAR_METRIC_L2, DIMENSION);
  float* data = c_rows(ROWS, DIMENSION, SEED);
  uint32_t* slots = malloc(ROWS * sizeof *slots);
  const anear_matrix rows = c_matrix(data, ROWS, DIMENSION);
  size_t calls = 0;
  for (uint32_t i = 0; i < ROWS; ++i) slots[i] = i;
  build.progress = stop_at_half;
  build.progress_context = &calls;
  CHECK_CODE(ANEAR_CANCELLED, anear_index_add(index, &rows, slots, &build, &error), &error);
  CHECK(calls > 0);
  CHECK_OK(anear_index_stats(index, &facts, &error), &error);
  CHECK(facts.live == 0);
  build.threads = 4096;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_add(index, &rows, slots, &build, &error), &error);
  anear_index_free(index);
  free(data);
  free(slots);
}

typedef struct shared_index {
  anear_index* index;
  anear_matrix rows;
} shared_index;

static void* search_often(void* context) {
  const shared_index* shared = context;
  anear_error error = ANEAR_ERROR_INIT;
  for (size_t i = 0; i < 200; ++i) {
    anear_index_query query = ANEAR_INDEX_QUERY_INIT;
    anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
    uint32_t slot = 0;
    float distance = 0;
    query.queries = c_matrix((const float*)shared->rows.data + i * DIMENSION, 1, DIMENSION);
    query.k = 1;
    neighbors.slots = &slot;
    neighbors.distances = &distance;
    CHECK_OK(anear_index_search(shared->index, &query, &neighbors, &error), &error);
    CHECK(slot == i && distance == 0);
  }
  return NULL;
}

static void searches_run_beside_each_other_and_beside_writes(void) {
  anear_error error = ANEAR_ERROR_INIT;
  pthread_t threads[4];
  float* data = c_rows(2 * 500, DIMENSION, SEED);
  shared_index shared = {make_index(ANEAR_INDEX_HNSW, ANEAR_METRIC_L2, DIMENSION),
                         c_matrix(data, 500, DIMENSION)};
  add_all(shared.index, shared.rows);
  for (size_t i = 0; i < 4; ++i)
    CHECK(pthread_create(&threads[i], NULL, search_often, &shared) == 0);
  for (uint32_t i = 500; i < 1000; ++i) {
    const anear_matrix row = c_matrix(data + i * DIMENSION, 1, DIMENSION);
    CHECK_OK(anear_index_add(shared.index, &row, &i, NULL, &error), &error);
    if (i % 2 == 0) CHECK_OK(anear_index_delete(shared.index, &i, 1, NULL, &error), &error);
  }
  for (size_t i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  anear_index_free(shared.index);
  free(data);
}

static void null_is_refused_everywhere(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  anear_index_query query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  anear_index* index = make_index(ANEAR_INDEX_FLAT, 0, 3);
  const float data[] = {1, 2, 3};
  const anear_matrix rows = c_matrix(data, 1, 3);
  const uint32_t slot = 0;
#define REFUSED(call)                               \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error); \
  CHECK(strstr(error.message, "NULL") != NULL)
  anear_index_free(index);
  REFUSED(anear_index_create(NULL, &index, &error));
  CHECK(index == NULL);
  REFUSED(anear_index_create(&options, NULL, &error));
  index = make_index(ANEAR_INDEX_FLAT, 0, 3);
  REFUSED(anear_index_load("x", NULL, &error));
  REFUSED(anear_index_add(NULL, &rows, &slot, NULL, &error));
  REFUSED(anear_index_add(index, NULL, &slot, NULL, &error));
  REFUSED(anear_index_add(index, &rows, NULL, NULL, &error));
  REFUSED(anear_index_delete(NULL, &slot, 1, NULL, &error));
  REFUSED(anear_index_delete(index, NULL, 1, NULL, &error));
  REFUSED(anear_index_calibrate(NULL, NULL, &error));
  REFUSED(anear_index_search(NULL, &query, &neighbors, &error));
  REFUSED(anear_index_search(index, NULL, &neighbors, &error));
  REFUSED(anear_index_search(index, &query, NULL, &error));
  REFUSED(anear_index_save(NULL, "x", &error));
  REFUSED(anear_index_train(NULL, &rows, NULL, &error));
  REFUSED(anear_index_train(index, NULL, NULL, &error));
  REFUSED(anear_index_save(index, NULL, &error));
  REFUSED(anear_index_stats(NULL, &facts, &error));
  REFUSED(anear_index_stats(index, NULL, &error));
  anear_index_free(index);
  index = (anear_index*)&facts;
  REFUSED(anear_index_load(NULL, &index, &error));
  CHECK(index == NULL);
#undef REFUSED
}

const c_test index_tests[] = {
    {"a flat index finds exactly the nearest, others nearly all",
     a_flat_index_finds_exactly_the_nearest_and_others_nearly_all},
    {"an index says what it is and holds", an_index_says_what_it_is_and_holds},
    {"deleted and unwanted slots are not returned", deleted_and_unwanted_slots_are_not_returned},
    {"places without an answer are marked", places_without_an_answer_are_marked},
    {"half-precision rows are taken", half_precision_rows_are_taken},
    {"a bad row changes nothing and is named", a_bad_row_changes_nothing_and_is_named},
    {"inverted lists are trained once and before rows",
     inverted_lists_are_trained_once_and_before_rows},
    {"a bad query is refused", a_bad_query_is_refused},
    {"options out of range are refused", options_out_of_range_are_refused},
    {"structs of older and newer callers are understood",
     structs_of_older_and_newer_callers_are_understood},
    {"an index comes back from its file", an_index_comes_back_from_its_file},
    {"files that hold no index are refused", files_that_hold_no_index_are_refused},
    {"a build can be stopped", a_build_can_be_stopped},
    {"searches run beside each other and beside writes",
     searches_run_beside_each_other_and_beside_writes},
    {"NULL is refused everywhere", null_is_refused_everywhere},
    {NULL, NULL},
};
