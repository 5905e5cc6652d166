// Which instruction set the kernels of this process use.
//
// With the library anear::simd linked (it defines ANEAR_SIMD_LIBRARY) the choice is made at run
// time. Without it, the kernels are instantiated for the ISA the including unit is compiled for;
// then everything that depends on it stands in an inline namespace of that ISA, so that units with
// different flags can be linked together.
#pragma once

#include <cstdint>

#include "anear/core/error.hpp"

#if defined(ANEAR_SIMD_LIBRARY)
#define ANEAR_ISA_NAMESPACE runtime_isa
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define ANEAR_ISA_NAMESPACE header_avx512
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define ANEAR_ISA_NAMESPACE header_avx2
#else
#define ANEAR_ISA_NAMESPACE header_v2
#endif

namespace anear {

/// Ascending by capability within one architecture. kV2 is the floor on x86 (SSE4.2, POPCNT).
enum class Isa : std::uint8_t { kV2 = 0, kAvx2 = 1, kAvx512 = 2, kNeon = 8 };

/// "v2", "avx2", "avx512", "neon". Static storage.
constexpr const char* name_of(Isa isa) noexcept {
  switch (isa) {
    case Isa::kV2:
      return "v2";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kNeon:
      return "neon";
  }
  return "unknown";
}

inline namespace ANEAR_ISA_NAMESPACE {

/// The best that this processor offers and that is picked by default.
Isa detected_isa() noexcept;
/// Whether this processor, and this build, can run the kernels of `isa`.
bool is_available(Isa isa) noexcept;
/// What is used: detected_isa(), or the available one that the environment variable ANEAR_ISA names
/// at the first call. A name that is unknown or beyond the machine is ignored.
Isa isa() noexcept;
/// The error of a processor below the floor, on which code of this library would end the process.
Status check_processor();

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
