// In which directions points vary most: the eigenvectors of their second moments, by Eigen.
//
// Eigen's decomposition takes seconds to compile in each unit that can see it: with the library
// anear::simd linked, it is compiled once, there. Threads: pure functions.
#pragma once

#include <vector>

#include "anear/quant/products.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

struct PrincipalAxes {
  std::vector<double> variances;  ///< Second moment along each axis, largest first.
  std::vector<double> axes;       ///< Unit vectors, one after another in the same order.
};

/// About the origin: subtract the mean first where it matters. Cost: count * dimension^2, and
/// dimension^3 for the decomposition. Empty when that does not converge (numbers that are not
/// finite).
PrincipalAxes principal_axes(const Points& points);

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear

#if !defined(ANEAR_SIMD_LIBRARY)
#include "anear/quant/principal_axes.inl"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

inline PrincipalAxes principal_axes(const Points& points) { return decompose_moments(points); }

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
#endif
