// Products of bf16 matrices with sums in fp32: by AMX tiles where the processor has them, by AVX-512 elsewhere.
//
// The right side is packed: per 16 columns, per 32 of the inner dimension ("step"), 16 rows of 16 pairs (k, k + 1), which is what both kinds of
// instructions read. A sum is made in the same order whatever else is computed beside it, so a row's result does not depend on the other rows.
#pragma once
#include "vectors.h"

namespace bankassist {

constexpr int64_t kTile = 512;  // numbers of one packed step of 16 columns

// One summand: 32 rows times `steps` steps of one or two blocks of 16 columns. Rows are `row` numbers apart, the 32 numbers of a step `step` from those of
// the next, the second 16 rows `half` from the first.
struct Operand {
    const bf16* a;
    int64_t row, step, half;
    const bf16* b[2];
    int64_t steps;

    // Rows that were written by `tiled`.
    static Operand of_tiles(const bf16* a, int64_t first, const bf16* b0, const bf16* b1, int64_t steps) {
        return {a + first * steps * 32, 32, kTile, steps * kTile, {b0, b1}, steps};
    }

    // Rows one behind the other in memory.
    static Operand of_rows(const bf16* a, int64_t row, const bf16* b0, const bf16* b1, int64_t steps) { return {a, row, 32, 16 * row, {b0, b1}, steps}; }
};

// Where a number of a left side of `width` columns lies: 16 rows by 32 columns are side by side, since a tile is read in one go.
inline int64_t tiled(int64_t row, int64_t column, int64_t width) { return (row / 16 * (width / 32) + column / 32) * kTile + row % 16 * 32 + column % 32; }

struct Amx {
    static constexpr bool tiles = true;

    static void begin() {
        struct alignas(64) Config {
            uint8_t palette = 1, start = 0, reserved[14] = {};
            uint16_t columns[16] = {};
            uint8_t rows[16] = {};
        } config;
        for (int i = 0; i < 8; i++) config.columns[i] = 64, config.rows[i] = 16;
        // gcc 12 believes that 8 of the 64 bytes are read, and may leave out the stores of the others
        __asm__ volatile("" : : "r"(&config) : "memory");
        _tile_loadconfig(&config);
    }

    static void end() { _tile_release(); }

    // c[R * 16][C * 16] = the sum of the operands; whole tiles are computed, whatever `rows` says. The tiles' unit works beside the processor's others:
    // `between` is called after every step to give those something to do.
    template <int R, int C, class Between>
    static void multiply(const Operand* operands, int count, int, float* c, const Between& between) {
        // gcc's loads of tiles do not say that they read memory: what they are to read must be there
        __asm__ volatile("" : : : "memory");
        _tile_zero(0);
        if constexpr (C == 2) _tile_zero(1);
        if constexpr (R == 2) _tile_zero(2);
        if constexpr (R == 2 && C == 2) _tile_zero(3);
        for (int i = 0; i < count; i++) {
            const Operand& op = operands[i];
            const bf16 *a = op.a, *b0 = op.b[0], *b1 = op.b[1];
            for (int64_t step = 0; step < op.steps; step++, a += op.step, b0 += kTile, b1 += kTile) {
                _tile_loadd(4, a, op.row * 2);
                _tile_loadd(6, b0, 64);
                _tile_dpbf16ps(0, 4, 6);
                if constexpr (C == 2) {
                    _tile_loadd(7, b1, 64);
                    _tile_dpbf16ps(1, 4, 7);
                }
                if constexpr (R == 2) {
                    _tile_loadd(5, a + op.half, op.row * 2);
                    _tile_dpbf16ps(2, 5, 6);
                    if constexpr (C == 2) _tile_dpbf16ps(3, 5, 7);
                }
                between();
            }
        }
        _tile_stored(0, c, C * 64);
        if constexpr (C == 2) _tile_stored(1, c + 16, C * 64);
        if constexpr (R == 2) _tile_stored(2, c + 16 * C * 16, C * 64);
        if constexpr (R == 2 && C == 2) _tile_stored(3, c + 16 * C * 16 + 16, C * 64);
    }
};

struct Avx512 {
    static constexpr bool tiles = false;
    static void begin() {}
    static void end() {}

    template <int ROWS, int C>
    static void some(const Operand* operands, int count, int64_t first, float* c) {
        __m512 sums[ROWS][C];
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < C; j++) sums[r][j] = _mm512_setzero_ps();
        for (int i = 0; i < count; i++) {
            const Operand& op = operands[i];
            const bf16* a = op.a + first / 16 * op.half + first % 16 * op.row;
            for (int64_t pair = 0; pair < op.steps * 16; pair++) {
                __m512bh b[C];
                for (int j = 0; j < C; j++) b[j] = (__m512bh)_mm512_loadu_si512(op.b[j] + pair * 32);
                for (int r = 0; r < ROWS; r++) {
                    int32_t both;
                    __builtin_memcpy(&both, a + pair / 16 * op.step + r * op.row + pair % 16 * 2, 4);
                    const __m512bh left = (__m512bh)_mm512_set1_epi32(both);
                    for (int j = 0; j < C; j++) sums[r][j] = _mm512_dpbf16_ps(sums[r][j], left, b[j]);
                }
            }
        }
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < C; j++) _mm512_storeu_ps(c + (first + r) * C * 16 + j * 16, sums[r][j]);
    }

    template <int R, int C, class Between>
    static void multiply(const Operand* operands, int count, int rows, float* c, const Between&) {
        int first = 0;
        for (; first + 8 <= rows; first += 8) some<8, C>(operands, count, first, c);
        for (; first + 4 <= rows; first += 4) some<4, C>(operands, count, first, c);
        for (; first < rows; first++) some<1, C>(operands, count, first, c);
    }
};

// `rows` (1 to 32) rows and 16 * C columns; c has room for 32 rows of 16 * C.
template <class Kernel, int C, class Between>
inline void multiply(const Operand* operands, int count, int rows, float* c, const Between& between) {
    if (rows > 16)
        Kernel::template multiply<2, C>(operands, count, rows, c, between);
    else
        Kernel::template multiply<1, C>(operands, count, rows, c, between);
}

template <class Kernel, int C>
inline void multiply(const Operand* operands, int count, int rows, float* c) {
    multiply<Kernel, C>(operands, count, rows, c, [] {});
}

}  // namespace bankassist
