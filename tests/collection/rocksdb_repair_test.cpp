// repair() brings a store that disagrees with its records back, and names what it could not.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_repair_test {

using namespace anear;
using anear::storage::ByteStore;
using anear::storage::Family;
using anear::storage::WriteBatch;
using anear::test::copy_entry;
using anear::test::cut_links_to;
using anear::test::edit_bytes;
using anear::test::file_in;
using anear::test::fill_entry;
using anear::test::keys_in;
using anear::test::must_open;
using anear::test::remove_first;
using anear::testing::bytes_of_file;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kRecords = 300;
constexpr std::size_t kInFiles = 200;

using Keys = std::set<std::string>;

test::Rows rows_of_docs() { return test::clustered_rows({kRecords, 16}, 29); }

void make_store(const std::string& path) {
  Store store = must_open(path);
  auto docs = store.create_collection("docs", test::docs_schema(16));
  REQUIRE(docs);
  const auto rows = rows_of_docs();
  test::add_docs(*docs, rows, 0, kInFiles);
  REQUIRE(docs->flush());
  test::add_docs(*docs, rows, kInFiles, kRecords - kInFiles);
  REQUIRE(store.close());
}

std::string row_file(const std::string& store) {
  return store + "/rows/" + file_in(store + "/rows", "1-0-");
}

void flip_bit(const std::string& path, std::size_t byte) {
  std::string bytes = bytes_of_file(path);
  bytes[byte] = static_cast<char>(bytes[byte] ^ 8);
  overwrite_file(path, bytes);
}

void damage_first(const std::string& store, Family family) {
  edit_bytes(store, [&](WriteBatch& batch, const ByteStore& bytes) {
    batch.put(family, keys_in(bytes, family).at(0), "damage");
  });
}

/// The first record stands under another slot as well.
void copy_first_record(const std::string& store, Slot slot) {
  edit_bytes(store, [&](WriteBatch& batch, const ByteStore& bytes) {
    const std::string key = keys_in(bytes, Family::kRecords).at(0);
    std::string other = key.substr(0, key.size() - sizeof slot);
    for (int shift = 24; shift >= 0; shift -= 8) other += static_cast<char>(slot >> shift);
    batch.put(Family::kRecords, other, **bytes.get(Family::kRecords, key, nullptr));
  });
}

struct Damage {
  const char* name;
  std::function<void(const std::string&)> make;
  Keys without_vector{};
  Keys gone{};
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all = {
      {"no link leads to a position", [](auto& path) { cut_links_to(path, "1-0-", 7); }},
      {"a code is another row's",
       [](auto& path) { copy_entry(path, {"rows", "1-0-", "codes"}, 3, 5); }},
      {"a row is another one",
       [](auto& path) { copy_entry(path, {"rows", "1-0-", "rows"}, 3, 5); },
       {"k5"}},
      {"a row is gone from index and file",
       [](auto& path) {
         fill_entry(path, {"rows", "1-0-", "slots"}, 5);
         fill_entry(path, {"images", "1-0-", "slots"}, 5);
       },
       {"k5"}},
      // Rows of 72 bytes stand from 4,096 on.
      {"a bit of a row file flipped",
       [](auto& path) { flip_bit(row_file(path), 4'096 + 72 * 40 + 3); },
       {"k40"}},
      {"a bit of a row file's header flipped", [](auto& path) { flip_bit(row_file(path), 1'000); }},
      {"a row file is missing", [](auto& path) { std::filesystem::remove(row_file(path)); },
       [] {
         Keys keys;
         for (std::size_t i = 0; i < kInFiles; ++i) keys.insert("k" + std::to_string(i));
         return keys;
       }()},
      {"the index image is missing",
       [](auto& path) {
         std::filesystem::remove(path + "/images/" + file_in(path + "/images", "1-0-"));
       }},
      {"a row of the tail is gone",
       [](auto& path) { remove_first(path, Family::kRows); },
       {"k200"}},
      {"a row of the tail is damaged",
       [](auto& path) { damage_first(path, Family::kRows); },
       {"k200"}},
      {"a field container is gone", [](auto& path) { remove_first(path, Family::kFields); }},
      {"a field container is damaged", [](auto& path) { damage_first(path, Family::kFields); }},
      {"a key is gone", [](auto& path) { remove_first(path, Family::kKeys); }},
      {"a key is damaged", [](auto& path) { damage_first(path, Family::kKeys); }},
      {"a record is gone", [](auto& path) { remove_first(path, Family::kRecords); }, {}, {"k0"}},
      {"a record is damaged", [](auto& path) { damage_first(path, Family::kRecords); }, {}, {"k0"}},
      {"a record stands once more under a slot that nobody has",
       [](auto& path) { copy_first_record(path, kNoSlot - 1); }},
      {"a record stands once more under the slot that is none",
       [](auto& path) { copy_first_record(path, kNoSlot); }},
      {"an entry of the change log is damaged",
       [](auto& path) { damage_first(path, Family::kChanges); }},
      {"the slots image says otherwise",
       [](auto& path) { copy_entry(path, {"images", "1-slots-", "live"}, 3, 0); }}};
  return all;
}

void expect_all_but(const Store& store, const Damage& damage) {
  const auto docs = store.collection("docs");
  REQUIRE(docs);
  const auto rows = rows_of_docs();
  CHECK(*docs->count({}) == kRecords - damage.gone.size());
  for (std::size_t i = 0; i < kRecords; ++i) {
    const std::string key = "k" + std::to_string(i);
    const bool gone = damage.gone.contains(key);
    CHECK(*docs->count({"size = " + std::to_string(i), {}}) == (gone ? 0 : 1));
    const auto hits = docs->search(test::near_to(rows.row(i), 1));
    REQUIRE(hits);
    const bool found = hits->hits.at(0).record.key == key;
    CHECK(found != (gone || damage.without_vector.contains(key)));
  }
}

}  // namespace

TEST_CASE("repair() brings back what is derived, and names the records that lost something") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const std::size_t number = GENERATE(range(std::size_t{0}, std::size_t{20}));
  REQUIRE(damages().size() == 20);
  const Damage& damage = damages()[number];
  INFO(damage.name);
  damage.make(path);
  const auto report = Store::repair(path);
  INFO((report ? "" : report.error().message));
  REQUIRE(report);
  Keys without_vector;
  Keys gone;
  for (const RepairReport::Lost& lost : report->lost) {
    CHECK(lost.collection == "docs");
    CHECK((lost.vector.empty() || lost.vector == "embedding"));
    (lost.vector.empty() ? gone : without_vector).insert(lost.key);
  }
  CHECK(without_vector == damage.without_vector);
  CHECK(gone == damage.gone);
  {
    Store store = must_open(path, {.index_inline = true});
    CHECK_FALSE(store.collection("docs")->stats()->degraded);
    expect_all_but(store, damage);
    CHECK(store.verify());
  }
  const auto again = Store::repair(path);
  REQUIRE(again);
  CHECK_FALSE(again->changed());
}

TEST_CASE("repair() keeps a damaged row file aside, and changes nothing where nothing is wrong") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  const auto healthy = Store::repair(path);
  REQUIRE(healthy);
  CHECK_FALSE(healthy->changed());
  CHECK(healthy->copy.empty());
  flip_bit(row_file(path), 5'000);
  const std::string name = file_in(path + "/rows", "1-0-");
  const std::string damaged = bytes_of_file(row_file(path));
  const auto report = Store::repair(path);
  REQUIRE(report);
  CHECK(bytes_of_file(report->copy + "/" + name) == damaged);
}

TEST_CASE("repair() wants a store on disk that nobody has open, with all of its commits") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  CHECK(Store::repair(path).error().code == ErrorCode::kNotFound);
  CHECK(Store::repair("m", {.in_memory = true}).error().code == ErrorCode::kInvalidArgument);
  {
    const Store store = must_open(path);
    CHECK(Store::repair(path).error().code == ErrorCode::kLocked);
  }
}

}  // namespace rocksdb_repair_test
