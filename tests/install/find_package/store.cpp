// Writes records into a store, closes it, opens it again and finds them: installed headers and
// anear::anear alone.
#include <anear/collection/store.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace {
int fail(const char* what, const anear::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

int write(const std::string& path) {
  auto store = anear::Store::open(path);
  if (!store) return fail("open", store.error());
  auto notes = store->create_collection(
      "notes", {.vectors = {{.name = "text", .dimension = 4, .metric = anear::Metric::kL2}},
                .fields = {{.name = "kind", .type = anear::FieldType::kString}}});
  if (!notes) return fail("create_collection", notes.error());
  const std::vector<std::string_view> keys = {"a", "b"};
  const float rows[2][4] = {{0, 0, 0, 1}, {1, 0, 0, 0}};
  const std::vector<anear::Value> kinds = {std::string("cat"), std::string("dog")};
  const auto sequence =
      notes->upsert({.keys = keys,
                     .vectors = {{.name = "text", .rows = {rows, {2, 4}, anear::ScalarKind::kF32}}},
                     .fields = {{.name = "kind", .values = kinds}}});
  if (!sequence) return fail("upsert", sequence.error());
  const anear::Status closed = store->close();
  return closed ? 0 : fail("close", closed.error());
}

int read(const std::string& path) {
  auto store = anear::Store::open(path, {.create_if_missing = false});
  if (!store) return fail("open again", store.error());
  const auto notes = store->collection("notes");
  if (!notes) return fail("collection", notes.error());
  const std::vector<float> query = {0.9F, 0, 0, 0};
  anear::Query nearest;
  nearest.legs.push_back({"text", std::span<const float>(query), {}});
  nearest.k = 1;
  const auto hits = notes->search(nearest);
  if (!hits) return fail("search", hits.error());
  return hits->hits.size() == 1 && hits->hits[0].record.key == "b" ? 0 : 1;
}
}  // namespace

int main() {
  char directory[] = "store_XXXXXX";
  if (::mkdtemp(directory) == nullptr) return 1;
  const std::string path = std::string(directory) + "/store";
  int status = write(path);
  if (status == 0) status = read(path);
  std::filesystem::remove_all(directory);
  return status;
}
