// Builds a small graph from the installed headers and finds every row by itself.
#include <anear/index/hnsw_index.hpp>
#include <cstdio>
#include <numeric>
#include <vector>

namespace {
constexpr std::size_t kRows = 500;
constexpr std::size_t kDimension = 24;

int fail(const char* what, const anear::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}
}  // namespace

int main() {
  std::vector<float> rows(kRows * kDimension);
  std::uint32_t state = 1;
  for (float& value : rows) {
    state = state * 1'664'525U + 1'013'904'223U;
    value = static_cast<float>(state >> 8) / 16'777'216.0F;
  }
  std::vector<anear::Slot> slots(kRows);
  std::iota(slots.begin(), slots.end(), 0U);

  auto index = anear::HnswIndex::create(kDimension, {.metric = anear::Metric::kL2});
  if (!index) return fail("create", index.error());
  const anear::MatrixView all(rows.data(), {kRows, kDimension}, anear::ScalarKind::kF32);
  if (const auto status = index->insert(all, slots); !status) return fail("insert", status.error());
  anear::Scratch scratch;
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto nearest = index->search(all.row(i), {.k = 1}, scratch);
    if (!nearest) return fail("search", nearest.error());
    if (nearest->size() != 1 || nearest->front().reference != i || nearest->front().distance != 0) {
      std::fprintf(stderr, "row %zu does not find itself\n", i);
      return 1;
    }
  }
  std::printf("kernels: %s\n", anear::name_of(anear::isa()));
  return 0;
}
