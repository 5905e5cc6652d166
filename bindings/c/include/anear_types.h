/* The numbers and structs of anear.h, which says how they are used. Include anear.h. */
#ifndef ANEAR_TYPES_H
#define ANEAR_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Numbers. They are never reused. */

enum anear_code {
  ANEAR_OK = 0,
  ANEAR_INVALID_ARGUMENT = 1,    /* A value of the call is wrong. */
  ANEAR_NOT_FOUND = 2,           /* No such store, collection, record or file. */
  ANEAR_ALREADY_EXISTS = 3,      /* The name is taken. */
  ANEAR_CONFLICT = 4,            /* The record is not at the expected sequence. */
  ANEAR_FILTER_INVALID = 5,      /* `position` of the error is the byte in the filter's text. */
  ANEAR_LIMIT_EXCEEDED = 6,      /* A stated limit, or a buffer of the caller, is too small. */
  ANEAR_LOCKED = 7,              /* Another process writes to the store; the message names it. */
  ANEAR_READ_ONLY = 8,           /* Opened so, or turned so after a failed sync. */
  ANEAR_CLOSED = 9,              /* The store was closed. */
  ANEAR_FORKED = 10,             /* The handle was opened before fork(). */
  ANEAR_IO = 11,                 /* The file system failed, or the store was moved. */
  ANEAR_NO_SPACE = 12,           /* Less of the disk is free than is reserved, or nothing. */
  ANEAR_CORRUPTION = 13,         /* Bytes on disk are damaged. */
  ANEAR_UNSUPPORTED_FORMAT = 14, /* Not of anear, or of a newer format. */
  ANEAR_LOST_WRITES = 15,        /* Less was recovered than had been acknowledged. */
  ANEAR_OUTCOME_UNKNOWN = 16,    /* The write may or may not survive. Resume, and read. */
  ANEAR_SNAPSHOT_EXPIRED = 17,   /* The view was held for too long. */
  ANEAR_CANCELLED = 18,          /* The caller asked to stop. */
  ANEAR_OUT_OF_MEMORY = 19,      /* An allocation failed. */
  ANEAR_INTERNAL = 20            /* A defect of anear. */
};

/* Finer than the code, for programs that react to one cause; 0 where the code says it all. */
enum anear_subcode {
  ANEAR_SUB_DIMENSION_MISMATCH = 1,
  ANEAR_SUB_NOT_FINITE = 2,
  ANEAR_SUB_ZERO_VECTOR = 3,
  ANEAR_SUB_WRONG_TYPE = 4,
  ANEAR_SUB_UNKNOWN_FIELD = 5,
  ANEAR_SUB_UNKNOWN_VECTOR = 6,
  ANEAR_SUB_KEY_INVALID = 7,
  ANEAR_SUB_DUPLICATE_KEY = 8,
  ANEAR_SUB_K_TOO_LARGE = 9,
  ANEAR_SUB_FILTER_SYNTAX = 10,
  ANEAR_SUB_FILTER_TYPE = 11,
  ANEAR_SUB_FILTER_PARAMETER = 12,
  ANEAR_SUB_NAME_INVALID = 13,
  ANEAR_SUB_COUNT_MISMATCH = 14,
  ANEAR_SUB_NOT_TRAINED = 15,
  ANEAR_SUB_NEWER_FORMAT = 16,
  ANEAR_SUB_FOREIGN_FILE = 17,
  ANEAR_SUB_TRUNCATED = 18,
  ANEAR_SUB_CHECKSUM = 19,
  ANEAR_SUB_PAYLOAD_TOO_LARGE = 20
};

enum anear_metric { ANEAR_METRIC_L2 = 1, ANEAR_METRIC_INNER_PRODUCT = 2, ANEAR_METRIC_COSINE = 3 };
enum anear_scalar { ANEAR_SCALAR_F32 = 1, ANEAR_SCALAR_F16 = 2, ANEAR_SCALAR_I8 = 3 };
enum anear_index_kind { ANEAR_INDEX_FLAT = 1, ANEAR_INDEX_HNSW = 2, ANEAR_INDEX_IVF_PQ = 3 };

/* Types of fields; MISSING and NULL are only types of values. */
enum anear_type {
  ANEAR_TYPE_NULL = -1,
  ANEAR_TYPE_MISSING = 0,
  ANEAR_TYPE_BOOL = 1,
  ANEAR_TYPE_INT64 = 2,
  ANEAR_TYPE_FLOAT64 = 3,
  ANEAR_TYPE_STRING = 4,
  ANEAR_TYPE_TIMESTAMP = 5,
  ANEAR_TYPE_BOOL_LIST = 6,
  ANEAR_TYPE_INT64_LIST = 7,
  ANEAR_TYPE_FLOAT64_LIST = 8,
  ANEAR_TYPE_STRING_LIST = 9,
  ANEAR_TYPE_TIMESTAMP_LIST = 10,
  ANEAR_TYPE_JSON = 11
};

/* What an answer carries besides keys and distances: the bits of `parts`. */
#define ANEAR_WITH_FIELDS 1U /* `field_names` must be declared, unless the schema is dynamic. */
#define ANEAR_WITH_PAYLOAD 2U
#define ANEAR_WITH_VECTORS 4U
#define ANEAR_WITH_EXPLAIN 8U /* Searches only. */

#define ANEAR_ALL_THREADS                                                                     \
  UINT32_MAX                     /* As `threads`: all of the machine. 0 is one, at most 1024. \
                                  */
#define ANEAR_NO_SLOT UINT32_MAX /* No answer in this place. */
#define ANEAR_MESSAGE_SIZE 512
#define ANEAR_COPY_SIZE 64

/* --- Plain structs: they never change. */

/* `size` bytes; `data` may be NULL when that is 0. */
typedef struct anear_text {
  const char* data;
  size_t size;
} anear_text;

/* `size` entries, by the type of the value: uint8_t (bool), int64_t (int64, timestamp), double,
 * anear_text. */
typedef struct anear_list {
  const void* data;
  size_t size;
} anear_list;

/* A value of enum anear_type: `boolean`, `int64` (also of timestamps), `float64`, `text` (string,
 * JSON), `list`. All zero is MISSING. The functions below make the usual ones. */
typedef struct anear_value {
  int32_t type;
  union {
    int32_t boolean;
    int64_t int64;
    double float64;
    anear_text text;
    anear_list list;
  } as;
} anear_value;

/* `rows` vectors of `dimension` numbers of kind `scalar` (F32, F16; 0: F32), any alignment. Row i
 * starts i * stride_bytes after `data`; 0: the rows stand one after the other. */
typedef struct anear_matrix {
  const void* data;
  size_t rows;
  size_t dimension;
  size_t stride_bytes;
  int32_t scalar;
} anear_matrix;

/* `$name` in a filter stands for `value`, which is never read as filter text. */
typedef struct anear_parameter {
  const char* name;
  anear_value value;
} anear_parameter;

/* A filter, e.g. "tenant = $t and size < 100"; NULL or "": every record. */
typedef struct anear_filter {
  const char* text;
  const anear_parameter* parameters;
  size_t parameter_count;
} anear_filter;

/* The rows of one named vector for a batch, one a key (NULL: the only vector of the collection).
 * `present`: NULL, or one byte a key; the row of a 0 is skipped unread. */
typedef struct anear_vector_column {
  const char* name;
  anear_matrix rows;
  const uint8_t* present;
} anear_vector_column;

/* The values of one field for a batch, one a key. MISSING leaves the field out. */
typedef struct anear_field_column {
  const char* name;
  const anear_value* values;
} anear_field_column;

/* One field of a record that came out. */
typedef struct anear_field {
  const char* name;
  anear_value value;
} anear_field;

/* One vector of a record that came out, as stored: a matrix of one row. */
typedef struct anear_named_vector {
  const char* name;
  anear_matrix row;
} anear_named_vector;

static inline anear_text anear_text_of(const char* terminated) {
  anear_text text = {terminated, terminated == NULL ? 0 : strlen(terminated)};
  return text;
}
static inline anear_value anear_value_of(int32_t type) {
  anear_value value;
  memset(&value, 0, sizeof value);
  value.type = type;
  return value;
}
static inline anear_value anear_null(void) { return anear_value_of(ANEAR_TYPE_NULL); }
static inline anear_value anear_bool(int boolean) {
  anear_value value = anear_value_of(ANEAR_TYPE_BOOL);
  value.as.boolean = boolean != 0;
  return value;
}
static inline anear_value anear_int64(int64_t number) {
  anear_value value = anear_value_of(ANEAR_TYPE_INT64);
  value.as.int64 = number;
  return value;
}
static inline anear_value anear_float64(double number) {
  anear_value value = anear_value_of(ANEAR_TYPE_FLOAT64);
  value.as.float64 = number;
  return value;
}
static inline anear_value anear_timestamp(int64_t micros) {
  anear_value value = anear_value_of(ANEAR_TYPE_TIMESTAMP);
  value.as.int64 = micros;
  return value;
}
static inline anear_value anear_string(const char* terminated) {
  anear_value value = anear_value_of(ANEAR_TYPE_STRING);
  value.as.text = anear_text_of(terminated);
  return value;
}

/* --- Structs that may grow (convention 7). */

/* Where a call writes what went wrong: `record` of the batch, byte `position` of the filter or
 * file (-1: it has none), a sentence cut at a whole character. Cleared by a call that succeeds. */
typedef struct anear_error {
  uint32_t struct_size;
  int32_t code;
  int32_t subcode;
  int32_t reserved;
  int64_t record;
  int64_t position;
  char message[ANEAR_MESSAGE_SIZE];
} anear_error;
#define ANEAR_ERROR_INIT {sizeof(anear_error), 0, 0, 0, -1, -1, {0}}

#define ANEAR_STORE_MUST_EXIST 1U /* Do not make a store where there is none. */
#define ANEAR_STORE_READ_ONLY 2U  /* No lock; nothing on disk is changed. */
#define ANEAR_STORE_BUFFERED 4U   /* Commits go to the kernel at once, to the disk each second. */
#define ANEAR_STORE_IN_MEMORY 8U  /* The path is only a name. */
#define ANEAR_STORE_INDEX_INLINE 16U /* Index within each write, not in the background. */
/* Row files and images are copied to memory: a mapped one that others shrink ends the process. */
#define ANEAR_STORE_COPY_FILES 32U
#define ANEAR_STORE_NO_RESERVE 64U /* Write until the disk is full; see `reserved_bytes`. */

typedef struct anear_store_options {
  uint32_t struct_size;
  uint32_t flags;          /* ANEAR_STORE_* */
  size_t tail_records_max; /* Records that may wait outside of the index. 0: 32768. */
  /* NULL, or takes messages, from any thread. It must not call anear. */
  void (*log)(void* log_context, const char* message);
  void* log_context;
  size_t follow_every_ms; /* Read-only: anear_store_refresh() by a thread of the store. 0: none. */
  /* A thread reads all files against their checksums: anear_store_scrub_stats(). 0: none. */
  uint64_t scrub_bytes_per_second;
  size_t scrub_every_s; /* From the end of one pass to the next one. 0: 604,800, a week. */
  /* Writes that add are ANEAR_NO_SPACE while less of the disk is free, which is left to deletes,
   * compaction and images; they are taken again once there is more. 0: see docs/RELIABILITY.md. */
  uint64_t reserved_bytes;
  /* Writes that add are ANEAR_LIMIT_EXCEEDED before indexes, tails, keys (mapped files included)
   * and the database take more memory, with room for a copy of the largest index. 0: no bound;
   * else at least 16 MiB. Read-only: bounds the database's cache alone. */
  uint64_t memory_bytes_max;
  size_t background_threads; /* That index what waits, while much does. 0: all processors. */
  /* Of row files and images, all together. Writers, flush, erase, verify and backups wait for it in
   * the end; commits, opening and closing do not. 0: no limit. */
  uint64_t background_bytes_per_second;
  size_t pinned_seconds_max; /* See anear_collection_pin(). 0: 3,600; SIZE_MAX: no end. */
  /* Row files of an index are compared with their checksums at the opening up to so many bytes; of
   * larger ones each block is when it is first read. 0: 256 MiB; UINT64_MAX: all. */
  uint64_t checked_at_open_bytes;
} anear_store_options;
#define ANEAR_STORE_OPTIONS_INIT \
  {sizeof(anear_store_options), 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* An index; what its kind does not use is ignored. */
typedef struct anear_index_options {
  uint32_t struct_size;
  uint32_t flags;           /* ANEAR_INDEX_NO_ROTATION (IVF-PQ). */
  int32_t kind;             /* enum anear_index_kind. 0: HNSW. */
  int32_t metric;           /* enum anear_metric. 0: cosine. */
  size_t dimension;         /* 1 to 65535. */
  int32_t rows;             /* How rows are stored: F32 or F16. 0: F32. */
  int32_t codes;            /* HNSW: what walks read: F32, F16, I8. 0: I8. */
  uint32_t links_max;       /* HNSW: 2 to 512. 0: 16. */
  uint32_t ef_construction; /* HNSW: 1 to 100000. 0: 200. */
  uint32_t lists;           /* IVF-PQ. 0: from the number of training rows. */
  uint32_t subspaces;       /* IVF-PQ: bytes of a code. 0: from the dimension. */
  uint32_t iterations;      /* IVF-PQ: rounds of training. 0: 10. */
  uint32_t train_from;      /* IVF-PQ in a collection: trained from so many rows
                               on, searched exactly before. 0: 10000. */
  uint64_t seed;            /* 0: a fixed one. */
} anear_index_options;
#define ANEAR_INDEX_OPTIONS_INIT \
  {sizeof(anear_index_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define ANEAR_INDEX_NO_ROTATION 1U

/* Plain: a named vector, a declared field of enum anear_type (`flags`: 0). */
typedef struct anear_vector_schema {
  const char* name;
  const anear_index_options* index;
} anear_vector_schema;
typedef struct anear_field_schema {
  const char* name;
  int32_t type;
  uint32_t flags;
} anear_field_schema;

#define ANEAR_SCHEMA_DYNAMIC 1U /* Undeclared fields are kept with the type each value has. */

/* What a collection holds. Names: 1 to 128 of letters, digits, '_', '.', '-', the first a letter
 * or '_'. */
typedef struct anear_schema {
  uint32_t struct_size;
  uint32_t flags; /* ANEAR_SCHEMA_* */
  const anear_vector_schema* vectors;
  size_t vector_count;
  const anear_field_schema* fields;
  size_t field_count;
} anear_schema;
#define ANEAR_SCHEMA_INIT {sizeof(anear_schema), 0, NULL, 0, NULL, 0}

/* `count` records to be written together, all or none. */
typedef struct anear_batch {
  uint32_t struct_size;
  uint32_t flags; /* 0 */
  size_t count;
  const anear_text* keys; /* 1 to 1024 bytes each, each at most once. */
  const anear_vector_column* vectors;
  size_t vector_count;
  const anear_field_column* fields;
  size_t field_count;
  const anear_text* payloads; /* NULL, or one a key, at most 16 MiB each. */
  const uint64_t* expected;   /* NULL, or the sequence each record must be at; 0: must not exist. */
} anear_batch;
#define ANEAR_BATCH_INIT {sizeof(anear_batch), 0, 0, NULL, NULL, 0, NULL, 0, NULL, NULL}

typedef struct anear_query {
  uint32_t struct_size;
  uint32_t parts;       /* ANEAR_WITH_* */
  const char* vector;   /* NULL: the only one of the collection. */
  anear_matrix queries; /* One row for anear_collection_search(). */
  anear_text key;       /* Instead of `queries`: near to this record, which is not returned. */
  anear_filter filter;
  size_t k;                       /* 1 to 10000. 0: 10. */
  size_t effort;                  /* Expert override of `recall`: ef or probes. */
  float recall;                   /* Above 0, at most 1 (exact). 0: 0.95. */
  uint32_t threads;               /* For several rows. */
  const char* const* field_names; /* NULL: with ANEAR_WITH_FIELDS, all. */
  size_t field_name_count;
} anear_query;
#define ANEAR_QUERY_INIT \
  {sizeof(anear_query),  \
   0,                    \
   NULL,                 \
   {NULL, 0, 0, 0, 0},   \
   {NULL, 0},            \
   {NULL, NULL, 0},      \
   0,                    \
   0,                    \
   0,                    \
   0,                    \
   NULL,                 \
   0}

/* The caller's memory for the answers to r queries of k: a NULL array is not written. */
typedef struct anear_answers {
  uint32_t struct_size;
  uint32_t flags;        /* 0 */
  float* distances;      /* r * k; infinity where there is no answer. */
  size_t* key_offsets;   /* r * k + 1: key i is key_bytes[key_offsets[i] .. key_offsets[i + 1]). */
  char* key_bytes;       /* r * k * 1024 bytes are always enough. */
  size_t key_bytes_max;  /* How many there are. */
  size_t key_bytes_used; /* Set to how many were written, or would have been needed. */
  uint32_t* found;       /* r: answers of each query. */
  uint64_t sequence;     /* Set to the commit that the answers reflect. */
} anear_answers;
#define ANEAR_ANSWERS_INIT {sizeof(anear_answers), 0, NULL, NULL, NULL, 0, 0, NULL, 0}

typedef struct anear_get {
  uint32_t struct_size;
  uint32_t parts; /* ANEAR_WITH_* */
  const anear_text* keys;
  size_t key_count;
  const char* const* field_names; /* NULL: with ANEAR_WITH_FIELDS, all. */
  size_t field_name_count;
} anear_get;
#define ANEAR_GET_INIT {sizeof(anear_get), 0, NULL, 0, NULL, 0}

typedef struct anear_scan {
  uint32_t struct_size;
  uint32_t parts; /* ANEAR_WITH_* */
  anear_filter filter;
  anear_text after;               /* Only greater keys: the last one of the page before. */
  size_t limit;                   /* Records of a page. 0: 1000. */
  const char* const* field_names; /* NULL: with ANEAR_WITH_FIELDS, all. */
  size_t field_name_count;
} anear_scan;
#define ANEAR_SCAN_INIT {sizeof(anear_scan), 0, {NULL, NULL, 0}, {NULL, 0}, 0, NULL, 0}

/* One search of an index by itself. */
typedef struct anear_index_query {
  uint32_t struct_size;
  uint32_t threads; /* For several rows. */
  anear_matrix queries;
  size_t k;       /* 1 to 10000. 0: 10. */
  size_t effort;  /* Expert override of `recall`: ef or probes. */
  float recall;   /* Above 0, at most 1. 0: 0.95. */
  uint32_t flags; /* 0 */
  /* NULL: every slot; or the wanted ones: bit s % 64 of word s / 64 for slot s. */
  const uint64_t* wanted;
  size_t wanted_words;
} anear_index_query;
#define ANEAR_INDEX_QUERY_INIT \
  {sizeof(anear_index_query), 0, {NULL, 0, 0, 0, 0}, 0, 0, 0, 0, NULL, 0}

/* The caller's memory for the answers to r queries of k: a NULL array is not written. */
typedef struct anear_neighbors {
  uint32_t struct_size;
  uint32_t flags;   /* 0 */
  uint32_t* slots;  /* r * k; ANEAR_NO_SLOT where there is no answer. */
  float* distances; /* r * k; infinity there. */
  uint32_t* found;  /* r: answers of each query. */
} anear_neighbors;
#define ANEAR_NEIGHBORS_INIT {sizeof(anear_neighbors), 0, NULL, NULL, NULL}

/* How bulk work runs. */
typedef struct anear_build {
  uint32_t struct_size;
  uint32_t threads; /* More than one gives up the exact repeatability of a graph. */
  /* NULL, or called by one thread at a time; 0 goes on, anything else stops: ANEAR_CANCELLED. */
  int32_t (*progress)(void* progress_context, size_t done, size_t total);
  void* progress_context;
} anear_build;
#define ANEAR_BUILD_INIT {sizeof(anear_build), 0, NULL, NULL}

/* How a backup is taken. */
typedef struct anear_backup_options {
  uint32_t struct_size;
  uint32_t flags; /* ANEAR_BACKUP_NO_HARD_LINKS */
  /* NULL, or called with bytes; 0 goes on, anything else stops: ANEAR_CANCELLED. */
  int32_t (*progress)(void* progress_context, size_t done, size_t total);
  void* progress_context;
} anear_backup_options;
#define ANEAR_BACKUP_OPTIONS_INIT {sizeof(anear_backup_options), 0, NULL, NULL}
/* Copy everything: otherwise files that never change are linked to the store's own, where both are
 * on one file system, and a disk that rots a block of one rots it in both. */
#define ANEAR_BACKUP_NO_HARD_LINKS 1U

/* Which backup of a directory; neither number nor sequence: the newest. */
typedef struct anear_restore_options {
  uint32_t struct_size;
  uint32_t flags;    /* 0 */
  uint64_t sequence; /* Not 0: the newest backup at exactly this sequence. */
  uint64_t number;   /* Not 0: this one. */
  /* As in anear_backup_options. */
  int32_t (*progress)(void* progress_context, size_t done, size_t total);
  void* progress_context;
} anear_restore_options;
#define ANEAR_RESTORE_OPTIONS_INIT {sizeof(anear_restore_options), 0, 0, 0, NULL, NULL}

/* --- Structs the library fills in; zero or ANEAR_*_INIT them before, but for struct_size. */

typedef struct anear_stats {
  uint32_t struct_size;
  int32_t degraded; /* Not 0: answers are exact but slow until the index has been rebuilt. */
  uint64_t records;
  uint64_t last_sequence;
  uint64_t indexed_sequence;
  uint64_t tail_records; /* Committed, not yet in the index: scanned by each search. */
  uint64_t stalls;       /* Writes that had to wait for the indexer. */
  uint64_t slots;        /* All slots that were ever given out are below. */
  uint64_t memory_bytes;
  uint64_t image_bytes; /* On disk. */
  uint64_t image_sequence;
  char reason[ANEAR_MESSAGE_SIZE]; /* Why degraded, full or read-only; or "". */
  uint64_t erasing;                /* Not 0: the commit of an erase that is not finished. */
  uint64_t damaged_files; /* Of its own and of those all share: anear_store_scrub_stats(). */
} anear_stats;
#define ANEAR_STATS_INIT {sizeof(anear_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0}

typedef struct anear_recovery {
  uint32_t struct_size;
  int32_t clean;                /* Whether the store had been closed properly. */
  uint64_t recovered_sequence;  /* The last commit that is there. */
  uint64_t marked_sequence;     /* The last commit known to have been synced. */
  uint64_t tail_records;        /* Committed after the last images: scanned until indexed. */
  uint64_t unfinished_erasures; /* See anear_store_resume_erase(). */
} anear_recovery;
#define ANEAR_RECOVERY_INIT {sizeof(anear_recovery), 0, 0, 0, 0, 0}

typedef struct anear_salvage {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t recovered_sequence; /* The last commit that is there. */
  uint64_t marked_sequence;    /* The last commit known to have been synced. */
  char copy[ANEAR_COPY_SIZE];  /* The directory inside the store's with the log and marks as they
                                * were; "": nothing was lost, nothing was changed. */
} anear_salvage;
#define ANEAR_SALVAGE_INIT {sizeof(anear_salvage), 0, 0, 0, {0}}

/* What anear_store_repair() could not save: a record that is gone or, with `vector` not "", one
 * that has lost that vector. Borrowed until it returns; must not call anear. */
typedef void (*anear_lost)(void* context, const char* collection, const char* vector,
                           anear_text key);

typedef struct anear_repair {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t keys;              /* That led nowhere or elsewhere. */
  uint64_t containers;        /* Of fields' values. */
  uint64_t indexes;           /* Built again from rows. */
  uint64_t lost;              /* Records, or vectors of records, that could not be saved. */
  char copy[ANEAR_COPY_SIZE]; /* The directory inside the store's with damaged row files; "": none.
                               */
} anear_repair;
#define ANEAR_REPAIR_INIT {sizeof(anear_repair), 0, 0, 0, 0, 0, {0}}

typedef struct anear_backup_report {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t number;          /* Of the backup in its directory, from 1. */
  uint64_t sequence;        /* The last commit that is in it. */
  uint64_t files;           /* That the store consists of. */
  uint64_t bytes;           /* Of these. */
  uint64_t bytes_copied;    /* Of these, written to the directory. */
  uint64_t bytes_linked;    /* Of these, linked to the store's files. */
  uint64_t bytes_shared;    /* Of these, there already from earlier backups. */
  uint64_t images_left_out; /* Damaged index images: built again after a restore. */
} anear_backup_report;
#define ANEAR_BACKUP_REPORT_INIT {sizeof(anear_backup_report), 0, 0, 0, 0, 0, 0, 0, 0, 0}

typedef struct anear_restored {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t number;   /* Of the backup. */
  uint64_t sequence; /* The last commit that is in it. */
  uint64_t files;
  uint64_t bytes;
} anear_restored;
#define ANEAR_RESTORED_INIT {sizeof(anear_restored), 0, 0, 0, 0, 0}

/* Plain: one backup of a directory. */
typedef struct anear_backup {
  uint64_t number;
  uint64_t sequence;
  int64_t created;
  uint64_t files;
  uint64_t bytes;   /* Of the store. Backups share files: they take less in all. */
  int32_t damaged;  /* Not 0: its manifest cannot be read, and only `number` is known. */
  int32_t reserved; /* 0 */
} anear_backup;

typedef struct anear_index_facts {
  uint32_t struct_size;
  int32_t kind;   /* enum anear_index_kind */
  int32_t metric; /* enum anear_metric */
  int32_t rows;   /* enum anear_scalar */
  uint64_t dimension;
  uint64_t live;      /* Slots that a search may return. */
  uint64_t positions; /* With the deleted ones. */
  uint64_t bytes;
} anear_index_facts;
#define ANEAR_INDEX_FACTS_INIT {sizeof(anear_index_facts), 0, 0, 0, 0, 0, 0, 0}

/* --- Structs the library owns. Read them in place, as far as their struct_size says. */

/* `fields` ascend by name; parts that were not asked for are empty. */
typedef struct anear_record {
  uint32_t struct_size;
  uint32_t reserved;
  anear_text key;
  uint64_t sequence; /* Of the commit that wrote it last. */
  int64_t created;
  int64_t updated;
  anear_text payload;
  const anear_field* fields;
  size_t field_count;
  const anear_named_vector* vectors;
  size_t vector_count;
} anear_record;

typedef struct anear_hit {
  uint32_t struct_size;
  float distance;
  float score;     /* -distance */
  float relevance; /* 0 to 1 */
  const anear_record* record;
} anear_hit;

typedef struct anear_explain {
  uint32_t struct_size;
  uint32_t reserved;
  const char* plan; /* E.g. "graph walk", "exact scan of the matches". */
  uint64_t live;    /* Records in the view. */
  uint64_t matches; /* Of these, how many pass the filter. */
  uint64_t tail;    /* Scanned because the index did not have them yet. */
  uint64_t distances;
  uint64_t hops;
  uint64_t reranked;
  double filter_micros;
  double search_micros;
  double fetch_micros;
  uint64_t sequence;
  uint64_t indexed_sequence;
} anear_explain;

#ifdef __cplusplus
}
#endif
#endif
