// The README's C++ example: make a store, put records in, ask for the nearest under a filter.
#include <anear/collection/store.hpp>
#include <array>
#include <cstdio>

using namespace anear;

int main(int argc, char** argv) {
  const auto fail = [](const Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 1;
  };
  auto store = Store::open(argc > 1 ? argv[1] : "context.anear");
  if (!store) return fail(store.error());
  auto notes = store->create_collection("notes", {.vectors = {{.name = "embedding", .dimension = 4}},
                                                  .fields = {{"topic", FieldType::kString}}});
  if (!notes) return fail(notes.error());
  const std::array<std::string_view, 3> keys = {"green", "espresso", "black"};
  const std::array<float, 12> rows = {1, 0, 0, 0, 0, 1, 0, 0, 0.9F, 0.1F, 0, 0};
  const std::array<Value, 3> topics = {"tea", "coffee", "tea"};
  const auto written = notes->upsert({.keys = keys,
                                      .vectors = {{"embedding", {rows.data(), {3, 4}, ScalarKind::kF32}}},
                                      .fields = {{"topic", topics}}});
  if (!written) return fail(written.error());  // All three are on the disk, or none is there.
  const VectorView green = {rows.data(), 4, ScalarKind::kF32};
  const auto found = notes->search({.legs = {{.query = green}}, .filter = {"topic = $t", {{"t", "tea"}}}, .k = 2});
  if (!found) return fail(found.error());
  for (const Hit& hit : found->hits) std::printf("%s  %.3f\n", hit.record.key.c_str(), hit.distance);
}
