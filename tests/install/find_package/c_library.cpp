// anear::c from C++: the header is C and says extern "C" itself.
#include <anear.h>

int main() { return anear_abi_version() == ANEAR_ABI_VERSION ? 0 : 1; }
