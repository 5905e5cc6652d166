// The kernels of ISA "avx2": compiled with its flags, holding nothing else
// (tools/cmake/AnearTargets.cmake).
#include "anear/simd/kernels.hpp"
#include "anear/simd/kernels.inl"

namespace anear::detail {
extern const Kernels kKernelsAvx2;
constinit const Kernels kKernelsAvx2 = ANEAR_KERNEL_NAMESPACE::kTable;
}  // namespace anear::detail
