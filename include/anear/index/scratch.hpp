// The memory one search works in, owned by the caller and reused: no search allocates after its
// first few but for its answer. One thread at a time; any index may use it.
#pragma once

#include <cstdint>
#include <vector>

#include "anear/core/types.hpp"
#include "anear/index/top_k.hpp"
#include "anear/index/visited_set.hpp"
#include "anear/quant/code_errors.hpp"
#include "anear/quant/coded_query.hpp"
#include "anear/quant/scalar_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

struct Scratch {
  PreparedQuery code_query;  ///< The query as codes.
  PreparedQuery row_query;   ///< The query for the re-rank.
  PreparedQuery link_query;  ///< A stored row, while links are chosen.
  VisitedSet visited;
  TopK found;
  CodeErrors code_errors;  ///< Of what was compared both ways.
  float last_code = 0;     ///< The farthest code of it.
  std::vector<Neighbor>
      pool;  ///< The beam: ascending; the top bit of `reference` marks expanded positions.
  std::size_t pool_wanted = 0;  ///< How many of the pool may be returned.
  std::size_t pool_places = 0;  ///< How many of those it keeps.
  bool is_beyond = false;       ///< The walk passes an excluded neighbourhood.
  std::vector<Neighbor> candidates;
  std::vector<Position> positions;
  std::vector<float> distances;
  CodedQuery coded_query;  ///< The query for product codes.
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
