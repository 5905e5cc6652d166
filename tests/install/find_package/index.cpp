// Builds each index from the installed headers and finds every row by itself.
#include <anear/index/flat_index.hpp>
#include <anear/index/hnsw_index.hpp>
#include <anear/index/ivf_pq_index.hpp>
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

/// 0 if every row finds itself.
template <typename Index>
int build_and_search(const char* kind, const anear::MatrixView& all,
                     const std::vector<anear::Slot>& slots) {
  typename Index::Options options;
  options.metric = anear::Metric::kL2;
  auto index = Index::create(kDimension, options);
  if (!index) return fail(kind, index.error());
  if constexpr (requires { index->train(all); }) {
    if (const auto status = index->train(all); !status) return fail(kind, status.error());
  }
  if (const auto status = index->insert(all, slots); !status) return fail(kind, status.error());
  anear::Scratch scratch;
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto nearest = index->search(all.row(i), {.k = 1}, scratch);
    if (!nearest) return fail(kind, nearest.error());
    if (nearest->size() != 1 || nearest->front().reference != i || nearest->front().distance != 0) {
      std::fprintf(stderr, "%s: row %zu does not find itself\n", kind, i);
      return 1;
    }
  }
  return 0;
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

  const anear::MatrixView all(rows.data(), {kRows, kDimension}, anear::ScalarKind::kF32);
  if (build_and_search<anear::FlatIndex>("flat", all, slots) != 0) return 1;
  if (build_and_search<anear::HnswIndex>("hnsw", all, slots) != 0) return 1;
  if (build_and_search<anear::IvfPqIndex>("ivf_pq", all, slots) != 0) return 1;
  std::printf("kernels: %s\n", anear::name_of(anear::isa()));
  return 0;
}
