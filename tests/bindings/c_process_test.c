/* Several processes: one writer at a time, and handles in a forked child. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

/* Ends in a status that check_child() takes for success only if `body` came to its end. */
static pid_t run_child(void (*body)(void*), void* context) {
  fflush(NULL);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    body(context);
    _exit(42);
  }
  return child;
}

static void check_child(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

typedef struct holder {
  const char* path;
  int opened[2];
} holder;

static void hold_until_killed(void* context) {
  const holder* held = context;
  anear_store* store = NULL;
  CHECK_OK(anear_store_open(held->path, NULL, &store, &error), &error);
  CHECK(write(held->opened[1], "o", 1) == 1);
  for (;;) pause();
}

static void a_second_writer_is_refused_and_told_who_holds_the_store(void) {
  holder held = {c_directory("held"), {0, 0}};
  char byte = 0;
  char pid[32];
  int status = 0;
  anear_store* store = NULL;
  CHECK(pipe(held.opened) == 0);
  const pid_t child = run_child(hold_until_killed, &held);
  CHECK(read(held.opened[0], &byte, 1) == 1);
  CHECK_CODE(ANEAR_LOCKED, anear_store_open(held.path, NULL, &store, &error), &error);
  snprintf(pid, sizeof pid, "%ld", (long)child);
  CHECK(store == NULL && strstr(error.message, pid) != NULL);
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
  CHECK_OK(anear_store_open(held.path, NULL, &store, &error), &error);
  anear_store* second = NULL;
  CHECK_CODE(ANEAR_LOCKED, anear_store_open(held.path, NULL, &second, &error), &error);
  anear_store_free(store);
  CHECK(close(held.opened[0]) == 0 && close(held.opened[1]) == 0);
}

typedef struct inherited {
  c_notes opened;
  anear_hits* hits;
  anear_index* index;
} inherited;

static void use_what_was_inherited(void* context) {
  const inherited* from_parent = context;
  const c_notes opened = from_parent->opened;
  const float row[C_DIMENSION] = {1};
  const anear_text key = anear_text_of("note-00001");
  const anear_filter filter = {"topic = 'tea'", NULL, 0};
  anear_batch batch = ANEAR_BATCH_INIT;
  anear_get get = ANEAR_GET_INIT;
  anear_query query = ANEAR_QUERY_INIT;
  anear_answers answers = ANEAR_ANSWERS_INIT;
  anear_stats stats = ANEAR_STATS_INIT;
  anear_schema schema = ANEAR_SCHEMA_INIT;
  anear_collection* collection = NULL;
  anear_records* records = NULL;
  anear_hits* hits = NULL;
  uint64_t count = 0;
  size_t size = 0;
  batch.count = 1;
  batch.keys = &key;
  query.queries = c_matrix(row, 1, C_DIMENSION);
#define FORKED(call) CHECK_CODE(ANEAR_FORKED, call, &error)
  FORKED(anear_collection_upsert(opened.notes, &batch, NULL, &error));
  FORKED(anear_collection_update(opened.notes, &batch, NULL, &error));
  FORKED(anear_collection_delete_keys(opened.notes, &key, 1, NULL, &error));
  FORKED(anear_collection_delete_matching(opened.notes, &filter, NULL, &error));
  FORKED(anear_collection_get(opened.notes, &get, &records, &error));
  FORKED(anear_collection_scan(opened.notes, NULL, &records, &error));
  FORKED(anear_collection_count(opened.notes, NULL, &count, &error));
  FORKED(anear_collection_search(opened.notes, &query, &hits, &error));
  FORKED(anear_collection_search_into(opened.notes, &query, &answers, &error));
  FORKED(anear_collection_flush(opened.notes, &error));
  FORKED(anear_collection_stats(opened.notes, &stats, &error));
  FORKED(anear_collection_open(opened.store, "notes", &collection, &error));
  FORKED(anear_collection_create(opened.store, "more", &schema, &collection, &error));
  FORKED(anear_collection_drop(opened.store, "notes", &error));
  FORKED(anear_store_collections(opened.store, NULL, &size, &error));
  FORKED(anear_store_flush(opened.store, &error));
  FORKED(anear_store_verify(opened.store, NULL, &error));
  FORKED(anear_store_close(opened.store, &error));
#undef FORKED
  CHECK(c_text_is(anear_hits_at(from_parent->hits, 0)->record->key, "note-00003"));
  anear_index_query index_query = ANEAR_INDEX_QUERY_INIT;
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  uint32_t slots[10];
  index_query.queries = query.queries;
  neighbors.slots = slots;
  CHECK_OK(anear_index_search(from_parent->index, &index_query, &neighbors, &error), &error);
  CHECK(slots[0] == 8);
  anear_collection_free(opened.notes);
  anear_store_free(opened.store);
}

static void handles_of_a_store_say_so_in_a_forked_child(void) {
  inherited from_parent = {c_open_notes(c_directory("forked")), NULL, NULL};
  float* rows = c_rows(20, C_DIMENSION, 3);
  anear_query query = ANEAR_QUERY_INIT;
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  const anear_matrix first = c_matrix(rows, 1, C_DIMENSION);
  const uint32_t slot = 8;
  uint64_t count = 0;
  c_fill_notes(&from_parent.opened, rows, 20);
  query.queries = c_matrix(rows + 3 * C_DIMENSION, 1, C_DIMENSION);
  CHECK_OK(anear_collection_search(from_parent.opened.notes, &query, &from_parent.hits, &error),
           &error);
  options.dimension = C_DIMENSION;
  CHECK_OK(anear_index_create(&options, &from_parent.index, &error), &error);
  CHECK_OK(anear_index_add(from_parent.index, &first, &slot, NULL, &error), &error);
  check_child(run_child(use_what_was_inherited, &from_parent));
  /* The parent goes on as before: nothing of its store was closed or unlocked. */
  c_fill_notes(&from_parent.opened, rows, 20);
  CHECK_OK(anear_collection_count(from_parent.opened.notes, NULL, &count, &error), &error);
  CHECK(count == 20);
  CHECK_OK(anear_store_verify(from_parent.opened.store, NULL, &error), &error);
  anear_hits_free(from_parent.hits);
  anear_index_free(from_parent.index);
  c_free_notes(from_parent.opened);
  free(rows);
}

static void write_without_closing(void* context) {
  float* rows = c_rows(30, C_DIMENSION, 4);
  const c_notes opened = c_open_notes(context);
  c_fill_notes(&opened, rows, 30);
  kill(getpid(), SIGKILL);
}

/* Leaves at `path` what a killed process had written: 30 notes. */
static void write_and_be_killed(const char* path) {
  char copy[320];
  int status = 0;
  snprintf(copy, sizeof copy, "%s", path);
  const pid_t child = run_child(write_without_closing, copy);
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void what_was_acknowledged_survives_a_killed_process(void) {
  const char* path = c_directory("killed");
  uint64_t count = 0;
  c_notes opened = {NULL, NULL};
  anear_recovery recovery = ANEAR_RECOVERY_INIT;
  write_and_be_killed(path);
  CHECK_OK(anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_store_recovery(opened.store, &recovery, &error), &error);
  CHECK(recovery.clean == 0 && recovery.marked_sequence <= recovery.recovered_sequence);
  CHECK_OK(anear_collection_open(opened.store, "notes", &opened.notes, &error), &error);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 30);
  c_free_notes(opened);
}

/* Where the last byte stands that is no zero: a log is reserved ahead with zeros. */
static off_t held_by_log(const char* path) {
  FILE* file = fopen(path, "rb");
  off_t at = 0, held = 0;
  CHECK(file != NULL);
  for (int byte = getc(file); byte != EOF; byte = getc(file)) {
    ++at;
    if (byte != 0) held = at;
  }
  CHECK(fclose(file) == 0);
  return held;
}

/* Cuts the database's log, which is not empty, by the last 100 bytes that it holds. */
static void cut_log(const char* store) {
  char path[640];
  int cut = 0;
  snprintf(path, sizeof path, "%s/records", store);
  DIR* directory = opendir(path);
  CHECK(directory != NULL);
  for (struct dirent* entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    const size_t length = strlen(entry->d_name);
    if (length < 4 || strcmp(entry->d_name + length - 4, ".log") != 0) continue;
    snprintf(path, sizeof path, "%s/records/%s", store, entry->d_name);
    const off_t held = held_by_log(path);
    if (held < 200) continue;
    CHECK(truncate(path, held - 100) == 0);
    ++cut;
  }
  CHECK(closedir(directory) == 0 && cut == 1);
}

static void a_store_that_lost_commits_is_recovered_on_request(void) {
  const char* path = c_directory("lost");
  char copy[640];
  uint64_t count = 1;
  c_notes opened = {NULL, NULL};
  anear_salvage salvage = ANEAR_SALVAGE_INIT;
  struct stat facts;
  write_and_be_killed(path);
  cut_log(path);
  CHECK_CODE(ANEAR_LOST_WRITES, anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_recover(NULL, &salvage, &error), &error);
  CHECK_OK(anear_store_recover(path, &salvage, &error), &error);
  CHECK(salvage.recovered_sequence < salvage.marked_sequence);
  snprintf(copy, sizeof copy, "%s/%s/MARK", path, salvage.copy);
  CHECK(salvage.copy[0] != '\0' && stat(copy, &facts) == 0);
  CHECK_OK(anear_store_recover(path, NULL, &error), &error);
  CHECK_OK(anear_store_recover(path, &salvage, &error), &error);
  CHECK(salvage.copy[0] == '\0');
  CHECK_OK(anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_collection_open(opened.store, "notes", &opened.notes, &error), &error);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 0); /* The one batch that was written. */
  c_free_notes(opened);
}

typedef struct lost_record {
  size_t count;
  char key[16];
} lost_record;

static void note_lost(void* context, const char* collection, const char* vector, anear_text key) {
  lost_record* lost = context;
  CHECK(strcmp(collection, "notes") == 0 && strcmp(vector, "embedding") == 0);
  snprintf(lost->key, sizeof lost->key, "%.*s", (int)key.size, key.data);
  ++lost->count;
}

/* Flips a bit in the fifth row of the store's only row file. */
static void flip_bit_of_row(const char* store) {
  char path[640];
  int byte = 0;
  snprintf(path, sizeof path, "%s/rows", store);
  DIR* directory = opendir(path);
  CHECK(directory != NULL);
  for (struct dirent* entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/rows/%s", store, entry->d_name);
  }
  CHECK(closedir(directory) == 0);
  FILE* file = fopen(path, "r+b");
  const long place = 4096 + 4 * (C_DIMENSION * (long)sizeof(float) + 8);
  CHECK(file != NULL && fseek(file, place, SEEK_SET) == 0);
  byte = fgetc(file);
  CHECK(byte != EOF && fseek(file, place, SEEK_SET) == 0 && fputc(byte ^ 1, file) != EOF);
  CHECK(fclose(file) == 0);
}

static void a_damaged_store_is_repaired_on_request(void) {
  const char* path = c_directory("damaged");
  float* rows = c_rows(30, C_DIMENSION, 7);
  c_notes opened = c_open_notes(path);
  anear_repair repair = ANEAR_REPAIR_INIT;
  lost_record lost = {0, {0}};
  uint64_t count = 0;
  c_fill_notes(&opened, rows, 30);
  CHECK_OK(anear_store_flush(opened.store, &error), &error);
  c_free_notes(opened);
  flip_bit_of_row(path);
  CHECK_CODE(ANEAR_CORRUPTION, anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_repair(NULL, NULL, NULL, NULL, &error), &error);
  CHECK_OK(anear_store_repair(path, note_lost, &lost, &repair, &error), &error);
  CHECK(repair.indexes == 1 && repair.lost == 1 && repair.copy[0] != '\0');
  CHECK(lost.count == 1 && strcmp(lost.key, "note-00004") == 0);
  CHECK_OK(anear_store_open(path, NULL, &opened.store, &error), &error);
  CHECK_OK(anear_collection_open(opened.store, "notes", &opened.notes, &error), &error);
  CHECK_OK(anear_collection_count(opened.notes, NULL, &count, &error), &error);
  CHECK(count == 30);
  CHECK_OK(anear_store_verify(opened.store, NULL, &error), &error);
  c_free_notes(opened);
  CHECK_OK(anear_store_repair(path, NULL, NULL, NULL, &error), &error);
  free(rows);
}

const c_test process_tests[] = {
    {"a second writer is refused and told who holds the store",
     a_second_writer_is_refused_and_told_who_holds_the_store},
    {"what was acknowledged survives a killed process",
     what_was_acknowledged_survives_a_killed_process},
    {"a store that lost commits is recovered on request",
     a_store_that_lost_commits_is_recovered_on_request},
    {"a damaged store is repaired on request", a_damaged_store_is_repaired_on_request},
    {"handles of a store say so in a forked child", handles_of_a_store_say_so_in_a_forked_child},
    {NULL, NULL},
};
