// verify() sees each single thing that is missing or another's, though every checksum fits.
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/damage.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

using namespace anear;
using anear::storage::ByteStore;
using anear::storage::Family;
using anear::storage::WriteBatch;
using anear::test::copy_entry;
using anear::test::cut_links_to;
using anear::test::edit_bytes;
using anear::test::fill_entry;
using anear::test::keys_in;
using anear::test::must_open;
using anear::test::remove_first;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kRecords = 300;

/// Half of them in images and row files, half in the tail.
void make_store(const std::string& path) {
  Store store = must_open(path);
  auto docs = store.create_collection("docs", test::docs_schema(16));
  REQUIRE(docs);
  const auto rows = test::clustered_rows({kRecords, 16}, 23);
  test::add_docs(*docs, rows, 0, kRecords / 2);
  REQUIRE(docs->flush());
  test::add_docs(*docs, rows, kRecords / 2, kRecords / 2);
  REQUIRE(store.close());
}

/// The values of the first two keys are exchanged.
void exchange_first(const std::string& store, Family family) {
  edit_bytes(store, [&](WriteBatch& batch, const ByteStore& bytes) {
    const std::vector<std::string> keys = keys_in(bytes, family);
    const auto first = bytes.get(family, keys.at(0), nullptr);
    const auto second = bytes.get(family, keys.at(1), nullptr);
    REQUIRE((first && second && *first != *second));
    batch.put(family, keys[0], **second);
    batch.put(family, keys[1], **first);
  });
}

struct Change {
  const char* name;
  std::function<void(const std::string&)> make;
  const char* told;  ///< What the message says.
};

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"no link leads to a position", [](auto& path) { cut_links_to(path, "1-0-", 7); }, "no link"},
      {"a code is another row's",
       [](auto& path) { copy_entry(path, {"rows", "1-0-", "codes"}, 3, 5); }, "code"},
      {"a row is another one", [](auto& path) { copy_entry(path, {"rows", "1-0-", "rows"}, 3, 5); },
       "not the one that was written"},
      {"a row is gone from index and file",
       [](auto& path) {
         fill_entry(path, {"rows", "1-0-", "slots"}, 5);
         fill_entry(path, {"images", "1-0-", "slots"}, 5);
       },
       "stands nowhere"},
      {"a row of the tail is gone", [](auto& path) { remove_first(path, Family::kRows); },
       "stands nowhere"},
      {"two rows of the tail are exchanged",
       [](auto& path) { exchange_first(path, Family::kRows); }, "not the one that was written"},
      {"a field container is gone", [](auto& path) { remove_first(path, Family::kFields); },
       "container is missing"},
      {"two field containers are exchanged",
       [](auto& path) { exchange_first(path, Family::kFields); }, "container disagrees"},
      {"a key is gone", [](auto& path) { remove_first(path, Family::kKeys); }, "keys for"},
      {"two keys are exchanged", [](auto& path) { exchange_first(path, Family::kKeys); },
       "another key"},
      {"a record is gone", [](auto& path) { remove_first(path, Family::kRecords); }, "records for"},
      {"two records are exchanged", [](auto& path) { exchange_first(path, Family::kRecords); },
       "another one's slot"},
      {"a live slot is none in the image",
       [](auto& path) { copy_entry(path, {"images", "1-slots-", "live"}, 2, 0); }, "dead slot"}};
  return all;
}

}  // namespace

TEST_CASE("verify() tells of each single thing that is gone or another's") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  make_store(path);
  REQUIRE(must_open(path, {.read_only = true}).verify());
  const std::size_t number = GENERATE(range(std::size_t{0}, std::size_t{13}));
  REQUIRE(changes().size() == 13);
  const Change& change = changes()[number];
  INFO(change.name);
  change.make(path);
  const auto report = must_open(path, {.read_only = true}).verify();
  REQUIRE_FALSE(report);
  INFO(report.error().message);
  CHECK(report.error().code == ErrorCode::kCorruption);
  CHECK(report.error().message.find(change.told) != std::string::npos);
}
