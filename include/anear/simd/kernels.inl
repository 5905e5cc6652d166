// The bodies of the kernels, written once for all ISAs: the flags of the including translation unit
// decide which one this is. Re-included on purpose: once by each src/simd/kernels_*.cpp, and by
// kernels.hpp when anear::simd is not linked. Everything stands in a namespace that carries the ISA
// and whether it belongs to the library, so that units with different flags share no symbol.
//
// A kernel is a loop (one_to_one, one_to_many) over lanes, which say how one register is loaded,
// summed and reduced. Lanes of floats are xsimd batches; halves and 8-bit codes are intrinsics,
// which xsimd 8 does not have (docs/adr/0002-kernels.md). No kernel reads past `dimension` numbers;
// the rest of a row that does not fill a register goes through a zeroed buffer.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <xsimd/xsimd.hpp>

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the "undefined" registers inside its own AVX-512 headers for a mistake of ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define ANEAR_KERNEL_ISA kAvx512
#define ANEAR_KERNEL_NAMESPACE isa_avx512
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define ANEAR_KERNEL_ISA kAvx2
#define ANEAR_KERNEL_NAMESPACE isa_avx2
#else
#define ANEAR_KERNEL_ISA kV2
#define ANEAR_KERNEL_NAMESPACE isa_v2
#endif

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {
namespace ANEAR_KERNEL_NAMESPACE {

using Floats = xsimd::batch<float>;
inline constexpr std::size_t kWidth = Floats::size;

/// IEEE binary16 to binary32, exact for every bit pattern; a NaN comes out quiet. By integers,
/// since a host may have told its processor to take subnormal floats for zero.
inline float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16;
  std::uint32_t magnitude = std::uint32_t{half & 0x7fffU} << 13;
  if (magnitude < 0x00800000U) {
    // Subnormal: read as 2^-14 · (1 + fraction), from which 2^-14 is taken off again.
    const float value = __builtin_bit_cast(float, magnitude + 0x38800000U) - 0x1p-14F;
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, value) | sign);
  }
  if (magnitude > 0x0f800000U) magnitude |= 0x00400000U;
  magnitude += magnitude < 0x0f800000U ? 0x38000000U : 0x70000000U;
  return __builtin_bit_cast(float, magnitude | sign);
}

/// Binary32 to binary16, to nearest even; overflow gives infinity, a NaN stays one (quiet).
inline std::uint16_t float_to_half(float value) noexcept {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) {
    return static_cast<std::uint16_t>(sign | 0x7e00U | ((magnitude >> 13) & 0x3ffU));
  }
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude < 0x38800000U) {
    // Below the smallest normal half: adding 0.5 lets the float unit shift and round the fraction.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign |
                                      (__builtin_bit_cast(std::uint32_t, shifted) - 0x3f000000U));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
}

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

inline Floats load(const Half* from) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void store(Floats values, Half* to) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
struct Codes {
  static constexpr std::size_t kStep = 32;
  using Sum = __m512i;
  static Sum zero() noexcept { return _mm512_setzero_si512(); }
  static Sum add(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m512i wide_a =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
    const __m512i wide_b =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(wide_a, wide_b));
  }
  static Sum join(Sum a, Sum b) noexcept { return _mm512_add_epi32(a, b); }
  static std::int32_t reduce(Sum sum) noexcept { return _mm512_reduce_add_epi32(sum); }
};

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

inline Floats load(const Half* from) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline void store(Floats values, Half* to) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
struct Codes {
  static constexpr std::size_t kStep = 32;
  using Sum = __m256i;
  static Sum zero() noexcept { return _mm256_setzero_si256(); }
  // |a| · (b with the sign of a): pairs stay below 2 · 127 · 127, which a 16-bit lane holds.
  static Sum add(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
    const __m256i right = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(left), _mm256_sign_epi8(right, left));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static Sum join(Sum a, Sum b) noexcept { return _mm256_add_epi32(a, b); }
  static std::int32_t reduce(Sum sum) noexcept {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
  }
};

#else

// SSE2 alone where it costs little: header-only users may compile without any -m flag.
inline Floats load(const Half* from) noexcept {
  const __m128i bits = _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)),
                                          _mm_setzero_si128());
  const __m128i sign = _mm_slli_epi32(_mm_and_si128(bits, _mm_set1_epi32(0x8000)), 16);
  __m128i magnitude = _mm_slli_epi32(_mm_and_si128(bits, _mm_set1_epi32(0x7fff)), 13);
  const __m128i tiny = _mm_cmplt_epi32(magnitude, _mm_set1_epi32(0x00800000));
  const __m128i special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f7fffff));
  const __m128i nan = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f800000));
  // The steps of half_to_float(), all of them for each lane.
  const __m128 subnormal =
      _mm_sub_ps(_mm_castsi128_ps(_mm_add_epi32(magnitude, _mm_set1_epi32(0x38800000))),
                 _mm_set1_ps(0x1p-14F));
  magnitude = _mm_or_si128(magnitude, _mm_and_si128(nan, _mm_set1_epi32(0x00400000)));
  magnitude = _mm_add_epi32(magnitude, _mm_set1_epi32(0x38000000));
  magnitude = _mm_add_epi32(magnitude, _mm_and_si128(special, _mm_set1_epi32(0x38000000)));
  magnitude = _mm_or_si128(_mm_and_si128(tiny, _mm_castps_si128(subnormal)),
                           _mm_andnot_si128(tiny, magnitude));
  return Floats(_mm_castsi128_ps(_mm_or_si128(magnitude, sign)));
}
inline void store(Floats values, Half* to) noexcept {
  float buffer[kWidth];
  values.store_unaligned(buffer);
  for (std::size_t i = 0; i < kWidth; ++i) to[i].bits = float_to_half(buffer[i]);
}
struct Codes {
  static constexpr std::size_t kStep = 16;
  using Sum = __m128i;
  static Sum zero() noexcept { return _mm_setzero_si128(); }
  static Sum add(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
#if defined(__SSSE3__)
    const __m128i pairs = _mm_maddubs_epi16(_mm_abs_epi8(left), _mm_sign_epi8(right, left));
    return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
#else
    const __m128i left_sign = _mm_cmplt_epi8(left, _mm_setzero_si128());
    const __m128i right_sign = _mm_cmplt_epi8(right, _mm_setzero_si128());
    const __m128i low =
        _mm_madd_epi16(_mm_unpacklo_epi8(left, left_sign), _mm_unpacklo_epi8(right, right_sign));
    const __m128i high =
        _mm_madd_epi16(_mm_unpackhi_epi8(left, left_sign), _mm_unpackhi_epi8(right, right_sign));
    return _mm_add_epi32(sum, _mm_add_epi32(low, high));
#endif
  }
  static Sum join(Sum a, Sum b) noexcept { return _mm_add_epi32(a, b); }
  static std::int32_t reduce(Sum sum) noexcept {
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return _mm_cvtsi128_si32(sum);
  }
};

#endif

inline Floats load(const float* from) noexcept { return Floats::load_unaligned(from); }

struct SquaredDifference {
  static Floats add(Floats sum, Floats a, Floats b) noexcept {
    const Floats difference = a - b;
    return xsimd::fma(difference, difference, sum);
  }
};
struct Product {
  static Floats add(Floats sum, Floats a, Floats b) noexcept { return xsimd::fma(a, b, sum); }
};

/// Sums of `Term` over a float query and rows of `RowNumber`.
template <typename Term, typename RowNumber>
struct FloatLanes {
  using Query = float;
  using Row = RowNumber;
  using Out = float;
  using Sum = Floats;
  static constexpr std::size_t kStep = kWidth;
  static Sum zero() noexcept { return Floats(0.0F); }
  static Sum add(Sum sum, const Query* query, const Row* row) noexcept {
    return Term::add(sum, load(query), load(row));
  }
  static Sum join(Sum a, Sum b) noexcept { return a + b; }
  static Out reduce(Sum sum) noexcept { return xsimd::hadd(sum); }
};

struct CodeLanes : Codes {
  using Query = std::int8_t;
  using Row = std::int8_t;
  using Out = std::int32_t;
};

/// Adds the last `count` < kStep numbers. Zeros behind them add nothing to any sum here.
template <typename Lanes>
typename Lanes::Sum add_rest(typename Lanes::Sum sum, const typename Lanes::Query* query,
                             const typename Lanes::Row* row, std::size_t count) noexcept {
  typename Lanes::Query query_rest[Lanes::kStep] = {};
  typename Lanes::Row row_rest[Lanes::kStep] = {};
  for (std::size_t i = 0; i < count; ++i) query_rest[i] = query[i];
  for (std::size_t i = 0; i < count; ++i) row_rest[i] = row[i];
  return Lanes::add(sum, query_rest, row_rest);
}

// Four independent sums: an FMA takes four cycles and two start in each, so that a single sum would
// wait most of the time.
template <typename Lanes>
typename Lanes::Out one_to_one(const typename Lanes::Query* query, const typename Lanes::Row* row,
                               std::size_t dimension) noexcept {
  constexpr std::size_t kStep = Lanes::kStep;
  auto sum0 = Lanes::zero(), sum1 = Lanes::zero(), sum2 = Lanes::zero(), sum3 = Lanes::zero();
  std::size_t i = 0;
  for (; i + 4 * kStep <= dimension; i += 4 * kStep) {
    sum0 = Lanes::add(sum0, query + i, row + i);
    sum1 = Lanes::add(sum1, query + i + kStep, row + i + kStep);
    sum2 = Lanes::add(sum2, query + i + 2 * kStep, row + i + 2 * kStep);
    sum3 = Lanes::add(sum3, query + i + 3 * kStep, row + i + 3 * kStep);
  }
  for (; i + kStep <= dimension; i += kStep) sum0 = Lanes::add(sum0, query + i, row + i);
  if (i < dimension) sum1 = add_rest<Lanes>(sum1, query + i, row + i, dimension - i);
  return Lanes::reduce(Lanes::join(Lanes::join(sum0, sum1), Lanes::join(sum2, sum3)));
}

// Beyond this many cache lines of a row the processor's own prefetcher has caught on
// (docs/adr/0002-kernels.md).
inline constexpr std::size_t kLinesAhead = 8;

// Four rows share the loads of the query and keep four chains of additions busy. While one cache
// line of each is summed, the same line of the four rows to come is asked for.
template <typename Lanes>
void four_rows(const typename Lanes::Query* query, const typename Lanes::Row* const* rows,
               const typename Lanes::Row* const* coming, std::size_t dimension,
               typename Lanes::Out* out) noexcept {
  constexpr std::size_t kStep = Lanes::kStep;
  constexpr std::size_t kLine = 64 / sizeof(typename Lanes::Row);
  constexpr std::size_t kBlock = kLine < kStep ? kStep : kLine;
  static_assert(kBlock % kStep == 0);
  const typename Lanes::Row* const row0 = rows[0];
  const typename Lanes::Row* const row1 = rows[1];
  const typename Lanes::Row* const row2 = rows[2];
  const typename Lanes::Row* const row3 = rows[3];
  auto sum0 = Lanes::zero(), sum1 = Lanes::zero(), sum2 = Lanes::zero(), sum3 = Lanes::zero();
  std::size_t i = 0;
  for (; i + kStep <= dimension; i += kStep) {
    if (i % kBlock == 0 && i < kLinesAhead * kBlock) {
      for (std::size_t r = 0; r < 4; ++r) {
        _mm_prefetch(reinterpret_cast<const char*>(coming[r] + i), _MM_HINT_T0);
      }
    }
    sum0 = Lanes::add(sum0, query + i, row0 + i);
    sum1 = Lanes::add(sum1, query + i, row1 + i);
    sum2 = Lanes::add(sum2, query + i, row2 + i);
    sum3 = Lanes::add(sum3, query + i, row3 + i);
  }
  if (i < dimension) {
    sum0 = add_rest<Lanes>(sum0, query + i, row0 + i, dimension - i);
    sum1 = add_rest<Lanes>(sum1, query + i, row1 + i, dimension - i);
    sum2 = add_rest<Lanes>(sum2, query + i, row2 + i, dimension - i);
    sum3 = add_rest<Lanes>(sum3, query + i, row3 + i, dimension - i);
  }
  out[0] = Lanes::reduce(sum0);
  out[1] = Lanes::reduce(sum1);
  out[2] = Lanes::reduce(sum2);
  out[3] = Lanes::reduce(sum3);
}

template <typename Lanes>
void one_to_many(const typename Lanes::Query* query, const typename Lanes::Row* const* rows,
                 std::size_t count, std::size_t dimension, typename Lanes::Out* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const auto* coming = r + 8 <= count ? rows + r + 4 : rows + count - 4;
    four_rows<Lanes>(query, rows + r, coming, dimension, out + r);
  }
  for (; r < count; ++r) out[r] = one_to_one<Lanes>(query, rows[r], dimension);
}

inline void floats_to_halves(const float* from, Half* to, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(load(from + i), to + i);
  for (; i < count; ++i) to[i].bits = float_to_half(from[i]);
}

inline void halves_to_floats(const Half* from, float* to, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) load(from + i).store_unaligned(to + i);
  for (; i < count; ++i) to[i] = half_to_float(from[i].bits);
}

inline constexpr Kernels kTable{
    .isa = Isa::ANEAR_KERNEL_ISA,
    .l2_f32 = &one_to_one<FloatLanes<SquaredDifference, float>>,
    .l2_f16 = &one_to_one<FloatLanes<SquaredDifference, Half>>,
    .dot_f32 = &one_to_one<FloatLanes<Product, float>>,
    .dot_f16 = &one_to_one<FloatLanes<Product, Half>>,
    .dot_i8 = &one_to_one<CodeLanes>,
    .l2_f32_many = &one_to_many<FloatLanes<SquaredDifference, float>>,
    .l2_f16_many = &one_to_many<FloatLanes<SquaredDifference, Half>>,
    .dot_f32_many = &one_to_many<FloatLanes<Product, float>>,
    .dot_f16_many = &one_to_many<FloatLanes<Product, Half>>,
    .dot_i8_many = &one_to_many<CodeLanes>,
    .f32_to_f16 = &floats_to_halves,
    .f16_to_f32 = &halves_to_floats,
};

}  // namespace ANEAR_KERNEL_NAMESPACE
}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
