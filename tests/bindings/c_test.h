/* What the C tests share: checks that end the program, rows of a fixed seed, an exact search in
 * plain C as oracle, a directory for each program. */
#ifndef ANEAR_C_TEST_H
#define ANEAR_C_TEST_H

#include "anear.h"

/* One test: a sentence and what proves it. */
typedef struct c_test {
  const char* sentence;
  void (*run)(void);
} c_test;

/* One file of tests; the last entry of `tests` is {NULL, NULL}. */
typedef struct c_tests {
  const char* name;
  const c_test* tests;
} c_tests;

extern const c_test library_tests[];
extern const c_test index_tests[];
extern const c_test store_tests[];
extern const c_test backup_tests[];
extern const c_test erase_tests[];
extern const c_test verify_tests[];
extern const c_test record_tests[];
extern const c_test batch_tests[];
extern const c_test search_tests[];
extern const c_test process_tests[];

/* Ends the program, and says where, if `condition` is 0. */
#define CHECK(condition) c_check((condition) != 0, #condition, __FILE__, __LINE__)
/* Ends the program if `call` does not return `code`; shows what `error` holds. */
#define CHECK_CODE(expected, call, error) \
  c_check_code(expected, call, error, #call, __FILE__, __LINE__)
#define CHECK_OK(call, error) CHECK_CODE(ANEAR_OK, call, error)

void c_check(int holds, const char* condition, const char* file, int line);
void c_check_code(int32_t expected, int32_t code, const anear_error* error, const char* call,
                  const char* file, int line);

/* A path where nothing is yet; what is put there is removed when the program ends. Static storage.
 */
const char* c_directory(const char* name);
void c_make_directory(const char* path);

/* `rows` rows of `dimension` numbers in -1..1, to be freed. The same for the same seed. */
float* c_rows(size_t rows, size_t dimension, uint64_t seed);
anear_matrix c_matrix(const float* data, size_t rows, size_t dimension);

/* Squared L2 in double precision. */
double c_l2(const float* a, const float* b, size_t dimension);
/* The number of rows nearer to `query` than `distance` by more than rounding: an answer in place i
 * is right if at most i are. `wanted` (may be NULL): which rows count. */
size_t c_nearer(const float* query, anear_matrix rows, double distance, const uint8_t* wanted);

int c_text_is(anear_text text, const char* expected);

/* A store in its own directory with the collection "notes": vector "embedding" of 16 numbers, L2,
 * HNSW; fields "topic" (string), "size" (int64), "at" (timestamp). */
#define C_DIMENSION 16
typedef struct c_notes {
  anear_store* store;
  anear_collection* notes;
} c_notes;
c_notes c_open_notes(const char* directory);
void c_free_notes(c_notes opened);
/* Records "note-00000" to `count`: rows, topic "tea" or "coffee" (odd, even), size i, at i seconds,
 * payload "payload i". */
void c_fill_notes(const c_notes* opened, const float* rows, size_t count);

#endif
