// Which slots are given to new rows, and which key each of them has in which state.
#include "collection/slot_supply.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "collection/key_table.hpp"
#include "collection/slot_algebra.hpp"

namespace slot_supply_test {

using namespace anear;

namespace {

SlotSet set_of(const std::vector<Slot>& slots) {
  SlotSet set;
  for (const Slot slot : slots) set.insert(slot);
  return set;
}

std::vector<Slot> take(SlotSupply& supply, std::size_t count) {
  auto slots = supply.take(count);
  REQUIRE(slots);
  return std::move(*slots);
}

}  // namespace

TEST_CASE("Slots that were given back are given out again, the lowest first, before new ones") {
  SlotSupply supply;
  supply.begin(10, set_of({7, 3}));
  CHECK(take(supply, 3) == std::vector<Slot>{3, 7, 10});
  CHECK(supply.end() == 11);
  supply.give_back(set_of({100'000, 2, 5}));
  CHECK(take(supply, 1) == std::vector<Slot>{2});
  supply.give_back(set_of({1, 40'000}));
  CHECK(take(supply, 5) == std::vector<Slot>{5, 1, 40'000, 100'000, 11});
  CHECK(take(supply, 0).empty());
}

TEST_CASE("Where too few slots are left none is taken") {
  SlotSupply supply;
  supply.begin(kNoSlot - 2, set_of({4}));
  const auto refused = supply.take(4);
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::kLimitExceeded);
  CHECK(refused.error().message.find("4 are asked for, 3 left") != std::string::npos);
  CHECK(take(supply, 3) == std::vector<Slot>{4, kNoSlot - 2, kNoSlot - 1});
  CHECK(!supply.take(1));
  supply.give_back(set_of({9}));
  CHECK(take(supply, 1) == std::vector<Slot>{9});
}

TEST_CASE("The complement of a set of slots ends where it is told to") {
  for (const Slot end : {Slot{0}, Slot{1}, Slot{64}, Slot{32'768}, Slot{70'001}}) {
    const SlotSet set = set_of({0, 63, 32'767, 65'000});
    const SlotSet rest = complement(set, end);
    std::size_t expected = 0;
    for (Slot slot = 0; slot < end; ++slot) {
      REQUIRE(rest.contains(slot) != set.contains(slot));
      expected += set.contains(slot) ? 0 : 1;
    }
    CHECK(rest.count() == expected);
  }
}

TEST_CASE("A slot has in each state the key that it had then") {
  // Slots 0 and 2 of an image, and younger ones.
  const std::vector<std::uint64_t> live{0b101};
  const std::vector<std::uint64_t> offsets{0, 4, 9};
  const std::string bytes = "zerotwice";
  KeyTable table;
  table.adopt({3, live, offsets, bytes, nullptr});
  CHECK(table.key(0, 5) == "zero");
  CHECK(table.key(1, 5).empty());
  CHECK(table.key(2, 5) == "twice");
  CHECK(table.key(3, 5).empty());

  table.set(0, "zero again", 6);
  table.set(0, "", 8);  // Its length says nothing.
  table.set(1, "one", 6);
  table.set(3'000, "young", 6);
  table.set(3'000, "younger", 9);
  CHECK(table.key(0, 5) == "zero");
  CHECK(table.key(0, 7) == "zero again");
  CHECK(table.key(0, 8).empty());
  CHECK(table.key(1, 6) == "one");
  CHECK(table.key(3'000, 8) == "young");
  CHECK(table.key(3'000, 9) == "younger");
  CHECK(table.count() == 7);
}

TEST_CASE("Keys of the greatest length are kept whole, also where a slot has a second one") {
  KeyTable table;
  const std::string first(kKeyBytesMax, 'a');
  const std::string second(kKeyBytesMax, 'b');
  table.set(5, first, 1);
  table.set(5, second, 2);
  CHECK(table.key(5, 1) == first);
  CHECK(table.key(5, 2) == second);
  CHECK(table.key(5, 100) == second);
}

}  // namespace slot_supply_test
