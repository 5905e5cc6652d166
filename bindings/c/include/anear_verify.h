/* What looking for damage takes and tells. Include anear.h, which has the calls. */
#ifndef ANEAR_VERIFY_H
#define ANEAR_VERIFY_H

#include "anear_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How much is looked at. Each level looks at what those before it do, too. */
enum anear_verify_level {
  ANEAR_VERIFY_CHECKSUMS = 1, /* Every byte at rest against its checksum. */
  ANEAR_VERIFY_RECORDS = 2,   /* Records, keys and containers of values against each other. */
  ANEAR_VERIFY_FULL = 3       /* Rows and codes against records; whether each row can be found. */
};

typedef struct anear_verify {
  uint32_t struct_size;
  uint32_t flags; /* 0 */
  int32_t level;  /* enum anear_verify_level. 0: FULL. */
  uint32_t reserved;
  uint64_t bytes_per_second; /* Of files, at most. 0: as fast as they can be read. */
  /* NULL, or called with what is done of all that there is to do, files in bytes; 0 goes on,
   * anything else stops: ANEAR_CANCELLED. */
  int32_t (*progress)(void* progress_context, size_t done, size_t total);
  void* progress_context;
} anear_verify;
#define ANEAR_VERIFY_INIT {sizeof(anear_verify), 0, 0, 0, 0, NULL, NULL}

/* What was looked at. */
typedef struct anear_verification {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t collections; /* RECORDS and above. */
  uint64_t records;     /* RECORDS and above. */
  uint64_t rows;        /* FULL. */
  uint64_t images;      /* Of `files`. */
  uint64_t files;       /* Tables, row files, images, and the small ones. */
  uint64_t bytes;       /* Of these, each once. */
  uint64_t containers;  /* RECORDS and above: of fields' values. */
} anear_verification;
#define ANEAR_VERIFICATION_INIT {sizeof(anear_verification), 0, 0, 0, 0, 0, 0, 0, 0}

/* A file that did not hold what it should when it was last looked at: its path in the store, why,
 * and since when (microseconds UTC). Borrowed until it returns; must not call anear. */
typedef void (*anear_damaged)(void* context, const char* file, const char* reason, int64_t found);

/* What the scrub and anear_store_verify() read since the store was opened. */
typedef struct anear_scrub {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t passes;       /* Over all files, finished. */
  int64_t finished;      /* The last one; microseconds UTC. 0: none yet. */
  uint64_t files;        /* Of that pass. */
  uint64_t bytes;        /* Of that pass. */
  uint64_t bytes_so_far; /* Of the scrub's pass that is under way. */
  uint64_t damaged;      /* Files that are known to be damaged. */
} anear_scrub;
#define ANEAR_SCRUB_INIT {sizeof(anear_scrub), 0, 0, 0, 0, 0, 0, 0}

#ifdef __cplusplus
}
#endif
#endif
