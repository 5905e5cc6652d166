/* What erasing records takes and tells. Include anear.h, which has the calls. */
#ifndef ANEAR_ERASE_H
#define ANEAR_ERASE_H

#include "anear_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one note of a receipt says. */
enum anear_erase_note_kind {
  ANEAR_ERASE_FILE = 1,       /* `text` is the path of a file as it is now, in the store. */
  ANEAR_ERASE_REMOVED = 2,    /* `text` is the path of a file that is gone. */
  ANEAR_ERASE_OUTSTANDING = 3 /* `text` says what may still hold the records, for people. */
};

/* One line of a receipt. `checksum` and `bytes` of files, else "" and 0: "crc32c:..." of a table's
 * bytes, "xxh3-128:..." of an image's header and section table, where its blocks' checksums stand.
 * Borrowed until it returns; must not call anear. */
typedef void (*anear_erase_note)(void* context, int32_t kind, const char* text, uint64_t bytes,
                                 const char* checksum);

/* What is erased, and how. */
typedef struct anear_erase {
  uint32_t struct_size;
  uint32_t flags; /* ANEAR_ERASE_LOST_COPIES */
  /* How long running calls, pinned handles and a backup are waited for; 0: 10,000. */
  uint32_t wait_ms;
  uint32_t reserved;
  /* Either keys, or a filter; neither for anear_store_resume_erase(). */
  const anear_text* keys;
  size_t key_count;
  const anear_filter* filter;
  /* NULL, or called with steps; 0 goes on, anything else stops: ANEAR_CANCELLED. */
  int32_t (*progress)(void* progress_context, size_t done, size_t total);
  void* progress_context;
  anear_erase_note note; /* NULL, or called for each line of the receipt. */
  void* note_context;
} anear_erase;
#define ANEAR_ERASE_INIT {sizeof(anear_erase), 0, 0, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL}
/* Remove the directories that anear_store_recover() and anear_store_repair() left, too, with all
 * that is in them. */
#define ANEAR_ERASE_LOST_COPIES 1U

typedef struct anear_erase_receipt {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t sequence; /* The commit from which on the records are gone. */
  uint64_t records;  /* Deleted by it, and by erasures that this one finished. */
  int64_t begun;     /* Microseconds UTC. */
  int64_t finished;
  uint64_t indexes;    /* Built anew, without the rows. */
  uint64_t containers; /* Of fields' values that no record has any more. */
  uint64_t changes;    /* Entries of the change log. */
  uint64_t files;      /* Notes of each kind. */
  uint64_t removed;
  uint64_t outstanding;
} anear_erase_receipt;
#define ANEAR_ERASE_RECEIPT_INIT {sizeof(anear_erase_receipt), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

#ifdef __cplusplus
}
#endif
#endif
