/* A host that carries a RocksDB of its own: this program exports rocksdb::DB::Open as such a host
 * would, and loads libanear.so at run time.
 *
 *     c_host_test LIBRARY DIRECTORY
 *
 * Loaded plainly, anear's calls go to the host's RocksDB; loaded with RTLD_DEEPBIND they do not
 * (docs/C_ABI.md). Each way runs in a process of its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anear.h"

enum { kOpened = 10, kCaptured = 11, kFailed = 12 };

/* rocksdb::DB::Open(const DBOptions&, const std::string&, const std::vector<...>&, ...). */
void hosts_open(void) __asm__(
    "_ZN7rocksdb2DB4OpenERKNS_9DBOptionsERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKSt"
    "6vectorINS_22ColumnFamilyDescriptorESaISD_EEPSC_IPNS_18ColumnFamilyHandleESaISJ_EEPPS0_");
void hosts_open(void) { _exit(kCaptured); }

typedef int32_t (*open_function)(const char*, const anear_store_options*, anear_store**,
                                 anear_error*);
typedef void (*free_function)(anear_store*);

static int open_store(const char* library, const char* directory, int how) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_store* store = NULL;
  open_function open_it = NULL;
  free_function free_it = NULL;
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | how);
  if (handle == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return kFailed;
  }
  *(void**)&open_it = dlsym(handle, "anear_store_open");
  *(void**)&free_it = dlsym(handle, "anear_store_free");
  if (open_it == NULL || free_it == NULL) return kFailed;
  if (open_it(directory, NULL, &store, &error) != ANEAR_OK) {
    fprintf(stderr, "%s\n", error.message);
    return kFailed;
  }
  free_it(store);
  return kOpened;
}

static int outcome_of(const char* library, const char* directory, int how) {
  int status = 0;
  const pid_t child = fork();
  if (child == 0) _exit(open_store(library, directory, how));
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return kFailed;
  return WEXITSTATUS(status);
}

int main(int argc, char** argv) {
  char directory[512];
  if (argc != 3) return 1;
  snprintf(directory, sizeof directory, "%s/plain", argv[2]);
  const int plain = outcome_of(argv[1], directory, 0);
  snprintf(directory, sizeof directory, "%s/deepbind", argv[2]);
  const int deepbind = outcome_of(argv[1], directory, RTLD_DEEPBIND);
  printf("plain: %d (captured is %d), RTLD_DEEPBIND: %d (opened is %d)\n", plain, kCaptured,
         deepbind, kOpened);
  return plain == kCaptured && deepbind == kOpened ? 0 : 1;
}
