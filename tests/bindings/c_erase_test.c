/* Erasing: by key and filter, receipts, stopped and resumed. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>

#include "c_test.h"

static anear_error error = ANEAR_ERROR_INIT;

#define NULL_REFUSED(call)                          \
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, call, &error); \
  CHECK(strstr(error.message, "NULL") != NULL)

enum { kRows = 200 };

/* What the notes of a receipt said. */
typedef struct noted {
  char directory[512];
  uint64_t kinds[4];
} noted;

static void note(void* context, int32_t kind, const char* text, uint64_t bytes,
                 const char* checksum) {
  noted* all = (noted*)context;
  char path[1100];
  FILE* file = NULL;
  CHECK(kind >= ANEAR_ERASE_FILE && kind <= ANEAR_ERASE_OUTSTANDING);
  ++all->kinds[kind];
  if (kind == ANEAR_ERASE_OUTSTANDING) return;
  snprintf(path, sizeof path, "%s/%s", all->directory, text);
  file = fopen(path, "rb");
  CHECK((file != NULL) == (kind == ANEAR_ERASE_FILE));
  if (file == NULL) return;
  CHECK(fseek(file, 0, SEEK_END) == 0);
  CHECK((uint64_t)ftell(file) == bytes);
  CHECK(strchr(checksum, ':') != NULL);
  fclose(file);
}

static int32_t stop(void* context, size_t done, size_t total) {
  (void)context;
  CHECK(done <= total);
  return 1;
}

static anear_text text_of(const char* bytes) {
  anear_text text;
  text.data = bytes;
  text.size = strlen(bytes);
  return text;
}

static uint64_t count_of(const c_notes* opened) {
  uint64_t count = 0;
  CHECK_OK(anear_collection_count(opened->notes, NULL, &count, &error), &error);
  return count;
}

static uint64_t erasing(const c_notes* opened) {
  anear_stats stats = ANEAR_STATS_INIT;
  CHECK_OK(anear_collection_stats(opened->notes, &stats, &error), &error);
  return stats.erasing;
}

static void records_are_erased_by_key_and_filter(void) {
  noted all;
  anear_erase erase = ANEAR_ERASE_INIT;
  anear_erase_receipt receipt = ANEAR_ERASE_RECEIPT_INIT;
  anear_filter filter = {NULL, NULL, 0};
  anear_text keys[2];
  float* rows = c_rows(kRows, C_DIMENSION, 3);
  c_notes opened;
  memset(&all, 0, sizeof all);
  snprintf(all.directory, sizeof all.directory, "%s", c_directory("erased"));
  opened = c_open_notes(all.directory);
  c_fill_notes(&opened, rows, kRows);
  CHECK_OK(anear_collection_flush(opened.notes, &error), &error);

  keys[0] = text_of("note-00003");
  keys[1] = text_of("there is no such note");
  erase.note = note;
  erase.note_context = &all;
  erase.keys = keys;
  erase.key_count = 2;
  CHECK_OK(anear_collection_erase(opened.notes, &erase, &receipt, &error), &error);
  CHECK(receipt.records == 1 && receipt.sequence != 0 && receipt.indexes == 1);
  CHECK(receipt.begun != 0 && receipt.finished >= receipt.begun);
  CHECK(receipt.files == all.kinds[ANEAR_ERASE_FILE] && receipt.files != 0);
  CHECK(receipt.removed == all.kinds[ANEAR_ERASE_REMOVED] && receipt.removed != 0);
  CHECK(receipt.outstanding == 0 && all.kinds[ANEAR_ERASE_OUTSTANDING] == 0);
  CHECK(count_of(&opened) == kRows - 1);

  filter.text = "topic = 'tea'";
  erase.keys = NULL;
  erase.key_count = 0;
  erase.filter = &filter;
  erase.note = NULL;
  CHECK_OK(anear_collection_erase(opened.notes, &erase, NULL, &error), &error);
  CHECK(count_of(&opened) == kRows / 2);
  CHECK(erasing(&opened) == 0);
  CHECK_OK(anear_store_verify(opened.store, NULL, &error), &error);
  c_free_notes(opened);
  free(rows);
}

static void an_erase_is_stopped_and_resumed(void) {
  anear_erase erase = ANEAR_ERASE_INIT;
  anear_text key = text_of("note-00007");
  size_t finished = 9;
  float* rows = c_rows(kRows, C_DIMENSION, 4);
  c_notes opened = c_open_notes(c_directory("stopped"));
  c_fill_notes(&opened, rows, kRows);
  erase.progress = stop;
  erase.keys = &key;
  erase.key_count = 1;
  CHECK_CODE(ANEAR_CANCELLED, anear_collection_erase(opened.notes, &erase, NULL, &error), &error);
  erase.keys = NULL;
  CHECK(erasing(&opened) != 0);
  CHECK(count_of(&opened) == kRows - 1);
  CHECK_CODE(ANEAR_CANCELLED, anear_store_resume_erase(opened.store, &erase, &finished, &error),
             &error);
  CHECK(finished == 0);
  CHECK_OK(anear_store_resume_erase(opened.store, NULL, &finished, &error), &error);
  CHECK(finished == 1);
  CHECK_OK(anear_store_resume_erase(opened.store, NULL, &finished, &error), &error);
  CHECK(finished == 0);
  CHECK(erasing(&opened) == 0);
  c_free_notes(opened);
  free(rows);
}

static void what_is_wrong_is_refused(void) {
  anear_erase erase = ANEAR_ERASE_INIT;
  anear_filter filter = {NULL, NULL, 0};
  anear_text key = text_of("note-00001");
  float* rows = c_rows(kRows, C_DIMENSION, 5);
  c_notes opened = c_open_notes(c_directory("refused"));
  c_fill_notes(&opened, rows, kRows);
  NULL_REFUSED(anear_collection_erase(NULL, &erase, NULL, &error));
  NULL_REFUSED(anear_collection_erase(opened.notes, NULL, NULL, &error));
  NULL_REFUSED(anear_store_resume_erase(NULL, NULL, NULL, &error));
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_erase(opened.notes, &erase, NULL, &error),
             &error);
  erase.filter = &filter; /* Of every record. */
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_erase(opened.notes, &erase, NULL, &error),
             &error);
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_store_resume_erase(opened.store, &erase, NULL, &error),
             &error);
  erase.keys = &key;
  erase.key_count = 1;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_erase(opened.notes, &erase, NULL, &error),
             &error);
  erase.filter = NULL;
  erase.flags = 64;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_collection_erase(opened.notes, &erase, NULL, &error),
             &error);
  CHECK(count_of(&opened) == kRows);
  CHECK(erasing(&opened) == 0);
  c_free_notes(opened);
  free(rows);
}

const c_test erase_tests[] = {
    {"records are erased by key and filter", records_are_erased_by_key_and_filter},
    {"an erase is stopped and resumed", an_erase_is_stopped_and_resumed},
    {"what is wrong is refused", what_is_wrong_is_refused},
    {NULL, NULL},
};
