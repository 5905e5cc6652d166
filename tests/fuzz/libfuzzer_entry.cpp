// What libFuzzer calls; ANEAR_FUZZ_TARGET names the target of this program.
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const anear::fuzz::Target* const kTarget = anear::fuzz::find_target(ANEAR_FUZZ_TARGET);
  kTarget->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
