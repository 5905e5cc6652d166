#include "anear/quant/principal_axes.hpp"

#include "anear/quant/principal_axes.inl"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

PrincipalAxes principal_axes(const Points& points) { return decompose_moments(points); }

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
