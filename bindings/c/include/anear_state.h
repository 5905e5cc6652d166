/* Which writes a store takes, and the space it has. Include anear.h, which has the calls. */
#ifndef ANEAR_STATE_H
#define ANEAR_STATE_H

#include "anear_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which writes a store takes. */
enum anear_writes {
  ANEAR_WRITES_ALL = 0,
  ANEAR_WRITES_FULL = 1,     /* Deletes and erasures alone, until there is more disk or memory. */
  ANEAR_WRITES_STOPPED = 2,  /* None, after a failure of the disk. */
  ANEAR_WRITES_READ_ONLY = 3 /* None: it was opened so. */
};

typedef struct anear_state {
  uint32_t struct_size;
  int32_t writes;                  /* enum anear_writes */
  uint64_t free_bytes;             /* Of the file system; 0 where it is not known. */
  uint64_t reserved_bytes;         /* What is left to deletes, compaction and images. */
  char reason[ANEAR_MESSAGE_SIZE]; /* Why not all writes are taken; "" otherwise. */
  uint64_t memory_bytes;           /* Of indexes, tails, keys, mapped files and the database. */
  /* Written since the opening, preallocated zeros included; 0 in memory and read-only. */
  uint64_t written_log;    /* Of records: what commits and syncs. */
  uint64_t written_tables; /* Of records: each byte some times, as levels are merged. */
  uint64_t written_rows;   /* Row files. */
  uint64_t written_images; /* Of indexes, keys and live records. */
  uint64_t written_other;  /* Marks, lists of files, identities. */
} anear_state;
#define ANEAR_STATE_INIT {sizeof(anear_state), 0, 0, 0, {0}, 0, 0, 0, 0, 0, 0}

#ifdef __cplusplus
}
#endif

#endif
