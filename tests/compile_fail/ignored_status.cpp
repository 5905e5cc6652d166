// A Status that nobody looks at hides the error in it.
#include "anear/core/error.hpp"

anear::Status write_number(int number);

void write() {
#if defined(ANEAR_WRONG)
  write_number(1);
#else
  if (!write_number(1)) return;
#endif
}
