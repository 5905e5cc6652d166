/* Looking for damage: levels, progress, the scrub. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

#define NULL_REFUSED(call)                          \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error); \
  CHECK(strstr(error.message, "NULL") != NULL)

enum { kRows = 200 };

static int32_t count_calls(void* context, size_t done, size_t total) {
  CHECK(done <= total);
  ++*(int*)context;
  return 0;
}

static int32_t stop(void* context, size_t done, size_t total) {
  (void)context;
  CHECK(done <= total);
  return 1;
}

/* What was said of damaged files. */
typedef struct told {
  int files;
  char last[256];
} told;

static void note_damage(void* context, const char* file, const char* reason, int64_t found) {
  told* all = (told*)context;
  ++all->files;
  snprintf(all->last, sizeof all->last, "%s", file);
  CHECK(reason[0] != '\0' && found > 0);
}

static c_notes open_filled(const char* path) {
  const c_notes opened = c_open_notes(path);
  float* rows = c_rows(kRows, C_DIMENSION, 9);
  c_fill_notes(&opened, rows, kRows);
  CHECK_OK(anear_store_flush(opened.store, &error), &error);
  free(rows);
  return opened;
}

static void each_level_says_what_it_looked_at(void) {
  const c_notes opened = open_filled(c_directory("levels"));
  anear_verify verify = ANEAR_VERIFY_INIT;
  anear_verification looked = ANEAR_VERIFICATION_INIT;
  int calls = 0;
  verify.level = ANEAR_VERIFY_CHECKSUMS;
  verify.progress = count_calls;
  verify.progress_context = &calls;
  CHECK_OK(anear_store_verify_as(opened.store, &verify, &looked, &error), &error);
  CHECK(looked.files >= 6 && looked.images == 2 && looked.bytes > 0 && calls > 0);
  CHECK(looked.collections == 0 && looked.records == 0 && looked.rows == 0);
  verify.level = ANEAR_VERIFY_RECORDS;
  CHECK_OK(anear_store_verify_as(opened.store, &verify, &looked, &error), &error);
  CHECK(looked.collections == 1 && looked.records == kRows && looked.containers > 0);
  CHECK(looked.rows == 0);
  verify.level = 0;
  CHECK_OK(anear_store_verify_as(opened.store, &verify, &looked, &error), &error);
  CHECK(looked.records == kRows && looked.rows == kRows);
  CHECK_OK(anear_store_verify_as(opened.store, NULL, NULL, &error), &error);
  verify.progress = stop;
  CHECK_CODE(ANEAR_CANCELLED, anear_store_verify_as(opened.store, &verify, NULL, &error), &error);
  verify.progress = NULL;
  verify.level = 4;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_verify_as(opened.store, &verify, NULL, &error),
             &error);
  verify.level = 0;
  verify.flags = 1;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_verify_as(opened.store, &verify, NULL, &error),
             &error);
  NULL_REFUSED(anear_store_verify_as(NULL, NULL, NULL, &error));
  c_free_notes(opened);
}

static void damage_is_kept_in_mind(void) {
  char path[512], file[600];
  anear_scrub scrub = ANEAR_SCRUB_INIT;
  anear_stats stats = ANEAR_STATS_INIT;
  told all = {0, {0}};
  FILE* identity = NULL;
  snprintf(path, sizeof path, "%s", c_directory("damage"));
  const c_notes opened = open_filled(path);
  CHECK_OK(anear_store_scrub_stats(opened.store, note_damage, &all, &scrub, &error), &error);
  CHECK(all.files == 0 && scrub.passes == 0 && scrub.finished == 0 && scrub.damaged == 0);
  CHECK_OK(anear_store_verify(opened.store, NULL, &error), &error);
  CHECK_OK(anear_store_scrub_stats(opened.store, NULL, NULL, &scrub, &error), &error);
  CHECK(scrub.passes == 1 && scrub.finished > 0 && scrub.files >= 6 && scrub.bytes > 0);
  snprintf(file, sizeof file, "%s/ANEAR", path);
  identity = fopen(file, "ab");
  CHECK(identity != NULL && fputs("more", identity) >= 0 && fclose(identity) == 0);
  CHECK_CODE(ANEAR_CORRUPTION, anear_store_verify(opened.store, NULL, &error), &error);
  CHECK_OK(anear_store_scrub_stats(opened.store, note_damage, &all, &scrub, &error), &error);
  CHECK(all.files == 1 && strcmp(all.last, "ANEAR") == 0 && scrub.damaged == 1);
  CHECK_OK(anear_collection_stats(opened.notes, &stats, &error), &error);
  CHECK(stats.damaged_files == 1);
  NULL_REFUSED(anear_store_scrub_stats(NULL, NULL, NULL, &scrub, &error));
  c_free_notes(opened);
}

static void a_store_scrubs_itself_and_copies_its_files(void) {
  char path[512];
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_scrub scrub = ANEAR_SCRUB_INIT;
  anear_store* store = NULL;
  snprintf(path, sizeof path, "%s", c_directory("scrub"));
  c_free_notes(open_filled(path));
  options.scrub_bytes_per_second = 1; /* The first file, and a pause of minutes behind it. */
  options.scrub_every_s = 3600;
  options.flags = ANEAR_STORE_COPY_FILES;
  CHECK_OK(anear_store_open(path, &options, &store, &error), &error);
  while (scrub.bytes_so_far == 0) {
    CHECK_OK(anear_store_scrub_stats(store, NULL, NULL, &scrub, &error), &error);
  }
  CHECK(scrub.passes == 0);
  CHECK_OK(anear_store_close(store, &error), &error);
  CHECK_CODE(ANEAR_CLOSED, anear_store_scrub_stats(store, NULL, NULL, &scrub, &error), &error);
  CHECK_CODE(ANEAR_CLOSED, anear_store_verify_as(store, NULL, NULL, &error), &error);
  anear_store_free(store);
  options.scrub_every_s = (size_t)-1;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_open(path, &options, &store, &error), &error);
}

const c_test verify_tests[] = {
    {"each level says what it looked at", each_level_says_what_it_looked_at},
    {"damage is kept in mind", damage_is_kept_in_mind},
    {"a store scrubs itself and copies its files", a_store_scrubs_itself_and_copies_its_files},
    {NULL, NULL},
};
