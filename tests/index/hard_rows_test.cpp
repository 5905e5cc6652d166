// A target of recall holds for rows that 8-bit codes do not tell apart.
#include "hard_rows.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/index/any_index.hpp"
#include "index_checks.hpp"

using namespace anear;
using namespace anear::test;

namespace {

constexpr float kTarget = 0.99F;

void check(const AnyIndex& index, const HardRows& kind, const Rows& rows, const Rows& queries) {
  for (const std::size_t every : {1U, 3U}) {
    const auto counts = [&](std::size_t slot) { return slot % every == 0; };
    SlotSet set;
    for (Slot slot = 0; slot < rows.count(); ++slot) {
      if (counts(slot)) set.insert(slot);
    }
    const Wanted some(set.words(), set.count());
    const Wanted* wanted = every == 1 ? nullptr : &some;
    Scratch scratch;
    for (const std::size_t k : {1U, 10U, 100U, 300U}) {
      INFO(kind.name << ", one of " << every << ", k = " << k);
      CHECK(recall_by_definition(kind, rows, queries, k, counts, [&](VectorView query) {
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
}

template <typename Options>
void check_built(Options options, const HardRows& kind) {
  options.metric = kind.metric;
  options.codes = ScalarKind::kI8;
  const Rows rows = kind.draw(takes_few_rows() ? 1'000 : 9'000, 1);
  const Rows queries = kind.draw(50, 2);
  auto index = AnyIndex::create(kind.dimension, options);
  REQUIRE(index);
  REQUIRE(index->insert(rows.view(), first_slots(rows.count()), {.threads = 2}));
  check(*index, kind, rows, queries);
  REQUIRE(index->calibrate({.threads = 2}));
  check(*index, kind, rows, queries);
}

}  // namespace

TEST_CASE("FlatIndex compares rows where 8-bit codes do not tell them apart") {
  for (const HardRows& kind : hard_rows()) check_built(FlatOptions{}, kind);
}

TEST_CASE("HnswIndex keeps its target where 8-bit codes do not tell rows apart") {
  for (const HardRows& kind : hard_rows()) check_built(HnswOptions{}, kind);
}
