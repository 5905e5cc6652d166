// What both units of two_units.cpp do, each with the kernels of its own flags.
#pragma once

#include <anear/index/hnsw_index.hpp>
#include <cstdint>
#include <numeric>
#include <vector>

/// What one unit found: the row numbers nearest to row 0, and the ISA it was compiled for.
struct Found {
  std::vector<std::uint32_t> rows;
  const char* isa = "";
};

namespace {
[[maybe_unused]] Found nearest_to_first(const std::vector<float>& rows, std::size_t dimension) {
  Found found{{}, anear::name_of(anear::isa())};
  const std::size_t count = rows.size() / dimension;
  std::vector<anear::Slot> slots(count);
  std::iota(slots.begin(), slots.end(), 0U);
  auto index = anear::HnswIndex::create(dimension, {.metric = anear::Metric::kL2});
  const anear::MatrixView all(rows.data(), {count, dimension}, anear::ScalarKind::kF32);
  if (!index || !index->insert(all, slots)) return found;
  anear::Scratch scratch;
  const auto nearest = index->search(all.row(0), {.k = 10, .recall = 1}, scratch);
  if (!nearest) return found;
  for (const anear::Neighbor& neighbor : *nearest) found.rows.push_back(neighbor.reference);
  return found;
}
}  // namespace
