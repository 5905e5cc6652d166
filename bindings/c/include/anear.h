/* anear: an embeddable vector store. The C interface of libanear.so. docs/C_ABI.md explains it,
 * docs/examples/quickstart.c shows it.
 *
 * Conventions
 *  1. Errors. A function that can fail returns a code of enum anear_code, 0 for success. The last
 *     parameter takes the details and may be NULL. After a failure nothing was changed and what
 *     was to be returned is NULL or 0, unless a function says otherwise.
 *  2. NULL. A handle, a required pointer or an array with entries that is NULL is refused with
 *     ANEAR_INVALID_ARGUMENT. Functions without an error parameter answer NULL, 0 or "". The
 *     *_free functions do nothing.
 *  3. Handles are opaque and each type has its own *_free. Use after *_free is undefined; use
 *     after anear_store_close() is ANEAR_CLOSED.
 *  4. What a call is given is borrowed until it returns. What a handle lends (records, names,
 *     texts) lives until the handle is freed, also after the store was closed.
 *  5. Threads. Any function may run at the same time as any other on the same handle, except a
 *     *_free of that handle. One anear_error belongs to one thread.
 *  6. fork(). In the child every call on a store or a collection from before the fork is
 *     ANEAR_FORKED; free the handles and open the store again once the parent has let go of it.
 *     Hits, records and indexes are plain memory and stay usable there: an index if no thread was
 *     in a call on it at the fork.
 *  7. Structs that may grow start with struct_size; ANEAR_*_INIT sets it and zeroes the rest. In
 *     them 0 means "the default". A shorter struct of an older caller is accepted. A longer one
 *     too, if what this library does not know is zero; otherwise it is refused. So are unknown
 *     flags. Structs without struct_size never change.
 *  8. Texts. What a programmer writes (paths, names, filters) is NUL-terminated; data (keys,
 *     values, payloads) is an anear_text with a length. All is UTF-8, payloads are any bytes.
 *  9. A distance is smaller-is-nearer: squared L2, 1 - cosine, -inner product. Timestamps are
 *     microseconds since 1970-01-01T00:00:00Z. A sequence is the number of a commit, from 1.
 * 10. No call prints, exits, raises a signal, or lets a C++ exception out. */
#ifndef ANEAR_H
#define ANEAR_H

#include "anear_erase.h"
#include "anear_state.h"
#include "anear_types.h"
#include "anear_verify.h"

#if defined(__GNUC__)
#define ANEAR_API __attribute__((visibility("default")))
#else
#define ANEAR_API
#endif

/* Counts incompatible changes of this interface; anear_abi_version() is the library's. */
#define ANEAR_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

/* An open directory of collections; records of one schema; the answer to a search, with all its
 * bytes; the answer to a get or scan; an index by itself, in memory. */
typedef struct anear_store anear_store;
typedef struct anear_collection anear_collection;
typedef struct anear_hits anear_hits;
typedef struct anear_records anear_records;
typedef struct anear_index anear_index;

/* --- The library */

/* The version of the library, e.g. "0.1.0". Static storage. */
ANEAR_API const char* anear_version(void);

/* The ANEAR_ABI_VERSION the library was built with. A program whose own differs must not go on. */
ANEAR_API int32_t anear_abi_version(void);

/* The name of a code, e.g. "invalid_argument"; "unknown" for others. Static storage. */
ANEAR_API const char* anear_code_name(int32_t code);

/* The instruction set that this process computes with: "v2", "avx2", "avx512" or "neon". The
 * environment variable ANEAR_ISA names another one before the first call. Static storage. */
ANEAR_API const char* anear_isa(void);

/* --- Stores */

/* Opens the store in directory `path`, or makes one; `options` may be NULL.
 *
 * `*store` is to be freed by anear_store_free(). Opening again what this process has open already
 * is ANEAR_LOCKED as well, except with ANEAR_STORE_READ_ONLY.
 * Fails with ANEAR_LOCKED if another process writes to it (the message holds its pid),
 * ANEAR_NOT_FOUND with ANEAR_STORE_MUST_EXIST, ANEAR_UNSUPPORTED_FORMAT if the directory holds
 * something else or a newer format (nothing is touched), ANEAR_LOST_WRITES if less was recovered
 * than had been acknowledged (the message holds the missing range): restore a backup, or
 * anear_store_recover(). */
ANEAR_API int32_t anear_store_open(const char* path, const anear_store_options* options,
                                   anear_store** store, anear_error* error);

/* Gives up the acknowledged commits that anear_store_open() reports as ANEAR_LOST_WRITES.
 *
 * The log and the marks are copied into a new directory of the store first, which stays until you
 * remove it (it holds records); then the store can be opened. Where nothing was lost, nothing is
 * changed. `salvage` may be NULL, or takes what is there and where the copy stands. The store must
 * not be open. Other codes as of anear_store_open(). */
ANEAR_API int32_t anear_store_recover(const char* path, anear_salvage* salvage, anear_error* error);

/* Makes again what disagrees with the records of the store at `path`: keys, containers of fields,
 * indexes, images; saves the rows of damaged row files as far as their records confirm them.
 *
 * `lost` (may be NULL) is called for each record that has to be written again; `repair` (may be
 * NULL) takes the counts. Where anear_store_verify() finds nothing, nothing is changed. The store
 * must not be open. Slow: reads everything twice or more, and builds indexes.
 * Fails with ANEAR_CORRUPTION where records themselves cannot be read: restore a backup;
 * ANEAR_LOST_WRITES: anear_store_recover() comes first. */
ANEAR_API int32_t anear_store_repair(const char* path, anear_lost lost, void* lost_context,
                                     anear_repair* repair, anear_error* error);

/* Waits for running calls, writes out what is due, lets go of the lock. Later calls on the store
 * and its collections are ANEAR_CLOSED; hits and records stay readable. Closing twice is fine. */
ANEAR_API int32_t anear_store_close(anear_store* store, anear_error* error);

/* Frees the handle, and closes the store before if that was not done; its failure is then lost.
 * Handles of collections may be freed before or after. */
ANEAR_API void anear_store_free(anear_store* store);

/* Writes the names of all collections into `names`, each followed by a NUL character.
 *
 * `*names_size` goes in as the room in bytes and comes out as what was written.
 * ANEAR_LIMIT_EXCEEDED if that is too little: then it comes out as what is needed, and nothing was
 * written. `names` may be NULL when `*names_size` is 0. */
ANEAR_API int32_t anear_store_collections(const anear_store* store, char* names, size_t* names_size,
                                          anear_error* error);

/* Brings a store opened with ANEAR_STORE_READ_ONLY to what its writer has committed by now, all
 * collections at once. `*sequence`, which may be NULL, is where the store is then; of a store that
 * writes, its last commit. Calls that run go on in the state they began in. Collections made and
 * dropped meanwhile appear and disappear (their handles are ANEAR_NOT_FOUND).
 * On failure the store stays as it was: ANEAR_SNAPSHOT_EXPIRED if the writer replaced files faster
 * than they could be opened (call again), ANEAR_LOST_WRITES if there is less than was seen
 * or the store was put back, recovered or replaced (open it again). */
ANEAR_API int32_t anear_store_refresh(anear_store* store, uint64_t* sequence, anear_error* error);

/* anear_collection_flush() for every collection. */
ANEAR_API int32_t anear_store_flush(anear_store* store, anear_error* error);

/* Has a store that stopped after a failure of the disk (ANEAR_WRITES_STOPPED) take writes again,
 * without closing it: opens its files anew, compares them with what was acknowledged and settles
 * what was unknown. See to the cause first. Searches go on meanwhile. Where the disk was full, the
 * next write does this by itself. Nothing for a store that takes writes.
 * On failure the store stays stopped, and it can be called again: ANEAR_LOST_WRITES if a commit
 * that was acknowledged or seen is not there, ANEAR_READ_ONLY if it was opened so, or while an
 * erase, a backup, anear_store_verify() or long indexing is under way. */
ANEAR_API int32_t anear_store_resume(anear_store* store, anear_error* error);

/* Finishes the erasures that failed, were cancelled or cut short, as `erase` (may be NULL; without
 * keys and filter) asks. `*finished` (may be NULL) is set to how many there were. */
ANEAR_API int32_t anear_store_resume_erase(anear_store* store, const anear_erase* erase,
                                           size_t* finished, anear_error* error);

/* Reads back every record, row and image, and checks them against their checksums and each other.
 * Slow: reads all bytes. `verification` may be NULL, or takes what was looked at.
 * Fails with ANEAR_CORRUPTION if something is damaged; the message says what. */
ANEAR_API int32_t anear_store_verify(const anear_store* store, anear_verification* verification,
                                     anear_error* error);

/* The same as far as `verify` (may be NULL) asks. Beside searches and writes; above
 * ANEAR_VERIFY_CHECKSUMS the indexes and images of the collection that is looked at are not renewed
 * meanwhile.
 * Fails with ANEAR_CANCELLED or ANEAR_CLOSED if it was stopped by `progress` or the closing,
 * ANEAR_SNAPSHOT_EXPIRED if the writer beside a reader replaced files. */
ANEAR_API int32_t anear_store_verify_as(const anear_store* store, const anear_verify* verify,
                                        anear_verification* verification, anear_error* error);

/* Calls `damaged` (may be NULL) for each file that the scrub or anear_store_verify() found damaged
 * and that was not found whole or replaced since. `scrub` (may be NULL) takes what was read. */
ANEAR_API int32_t anear_store_scrub_stats(const anear_store* store, anear_damaged damaged,
                                          void* damaged_context, anear_scrub* scrub,
                                          anear_error* error);

/* Which writes the store takes, why not all, what of the disk is free, and what the store takes of
 * memory. Asks the file system, and looks at each collection. */
ANEAR_API int32_t anear_store_state(const anear_store* store, anear_state* state,
                                    anear_error* error);

/* What opening the store found. Also after anear_store_close(). */
ANEAR_API int32_t anear_store_recovery(const anear_store* store, anear_recovery* recovery,
                                       anear_error* error);

/* Takes a backup of the whole store into `directory`, beside searches and writes: the state as of
 * one commit, durable on return. `options` and `report` may be NULL.
 *
 * A directory keeps the backups of one store; it is made if it is missing (its parent must exist).
 * What an earlier backup there has is not copied again. If the call fails, earlier backups are as
 * they were.
 * Fails with ANEAR_INVALID_ARGUMENT if the directory is the store's own, lies in it or around it,
 * or the store is in memory, ANEAR_READ_ONLY if the store was opened so, ANEAR_LOCKED if another
 * backup into the directory is under way, ANEAR_CORRUPTION if a file of the store is damaged,
 * ANEAR_UNSUPPORTED_FORMAT if the directory holds something else or backups of another store,
 * ANEAR_CLOSED if the store is closed meanwhile. */
ANEAR_API int32_t anear_store_backup(const anear_store* store, const char* directory,
                                     const anear_backup_options* options,
                                     anear_backup_report* report, anear_error* error);

/* Writes what backups `directory` has into `backups`, the oldest first.
 *
 * `*count` goes in as the room and comes out as the number of backups. ANEAR_LIMIT_EXCEEDED if the
 * room is too little: then nothing was written. `backups` may be NULL when `*count` is 0.
 * Fails with ANEAR_NOT_FOUND if there is no such directory, ANEAR_UNSUPPORTED_FORMAT if it holds
 * something else. */
ANEAR_API int32_t anear_store_backups(const char* directory, anear_backup* backups, size_t* count,
                                      anear_error* error);

/* Makes a store in `target`, which must not exist or be empty, of a backup. `options` (NULL: the
 * newest backup) and `restored` may be NULL.
 *
 * Every file is compared with its length and checksum before the store becomes visible as the last
 * step: after a failure there is none, and the call may be tried again. The store has the id of the
 * one that was backed up. Do not remove backups of `directory` meanwhile.
 * Fails with ANEAR_NOT_FOUND if there is no such backup, ANEAR_ALREADY_EXISTS if there is a store
 * in `target`, ANEAR_CORRUPTION if the backup is damaged (the message names the file). */
ANEAR_API int32_t anear_store_restore(const char* directory, const char* target,
                                      const anear_restore_options* options,
                                      anear_restored* restored, anear_error* error);

/* Reads every byte of a backup against its checksum, as anear_store_restore() does, and writes
 * nothing. `options` and `verified` may be NULL. */
ANEAR_API int32_t anear_store_verify_backup(const char* directory,
                                            const anear_restore_options* options,
                                            anear_restored* verified, anear_error* error);

/* Removes all backups of `directory` but the newest `keep` (at least 1; damaged ones do not count),
 * and the files that only they had. `removed` may be NULL, or takes how many backups went.
 * Fails with ANEAR_LOCKED if a backup is under way. */
ANEAR_API int32_t anear_store_prune_backups(const char* directory, size_t keep, size_t* removed,
                                            anear_error* error);

/* --- Collections */

/* Makes a collection. `*collection` is to be freed by anear_collection_free().
 * Fails with ANEAR_ALREADY_EXISTS if the name is taken (case matters), ANEAR_INVALID_ARGUMENT if a
 * name, a type or an index is not valid. */
ANEAR_API int32_t anear_collection_create(anear_store* store, const char* name,
                                          const anear_schema* schema, anear_collection** collection,
                                          anear_error* error);

/* Opens a collection that exists, any number of times. Fails with ANEAR_NOT_FOUND otherwise. */
ANEAR_API int32_t anear_collection_open(const anear_store* store, const char* name,
                                        anear_collection** collection, anear_error* error);

/* A further handle that stays at the state of this moment: all that is read through it, page after
 * page, is of that one state, whatever is written or refreshed meanwhile. Writes through it are
 * ANEAR_READ_ONLY. `*pinned` is to be freed by anear_collection_free(), soon: until then space that
 * was freed since is not used again. After `pinned_seconds_max` of the store's options the store
 * may take it back: calls are ANEAR_SNAPSHOT_EXPIRED then. */
ANEAR_API int32_t anear_collection_pin(const anear_collection* collection,
                                       anear_collection** pinned, anear_error* error);

/* Deletes a collection and all of its records. Calls on its handles are ANEAR_NOT_FOUND then. */
ANEAR_API int32_t anear_collection_drop(anear_store* store, const char* name, anear_error* error);

/* Frees the handle; the collection stays. */
ANEAR_API void anear_collection_free(anear_collection* collection);

/* The name of the collection, lent by the handle; "" for NULL. */
ANEAR_API const char* anear_collection_name(const anear_collection* collection);

/* The schema of the collection, lent by the handle with all it points to; NULL for NULL. */
ANEAR_API const anear_schema* anear_collection_schema(const anear_collection* collection);

/* Writes whole records: new keys are added, existing ones replaced with all they had.
 *
 * All or nothing. `*sequence` (may be NULL) is set to that of the commit; a search that starts
 * afterwards sees it. The write survives loss of power, or with ANEAR_STORE_BUFFERED a killed
 * process.
 * Fails with ANEAR_INVALID_ARGUMENT if a record is not valid (`record` of the error says which, the
 * subcode why), ANEAR_LIMIT_EXCEEDED if a payload is too large or `memory_bytes_max` is reached,
 * ANEAR_CONFLICT if one is not at its `expected` sequence, ANEAR_OUTCOME_UNKNOWN if the disk
 * failed: the store takes no more writes until anear_store_resume(). */
ANEAR_API int32_t anear_collection_upsert(anear_collection* collection, const anear_batch* batch,
                                          uint64_t* sequence, anear_error* error);

/* Merges into existing records: given fields and vectors are replaced (NULL values are written,
 * MISSING ones leave the field alone), the rest stays. Otherwise like anear_collection_upsert().
 * Fails with ANEAR_NOT_FOUND if a key does not exist; `record` of the error says which. */
ANEAR_API int32_t anear_collection_update(anear_collection* collection, const anear_batch* batch,
                                          uint64_t* sequence, anear_error* error);

/* Deletes records by key, all in one commit. Keys that do not exist are no failure. `*deleted` (may
 * be NULL) is set to how many there were. */
ANEAR_API int32_t anear_collection_delete_keys(anear_collection* collection, const anear_text* keys,
                                               size_t key_count, size_t* deleted,
                                               anear_error* error);

/* Deletes every record that matches at the time of the call. `*deleted` may be NULL.
 * Fails with ANEAR_INVALID_ARGUMENT if the filter is empty: drop the collection instead. */
ANEAR_API int32_t anear_collection_delete_matching(anear_collection* collection,
                                                   const anear_filter* filter, size_t* deleted,
                                                   anear_error* error);

/* Deletes the records of `erase->keys`, or that match `erase->filter`, and removes the bytes of
 * these records, of their earlier versions, and of all that the collection had removed or replaced
 * before, from every file of the store. Keys that do not exist (any more) are no failure. `receipt`
 * may be NULL.
 *
 * The records are gone for every search from the first, durable commit on. Slow: builds indexes
 * anew where they hold dead rows, and writes all tables of the store anew, beside searches and
 * writes. What fails or is cut short after the commit is unfinished (`erasing` of anear_stats)
 * until the next erase, anear_store_resume_erase(), or the next opening for writing, which finishes
 * it in the background (but not with ANEAR_STORE_INDEX_INLINE).
 * The receipt tells of backups and copies that may still hold the records. Processes that read the
 * store and have not refreshed since hold the old files open, which the store does not know of.
 * Fails with ANEAR_INVALID_ARGUMENT unless there are either keys or a filter that is not empty,
 * ANEAR_SNAPSHOT_EXPIRED if pinned handles, running calls or a backup hold earlier states for
 * longer than `wait_ms`: let go of them and call anear_store_resume_erase(). */
ANEAR_API int32_t anear_collection_erase(anear_collection* collection, const anear_erase* erase,
                                         anear_erase_receipt* receipt, anear_error* error);

/* The records of `get->keys` in their order, all of one moment. `*records` is to be freed by
 * anear_records_free(); it holds NULL in the place of a key that does not exist. */
ANEAR_API int32_t anear_collection_get(const anear_collection* collection, const anear_get* get,
                                       anear_records** records, anear_error* error);

/* One page of the records that match, in ascending order of key. `*records` is to be freed by
 * anear_records_free(). A page shorter than the limit is the last. Each page is of one moment. */
ANEAR_API int32_t anear_collection_scan(const anear_collection* collection, const anear_scan* scan,
                                        anear_records** records, anear_error* error);

/* Sets `*count` to how many records match; a NULL filter counts all. */
ANEAR_API int32_t anear_collection_count(const anear_collection* collection,
                                         const anear_filter* filter, uint64_t* count,
                                         anear_error* error);

/* Finds the `k` records nearest to the one row of `query->queries` (or to `query->key`) that match
 * the filter, nearest first; fewer only when fewer match. `*hits` is to be freed by
 * anear_hits_free().
 * Fails with ANEAR_INVALID_ARGUMENT if the dimension is not that of the vector (the message holds
 * both), a number is not finite, all are zero under cosine, or k or recall is out of range;
 * ANEAR_FILTER_INVALID if the filter does not parse or does not fit the schema. */
ANEAR_API int32_t anear_collection_search(const anear_collection* collection,
                                          const anear_query* query, anear_hits** hits,
                                          anear_error* error);

/* anear_collection_search() for every row of `query->queries`, all of one moment, into memory of
 * the caller: keys and distances alone, nothing to be freed. `query->parts` must be 0.
 *
 * Row i has its answers in the places i * k to i * k + found[i] - 1; the keys of the others are
 * empty. On failure nothing is written but `key_bytes_used`.
 * Fails also with ANEAR_LIMIT_EXCEEDED if the keys need more than `key_bytes_max` bytes. */
ANEAR_API int32_t anear_collection_search_into(const anear_collection* collection,
                                               const anear_query* query, anear_answers* answers,
                                               anear_error* error);

/* Returns when all that was committed before is in the index, its image is on disk, and everything
 * is synced. Not needed for durability. */
ANEAR_API int32_t anear_collection_flush(anear_collection* collection, anear_error* error);

/* What the collection knows of itself at this moment. */
ANEAR_API int32_t anear_collection_stats(const anear_collection* collection, anear_stats* stats,
                                         anear_error* error);

/* --- Hits and records: memory of their own, independent of the store. Any number of threads. */

/* How many there are; 0 for NULL. */
ANEAR_API size_t anear_hits_size(const anear_hits* hits);

/* The hit in place `index`, 0 being the nearest, lent by the handle. NULL beyond the last. */
ANEAR_API const anear_hit* anear_hits_at(const anear_hits* hits, size_t index);

/* The sequence of the commit that the answer reflects; 0 for NULL. */
ANEAR_API uint64_t anear_hits_sequence(const anear_hits* hits);

/* How the answer was made, lent by the handle; NULL if the query was without ANEAR_WITH_EXPLAIN. */
ANEAR_API const anear_explain* anear_hits_explain(const anear_hits* hits);

ANEAR_API void anear_hits_free(anear_hits* hits);

/* How many places there are, those of keys that do not exist included; 0 for NULL. */
ANEAR_API size_t anear_records_size(const anear_records* records);

/* The record in place `index`, lent by the handle. NULL if there is none, or beyond the last. */
ANEAR_API const anear_record* anear_records_at(const anear_records* records, size_t index);

ANEAR_API void anear_records_free(anear_records* records);

/* The value of field `name`, lent by what lent the record; NULL if the record does not have it. */
ANEAR_API const anear_value* anear_record_field(const anear_record* record, const char* name);

/* --- Indexes by themselves: vectors under numbers (slots), in memory, saved to a file on demand.
 * Searches take no locks and run beside writes. Slots should be dense from 0: an index takes 4
 * bytes for every number up to the largest. */

/* Makes an empty index. `*index` is to be freed by anear_index_free().
 * Fails with ANEAR_INVALID_ARGUMENT if an option is out of its range. */
ANEAR_API int32_t anear_index_create(const anear_index_options* options, anear_index** index,
                                     anear_error* error);

/* Reads an index of any kind back. `*index` is to be freed by anear_index_free().
 * Fails with ANEAR_NOT_FOUND, ANEAR_UNSUPPORTED_FORMAT if it is another file, ANEAR_CORRUPTION if
 * bytes are damaged. */
ANEAR_API int32_t anear_index_load(const char* path, anear_index** index, anear_error* error);

ANEAR_API void anear_index_free(anear_index* index);

/* Learns the lists and codes of an IVF-PQ index from a sample of what will be added, once and
 * before that; some thousand rows, better 64 for each list. `build` may be NULL; its progress
 * counts steps, not rows. Other kinds need no training: nothing is done. Fails with
 * ANEAR_INVALID_ARGUMENT if the index is trained already or a row is not valid (`record` of the
 * error says which), and with ANEAR_CANCELLED. */
ANEAR_API int32_t anear_index_train(anear_index* index, const anear_matrix* sample,
                                    const anear_build* build, anear_error* error);

/* Adds row i under slots[i], of which there is one a row, each once, in place of the row that stood
 * there; `build` may be NULL. Writers wait for each other.
 * Fails with ANEAR_INVALID_ARGUMENT if a row or slot is not valid (`record` of the error says
 * which), and with ANEAR_CANCELLED, after which none of the rows is in any answer. */
ANEAR_API int32_t anear_index_add(anear_index* index, const anear_matrix* rows,
                                  const uint32_t* slots, const anear_build* build,
                                  anear_error* error);

/* Takes slots out of all later answers. Slots that are not there are no failure. `*deleted` (may be
 * NULL) is set to how many were. */
ANEAR_API int32_t anear_index_delete(anear_index* index, const uint32_t* slots, size_t slot_count,
                                     size_t* deleted, anear_error* error);

/* Measures on the index's own rows which effort reaches which recall, so that `recall` of a query
 * holds; until then careful defaults are used. Call it after bulk additions; costs about 128 exact
 * scans and 4000 walks. `build` may be NULL. Nothing to do for a flat index. */
ANEAR_API int32_t anear_index_calibrate(anear_index* index, const anear_build* build,
                                        anear_error* error);

/* Finds for every row of `query->queries` the `k` nearest slots, nearest first, with their exact
 * distances. Row i has its answers in the places i * k to i * k + found[i] - 1.
 * Fails like anear_collection_search(); `record` of the error is then the row, and what the arrays
 * hold is of no use. */
ANEAR_API int32_t anear_index_search(const anear_index* index, const anear_index_query* query,
                                     anear_neighbors* neighbors, anear_error* error);

/* Writes the index to `path`, replacing what was there only when all of it is on disk. Writers wait
 * for it. */
ANEAR_API int32_t anear_index_save(const anear_index* index, const char* path, anear_error* error);

/* What the index is and holds. */
ANEAR_API int32_t anear_index_stats(const anear_index* index, anear_index_facts* facts,
                                    anear_error* error);

#ifdef __cplusplus
}
#endif
#endif
