// A query in the form that residual codes compare (residual_codes.hpp): memory that is reused from
// search to search. Apart from them, because every Scratch has one and few need Eigen.
#pragma once

#include <vector>

#include "anear/quant/scalar_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

struct CodedQuery {
  PreparedQuery to_lists;  ///< For ranking the lists.
  float unit = 1;  ///< What a distance to a list or code is multiplied by in ranks of lists.
  std::vector<float> given;  ///< The numbers of the query, of length 1 under cosine.
  std::vector<float> rotated;
  std::vector<float> scaled;  ///< `rotated` times the factor of its products in a distance.
  std::vector<float> table;   ///< One number for each word of each part of a code.
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
