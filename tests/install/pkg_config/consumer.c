/* The least that a C program does with libanear.so. */
#include <anear.h>
#include <stdio.h>

int main(void) {
  printf("anear %s, kernels: %s\n", anear_version(), anear_isa());
  return anear_abi_version() == ANEAR_ABI_VERSION ? 0 : 1;
}
