// Compiled with the flags of ISA "avx2".
#include "unit.hpp"

Found found_by_avx2(const std::vector<float>& rows, std::size_t dimension) {
  return nearest_to_first(rows, dimension);
}
