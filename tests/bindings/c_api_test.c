/* Tests of libanear.so through anear.h, as a C99 program: `c_api_test GROUP` runs one group,
 * without a name all. */
#include <stdio.h>

#include "c_test.h"

static const c_tests groups[] = {
    {"library", library_tests},   {"index", index_tests},   {"store", store_tests},
    {"backup", backup_tests},     {"erase", erase_tests},   {"verify", verify_tests},
    {"records", record_tests},    {"batches", batch_tests}, {"search", search_tests},
    {"processes", process_tests},
};

int main(int argc, char** argv) {
  size_t run = 0;
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; ++i) {
    if (argc > 1 && strcmp(argv[1], groups[i].name) != 0) continue;
    for (const c_test* test = groups[i].tests; test->run != NULL; ++test) {
      printf("%s: %s\n", groups[i].name, test->sentence);
      fflush(stdout);
      test->run();
      ++run;
    }
  }
  printf("%u tests passed\n", (unsigned)run);
  return run == 0 ? 1 : 0;
}
