// Which instruction set the kernels of this process use.
#pragma once

#include <cstdint>
#include <string_view>

#include "anear/core/error.hpp"

namespace anear {

/// Ascending by capability within one architecture. kV2 is the floor on x86 (SSE4.2, POPCNT).
enum class Isa : std::uint8_t { kV2 = 0, kAvx2 = 1, kAvx512 = 2, kNeon = 8 };

/// "v2", "avx2", "avx512", "neon". Static storage.
const char* name_of(Isa isa) noexcept;
/// The best that this processor and operating system offer and that this library carries kernels
/// for.
Isa detected_isa() noexcept;
/// What is used: detected_isa(), or a lower one named by the environment variable ANEAR_ISA at the
/// first call. A name that is unknown or beyond the machine is ignored.
Isa isa() noexcept;

}  // namespace anear
