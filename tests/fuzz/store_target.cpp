// A store on disk whose database holds values that no anear wrote: opened, asked, written to. The
// bytes come through the database's own checksums, and behind right ones of ours.
//
//   | edit, 6 bytes: family u8, which value u8, what u8, place u16, byte u8 | …
//
// Slots under keys stay below 2^20: a store takes memory up to its largest slot, which is no
// mistake.
#include <cmath>
#include <filesystem>

#include "anear/collection/store.hpp"
#include "anear/storage/byte_store.hpp"
#include "anear/storage/store_directory.hpp"
#include "collection/field_container.hpp"
#include "collection/store_keys.hpp"
#include "sealed_bytes.hpp"
#include "support/fault_file_system.hpp"
#include "support/random_rows.hpp"
#include "support/temp_directory.hpp"

namespace anear::fuzz {
namespace store_target {
namespace {

using storage::ByteStore;
using storage::Family;

constexpr std::size_t kDimension = 3;
constexpr std::size_t kEditsMax = 8;

StoreOptions options() {
  // Syncs are left out: no one cuts the power.
  return {.durability = Durability::kBuffered,
          .tail_records_max = 4,
          .index_inline = true,
          .file_system = std::make_shared<testing::FaultFileSystem>()};
}

/// Records `first` … of the collection "c": a row, fields of some types, a payload.
Status write(Collection& collection, std::size_t first, std::size_t count) {
  const test::Rows rows = test::clustered_rows({count, kDimension}, first);
  std::vector<std::string> keys;
  std::vector<std::string_view> views;
  std::vector<Value> sizes, tags;
  for (std::size_t i = first; i < first + count; ++i) {
    keys.push_back("k" + std::to_string(i));
    sizes.emplace_back(static_cast<std::int64_t>(i));
    tags.emplace_back(std::vector<std::string>{"cli", std::to_string(i % 3)});
  }
  for (const std::string& key : keys) views.emplace_back(key);
  RecordBatch batch{.keys = views, .payloads = views};
  batch.vectors.push_back({"v", rows.view()});
  batch.fields = {{"size", sizes}, {"tags", tags}};
  const auto done = collection.upsert(batch);
  return done ? Status{} : Status(done.error());
}

std::unique_ptr<ByteStore> open_bytes(const std::string& store) {
  auto opened =
      storage::open_rocksdb_store({.directory = storage::path_in(store, storage::kRecordsDirectory),
                                   .file_system = std::make_shared<testing::FaultFileSystem>(),
                                   .merge = merge_containers});
  require(opened.has_value(), "the database of a good store opens");
  return std::move(*opened);
}

struct Entry {
  std::string key;
  std::string value;
};

/// A good store, and what its database holds.
struct Original {
  testing::TempDirectory directory;
  std::vector<std::vector<Entry>> families;

  Original() {
    auto store = Store::open(path(), options());
    require(store.has_value(), "a store can be made");
    CollectionSchema schema{.vectors = {{.name = "v",
                                         .dimension = kDimension,
                                         .metric = Metric::kL2,
                                         .index = HnswOptions{.links_max = 3}}},
                            .fields = {{"size", FieldType::kInt64}},
                            .dynamic = true};
    auto collection = store->create_collection("c", schema);
    require(collection.has_value() && write(*collection, 0, 8).has_value() &&
                collection->flush().has_value() && write(*collection, 6, 4).has_value() &&
                store->close().has_value(),
            "a store can be written");
    const auto bytes = open_bytes(path());
    for (std::size_t f = 0; f < storage::kFamilies; ++f) {
      families.emplace_back();
      const auto entry = bytes->iterate({static_cast<Family>(f), "", ""}, nullptr);
      for (; entry->valid(); entry->next())
        families.back().push_back({std::string(entry->key()), std::string(entry->value())});
    }
    require(bytes->close().has_value(), "a database can be closed");
  }
  std::string path() const { return directory / "store"; }
};

bool is_sealed(Family family, const Entry& entry) {
  if (family == Family::kMeta) return entry.key != keys::kSequence;
  return family == Family::kRecords || family == Family::kRows || family == Family::kChanges;
}

/// Takes one edit from `input` and adds what it makes of the original to `batch`.
void add_edit(Input& input, const Original& original, storage::WriteBatch& batch) {
  const std::size_t f = input.take<std::uint8_t>() % storage::kFamilies;
  const auto family = static_cast<Family>(f);
  const std::size_t which = input.take<std::uint8_t>();
  const std::uint8_t what = input.take<std::uint8_t>();
  const std::size_t place = input.take<std::uint16_t>();
  const auto byte = static_cast<char>(input.take<std::uint8_t>());
  const std::vector<Entry>& entries = original.families[f];
  if (entries.empty()) return;
  Entry entry = entries[which % entries.size()];
  const bool sealed_value = is_sealed(family, entry);
  std::string body = sealed_value ? unsealed(entry.value) : entry.value;
  const std::size_t at = body.empty() ? 0 : place % body.size();
  switch (what % 6) {
    case 0:
      return batch.remove(family, entry.key);
    case 1:
      body.resize(at);
      break;
    case 2:
      body.insert(at, 1 + what / 6U, byte);
      break;
    case 3:
      entry.key = entries[place % entries.size()].key;
      break;
    case 4:
      entry.key.back() = byte;
      break;
    default:
      if (!body.empty()) body[at] = byte;
      break;
  }
  if (family == Family::kKeys && body.size() == sizeof(Slot)) body[2] &= 0x0F, body[3] = 0;
  batch.put(family, entry.key, sealed_value ? sealed(body) : body);
}

/// No failure is a defect, and every one says what it is.
template <typename Outcome>
bool done(const Outcome& outcome) {
  if (outcome.has_value()) return true;
  require(outcome.error().code != ErrorCode::kInternal, outcome.error().message.c_str());
  require(!outcome.error().message.empty(), "a failure says what it is");
  return false;
}

void ask(const Collection& collection) {
  (void)done(collection.count({}));
  (void)done(collection.count({"size > 3 or 'cli' in tags", {}}));
  const test::Rows rows = test::clustered_rows({1, kDimension}, 77);
  for (const char* filter : {"", "size < 5"}) {
    for (const float recall : {0.95F, 1.0F}) {
      Query query{.legs = {{.query = rows.row(0)}}, .filter = {filter, {}}, .recall = recall};
      query.parts = {.fields = true, .payload = true, .vectors = true};
      const auto hits = collection.search(query);
      if (!done(hits)) continue;
      for (std::size_t i = 0; i < hits->hits.size(); ++i) {
        require(!std::isnan(hits->hits[i].distance), "a distance is a number");
        require(i == 0 || hits->hits[i - 1].distance <= hits->hits[i].distance, "nearest first");
      }
    }
  }
  (void)done(collection.scan({.parts = {.payload = true, .vectors = true}}));
  const std::vector<std::string_view> keys = {"k0", "k7", "k9", "none"};
  (void)done(collection.get(keys, {.vectors = true}));
  (void)done(collection.stats());
}

void use(const std::string& path) {
  auto store = Store::open(path, options());
  if (!done(store)) return;
  (void)done(store->verify());
  auto collection = store->collection("c");
  if (done(collection)) {
    ask(*collection);
    (void)done(write(*collection, 7, 6));
    const std::vector<std::string_view> keys = {"k1", "k8"};
    (void)done(collection->delete_keys(keys));
    (void)done(collection->delete_matching({"size = 3", {}}));
    (void)done(collection->flush());
    ask(*collection);
  }
  (void)done(store->close());
}

void run(std::string_view bytes) {
  static const Original kOriginal;
  const testing::TempDirectory directory;
  const std::string path = directory / "store";
  std::filesystem::copy(kOriginal.path(), path, std::filesystem::copy_options::recursive);
  storage::WriteBatch batch;
  Input input(bytes);
  for (std::size_t i = 0; i < kEditsMax && !input.empty(); ++i) add_edit(input, kOriginal, batch);
  {
    const auto database = open_bytes(path);
    require(database->write(batch, false).has_value(), "edits can be written");
    require(database->close().has_value(), "a database can be closed");
  }
  use(path);
  use(path);
}

std::vector<std::string> seeds() {
  std::vector<std::string> inputs = {""};
  for (std::uint8_t family = 0; family < storage::kFamilies; ++family) {
    std::string input;
    for (const char what : {'\0', '\5', '\3'})
      input += bytes_of(family) + bytes_of(std::uint8_t{2}) + what + bytes_of(std::uint16_t{9}) +
               bytes_of(std::uint8_t{0xFF});
    inputs.push_back(input);
  }
  return inputs;
}

}  // namespace
}  // namespace store_target

extern const Target kStoreTarget;
const Target kStoreTarget = {"store", store_target::run, store_target::seeds, 10};

}  // namespace anear::fuzz
