// An index is moved, never copied by mistake.
#include <utility>

#include "anear/index/hnsw_index.hpp"

anear::HnswIndex take(anear::HnswIndex& index) {
#if defined(ANEAR_WRONG)
  return index;
#else
  return std::move(index);
#endif
}
