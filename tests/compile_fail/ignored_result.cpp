// A Result that nobody looks at hides the error in it.
#include "anear/core/error.hpp"

anear::Result<int> read_number();

void read() {
#if defined(ANEAR_WRONG)
  read_number();
#else
  (void)read_number();
#endif
}
