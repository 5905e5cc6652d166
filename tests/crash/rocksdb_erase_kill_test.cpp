// A process that writes records and erases them is killed again and again: what it has said to be
// erased stands in no file, what it was erasing is finished by the next opening, and nothing else
// is lost.
//
// Runs 20 kills; ANEAR_KILLS changes that. The seed is fixed and printed; ANEAR_SEED changes it.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/canaries.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"
#include "support/worker.hpp"

namespace rocksdb_erase_kill_test {

using namespace anear;
using anear::test::Batch;
using anear::test::Canary;
using anear::test::must;
using anear::test::must_open;
using anear::testing::report;
using anear::testing::say;
using anear::testing::setting;
using anear::testing::TempDirectory;
using anear::testing::Worker;
using anear::testing::worker_task;

namespace {

constexpr std::size_t kDimension = 24;

Canary canary_of(std::size_t round, std::size_t version) {
  return test::canary(round, version, kDimension);
}

bool put(Collection& docs, const std::string& key, const Canary& record) {
  Batch batch;
  const test::Rows row{kDimension, record.row};
  batch.keys({key}).vectors("embedding", row).payloads({record.payload});
  for (const Field& field : record.fields) batch.field(field.first, {field.second});
  return docs.upsert(batch).has_value();
}

/// A round: a record that stays, one that is written twice and erased. Says the number of each.
[[noreturn]] void work_until_killed(const std::string& path, std::size_t from) {
  auto store = Store::open(path, {.tail_records_max = 64});
  if (!store) ::_exit(3);
  auto docs = store->collection("docs");
  if (!docs) ::_exit(4);
  for (std::size_t round = from;; ++round) {
    if (!put(*docs, "stays-" + std::to_string(round), canary_of(1'000'000 + round, 0))) ::_exit(5);
    const Canary first = canary_of(round, 0);
    if (!put(*docs, first.key, first)) ::_exit(6);
    if (round % 2 == 0 && !docs->flush()) ::_exit(7);
    if (!put(*docs, first.key, canary_of(round, 1))) ::_exit(8);
    if (round % 3 == 0 && !docs->flush()) ::_exit(9);
    const std::string_view key = first.key;
    if (!docs->erase_keys({&key, 1})) ::_exit(10);
    if (!say(round)) ::_exit(11);
  }
}

constexpr const char* kEraser = "The process that is killed while it erases";

/// Returns how many rounds it has said to be done.
std::size_t run_and_kill(const std::string& path, std::size_t first, Random& random) {
  Worker eraser(kEraser, std::to_string(first) + " " + path);
  REQUIRE(eraser.hear<std::size_t>());
  eraser.kill_after(random.below(60'000));
  std::size_t done = 1;
  while (eraser.hear<std::size_t>()) ++done;
  return done;
}

}  // namespace

TEST_CASE("The process that is killed while it erases", "[.]") {
  const char* task = worker_task();
  if (task == nullptr) return;  // Started by the next test alone.
  char* path = nullptr;
  const std::size_t first = std::strtoull(task, &path, 10);
  work_until_killed(path + 1, first);
}

TEST_CASE("A process that is killed while it erases leaves nothing that is not finished after it") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'261'127);
  const std::uint64_t kills = setting("ANEAR_KILLS", 20);
  Random random(seed);
  const TempDirectory directory;
  const std::string path = directory / "store";
  {
    auto store = must_open(path);
    must(store.create_collection(
        "docs", {.vectors = {{.name = "embedding", .dimension = kDimension, .metric = Metric::kL2}},
                 .fields = {{"word", FieldType::kString}},
                 .dynamic = true}));
  }
  std::size_t first = 0;
  std::size_t unfinished = 0;
  std::vector<std::size_t> stay;
  for (std::uint64_t i = 0; i < kills; ++i) {
    INFO("ANEAR_SEED=" << seed << ", kill " << i);
    const std::size_t done = run_and_kill(path, first, random);
    for (std::size_t round = first; round < first + done; ++round) stay.push_back(round);

    auto store = must_open(path, {.index_inline = i % 2 == 0});
    unfinished += store.recovery().unfinished_erasures;
    auto docs = must(store.collection("docs"));
    must(store.resume_erase());  // Or it waits for what goes on in the background.
    CHECK(must(docs.stats()).erasing == 0);
    // The round that was cut short may not have come to its erase.
    const std::string last = canary_of(first + done, 0).key;
    const std::string_view key = last;
    if (must(docs.get({&key, 1}, {}))[0]) must(docs.erase_keys({&key, 1}));
    std::vector<test::Needle> needles;
    for (std::size_t round = first; round <= first + done; ++round) {
      for (const std::size_t version : {0, 1}) {
        const auto more = test::needles_of(canary_of(round, version), Metric::kL2);
        needles.insert(needles.end(), more.begin(), more.end());
      }
    }
    const auto found = test::found_in(path, needles);
    for (const std::string& where : found.where) FAIL_CHECK("found: " << where);
    for (const std::size_t round : stay) {
      const std::string name = "stays-" + std::to_string(round);
      const std::string_view there = name;
      const auto record = must(docs.get({&there, 1}, {.payload = true}))[0];
      REQUIRE(record);
      CHECK(record->payload == canary_of(1'000'000 + round, 0).payload);
    }
    const auto verified = store.verify();
    INFO((verified ? "" : verified.error().message));
    CHECK(verified);
    first += done + 1;
  }
  CHECK((kills < 10 || unfinished > 0));
  report("kills", kills);
  report("unfinished erasures", unfinished);
}

}  // namespace rocksdb_erase_kill_test
