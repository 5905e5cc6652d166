/* The README's C example: make a store, put records in, ask for the nearest under a filter. */
#include <anear.h>
#include <stdio.h>

int main(int argc, char** argv) {
  static const float rows[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0.9F, 0.1F, 0, 0}};
  const anear_text keys[] = {{"green", 5}, {"espresso", 8}, {"black", 5}};
  const anear_value topics[] = {anear_string("tea"), anear_string("coffee"), anear_string("tea")};
  const anear_index_options index = {.struct_size = sizeof index, .dimension = 4};
  const anear_vector_schema vector = {"embedding", &index};
  const anear_field_schema field = {"topic", ANEAR_TYPE_STRING, 0};
  const anear_schema schema = {.struct_size = sizeof schema, .vectors = &vector, .vector_count = 1,
                               .fields = &field, .field_count = 1};
  const anear_vector_column embedding = {"embedding", {rows, 3, 4, 0, ANEAR_SCALAR_F32}, NULL};
  const anear_field_column topic = {"topic", topics};
  const anear_batch batch = {.struct_size = sizeof batch, .count = 3, .keys = keys,
                             .vectors = &embedding, .vector_count = 1,
                             .fields = &topic, .field_count = 1};
  const anear_parameter wanted = {"t", anear_string("tea")};
  const anear_query query = {.struct_size = sizeof query, .queries = {rows, 1, 4, 0, 0},
                             .filter = {"topic = $t", &wanted, 1}, .k = 2};
  anear_error error = ANEAR_ERROR_INIT;
  anear_store* store = NULL;
  anear_collection* notes = NULL;
  anear_hits* hits = NULL;

  int32_t code = anear_store_open(argc > 1 ? argv[1] : "context.anear", NULL, &store, &error);
  if (code == 0) code = anear_collection_create(store, "notes", &schema, &notes, &error);
  if (code == 0) code = anear_collection_upsert(notes, &batch, NULL, &error);
  if (code == 0) code = anear_collection_search(notes, &query, &hits, &error);
  if (code != 0) fprintf(stderr, "%s: %s\n", anear_code_name(code), error.message);
  for (size_t i = 0; i < anear_hits_size(hits); ++i) {
    const anear_hit* hit = anear_hits_at(hits, i);
    printf("%.*s  %.3f\n", (int)hit->record->key.size, hit->record->key.data, hit->distance);
  }
  anear_hits_free(hits);
  anear_collection_free(notes);
  anear_store_free(store);
  return code;
}
