#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <thread>

#include "byte_store_contract.hpp"

namespace memory_store_test {

using namespace anear::testing;

namespace {
std::unique_ptr<ByteStore> fresh() { return anear::storage::make_memory_store(merge_letters); }
}  // namespace

TEST_CASE("MemoryStore applies a batch in order and at once") { check_batches(*fresh()); }
TEST_CASE("MemoryStore reads many keys in the order asked for") { check_many(*fresh()); }
TEST_CASE("MemoryStore shows a snapshot what was there when it was taken") {
  check_snapshots(*fresh());
}
TEST_CASE("MemoryStore walks and deletes ranges") { check_ranges(*fresh()); }
TEST_CASE("MemoryStore merges operands into values") { check_merges(*fresh()); }
TEST_CASE("MemoryStore fails the read of a key that cannot be merged") {
  check_failed_merges(*fresh());
}
TEST_CASE("MemoryStore refuses every call after close") { check_closed(*fresh()); }

TEST_CASE("MemoryStore equals a map under random batches and snapshots") {
  CHECK(rc::check([] { check_model(*fresh()); }));
}

TEST_CASE("MemoryStore refuses a merge when it has no merge function") {
  const auto store = anear::storage::make_memory_store(nullptr);
  WriteBatch batch;
  batch.merge(Family::kFields, "a", "b");
  const auto outcome = store->write(batch, false);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == anear::ErrorCode::kInvalidArgument);
}

TEST_CASE("MemoryStore gives memory back when versions and snapshots are gone") {
  const auto store = fresh();
  auto early = store->snapshot();
  for (int i = 0; i < 100; ++i) put(*store, "key", std::string(1'000, 'x'));
  CHECK(store->bytes_in_memory() > 1'000);
  auto late = store->snapshot();
  WriteBatch batch;
  batch.remove(Family::kKeys, "key");
  REQUIRE(store->write(batch, false));
  CHECK(value_of(*store, Family::kKeys, "key", late.get()) == std::string(1'000, 'x'));
  late.reset();
  early.reset();
  CHECK(store->bytes_in_memory() == 0);
}

TEST_CASE("MemoryStore may be written, read and walked by several threads") {
  const auto store = fresh();
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) {
      WriteBatch batch;
      batch.put(Family::kKeys, "a", std::to_string(i));
      batch.put(Family::kKeys, "b", std::to_string(i));
      if (i % 7 == 0) batch.remove_range(Family::kKeys, "a", "c");
      if (!store->write(batch, false)) return;
    }
  });
  bool torn = false;
  for (int i = 0; i < 500; ++i) {
    const auto view = store->snapshot();
    const auto a = store->get(Family::kKeys, "a", view.get());
    auto walk = store->iterate({Family::kKeys, "", ""}, view.get());
    std::size_t count = 0;
    for (; walk->valid(); walk->next()) {
      torn = torn || !*a || walk->value() != **a;
      ++count;
    }
    torn = torn || (count != 0 && count != 2);
  }
  writer.join();
  CHECK_FALSE(torn);
}

}  // namespace memory_store_test
