// A target of recall holds for rows that codes do not tell apart, or do not hold.
#include "hard_rows.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/index/any_index.hpp"
#include "index_checks.hpp"

namespace hard_rows_test {

using namespace anear;
using namespace anear::test;

namespace {

constexpr float kTarget = 0.99F;

/// One row in so many counts, and the nearest of these.
struct Some {
  Some(const HardRows& kind, const Rows& rows, const Rows& queries, std::size_t one_in)
      : every(one_in),
        exact(kind, rows, queries, 300, [one_in](std::size_t slot) { return slot % one_in == 0; }) {
    for (Slot slot = 0; slot < rows.count(); slot += static_cast<Slot>(every)) set.insert(slot);
  }
  std::size_t every;
  ExactAnswers exact;
  SlotSet set;
};

void check(const AnyIndex& index, const HardRows& kind, const Some& some) {
  const Wanted set(some.set.words(), some.set.count());
  const Wanted* wanted = some.every == 1 ? nullptr : &set;
  Scratch scratch;
  for (const std::size_t k : {1U, 10U, 100U, 300U}) {
    INFO(kind.name << ", one of " << some.every << ", k = " << k);
    CHECK(some.exact.recall(k, [&](VectorView query) {
      const auto found =
          index.search(query, {.k = k, .recall = kTarget, .wanted = wanted}, scratch);
      REQUIRE(found);
      REQUIRE(found->size() == k);
      std::vector<std::size_t> slots;
      for (const Neighbor& neighbor : *found) slots.push_back(neighbor.reference);
      return slots;
    }) >= 0.98);
  }
}

template <typename Options>
void check_built(Options options, const HardRows& kind, ScalarKind codes, std::size_t count) {
  options.metric = kind.metric;
  options.codes = codes;
  const Rows rows = kind.draw(takes_few_rows() ? 1'000 : count, 1);
  const Rows queries = kind.draw(50, 2);
  auto index = AnyIndex::create(kind.dimension, options);
  REQUIRE(index);
  REQUIRE(index->insert(rows.view(), first_slots(rows.count()), {.threads = 2}));
  const Some all(kind, rows, queries, 1), third(kind, rows, queries, 3);
  for (const Some* some : {&all, &third}) check(*index, kind, *some);
  REQUIRE(index->calibrate({.threads = 2}));
  for (const Some* some : {&all, &third}) check(*index, kind, *some);
}

}  // namespace

TEST_CASE("FlatIndex compares rows where 8-bit codes do not tell them apart") {
  for (const HardRows& kind : hard_rows()) check_built(FlatOptions{}, kind, ScalarKind::kI8, 9'000);
}

TEST_CASE("HnswIndex keeps its target where 8-bit codes do not tell rows apart") {
  for (const HardRows& kind : hard_rows()) check_built(HnswOptions{}, kind, ScalarKind::kI8, 9'000);
}

TEST_CASE("Codes of f16 hold rows of f32 whose numbers f16 does not") {
  for (const HardRows& kind : rows_beyond_f16()) {
    check_built(FlatOptions{}, kind, ScalarKind::kF16, 2'000);
    check_built(HnswOptions{}, kind, ScalarKind::kF16, 2'000);
  }
}

}  // namespace hard_rows_test
