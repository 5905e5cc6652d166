// An erase in which the first change of the disk fails, then the second, and so on, once or from
// then on, as when the process is killed there: nothing of other records is lost, the records are
// deleted or not, and once they are, the erase is finished after opening again, to the last byte.
// Every 17th by default, since RocksDB waits a second after many failures; ANEAR_FAULT_STEP=1: all.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/canaries.hpp"
#include "support/collection/stores.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_erase_fault_test {

using namespace anear;
using anear::test::Batch;
using anear::test::Canary;
using anear::test::must;
using anear::test::must_open;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 24;
constexpr std::size_t kOthers = 60;

/// A store with one canary, half of what it holds in images; closed.
Canary make_store(const std::string& path) {
  const Canary canary = test::canary(1, 0, kDimension);
  auto store = must_open(path, {.index_inline = true});
  auto docs = must(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = kDimension, .metric = Metric::kL2}},
               .fields = {{"word", FieldType::kString}},
               .dynamic = true}));
  const auto rows = test::clustered_rows({kOthers, kDimension}, 3);
  const auto add = [&](std::size_t first) {
    REQUIRE(docs.upsert(Batch()
                            .numbered(first, kOthers / 2)
                            .vectors("embedding", rows.view().rows_from(first, kOthers / 2))
                            .field("word", std::vector<Value>(kOthers / 2, Value("plain")))));
  };
  add(0);
  Batch batch;
  const test::Rows row{kDimension, canary.row};
  batch.keys({canary.key}).vectors("embedding", row).payloads({canary.payload});
  for (const Field& field : canary.fields) batch.field(field.first, {field.second});
  REQUIRE(docs.upsert(batch));
  REQUIRE(docs.flush());
  add(kOthers / 2);
  REQUIRE(store.close());
  return canary;
}

/// Whether the canary is there; everything else has to be, and fits together.
bool look(const Store& store, const Canary& canary) {
  const auto docs = must(store.collection("docs"));
  const auto page = must(docs.scan({.limit = 1'000}));
  std::size_t others = 0;
  bool there = false;
  for (const Record& record : page) {
    there = there || record.key == canary.key;
    others += record.key == canary.key ? 0 : 1;
  }
  CHECK(others == kOthers);
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
  const auto hits =
      must(docs.search(test::near_to(test::clustered_rows({1, kDimension}, 1).row(0), 1'000)));
  CHECK(hits.hits.size() == page.size());
  return there;
}

void expect_no_byte(const std::string& path, const Canary& canary) {
  const auto found = test::found_in(path, test::needles_of(canary, Metric::kL2));
  for (const std::string& where : found.where) FAIL_CHECK("found: " << where);
}

}  // namespace

TEST_CASE(
    "Whichever change of the disk fails during an erase, it is finished after opening again") {
  struct Way {
    ErrorCode code;
    std::size_t times;
  };
  constexpr Way kWays[] = {
      {ErrorCode::kIo, Fault::kAlways}, {ErrorCode::kIo, 1}, {ErrorCode::kNoSpace, Fault::kAlways}};
  const TempDirectory directory;
  const std::string made = directory / "made";
  const Canary canary = make_store(made);
  CHECK(test::found_in(made, test::needles_of(canary, Metric::kL2)).needles.size() > 10);
  const char* const asked = std::getenv("ANEAR_FAULT_STEP");
  const std::size_t usual = test::takes_few_rows() ? 41 : 17;
  const std::size_t step =
      asked == nullptr ? usual : std::max(std::strtoul(asked, nullptr, 10), 1UL);
  bool failed = true;
  std::size_t deleted = 0;
  std::size_t kept = 0;
  std::size_t n = 0;
  for (std::size_t turn = 0; failed; n += step, ++turn) {
    const Way& way = kWays[turn % std::size(kWays)];
    INFO("change " << n << ", " << name_of(way.code) << (way.times == 1 ? ", once" : ", always"));
    const std::string path = directory / ("store" + std::to_string(n));
    std::filesystem::copy(made, path, std::filesystem::copy_options::recursive);
    const auto files = std::make_shared<FaultFileSystem>();
    const StoreOptions options{.index_inline = true, .file_system = files};
    bool erased = false;
    {
      auto store = must_open(path, options);
      auto docs = must(store.collection("docs"));
      files->fail_change(n, way.code, way.times);
      const std::string_view key = canary.key;
      const auto receipt = docs.erase_keys({&key, 1}, {.wait_ms = 50});
      erased = receipt.has_value();
      failed = files->failures() != 0;
      if (erased) expect_no_byte(path, canary);
      // Closing is part of what fails.
    }
    files->heal();
    auto store = must_open(path, options);
    const bool there = look(store, canary);
    CHECK_FALSE((there && erased));
    if (there) {
      ++kept;
      CHECK(store.recovery().unfinished_erasures == 0);
      continue;
    }
    ++deleted;
    must(store.resume_erase());
    expect_no_byte(path, canary);
    CHECK_FALSE(look(store, canary));
    REQUIRE(store.close());
    expect_no_byte(path, canary);
    std::filesystem::remove_all(path);
  }
  CHECK(n > 60);
  CHECK(deleted > kept);
}

}  // namespace rocksdb_erase_fault_test
