// The table of distance kernels: one for each ISA, picked once, called through function pointers.
//
// Kernels take raw pointers that are aligned as their type asks and no further, read exactly
// `dimension` numbers, and never fail. They return plain sums (squared L2, inner product); metrics
// are composed of them in quant/ (ADR 0002).
// Threads: const tables, pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "anear/core/types.hpp"
#include "anear/simd/isa.hpp"

namespace anear {

/// Dense kernels of one ISA. `query` is always f32 but for the i8 codes. Sums differ between ISAs
/// only by the order of additions.
struct Kernels {
  Isa isa;

  // One query, one row.
  float (*l2_f32)(const float* query, const float* row, std::size_t dimension) noexcept;
  float (*l2_f16)(const float* query, const Half* row, std::size_t dimension) noexcept;
  float (*dot_f32)(const float* query, const float* row, std::size_t dimension) noexcept;
  float (*dot_f16)(const float* query, const Half* row, std::size_t dimension) noexcept;
  /// Σ a·b of codes in [−127, 127]: exact.
  std::int32_t (*dot_i8)(const std::int8_t* query, const std::int8_t* code,
                         std::size_t dimension) noexcept;

  // One query, `count` rows at `rows[i]`; out[i] as the one-to-one kernel of that row gives, up to
  // the order of additions.
  void (*l2_f32_many)(const float* query, const float* const* rows, std::size_t count,
                      std::size_t dimension, float* out) noexcept;
  void (*l2_f16_many)(const float* query, const Half* const* rows, std::size_t count,
                      std::size_t dimension, float* out) noexcept;
  void (*dot_f32_many)(const float* query, const float* const* rows, std::size_t count,
                       std::size_t dimension, float* out) noexcept;
  void (*dot_f16_many)(const float* query, const Half* const* rows, std::size_t count,
                       std::size_t dimension, float* out) noexcept;
  void (*dot_i8_many)(const std::int8_t* query, const std::int8_t* const* codes, std::size_t count,
                      std::size_t dimension, std::int32_t* out) noexcept;

  // Conversions, round to nearest even.
  void (*f32_to_f16)(const float* from, Half* to, std::size_t count) noexcept;
  void (*f16_to_f32)(const Half* from, float* to, std::size_t count) noexcept;
};

inline namespace ANEAR_ISA_NAMESPACE {

/// The table of `isa`; of the default one if this build or machine lacks it. Static storage.
const Kernels& kernels(Isa isa = anear::isa()) noexcept;

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear

#if !defined(ANEAR_SIMD_LIBRARY)
#include "anear/simd/kernels.inl"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

inline Isa detected_isa() noexcept { return Isa::ANEAR_KERNEL_ISA; }
inline bool is_available(Isa isa) noexcept { return isa == detected_isa(); }
inline Isa isa() noexcept { return detected_isa(); }
inline Status check_processor() { return {}; }  // The flags of the unit are its author's choice.
inline const Kernels& kernels(Isa) noexcept { return ANEAR_KERNEL_NAMESPACE::kTable; }

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
#endif
