// The kernels of ISA "avx512": compiled with its flags, holding nothing else
// (tools/cmake/AnearTargets.cmake).
#include "anear/simd/kernels.hpp"
#include "anear/simd/kernels.inl"

namespace anear::detail {
extern const Kernels kKernelsAvx512;
constinit const Kernels kKernelsAvx512 = ANEAR_KERNEL_NAMESPACE::kTable;
}  // namespace anear::detail
