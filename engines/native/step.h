// What Python hands over: addresses and numbers, eight bytes each (engines/native/layout.py has the same lists).
#pragma once
#include "vectors.h"

namespace bankassist {

// Packed weights of `n` outputs (a multiple of 32) over `k` inputs (a multiple of 32).
struct Matrix {
    const bf16* weights;
    const float* bias;  // or null
    int64_t n, k;
};

struct Layer {
    const float* attention_norm;
    const float* mlp_norm;
    Matrix qkv, out, gate_up, down;  // gate and up alternate in blocks of 16
};

struct Model {
    const Layer* layers;
    const bf16* embedding;  // [vocabulary][hidden]
    const float* norm;
    const float *cos, *sin;  // [positions][head]; the first half of a sine is negative
    Matrix head;
    int64_t layer_count, hidden, heads, kv_heads, head_size, inner;
    double epsilon, scale;
};

// A pair of one adapter for one of a layer's four matrices; rank 0: it does not change it.
struct Pair {
    const bf16 *a, *b;
    int64_t rank;  // a multiple of 32
};

// Tokens of one sequence: `count` rows from `first` on, behind `start` tokens that are in memory from row `place` on.
struct Span {
    int64_t first, count, start, place;
};

struct Step {
    const int64_t *tokens, *positions, *places;
    const int64_t* owners;  // per row which adapter acts, -1 for none
    const int64_t* wanted;  // rows whose logits are asked for
    const Span* spans;
    const Pair* const* adapters;  // per adapter [layer][4]
    bf16* memory;                 // [layer][place][keys, values]
    float* logits;                // [wanted][head.n]
    char* room;
    int64_t rows, span_count, adapter_count, wanted_count, layer_places, room_bytes, threads, tiles;
};

}  // namespace bankassist
