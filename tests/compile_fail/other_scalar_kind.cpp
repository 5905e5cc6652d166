// A view reads the numbers as the kind they are; there is none for double.
#include <span>

#include "anear/core/matrix_view.hpp"

#if defined(ANEAR_WRONG)
using Number = double;
#else
using Number = float;
#endif

anear::VectorView view(std::span<const Number> numbers) { return numbers; }
