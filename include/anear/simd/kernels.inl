// The bodies of the kernels, written once for all ISAs: the flags of the including translation unit
// decide which one this is. Re-included on purpose: once by each src/simd/kernels_*.cpp, and by
// kernels.hpp when anear::simd is not linked. Everything stands in a namespace that carries the
// ISA, so that units with different flags share no symbol.
//
// Sums of floats are xsimd batches; halves and 8-bit codes are intrinsics, which xsimd 8 does not
// have (docs/adr/0002). No kernel reads past `dimension` numbers; the rest of a row that does not
// fill a register goes through a zeroed buffer.

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

namespace anear::ANEAR_KERNEL_NAMESPACE {

using Floats = xsimd::batch<float>;
inline constexpr std::size_t kWidth = Floats::size;

/// IEEE binary16 to binary32, exact for every bit pattern.
inline float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t magnitude = std::uint32_t{half & 0x7fffU} << 13;
  float value = __builtin_bit_cast(float, magnitude) * 0x1p112F;
  std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  if (magnitude > 0x0f7fffffU) bits |= 0x7f800000U;
  return __builtin_bit_cast(float, bits | (std::uint32_t{half & 0x8000U} << 16));
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

#if defined(__AVX512F__) && defined(__AVX512BW__)

inline Floats load_halves(const Half* from) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline void store_halves(Floats values, Half* to) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
struct Bytes {
  static constexpr std::size_t kCodes = 32;
  using Sum = __m512i;
  static Sum zero() noexcept { return _mm512_setzero_si512(); }
  static Sum add_products(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m512i wide_a =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
    const __m512i wide_b =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(wide_a, wide_b));
  }
  static std::int32_t reduce(Sum sum) noexcept { return _mm512_reduce_add_epi32(sum); }
};

#elif defined(__AVX2__) && defined(__F16C__)

inline Floats load_halves(const Half* from) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline void store_halves(Floats values, Half* to) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
}
struct Bytes {
  static constexpr std::size_t kCodes = 32;
  using Sum = __m256i;
  static Sum zero() noexcept { return _mm256_setzero_si256(); }
  // |a| · (b with the sign of a): pairs stay below 2 · 127 · 127, which a 16-bit lane holds.
  static Sum add_products(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
    const __m256i right = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(left), _mm256_sign_epi8(right, left));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static std::int32_t reduce(Sum sum) noexcept {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
  }
};

#else

inline Floats load_halves(const Half* from) noexcept {
  const __m128i halves =
      _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  const __m128i magnitude = _mm_slli_epi32(_mm_and_si128(halves, _mm_set1_epi32(0x7fff)), 13);
  const __m128i sign = _mm_slli_epi32(_mm_and_si128(halves, _mm_set1_epi32(0x8000)), 16);
  const __m128i scaled =
      _mm_castps_si128(_mm_mul_ps(_mm_castsi128_ps(magnitude), _mm_set1_ps(0x1p112F)));
  const __m128i special = _mm_and_si128(_mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f7fffff)),
                                        _mm_set1_epi32(0x7f800000));
  return Floats(_mm_castsi128_ps(_mm_or_si128(_mm_or_si128(scaled, special), sign)));
}
inline void store_halves(Floats values, Half* to) noexcept {
  float buffer[kWidth];
  values.store_unaligned(buffer);
  for (std::size_t i = 0; i < kWidth; ++i) to[i].bits = float_to_half(buffer[i]);
}
struct Bytes {
  static constexpr std::size_t kCodes = 16;
  using Sum = __m128i;
  static Sum zero() noexcept { return _mm_setzero_si128(); }
  static Sum add_products(Sum sum, const std::int8_t* a, const std::int8_t* b) noexcept {
    const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    const __m128i pairs = _mm_maddubs_epi16(_mm_abs_epi8(left), _mm_sign_epi8(right, left));
    return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
  }
  static std::int32_t reduce(Sum sum) noexcept {
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return _mm_cvtsi128_si32(sum);
  }
};

#endif

inline Floats load(const float* from) noexcept { return Floats::load_unaligned(from); }
inline Floats load(const Half* from) noexcept { return load_halves(from); }

/// The last `count` < kWidth numbers, followed by zeros.
inline Floats load_rest(const float* from, std::size_t count) noexcept {
  float buffer[kWidth] = {};
  for (std::size_t i = 0; i < count; ++i) buffer[i] = from[i];
  return Floats::load_unaligned(buffer);
}
inline Floats load_rest(const Half* from, std::size_t count) noexcept {
  float buffer[kWidth] = {};
  for (std::size_t i = 0; i < count; ++i) buffer[i] = half_to_float(from[i].bits);
  return Floats::load_unaligned(buffer);
}

struct SquaredDifference {
  static Floats add(Floats sum, Floats a, Floats b) noexcept {
    const Floats difference = a - b;
    return xsimd::fma(difference, difference, sum);
  }
};
struct Product {
  static Floats add(Floats sum, Floats a, Floats b) noexcept { return xsimd::fma(a, b, sum); }
};

// Four independent sums: an FMA takes four cycles and two start in each, so that a single sum would
// wait most of the time.
template <typename Term, typename Number>
float one_to_one(const float* query, const Number* row, std::size_t dimension) noexcept {
  Floats sum0(0.0F), sum1(0.0F), sum2(0.0F), sum3(0.0F);
  std::size_t i = 0;
  for (; i + 4 * kWidth <= dimension; i += 4 * kWidth) {
    sum0 = Term::add(sum0, load(query + i), load(row + i));
    sum1 = Term::add(sum1, load(query + i + kWidth), load(row + i + kWidth));
    sum2 = Term::add(sum2, load(query + i + 2 * kWidth), load(row + i + 2 * kWidth));
    sum3 = Term::add(sum3, load(query + i + 3 * kWidth), load(row + i + 3 * kWidth));
  }
  for (; i + kWidth <= dimension; i += kWidth)
    sum0 = Term::add(sum0, load(query + i), load(row + i));
  if (i < dimension) {
    sum1 = Term::add(sum1, load_rest(query + i, dimension - i), load_rest(row + i, dimension - i));
  }
  return xsimd::hadd((sum0 + sum1) + (sum2 + sum3));
}

template <typename Number>
void prefetch_rows(const Number* const* rows, std::size_t begin, std::size_t count) noexcept {
  for (std::size_t i = begin; i < count && i < begin + 4; ++i) {
    _mm_prefetch(reinterpret_cast<const char*>(rows[i]), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(rows[i]) + 64, _MM_HINT_T0);
  }
}

// Four rows at a time share the loads of the query and keep four chains of additions busy.
template <typename Term, typename Number>
void one_to_many(const float* query, const Number* const* rows, std::size_t count,
                 std::size_t dimension, float* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    prefetch_rows(rows, r + 4, count);
    Floats sum0(0.0F), sum1(0.0F), sum2(0.0F), sum3(0.0F);
    std::size_t i = 0;
    for (; i + kWidth <= dimension; i += kWidth) {
      const Floats q = load(query + i);
      sum0 = Term::add(sum0, q, load(rows[r] + i));
      sum1 = Term::add(sum1, q, load(rows[r + 1] + i));
      sum2 = Term::add(sum2, q, load(rows[r + 2] + i));
      sum3 = Term::add(sum3, q, load(rows[r + 3] + i));
    }
    if (i < dimension) {
      const std::size_t rest = dimension - i;
      const Floats q = load_rest(query + i, rest);
      sum0 = Term::add(sum0, q, load_rest(rows[r] + i, rest));
      sum1 = Term::add(sum1, q, load_rest(rows[r + 1] + i, rest));
      sum2 = Term::add(sum2, q, load_rest(rows[r + 2] + i, rest));
      sum3 = Term::add(sum3, q, load_rest(rows[r + 3] + i, rest));
    }
    out[r] = xsimd::hadd(sum0);
    out[r + 1] = xsimd::hadd(sum1);
    out[r + 2] = xsimd::hadd(sum2);
    out[r + 3] = xsimd::hadd(sum3);
  }
  for (; r < count; ++r) out[r] = one_to_one<Term>(query, rows[r], dimension);
}

inline std::int32_t dot_codes(const std::int8_t* query, const std::int8_t* code,
                              std::size_t dimension) noexcept {
  constexpr std::size_t kStep = Bytes::kCodes;
  Bytes::Sum sum0 = Bytes::zero();
  Bytes::Sum sum1 = Bytes::zero();
  std::size_t i = 0;
  for (; i + 2 * kStep <= dimension; i += 2 * kStep) {
    sum0 = Bytes::add_products(sum0, query + i, code + i);
    sum1 = Bytes::add_products(sum1, query + i + kStep, code + i + kStep);
  }
  for (; i + kStep <= dimension; i += kStep) sum0 = Bytes::add_products(sum0, query + i, code + i);
  std::int32_t rest = 0;
  for (; i < dimension; ++i) rest += std::int32_t{query[i]} * std::int32_t{code[i]};
  return Bytes::reduce(sum0) + Bytes::reduce(sum1) + rest;
}

inline void dot_codes_many(const std::int8_t* query, const std::int8_t* const* codes,
                           std::size_t count, std::size_t dimension, std::int32_t* out) noexcept {
  for (std::size_t r = 0; r < count; ++r) {
    if (r + 2 < count) _mm_prefetch(reinterpret_cast<const char*>(codes[r + 2]), _MM_HINT_T0);
    out[r] = dot_codes(query, codes[r], dimension);
  }
}

inline void floats_to_halves(const float* from, Half* to, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store_halves(load(from + i), to + i);
  for (; i < count; ++i) to[i].bits = float_to_half(from[i]);
}

inline void halves_to_floats(const Half* from, float* to, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) load(from + i).store_unaligned(to + i);
  for (; i < count; ++i) to[i] = half_to_float(from[i].bits);
}

inline constexpr Kernels kTable{
    .isa = Isa::ANEAR_KERNEL_ISA,
    .l2_f32 = &one_to_one<SquaredDifference, float>,
    .l2_f16 = &one_to_one<SquaredDifference, Half>,
    .dot_f32 = &one_to_one<Product, float>,
    .dot_f16 = &one_to_one<Product, Half>,
    .dot_i8 = &dot_codes,
    .l2_f32_many = &one_to_many<SquaredDifference, float>,
    .l2_f16_many = &one_to_many<SquaredDifference, Half>,
    .dot_f32_many = &one_to_many<Product, float>,
    .dot_f16_many = &one_to_many<Product, Half>,
    .dot_i8_many = &dot_codes_many,
    .f32_to_f16 = &floats_to_halves,
    .f16_to_f32 = &halves_to_floats,
};

}  // namespace anear::ANEAR_KERNEL_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
