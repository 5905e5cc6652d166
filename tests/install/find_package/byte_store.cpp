// Calls what needs RocksDB inside of anear: linking it is the installed package's business.
#include <anear/storage/byte_store.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

using anear::storage::Family;

namespace {
int run(const std::string& directory) {
  auto store = anear::storage::open_rocksdb_store({.directory = directory});
  if (!store) {
    std::fprintf(stderr, "open: %s\n", store.error().message.c_str());
    return 1;
  }
  anear::storage::WriteBatch batch;
  batch.put(Family::kMeta, "name", "anear");
  if (!(*store)->write(batch, true)) return 1;
  const auto value = (*store)->get(Family::kMeta, "name", nullptr);
  const bool right = value && value->has_value() && **value == "anear";
  return right && (*store)->close() ? 0 : 1;
}
}  // namespace

int main() {
  char directory[] = "byte_store_XXXXXX";
  if (::mkdtemp(directory) == nullptr) return 1;
  const int status = run(directory);
  std::filesystem::remove_all(directory);
  return status;
}
