/* The README's C example: make a store, put records in, ask for the nearest. */
#include <anear.h>
#include <stdio.h>

int main(int argc, char** argv) {
  const float rows[3][2] = {{1, 0}, {0, 1}, {0.9F, 0.1F}};
  const anear_text keys[] = {{"green", 5}, {"espresso", 8}, {"black", 5}};
  const char* directory = argc > 1 ? argv[1] : "context.anear";
  anear_error error = ANEAR_ERROR_INIT;
  anear_store* store = NULL;
  anear_collection* notes = NULL;
  anear_hits* hits = NULL;

  const anear_index_options index = {.struct_size = sizeof index, .dimension = 2};
  const anear_vector_schema vector = {"embedding", &index};
  const anear_schema schema = {.struct_size = sizeof schema, .vectors = &vector, .vector_count = 1};
  const anear_vector_column column = {"embedding", {rows, 3, 2, 0, ANEAR_SCALAR_F32}, NULL};
  const anear_batch batch = {.struct_size = sizeof batch, .count = 3, .keys = keys, .vectors = &column, .vector_count = 1};
  const anear_query query = {.struct_size = sizeof query, .queries = {rows, 1, 2, 0, ANEAR_SCALAR_F32}, .k = 2};
  int32_t code = anear_store_open(directory, NULL, &store, &error);
  if (code == 0) code = anear_collection_create(store, "notes", &schema, &notes, &error);
  if (code == 0) code = anear_collection_upsert(notes, &batch, NULL, &error);
  if (code == 0) code = anear_collection_search(notes, &query, &hits, &error);
  for (size_t i = 0; i < anear_hits_size(hits); ++i) {
    const anear_hit* hit = anear_hits_at(hits, i);
    printf("%.*s  %.3f\n", (int)hit->record->key.size, hit->record->key.data, hit->distance);
  }

  if (code != 0) fprintf(stderr, "%s: %s\n", anear_code_name(code), error.message);
  anear_hits_free(hits);
  anear_collection_free(notes);
  anear_store_free(store);
  return code;
}
