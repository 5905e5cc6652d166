/* Backups: taken, listed, restored, checked, removed. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

#define NULL_REFUSED(call)                          \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error); \
  CHECK(strstr(error.message, "NULL") != NULL)

enum { kRows = 200 };

/* A path that stays when the next one is asked for. */
static void path_to(char* path, const char* name) { snprintf(path, 512, "%s", c_directory(name)); }

static void check_count(const anear_store* store, uint64_t wanted) {
  anear_collection* notes = NULL;
  uint64_t count = 0;
  CHECK_OK(anear_collection_open(store, "notes", &notes, &error), &error);
  CHECK_OK(anear_collection_count(notes, NULL, &count, &error), &error);
  CHECK(count == wanted);
  anear_collection_free(notes);
}

static void check_store_has(const char* path, uint64_t wanted) {
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_store* store = NULL;
  options.flags = ANEAR_STORE_MUST_EXIST;
  CHECK_OK(anear_store_open(path, &options, &store, &error), &error);
  check_count(store, wanted);
  CHECK_OK(anear_store_verify(store, NULL, &error), &error);
  anear_store_free(store);
}

static int32_t count_calls(void* context, size_t done, size_t total) {
  CHECK(done <= total);
  ++*(int*)context;
  return 0;
}

static int32_t stop(void* context, size_t done, size_t total) {
  (void)context;
  (void)done;
  (void)total;
  return 1;
}

static void a_store_is_backed_up_and_restored(void) {
  char path[512], backups[512], target[512];
  float* rows = c_rows(kRows, C_DIMENSION, 3);
  anear_backup_options options = ANEAR_BACKUP_OPTIONS_INIT;
  anear_backup_report report = ANEAR_BACKUP_REPORT_INIT;
  anear_restore_options which = ANEAR_RESTORE_OPTIONS_INIT;
  anear_restored restored = ANEAR_RESTORED_INIT;
  anear_backup listed[4];
  size_t count = 0;
  size_t removed = 0;
  int calls = 0;
  path_to(path, "store");
  path_to(backups, "backups");
  path_to(target, "target");
  const c_notes opened = c_open_notes(path);
  c_fill_notes(&opened, rows, kRows / 2);
  options.flags = ANEAR_BACKUP_NO_HARD_LINKS;
  options.progress = count_calls;
  options.progress_context = &calls;
  CHECK_OK(anear_store_backup(opened.store, backups, &options, &report, &error), &error);
  CHECK(report.number == 1 && report.sequence >= 2 && report.files > 3 && calls > 0);
  CHECK(report.bytes_copied == report.bytes && report.bytes_linked == 0);
  CHECK(report.bytes_shared == 0 && report.images_left_out == 0);
  const uint64_t first = report.sequence;
  c_fill_notes(&opened, rows, kRows);
  CHECK_OK(anear_store_flush(opened.store, &error), &error);
  CHECK_OK(anear_store_backup(opened.store, backups, NULL, &report, &error), &error);
  CHECK(report.number == 2 && report.sequence > first && report.bytes_linked > 0);
  c_free_notes(opened);

  CHECK_CODE(ANEAR_LIMIT_EXCEEDED, anear_store_backups(backups, NULL, &count, &error), &error);
  CHECK(count == 2);
  count = 4;
  CHECK_OK(anear_store_backups(backups, listed, &count, &error), &error);
  CHECK(count == 2 && listed[0].number == 1 && listed[0].sequence == first);
  CHECK(listed[1].number == 2 && listed[1].sequence == report.sequence);
  CHECK(listed[1].bytes == report.bytes && listed[1].files == report.files);
  CHECK(!listed[0].damaged && listed[0].created > 0);

  CHECK_OK(anear_store_verify_backup(backups, NULL, &restored, &error), &error);
  CHECK(restored.number == 2);
  CHECK_CODE(ANEAR_ALREADY_EXISTS, anear_store_restore(backups, path, NULL, NULL, &error), &error);
  which.sequence = first;
  calls = 0;
  which.progress = count_calls;
  which.progress_context = &calls;
  CHECK_OK(anear_store_restore(backups, target, &which, &restored, &error), &error);
  CHECK(restored.number == 1 && restored.sequence == first && restored.bytes == listed[0].bytes);
  CHECK(calls > 0);
  check_store_has(target, kRows / 2);
  check_store_has(path, kRows);

  CHECK_OK(anear_store_prune_backups(backups, 1, &removed, &error), &error);
  CHECK(removed == 1);
  which.progress = NULL;
  CHECK_CODE(ANEAR_NOT_FOUND, anear_store_verify_backup(backups, &which, NULL, &error), &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_prune_backups(backups, 0, NULL, &error), &error);
  path_to(target, "second");
  CHECK_OK(anear_store_restore(backups, target, NULL, NULL, &error), &error);
  check_store_has(target, kRows);
  free(rows);
}

static void what_does_not_work_is_told(void) {
  char path[512], backups[512];
  anear_backup_options options = ANEAR_BACKUP_OPTIONS_INIT;
  anear_restore_options which = ANEAR_RESTORE_OPTIONS_INIT;
  anear_backup listed;
  size_t count = 0;
  path_to(path, "alone");
  path_to(backups, "elsewhere");
  const c_notes opened = c_open_notes(path);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_backup(opened.store, path, NULL, NULL, &error),
             &error);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_store_backups(backups, NULL, &count, &error), &error);
  options.progress = stop;
  CHECK_CODE(ANEAR_CANCELLED, anear_store_backup(opened.store, backups, &options, NULL, &error),
             &error);
  CHECK_OK(anear_store_backups(backups, &listed, &count, &error), &error);
  CHECK(count == 0);
  CHECK_CODE(ANEAR_NOT_FOUND, anear_store_restore(backups, c_directory("x"), NULL, NULL, &error),
             &error);
  options.flags = 1024;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT,
             anear_store_backup(opened.store, backups, &options, NULL, &error), &error);
  which.flags = 1;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_verify_backup(backups, &which, NULL, &error),
             &error);
  CHECK_OK(anear_store_backup(opened.store, backups, NULL, NULL, &error), &error);
  which.flags = 0;
  which.progress = stop;
  CHECK_CODE(ANEAR_CANCELLED, anear_store_verify_backup(backups, &which, NULL, &error), &error);

  NULL_REFUSED(anear_store_backup(NULL, backups, NULL, NULL, &error));
  NULL_REFUSED(anear_store_backup(opened.store, NULL, NULL, NULL, &error));
  NULL_REFUSED(anear_store_backups(NULL, NULL, &count, &error));
  NULL_REFUSED(anear_store_backups(backups, NULL, NULL, &error));
  count = 1;
  NULL_REFUSED(anear_store_backups(backups, NULL, &count, &error));
  NULL_REFUSED(anear_store_restore(NULL, backups, NULL, NULL, &error));
  NULL_REFUSED(anear_store_restore(backups, NULL, NULL, NULL, &error));
  NULL_REFUSED(anear_store_verify_backup(NULL, NULL, NULL, &error));
  NULL_REFUSED(anear_store_prune_backups(NULL, 1, NULL, &error));
  c_free_notes(opened);
}

const c_test backup_tests[] = {
    {"a store is backed up and restored", a_store_is_backed_up_and_restored},
    {"what does not work is told", what_does_not_work_is_told},
    {NULL, NULL},
};
