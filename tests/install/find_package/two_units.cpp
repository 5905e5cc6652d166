// Two units with different flags in one program: each uses its own kernels, and both agree.
//
// The flags do not reach the rest of what they share: as everywhere, a function that both units
// instantiate (std::vector's, say) exists once, with the flags of either. Such a program needs the
// higher ISA from the start, and checks it here before anything else runs.
#include <cstdio>
#include <cstring>
#include <vector>

#include "unit.hpp"

Found found_by_v2(const std::vector<float>& rows, std::size_t dimension);
Found found_by_avx2(const std::vector<float>& rows, std::size_t dimension);

int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("no AVX2 here: linked, not run");
    return 0;
  }
  constexpr std::size_t kDimension = 24;
  std::vector<float> rows(500 * kDimension);
  std::uint32_t state = 1;
  for (float& value : rows) {
    state = state * 1'664'525U + 1'013'904'223U;
    value = static_cast<float>(state >> 8) / 16'777'216.0F;
  }
  const Found v2 = found_by_v2(rows, kDimension);
  const Found avx2 = found_by_avx2(rows, kDimension);
  std::printf("%s found %zu, %s found %zu\n", v2.isa, v2.rows.size(), avx2.isa, avx2.rows.size());
  const bool own_kernels = std::strcmp(v2.isa, "v2") == 0 && std::strcmp(avx2.isa, "avx2") == 0;
  return own_kernels && v2.rows.size() == 10 && v2.rows == avx2.rows && v2.rows[0] == 0 ? 0 : 1;
}
