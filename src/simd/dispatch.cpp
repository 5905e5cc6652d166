// Picks the table of kernels once, by the processor and by ANEAR_ISA.
#include <cpuid.h>

#include <cstdlib>
#include <iterator>
#include <string_view>

#include "anear/simd/kernels.hpp"

namespace anear {
namespace detail {
extern const Kernels kKernelsV2;
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;
}  // namespace detail

inline namespace ANEAR_ISA_NAMESPACE {
namespace {

// clang 14's __builtin_cpu_supports does not know f16c. Whether the operating system keeps the wide
// registers is what "avx2" has answered by then.
bool has_f16c() noexcept {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 29)) != 0;
}

bool machine_has(Isa isa) noexcept {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::kV2:
      return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case Isa::kAvx512:
      return machine_has(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case Isa::kNeon:
      return false;
  }
  return false;
}

Isa chosen_isa() noexcept {
  const char* wanted = std::getenv("ANEAR_ISA");
  if (wanted != nullptr) {
    for (const Isa isa : {Isa::kV2, Isa::kAvx2, Isa::kAvx512}) {
      if (std::string_view(wanted) == name_of(isa) && is_available(isa)) return isa;
    }
  }
  return detected_isa();
}

}  // namespace

// AVX-512 is carried but not the default: searches were not faster with it (docs/TESTING.md).
Isa detected_isa() noexcept { return is_available(Isa::kAvx2) ? Isa::kAvx2 : Isa::kV2; }

Isa isa() noexcept {
  static const Isa chosen = chosen_isa();
  return chosen;
}

// Asked once: CPUID takes microseconds where a virtual machine has to answer it, and kernels() is
// called for single vectors.
bool is_available(Isa isa) noexcept {
  static const bool available[] = {machine_has(Isa::kV2), machine_has(Isa::kAvx2),
                                   machine_has(Isa::kAvx512)};
  const auto number = static_cast<std::size_t>(isa);
  return number < std::size(available) && available[number];
}

Status check_processor() {
  if (is_available(Isa::kV2)) return {};
  return Error{ErrorCode::kInvalidArgument,
               "this processor lacks SSE4.2 or POPCNT (x86-64-v2), which anear is compiled for"};
}

const Kernels& kernels(Isa isa) noexcept {
  if (!is_available(isa)) isa = detected_isa();
  switch (isa) {
    case Isa::kAvx512:
      return detail::kKernelsAvx512;
    case Isa::kAvx2:
      return detail::kKernelsAvx2;
    default:
      return detail::kKernelsV2;
  }
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
