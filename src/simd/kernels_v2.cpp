// The kernels of ISA "v2": compiled with its flags, holding nothing else
// (tools/cmake/AnearTargets.cmake).
#include "anear/simd/kernels.hpp"
#include "anear/simd/kernels.inl"

namespace anear::detail {
extern const Kernels kKernelsV2;
constinit const Kernels kKernelsV2 = ANEAR_KERNEL_NAMESPACE::kTable;
}  // namespace anear::detail
