// An Error that is made and not returned.
#include "anear/core/error.hpp"

anear::Status check(int number) {
  if (number < 0) {
#if defined(ANEAR_WRONG)
    anear::invalid_argument("negative");
#else
    return anear::invalid_argument("negative");
#endif
  }
  return {};
}
