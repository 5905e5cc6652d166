/* The library as a whole: versions, names, the error struct. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "anear/version.hpp"
#include "c_test.h"

static void versions_are_those_of_the_headers(void) {
  char expected[32];
  snprintf(expected, sizeof expected, "%d.%d.%d", ANEAR_VERSION_MAJOR, ANEAR_VERSION_MINOR,
           ANEAR_VERSION_PATCH);
  CHECK(strcmp(anear_version(), expected) == 0);
  CHECK(anear_abi_version() == ANEAR_ABI_VERSION);
}

static void every_code_has_a_name(void) {
  CHECK(strcmp(anear_code_name(ANEAR_OK), "ok") == 0);
  CHECK(strcmp(anear_code_name(ANEAR_FILTER_INVALID), "filter_invalid") == 0);
  CHECK(strcmp(anear_code_name(ANEAR_INTERNAL), "internal") == 0);
  CHECK(strcmp(anear_code_name(ANEAR_INTERNAL + 1), "unknown") == 0);
  CHECK(strcmp(anear_code_name(-1), "unknown") == 0);
  for (int32_t code = ANEAR_OK; code <= ANEAR_INTERNAL; ++code)
    CHECK(strcmp(anear_code_name(code), "unknown") != 0);
}

static void the_instruction_set_is_the_one_the_environment_names(void) {
  const char* wanted = getenv("ANEAR_ISA");
  const char* isa = anear_isa();
  CHECK(strcmp(isa, "v2") == 0 || strcmp(isa, "avx2") == 0 || strcmp(isa, "avx512") == 0 ||
        strcmp(isa, "neon") == 0);
  if (wanted != NULL && strcmp(wanted, "v2") == 0) CHECK(strcmp(isa, "v2") == 0);
}

static void an_error_tells_code_and_sentence_and_is_cleared_by_success(void) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  anear_index* index = NULL;
  CHECK_CODE(ANEAR_INVALID_ARGUMENT, anear_index_create(&options, &index, &error), &error);
  CHECK(index == NULL);
  CHECK(error.subcode == ANEAR_SUB_DIMENSION_MISMATCH);
  CHECK(error.record == -1 && error.position == -1);
  CHECK(strstr(error.message, "65535") != NULL);
  options.dimension = 4;
  CHECK_OK(anear_index_create(&options, &index, &error), &error);
  CHECK(error.subcode == 0 && error.message[0] == '\0');
  anear_index_free(index);
}

static void an_error_may_be_null(void) {
  CHECK(anear_store_open(NULL, NULL, NULL, NULL) == ANEAR_INVALID_ARGUMENT);
  CHECK(anear_index_load("/nonexistent/index", NULL, NULL) == ANEAR_INVALID_ARGUMENT);
}

static void an_error_that_is_too_small_is_not_written_to(void) {
  struct {
    anear_error error;
    unsigned char after[64];
  } place;
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  anear_index* index = (anear_index*)&place;
  const uint32_t sizes[] = {0, 4, 16, sizeof(anear_error) - 8};
  options.dimension = 4;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    memset(&place, 0x5A, sizeof place);
    place.error.struct_size = sizes[i];
    CHECK(anear_index_create(&options, &index, &place.error) == ANEAR_INVALID_ARGUMENT);
    CHECK(index == NULL);
    CHECK(place.error.code == 0x5A5A5A5A && place.error.message[0] == 0x5A);
  }
}

static void an_error_of_a_newer_caller_has_its_unknown_part_zeroed(void) {
  struct {
    anear_error error;
    unsigned char newer[64];
    unsigned char after[64];
  } place;
  memset(&place, 0x5A, sizeof place);
  place.error.struct_size = sizeof(anear_error) + sizeof place.newer;
  CHECK(anear_store_flush(NULL, &place.error) == ANEAR_INVALID_ARGUMENT);
  CHECK(place.error.code == ANEAR_INVALID_ARGUMENT);
  CHECK(strstr(place.error.message, "store") != NULL);
  for (size_t i = 0; i < sizeof place.newer; ++i) CHECK(place.newer[i] == 0);
  for (size_t i = 0; i < sizeof place.after; ++i) CHECK(place.after[i] == 0x5A);
}

/* Paths of two-byte characters, so that one of two neighbouring lengths is cut inside of one. */
static void a_message_is_cut_at_a_whole_character(void) {
  for (size_t shift = 0; shift < 2; ++shift) {
    anear_error error = ANEAR_ERROR_INIT;
    anear_index* index = NULL;
    char path[1024];
    size_t size = 0;
    if (shift == 1) path[size++] = '/';
    while (size + 2 < sizeof path - 1) {
      path[size++] = (char)0xC3;
      path[size++] = (char)0xA9;
    }
    path[size] = '\0';
    CHECK(anear_index_load(path, &index, &error) != ANEAR_OK);
    CHECK(index == NULL);
    const size_t length = strlen(error.message);
    CHECK(length >= ANEAR_MESSAGE_SIZE - 2 && length < ANEAR_MESSAGE_SIZE);
    CHECK((unsigned char)error.message[length - 1] == 0xA9);
  }
}

static void value_makers_set_type_and_value(void) {
  CHECK(anear_null().type == ANEAR_TYPE_NULL);
  CHECK(anear_value_of(ANEAR_TYPE_MISSING).type == ANEAR_TYPE_MISSING);
  CHECK(anear_bool(7).type == ANEAR_TYPE_BOOL && anear_bool(7).as.boolean == 1);
  CHECK(anear_int64(INT64_MIN).type == ANEAR_TYPE_INT64);
  CHECK(anear_int64(INT64_MIN).as.int64 == INT64_MIN);
  CHECK(anear_float64(0.5).type == ANEAR_TYPE_FLOAT64 && anear_float64(0.5).as.float64 == 0.5);
  CHECK(anear_timestamp(-1).type == ANEAR_TYPE_TIMESTAMP && anear_timestamp(-1).as.int64 == -1);
  CHECK(anear_string("tea").type == ANEAR_TYPE_STRING);
  CHECK(c_text_is(anear_string("tea").as.text, "tea"));
  CHECK(anear_text_of(NULL).data == NULL && anear_text_of(NULL).size == 0);
}

static void accessors_take_null_and_answer_nothing(void) {
  CHECK(anear_hits_size(NULL) == 0);
  CHECK(anear_hits_at(NULL, 0) == NULL);
  CHECK(anear_hits_sequence(NULL) == 0);
  CHECK(anear_hits_explain(NULL) == NULL);
  CHECK(anear_records_size(NULL) == 0);
  CHECK(anear_records_at(NULL, 0) == NULL);
  CHECK(anear_record_field(NULL, "topic") == NULL);
  CHECK(strcmp(anear_collection_name(NULL), "") == 0);
  CHECK(anear_collection_schema(NULL) == NULL);
  anear_store_free(NULL);
  anear_collection_free(NULL);
  anear_hits_free(NULL);
  anear_records_free(NULL);
  anear_index_free(NULL);
}

const c_test library_tests[] = {
    {"versions are those of the headers", versions_are_those_of_the_headers},
    {"every code has a name", every_code_has_a_name},
    {"the instruction set is the one the environment names",
     the_instruction_set_is_the_one_the_environment_names},
    {"an error tells code and sentence and is cleared by success",
     an_error_tells_code_and_sentence_and_is_cleared_by_success},
    {"an error may be NULL", an_error_may_be_null},
    {"an error that is too small is not written to", an_error_that_is_too_small_is_not_written_to},
    {"an error of a newer caller has its unknown part zeroed",
     an_error_of_a_newer_caller_has_its_unknown_part_zeroed},
    {"a message is cut at a whole character", a_message_is_cut_at_a_whole_character},
    {"value makers set type and value", value_makers_set_type_and_value},
    {"accessors take NULL and answer nothing", accessors_take_null_and_answer_nothing},
    {NULL, NULL},
};
