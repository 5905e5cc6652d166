// What the cache of resolved predicates may answer, for whom and for how long.
#include "collection/filter_cache.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace filter_cache_test {

using namespace anear;

namespace {

std::shared_ptr<const SlotSet> slots(Slot slot) {
  SlotSet set;
  set.insert(slot);
  return std::make_shared<const SlotSet>(std::move(set));
}

const FilterCache::Name kA{.collection = 1, .field = "a", .text = "a = 5"};

}  // namespace

TEST_CASE("An entry answers every view between touches of its field") {
  FilterCache cache;
  CHECK(cache.find(kA, 5) == nullptr);
  cache.touch(1, "a", 3);
  cache.keep(kA, 5, slots(1));
  CHECK(cache.find(kA, 5) != nullptr);
  CHECK(cache.find(kA, 9) != nullptr);
  CHECK(cache.find(kA, 3) != nullptr);
  CHECK(cache.find(kA, 2) == nullptr);  // Before the touch.
  cache.touch(1, "b", 10);
  cache.touch(2, "a", 10);
  CHECK(cache.find(kA, 11) != nullptr);
  cache.touch(1, "a", 10);
  CHECK(cache.find(kA, 11) == nullptr);
  CHECK(cache.find(kA, 5) != nullptr);  // The view it was made from.
  CHECK(cache.find(kA, 6) == nullptr);  // Right, but no longer known to be.
}

TEST_CASE("A younger view's entry is not replaced by an older one") {
  FilterCache cache;
  cache.keep(kA, 5, slots(1));
  cache.keep(kA, 4, slots(2));
  CHECK(cache.find(kA, 5)->contains(1));
  cache.keep(kA, 6, slots(3));
  CHECK(cache.find(kA, 6)->contains(3));
}

TEST_CASE("The cache stays within its bytes and drops what was used longest ago") {
  FilterCache cache(64 * 1024);
  const auto text = [](int i) { return "a = " + std::to_string(i); };
  for (int i = 0; i < 100; ++i) {
    cache.keep({.collection = 1, .field = "a", .text = text(i)}, 1, slots(1));
    CHECK(cache.find({.collection = 1, .field = "a", .text = text(0)}, 1) != nullptr);
    CHECK(cache.bytes() <= 64 * 1024);
  }
  CHECK(cache.find({.collection = 1, .field = "a", .text = text(50)}, 1) == nullptr);
  CHECK(cache.find({.collection = 1, .field = "a", .text = text(99)}, 1) != nullptr);
  cache.forget(1);
  CHECK(cache.bytes() == 0);
}

TEST_CASE("However many fields are touched, none is forgotten to be") {
  FilterCache cache;
  cache.keep(kA, 5, slots(1));
  cache.touch(1, "a", 6);
  for (int i = 0; i < 70'000; ++i) cache.touch(1, "f" + std::to_string(i), 7);
  CHECK(cache.find(kA, 8) == nullptr);
}

}  // namespace filter_cache_test
