// Sixteen numbers at a time: what the step needs beside its products. AVX-512 with bf16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace bankassist {

using bf16 = uint16_t;

inline __m512 widen(const bf16* from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16));
}

inline void narrow(bf16* to, __m512 value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
}

// 2 to the power of x, with a relative error of 3e-6: what is made of it is rounded to bf16, a thousand times coarser.
inline __m512 power_of_two(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(x, 8), r = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(0.009570068679749966f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.055917806923389435f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.240247443318367f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931218504905701f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.9999992847442627f));
    return _mm512_scalef_ps(p, n);
}

constexpr float kLog2E = 1.44269504f;

// x / (1 + e^-x)
inline __m512 silu(__m512 x) {
    const __m512 e = power_of_two(_mm512_min_ps(_mm512_mul_ps(x, _mm512_set1_ps(-kLog2E)), _mm512_set1_ps(126.0f)));
    const __m512 below = _mm512_add_ps(_mm512_set1_ps(1.0f), e), guess = _mm512_rcp14_ps(below);
    return _mm512_mul_ps(x, _mm512_mul_ps(guess, _mm512_fnmadd_ps(below, guess, _mm512_set1_ps(2.0f))));
}

// Two rows of sixteen numbers as one row of pairs (first, second) in bf16: how products take their right side.
inline void narrow_pairs(bf16* to, __m512 first, __m512 second) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, both));
}

// The transpose of 16 rows of 16 numbers in bf16.
inline void transpose(bf16* to, int64_t to_row, const bf16* const from[16]) {
    __m256i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from[i]));
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            a[4 * i + 2 * j] = _mm256_unpacklo_epi32(b[4 * i + j], b[4 * i + 2 + j]);
            a[4 * i + 2 * j + 1] = _mm256_unpackhi_epi32(b[4 * i + j], b[4 * i + 2 + j]);
        }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++) {
            b[8 * i + 2 * j] = _mm256_unpacklo_epi64(a[8 * i + j], a[8 * i + 4 + j]);
            b[8 * i + 2 * j + 1] = _mm256_unpackhi_epi64(a[8 * i + j], a[8 * i + 4 + j]);
        }
    for (int j = 0; j < 8; j++) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j * to_row), _mm256_permute2x128_si256(b[j], b[8 + j], 0x20));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (8 + j) * to_row), _mm256_permute2x128_si256(b[j], b[8 + j], 0x31));
    }
}

}  // namespace bankassist
