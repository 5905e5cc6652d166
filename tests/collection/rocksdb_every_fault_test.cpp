// One store's life, again and again, in which the first change of the disk fails, then the second,
// and so on: after opening again everything acknowledged is there and nothing that was refused.
// Every eleventh by default, since RocksDB waits a second after many failures; ANEAR_FAULT_STEP=1:
// all. ANEAR_FAULT_FIRST: the one to begin with (0). Each fails in one of six ways, chosen by its
// number and ANEAR_FAULT_WAY (0). ANEAR_OPERATIONS: how many writes a life has beside its first.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <set>

#include "anear/collection/store.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_every_fault_test {

using namespace anear;
using anear::test::Batch;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::report;
using anear::testing::setting;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 4;

/// Key → its field.
using Model = std::map<std::string, std::int64_t>;

/// What a store must hold: one of `possible`. More than one once an outcome is unknown.
struct Expected {
  Model acknowledged;
  std::vector<Model> possible() const {
    std::vector<Model> all{acknowledged};
    all.insert(all.end(), unknown.begin(), unknown.end());
    return all;
  }
  std::vector<Model> unknown;
  bool created = false;
  bool maybe_created = false;

  /// Notes how a write ended that would make the store hold `next`.
  template <typename Outcome>
  void ended(const Outcome& outcome, Model next) {
    if (outcome)
      acknowledged = std::move(next);
    else if (outcome.error().code == ErrorCode::kOutcomeUnknown)
      unknown.push_back(std::move(next));
  }
};

/// The life: each step goes on after a failure of the one before, as a host may do.
class Life {
 public:
  explicit Life(StoreOptions options) : options_(std::move(options)) {}

  Expected run(const std::string& path) {
    auto store = Store::open(path, options_);
    if (!store) return expected_;
    auto docs = store->create_collection(
        "docs", {.vectors = {{.name = "embedding", .dimension = kDimension}},
                 .fields = {{"size", FieldType::kInt64}}});
    expected_.created = docs.has_value();
    if (!docs) {
      expected_.maybe_created = docs.error().code == ErrorCode::kOutcomeUnknown;
      return expected_;
    }
    upsert(*docs, 0, 20, 1);
    upsert(*docs, 10, 20, 2);
    (void)docs->flush();
    remove(*docs, 5);
    upsert(*docs, 0, 3, 3);
    (void)store->verify();
    upsert(*docs, 30, 5, 4);
    for (std::size_t i = 0; i < setting("ANEAR_OPERATIONS", 0); ++i) {
      if (i % 5 == 4)
        remove(*docs, i % 35);
      else
        upsert(*docs, i % 31, 1 + i % 4, static_cast<std::int64_t>(10 + i));
      if (i % 40 == 39) (void)docs->flush();
    }
    (void)docs->flush();
    remove(*docs, 31);
    (void)store->close();
    return expected_;
  }

 private:
  void upsert(Collection& docs, std::size_t first, std::size_t count, std::int64_t size) {
    const auto rows = test::clustered_rows({count, kDimension}, first + 1);
    const auto done = docs.upsert(Batch()
                                      .numbered(first, count)
                                      .vectors("embedding", rows)
                                      .field("size", std::vector<Value>(count, Value(size))));
    Model next = expected_.acknowledged;
    for (std::size_t i = first; i < first + count; ++i) next["k" + std::to_string(i)] = size;
    expected_.ended(done, std::move(next));
  }
  void remove(Collection& docs, std::size_t number) {
    const std::string key = "k" + std::to_string(number);
    const std::vector<std::string_view> keys = {key};
    Model next = expected_.acknowledged;
    next.erase(key);
    expected_.ended(docs.delete_keys(keys), std::move(next));
  }

  StoreOptions options_;
  Expected expected_;
};

Model contents_of(const Collection& docs) {
  Model found;
  const auto page = docs.scan({.limit = 1'000});
  REQUIRE(page);
  for (const Record& record : *page) {
    REQUIRE(record.fields.size() == 1);
    found[record.key] = std::get<std::int64_t>(record.fields[0].second);
  }
  return found;
}

/// What the store holds that was possible.
std::optional<Model> expect_one_of(const Expected& expected, const std::string& path,
                                   const std::shared_ptr<FaultFileSystem>& files) {
  files->heal();
  const auto store = Store::open(path, {.index_inline = true, .file_system = files});
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  const auto docs = store->collection("docs");
  CHECK((docs.has_value() == expected.created || expected.maybe_created));
  const auto verified = store->verify();
  INFO((verified ? "" : verified.error().message));
  CHECK(verified);
  if (!docs) return {};
  const std::vector<Model> possible = expected.possible();
  Model contents = contents_of(*docs);
  CHECK(std::find(possible.begin(), possible.end(), contents) != possible.end());
  const auto hits =
      docs->search(test::near_to(test::clustered_rows({1, kDimension}, 1).row(0), 1'000));
  REQUIRE(hits);
  CHECK(hits->hits.size() == contents.size());
  return contents;
}

}  // namespace

TEST_CASE("Whichever change of the disk fails, what was acknowledged is there afterwards") {
  // Each change fails in one of these ways, and its neighbours in the others.
  struct Way {
    ErrorCode code;
    std::size_t times;
    Durability durability;
    std::size_t bytes_written;  ///< Of what a write that fails was to write.
  };
  constexpr Way kWays[] = {{ErrorCode::kIo, 1, Durability::kDurable, 0},
                           {ErrorCode::kNoSpace, Fault::kAlways, Durability::kDurable, 0},
                           {ErrorCode::kIo, Fault::kAlways, Durability::kBuffered, 0},
                           {ErrorCode::kNoSpace, 1, Durability::kDurable, 0},
                           {ErrorCode::kNoSpace, 1, Durability::kDurable, 9},
                           {ErrorCode::kIo, Fault::kAlways, Durability::kDurable, 40}};
  const std::uint64_t usual = test::takes_few_rows() ? 29 : 11;
  const std::size_t step = std::max<std::size_t>(setting("ANEAR_FAULT_STEP", usual), 1);
  bool failed = true;
  std::uint64_t tried = 0;
  for (std::size_t n = setting("ANEAR_FAULT_FIRST", 0); failed; n += step) {
    const Way& way = kWays[(n + setting("ANEAR_FAULT_WAY", 0)) % std::size(kWays)];
    const TempDirectory directory;
    const auto files = std::make_shared<FaultFileSystem>();
    files->fail_change(
        {.code = way.code, .after = n, .times = way.times, .bytes_written = way.bytes_written});
    Life life({.durability = way.durability, .index_inline = true, .file_system = files});
    const Expected expected = life.run(directory / "store");
    failed = files->failures() != 0;
    INFO("change " << n << ", " << name_of(way.code) << (way.times == 1 ? ", once" : ", always")
                   << ", " << way.bytes_written << " bytes written");
    const auto settled = expect_one_of(expected, directory / "store", files);
    for (int again = 0; again < 2; ++again)
      CHECK(expect_one_of(expected, directory / "store", files) == settled);
    if (!failed) CHECK(n > 100);
    ++tried;
  }
  report("faults", tried);
}

}  // namespace rocksdb_every_fault_test
