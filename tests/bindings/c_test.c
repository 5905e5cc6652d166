#define _XOPEN_SOURCE 700
#include "c_test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[256];
static pid_t root_owner;

void c_check(int holds, const char* condition, const char* file, int line) {
  if (holds) return;
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  exit(1);
}

void c_check_code(int32_t expected, int32_t code, const anear_error* error, const char* call,
                  const char* file, int line) {
  if (error != NULL && error->code != code) {
    fprintf(stderr, "%s:%d: %s returned %d, the error says %d\n", file, line, call, (int)code,
            (int)error->code);
    exit(1);
  }
  if (code == expected) return;
  fprintf(stderr, "%s:%d: %s\n  returned %s instead of %s: %s\n", file, line, call,
          anear_code_name(code), anear_code_name(expected), error == NULL ? "" : error->message);
  exit(1);
}

static int remove_entry(const char* path, const struct stat* status, int flag, struct FTW* walk) {
  (void)status;
  (void)flag;
  (void)walk;
  return remove(path);
}

static void remove_root(void) {
  if (getpid() == root_owner) nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char* c_directory(const char* name) {
  static char paths[64][320];
  static size_t used = 0;
  if (root[0] == '\0') {
    const char* base = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/anear_c_XXXXXX", base == NULL ? "/tmp" : base);
    CHECK(mkdtemp(root) != NULL);
    root_owner = getpid();
    atexit(remove_root);
  }
  CHECK(used < sizeof paths / sizeof paths[0]);
  snprintf(paths[used], sizeof paths[used], "%s/%s", root, name);
  return paths[used++];
}

void c_make_directory(const char* path) { CHECK(mkdir(path, 0700) == 0); }

float* c_rows(size_t rows, size_t dimension, uint64_t seed) {
  float* data = malloc(rows * dimension * sizeof *data);
  uint64_t state = seed * 2 + 1;
  CHECK(data != NULL);
  for (size_t i = 0; i < rows * dimension; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    data[i] = (float)((double)(state >> 40) / 8388608.0 - 1.0);
  }
  return data;
}

anear_matrix c_matrix(const float* data, size_t rows, size_t dimension) {
  anear_matrix matrix = {data, rows, dimension, 0, ANEAR_SCALAR_F32};
  return matrix;
}

double c_l2(const float* a, const float* b, size_t dimension) {
  double sum = 0;
  for (size_t i = 0; i < dimension; ++i) {
    const double difference = (double)a[i] - (double)b[i];
    sum += difference * difference;
  }
  return sum;
}

size_t c_nearer(const float* query, anear_matrix rows, double distance, const uint8_t* wanted) {
  const double bound = distance - 1e-5 * (distance < 1 ? 1 : distance);
  const float* data = rows.data;
  size_t count = 0;
  for (size_t i = 0; i < rows.rows; ++i) {
    if (wanted != NULL && wanted[i] == 0) continue;
    if (c_l2(query, data + i * rows.dimension, rows.dimension) < bound) ++count;
  }
  return count;
}

int c_text_is(anear_text text, const char* expected) {
  return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

c_notes c_open_notes(const char* directory) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_options embedding = ANEAR_INDEX_OPTIONS_INIT;
  anear_vector_schema vectors[1];
  const anear_field_schema fields[] = {{"topic", ANEAR_TYPE_STRING, 0},
                                       {"size", ANEAR_TYPE_INT64, 0},
                                       {"at", ANEAR_TYPE_TIMESTAMP, 0}};
  anear_schema schema = ANEAR_SCHEMA_INIT;
  c_notes opened = {NULL, NULL};
  embedding.dimension = C_DIMENSION;
  embedding.metric = ANEAR_METRIC_L2;
  vectors[0].name = "embedding";
  vectors[0].index = &embedding;
  schema.vectors = vectors;
  schema.vector_count = 1;
  schema.fields = fields;
  schema.field_count = 3;
  CHECK_OK(anear_store_open(directory, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_collection_create(opened.store, "notes", &schema, &opened.notes, &error), &error);
  return opened;
}

void c_free_notes(c_notes opened) {
  anear_collection_free(opened.notes);
  anear_store_free(opened.store);
}

void c_fill_notes(const c_notes* opened, const float* rows, size_t count) {
  char(*texts)[2][32] = malloc(count * sizeof *texts);
  anear_text* keys = malloc(count * sizeof *keys);
  anear_text* payloads = malloc(count * sizeof *payloads);
  anear_value* values = malloc(3 * count * sizeof *values);
  anear_error error = ANEAR_ERROR_INIT;
  anear_batch batch = ANEAR_BATCH_INIT;
  anear_vector_column column = {"embedding", {NULL, 0, 0, 0, 0}, NULL};
  anear_field_column fields[3];
  CHECK(texts != NULL && keys != NULL && payloads != NULL && values != NULL);
  for (size_t i = 0; i < count; ++i) {
    snprintf(texts[i][0], sizeof texts[i][0], "note-%05u", (unsigned)i);
    snprintf(texts[i][1], sizeof texts[i][1], "payload %u", (unsigned)i);
    keys[i] = anear_text_of(texts[i][0]);
    payloads[i] = anear_text_of(texts[i][1]);
    values[i] = anear_string(i % 2 == 0 ? "coffee" : "tea");
    values[count + i] = anear_int64((int64_t)i);
    values[2 * count + i] = anear_timestamp((int64_t)i * 1000000);
  }
  fields[0].name = "topic";
  fields[0].values = values;
  fields[1].name = "size";
  fields[1].values = values + count;
  fields[2].name = "at";
  fields[2].values = values + 2 * count;
  column.rows = c_matrix(rows, count, C_DIMENSION);
  batch.count = count;
  batch.keys = keys;
  batch.vectors = &column;
  batch.vector_count = 1;
  batch.fields = fields;
  batch.field_count = 3;
  batch.payloads = payloads;
  CHECK_OK(anear_collection_upsert(opened->notes, &batch, NULL, &error), &error);
  free(texts);
  free(keys);
  free(payloads);
  free(values);
}
