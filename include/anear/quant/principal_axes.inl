// What principal_axes() does, for the unit it is compiled in.
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cstddef>
#include <vector>

#include "anear/quant/principal_axes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

inline PrincipalAxes decompose_moments(const Points& points) {
  const auto size = static_cast<Eigen::Index>(points.dimension);
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Rows> rows(points.values, static_cast<Eigen::Index>(points.count), size);
  Eigen::MatrixXd moments = Eigen::MatrixXd::Zero(size, size);
  // In blocks, so that a copy in double is never large.
  for (Eigen::Index first = 0; first < rows.rows(); first += 1'024) {
    const auto count = std::min<Eigen::Index>(1'024, rows.rows() - first);
    const Eigen::MatrixXd block = rows.middleRows(first, count).cast<double>();
    moments.selfadjointView<Eigen::Lower>().rankUpdate(block.transpose());
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(moments);
  if (solver.info() != Eigen::Success) return {};

  const Eigen::VectorXd variances = solver.eigenvalues().reverse();
  // Stored by columns: an axis is one after another.
  const Eigen::MatrixXd axes = solver.eigenvectors().rowwise().reverse();
  return {{variances.data(), variances.data() + variances.size()},
          {axes.data(), axes.data() + axes.size()}};
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
