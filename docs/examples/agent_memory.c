/* An agent's memory: one process stores the turns of its conversations, another one recalls them.
 *
 *     agent_memory write DIRECTORY
 *     agent_memory recall DIRECTORY "how do I make the build faster?"
 *
 * The embedding is a plain feature hash of words, so that the example runs anywhere; put a model in
 * its place. */
#include <anear.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define DIMENSION 256
#define TURNS (sizeof turns / sizeof turns[0])
#define DAY (INT64_C(24) * 60 * 60 * 1000000)
#define START (INT64_C(1772355600) * 1000000) /* 2026-03-01, 9:00 UTC. */

static const struct {
  const char* tenant;
  int64_t day;
  const char* role;
  const char* text;
} turns[] = {
    {"acme", 0, "user", "the build takes eleven minutes, can we make it faster?"},
    {"acme", 1, "agent",
     "a compiler cache and precompiled headers make the build faster: four minutes now"},
    {"acme", 2, "user", "please write the release notes for version two"},
    {"acme", 40, "agent", "the build is slow again because the cache directory was full"},
    {"globex", 1, "user", "our build is slow too, what made it faster elsewhere?"},
    {"globex", 2, "agent", "I may not tell you what other customers do"},
};

/* Ends the program unless `code` is ANEAR_OK. */
static void check(int32_t code, const anear_error* error) {
  if (code == ANEAR_OK) return;
  fprintf(stderr, "%s: %s\n", anear_code_name(code), error->message);
  exit(1);
}

/* Counts a word in the place that its hash (FNV-1a) says, up or down. */
static void add_word(const char* word, size_t size, float* vector) {
  uint32_t hash = 2166136261U;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ (uint32_t)(unsigned char)word[i]) * 16777619U;
  vector[hash % DIMENSION] += (hash & 0x8000U) != 0 ? 1.0F : -1.0F;
}

/* Every word and its first four letters, so that "build" and "builds" have something in common. */
static void embed(const char* text, float* vector) {
  char word[64];
  size_t size = 0;
  memset(vector, 0, DIMENSION * sizeof *vector);
  for (;; ++text) {
    if (isalpha((unsigned char)*text) && size < sizeof word) {
      word[size++] = (char)tolower((unsigned char)*text);
      continue;
    }
    if (size > 0) add_word(word, size, vector);
    if (size > 4) add_word(word, 4, vector);
    size = 0;
    if (*text == '\0') return;
  }
}

static anear_collection* make_turns(anear_store* store, anear_error* error) {
  anear_index_options text = ANEAR_INDEX_OPTIONS_INIT;
  anear_schema schema = ANEAR_SCHEMA_INIT;
  const anear_vector_schema vectors[] = {{"text", &text}};
  const anear_field_schema fields[] = {{"tenant", ANEAR_TYPE_STRING, 0},
                                       {"role", ANEAR_TYPE_STRING, 0},
                                       {"at", ANEAR_TYPE_TIMESTAMP, 0}};
  anear_collection* collection = NULL;
  text.dimension = DIMENSION;
  text.metric = ANEAR_METRIC_COSINE;
  schema.vectors = vectors;
  schema.vector_count = 1;
  schema.fields = fields;
  schema.field_count = 3;
  int32_t code = anear_collection_create(store, "turns", &schema, &collection, error);
  if (code == ANEAR_ALREADY_EXISTS)
    code = anear_collection_open(store, "turns", &collection, error);
  check(code, error);
  return collection;
}

static void write_turns(const char* directory) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_store* store = NULL;
  static float rows[TURNS][DIMENSION];
  char names[TURNS][32];
  anear_text keys[TURNS];
  anear_text payloads[TURNS];
  anear_value tenants[TURNS];
  anear_value roles[TURNS];
  anear_value times[TURNS];
  for (size_t i = 0; i < TURNS; ++i) {
    snprintf(names[i], sizeof names[i], "%s/%u", turns[i].tenant, (unsigned)i);
    embed(turns[i].text, rows[i]);
    keys[i] = anear_text_of(names[i]);
    payloads[i] = anear_text_of(turns[i].text);
    tenants[i] = anear_string(turns[i].tenant);
    roles[i] = anear_string(turns[i].role);
    times[i] = anear_timestamp(START + turns[i].day * DAY);
  }
  const anear_vector_column vector = {"text", {rows, TURNS, DIMENSION, 0, ANEAR_SCALAR_F32}, NULL};
  const anear_field_column fields[] = {{"tenant", tenants}, {"role", roles}, {"at", times}};
  anear_batch batch = ANEAR_BATCH_INIT;
  batch.count = TURNS;
  batch.keys = keys;
  batch.vectors = &vector;
  batch.vector_count = 1;
  batch.fields = fields;
  batch.field_count = 3;
  batch.payloads = payloads;

  check(anear_store_open(directory, NULL, &store, &error), &error);
  anear_collection* collection = make_turns(store, &error);
  uint64_t count = 0;
  check(anear_collection_upsert(collection, &batch, NULL, &error), &error);
  check(anear_collection_count(collection, NULL, &count, &error), &error);
  printf("stored %u turns\n", (unsigned)count);
  anear_collection_free(collection);
  check(anear_store_close(store, &error), &error);
  anear_store_free(store);
}

static void recall_turns(const char* directory, const char* question) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
  anear_store* store = NULL;
  anear_collection* collection = NULL;
  anear_hits* hits = NULL;
  float vector[DIMENSION];
  const anear_parameter parameters[] = {{"tenant", anear_string("acme")},
                                        {"until", anear_timestamp(START + 30 * DAY)}};
  anear_query query = ANEAR_QUERY_INIT;
  embed(question, vector);
  query.queries.data = vector;
  query.queries.rows = 1;
  query.queries.dimension = DIMENSION;
  query.k = 2;
  query.filter.text = "tenant = $tenant and at < $until";
  query.filter.parameters = parameters;
  query.filter.parameter_count = 2;
  query.parts = ANEAR_WITH_FIELDS | ANEAR_WITH_PAYLOAD;

  options.flags = ANEAR_STORE_MUST_EXIST;
  check(anear_store_open(directory, &options, &store, &error), &error);
  check(anear_collection_open(store, "turns", &collection, &error), &error);
  check(anear_collection_search(collection, &query, &hits, &error), &error);
  for (size_t i = 0; i < anear_hits_size(hits); ++i) {
    const anear_hit* hit = anear_hits_at(hits, i);
    const anear_record* turn = hit->record;
    const anear_value* at = anear_record_field(turn, "at");
    printf("%.*s  %.3f  day %d  %.*s\n", (int)turn->key.size, turn->key.data, hit->distance,
           (int)((at->as.int64 - START) / DAY), (int)turn->payload.size, turn->payload.data);
  }
  anear_hits_free(hits);
  anear_collection_free(collection);
  anear_store_free(store);
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "write") == 0) {
    write_turns(argv[2]);
  } else if ((argc == 3 || argc == 4) && strcmp(argv[1], "recall") == 0) {
    recall_turns(argv[2], argc == 4 ? argv[3] : "how do I make the build faster?");
  } else {
    fprintf(stderr, "usage: agent_memory write DIRECTORY | recall DIRECTORY [QUESTION]\n");
    return 1;
  }
  return 0;
}
