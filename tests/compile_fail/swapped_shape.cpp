// Rows and dimension are one named shape, so that they cannot stand in the wrong order.
#include "anear/core/matrix_view.hpp"

anear::MatrixView view(const float* numbers) {
#if defined(ANEAR_WRONG)
  return anear::MatrixView(numbers, 1'000, 64, anear::ScalarKind::kF32);
#else
  return anear::MatrixView(numbers, {.rows = 1'000, .dimension = 64}, anear::ScalarKind::kF32);
#endif
}
