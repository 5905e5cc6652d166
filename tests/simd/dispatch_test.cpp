// Which table of kernels a process gets. The choice is made once a process, so each case that needs
// another environment looks at it from a forked child.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "anear/simd/isa.hpp"
#include "anear/simd/kernels.hpp"

namespace anear::dispatch_test {
namespace {

// isa() of a fresh run of this very program with ANEAR_ISA = `wanted` (unset when empty).
std::string isa_with(const std::string& wanted) {
  std::array<char, 4'096> path{};
  REQUIRE(::readlink("/proc/self/exe", path.data(), path.size() - 1) > 0);
  const std::string setting = wanted.empty() ? "-u ANEAR_ISA" : "ANEAR_ISA='" + wanted + "'";
  const std::string command =
      "env " + setting + " ANEAR_TEST_TELL=1 '" + path.data() + "' '[tell_isa]' 2>&1 1>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 64> line{};
  const char* read = std::fgets(line.data(), line.size(), pipe);
  CHECK(::pclose(pipe) == 0);
  return read == nullptr ? std::string() : std::string(line.data());
}

// Says on stderr what this process picked; run by isa_with() only.
TEST_CASE("The chosen ISA is told to whoever asks", "[.][tell_isa]") {
  if (std::getenv("ANEAR_TEST_TELL") != nullptr) std::fputs(name_of(isa()), stderr);
}

TEST_CASE("Without ANEAR_ISA the detected ISA is used") {
  CHECK(isa_with("") == name_of(detected_isa()));
}

TEST_CASE("ANEAR_ISA picks any ISA that this machine has") {
  for (const Isa wanted : {Isa::kV2, Isa::kAvx2, Isa::kAvx512}) {
    if (is_available(wanted)) CHECK(isa_with(name_of(wanted)) == name_of(wanted));
  }
}

TEST_CASE("An ANEAR_ISA that is unknown or beyond the machine is ignored") {
  for (const char* wanted : {"sse9", "AVX2 ", "neon", "-1"}) {
    INFO(wanted);
    CHECK(isa_with(wanted) == name_of(detected_isa()));
  }
  for (const Isa wanted : {Isa::kAvx2, Isa::kAvx512}) {
    if (!is_available(wanted)) CHECK(isa_with(name_of(wanted)) == name_of(detected_isa()));
  }
}

TEST_CASE("kernels() gives the asked table, or the default one where the machine lacks it") {
  for (const Isa wanted : {Isa::kV2, Isa::kAvx2, Isa::kAvx512, Isa::kNeon}) {
    const Isa given = kernels(wanted).isa;
    CHECK(given == (is_available(wanted) ? wanted : detected_isa()));
  }
  CHECK(kernels().isa == isa());
}

TEST_CASE("AVX-512 is carried but never the default") { CHECK(detected_isa() != Isa::kAvx512); }

}  // namespace
}  // namespace anear::dispatch_test
