// Slots of an index: each has one row, the last that was inserted under it.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstddef>
#include <thread>
#include <vector>

#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"
#include "anear/index/ivf_pq_index.hpp"
#include "index_checks.hpp"
#include "random_rows.hpp"

namespace anear::slots_test {
namespace {

constexpr std::size_t kCount = 600;
constexpr std::size_t kDimension = 16;

test::Rows first_rows() { return test::clustered_rows({kCount, kDimension}, 11); }

/// An index of `rows`, row i in slot i.
template <typename Index>
Index filled(const test::Rows& rows) {
  auto index = Index::create(kDimension, typename Index::Options{});
  REQUIRE(index);
  if constexpr (requires { index->train(rows.view()); }) REQUIRE(index->train(rows.view()));
  REQUIRE(index->insert(rows.view(), test::first_slots(kCount)));
  return std::move(*index);
}

}  // namespace

TEMPLATE_TEST_CASE("A row that is inserted under a slot takes the place of the one before", "",
                   FlatIndex, HnswIndex, IvfPqIndex) {
  const test::Rows rows = first_rows();
  const test::Rows others = test::clustered_rows({2, kDimension}, 12);
  TestType index = filled<TestType>(rows);
  const std::vector<Slot> slots = {7, 9};
  REQUIRE(index.insert(others.view(), slots));
  CHECK(index.size() == kCount);
  Scratch scratch;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto now = index.search(others.row(i), {.k = 1}, scratch);
    REQUIRE(now);
    CHECK(now->front().reference == slots[i]);
    const auto before = index.search(rows.row(slots[i]), {.k = kCount}, scratch);
    REQUIRE(before);
    CHECK(before->size() == kCount);
    std::size_t times = 0;
    for (const Neighbor& neighbor : *before) times += neighbor.reference == slots[i] ? 1 : 0;
    CHECK(times == 1);
    CHECK(before->front().reference != slots[i]);
  }
  CHECK(index.mark_deleted(7));
  const auto gone = index.search(rows.row(7), {.k = kCount}, scratch);
  REQUIRE(gone);
  for (const Neighbor& neighbor : *gone) CHECK(neighbor.reference != 7);
  CHECK(index.size() == kCount - 1);
}

TEMPLATE_TEST_CASE("A slot that stands twice in one insert is named, and nothing is inserted", "",
                   FlatIndex, HnswIndex, IvfPqIndex) {
  const test::Rows rows = first_rows();
  TestType index = filled<TestType>(rows);
  const std::vector<Slot> slots = {kCount + 4, kCount + 1, kCount + 9, kCount + 1};
  const Status twice = index.insert(rows.view().rows_from(0, slots.size()), slots);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code == ErrorCode::kInvalidArgument);
  CHECK(twice.error().record == 3);
  CHECK(twice.error().message == "slot 601 stands twice");
  CHECK(index.size() == kCount);
  CHECK(index.positions() == kCount);
}

TEMPLATE_TEST_CASE("Rows are replaced and deleted beside searches", "[threads]", FlatIndex,
                   HnswIndex, IvfPqIndex) {
  const test::Rows rows = first_rows();
  TestType index = filled<TestType>(rows);
  constexpr std::size_t kReplaced = 40;
  const std::vector<Slot> slots = test::first_slots(kReplaced);
  std::atomic<bool> done{false};
  std::atomic<std::size_t> failed{0}, deleted{0};
  std::thread searcher([&] {
    Scratch scratch;
    for (std::size_t i = 0; !done; i = (i + 1) % kReplaced) {
      const auto found = index.search(rows.row(i), {.k = kReplaced}, scratch);
      failed += found && found->size() == kReplaced ? 0 : 1;
    }
  });
  std::thread deleter([&] {
    for (Slot slot = 0; !done; slot = (slot + 7) % kReplaced)
      deleted += index.mark_deleted(slot) ? 1 : 0;
  });
  for (std::size_t round = 0; round < 20 || deleted == 0; ++round)
    REQUIRE(index.insert(rows.view().rows_from(round % 500, kReplaced), slots));
  done = true;
  searcher.join();
  deleter.join();
  CHECK(failed == 0);
  REQUIRE(index.insert(rows.view().rows_from(0, kReplaced), slots));
  CHECK(index.size() == kCount);
  CHECK(index.table().verify());
}

}  // namespace anear::slots_test
