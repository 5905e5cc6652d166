// The README's C++ example: make a store, put records in, ask for the nearest under a filter.
#include <anear/collection/store.hpp>
#include <array>
#include <cstdio>

using namespace anear;

Status remember_and_recall(const char* directory) {
  const std::array<std::string_view, 3> keys = {"green", "espresso", "black"};
  const std::array<float, 6> rows = {1, 0, 0, 1, 0.9F, 0.1F};
  const std::array<Value, 3> topics = {"tea", "coffee", "tea"};

  auto store = Store::open(directory);
  if (!store) return store.error();
  auto notes = store->create_collection(
      "notes", {.vectors = {{.name = "embedding", .dimension = 2}}, .fields = {{"topic", FieldType::kString}}});
  if (!notes) return notes.error();
  const auto written = notes->upsert(
      {.keys = keys, .vectors = {{"embedding", {rows.data(), {3, 2}, ScalarKind::kF32}}}, .fields = {{"topic", topics}}});
  if (!written) return written.error();  // All three are on the disk, or none is there.
  const auto found = notes->search(
      {.legs = {{.query = {rows.data(), 2, ScalarKind::kF32}}}, .filter = {"topic = $t", {{"t", "tea"}}}, .k = 2});
  if (!found) return found.error();
  for (const Hit& hit : found->hits) std::printf("%s  %.3f\n", hit.record.key.c_str(), hit.distance);
  return {};
}

int main(int argc, char** argv) {
  const Status done = remember_and_recall(argc > 1 ? argv[1] : "context.anear");
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
