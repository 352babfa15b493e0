/* Vectors of floats, and the random bits of layers/stream.py. */

#pragma once

#include <stdint.h>
#include <string.h>

/* Elements of two vectors by their numbers, which go on in the second. */
#if defined(__clang__) || __GNUC__ >= 12
#define PICK(first, second, ...) __builtin_shufflevector(first, second, __VA_ARGS__)
#else
#define PICK(first, second, ...) __builtin_shuffle(first, second, (Ints){__VA_ARGS__})
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define LANES 16 /* floats in a vector: as the processor has them, for compilers split wider ones badly */
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#if LANES > 4
#include <immintrin.h> /* compilers make three instructions of a maximum that is written out */
#endif
#define WORDS (LANES / 2)      /* 64-bit random numbers in a vector */
#define DECISIONS (4 * WORDS)  /* 16-bit levels in it */

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef float Half __attribute__((vector_size(2 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef int64_t Longs __attribute__((vector_size(4 * LANES)));
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));

/* The lower parts, and the upper ones, of each block of two vectors. */
#if LANES == 16
#define FIRST_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SECOND_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define FIRST_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define SECOND_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define FIRST_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define SECOND_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define FIRST_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define SECOND_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#elif LANES == 8
#define FIRST_4 0, 1, 2, 3, 8, 9, 10, 11
#define SECOND_4 4, 5, 6, 7, 12, 13, 14, 15
#define FIRST_2 0, 1, 8, 9, 4, 5, 12, 13
#define SECOND_2 2, 3, 10, 11, 6, 7, 14, 15
#define FIRST_1 0, 8, 2, 10, 4, 12, 6, 14
#define SECOND_1 1, 9, 3, 11, 5, 13, 7, 15
#else
#define FIRST_2 0, 1, 4, 5
#define SECOND_2 2, 3, 6, 7
#define FIRST_1 0, 4, 2, 6
#define SECOND_1 1, 5, 3, 7
#endif

static inline Floats all(float value) { return value - (Floats){}; }

static inline Floats load(const float *from) {
    Floats found;
    memcpy(&found, from, sizeof found);
    return found;
}

static inline void store(float *to, Floats values) { memcpy(to, &values, sizeof values); }

/* What belongs to the columns of the elements `at`, at + 1, ... of rows. */
static inline Floats by_column(const float *bias, int64_t at, int64_t size, int64_t columns) {
    if (columns % LANES == 0) return load(bias + at % columns);
    Floats found = {};
    for (int64_t i = 0; i < size; i++) found[i] = bias[(at + i) % columns];
    return found;
}

static inline Floats choose(Ints is_first, Floats first, Floats second) {
    return (Floats)((is_first & (Ints)first) | (~is_first & (Ints)second));
}

/* a where it is above b, else b, which may be nan. */
static inline Floats larger(Floats a, Floats b) {
#if LANES == 16
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif LANES == 8
    return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return choose(a > b, a, b);
#endif
}

/* Exchanges the upper part of each block of the first vector with the lower part of the second's. */
#define SWAP(a, b, block)                                                                                              \
    {                                                                                                                  \
        Floats first = a, second = b;                                                                                  \
        a = PICK(first, second, FIRST_##block);                                                                        \
        b = PICK(first, second, SECOND_##block);                                                                       \
    }

/* Turns a square over its diagonal, by blocks of 8, 4, 2 and 1. */
static inline void turn(Floats *square) {
#if LANES == 16
    for (int i = 0; i < 8; i++) SWAP(square[i], square[i + 8], 8)
#endif
#if LANES >= 8
    for (int i = 0; i < LANES; i += 8)
        for (int j = i; j < i + 4; j++) SWAP(square[j], square[j + 4], 4)
#endif
    for (int i = 0; i < LANES; i += 4)
        for (int j = i; j < i + 2; j++) SWAP(square[j], square[j + 2], 2)
    for (int i = 0; i < LANES; i += 2) SWAP(square[i], square[i + 1], 1)
}

/* The sum over each of LANES vectors, in the place of its number; what lies at `values` is lost. */
static inline Floats sums(Floats *values) {
#define FOLD(block)                                                                                                    \
    for (int i = 0; i < block; i++)                                                                                    \
        values[i] = PICK(values[i], values[i + block], FIRST_##block) + PICK(values[i], values[i + block], SECOND_##block);
#if LANES == 16
    FOLD(8)
#endif
#if LANES >= 8
    FOLD(4)
#endif
    FOLD(2)
    FOLD(1)
    return values[0];
}

static inline float sum(Floats values) {
#if LANES == 16
    values += PICK(values, values, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    values += PICK(values, values, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    values += PICK(values, values, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
#elif LANES == 8
    values += PICK(values, values, 4, 5, 6, 7, 0, 1, 2, 3);
    values += PICK(values, values, 2, 3, 0, 1, 6, 7, 4, 5);
#else
    values += PICK(values, values, 2, 3, 0, 1);
#endif
    return values[0] + values[1];
}

#define LOG2E 1.44269504f

/* 2^x for x <= 0: a power of two times a polynomial of the rest, the least relative error of its degree, 3e-7; nan stays
   nan. */
static inline Floats power_of_2(Floats x) {
    x = larger(all(-126.0f), x);
    Floats magic = all(12582912.0f), n = x + magic, r = x - (n - magic);
    Ints power = ((Ints)n - (Ints)magic + 127) << 23;
    Floats p = all(1.327647245e-3f);
    p = p * r + 9.675540961e-3f;
    p = p * r + 5.550713092e-2f;
    p = p * r + 2.402212024e-1f;
    p = p * r + 6.931469440e-1f;
    p = p * r + 1.000000119f;
    return p * (Floats)power;
}

/* A key of a step and the number of a call, as Stream.bits mixes them. */
static inline int64_t key_of(int64_t step, int64_t call) {
    return step + (int64_t)((uint64_t)(call << 40) * 0x9E3779B97F4A7C15u);
}

/* The random numbers first, first + 1, ... behind a key: levels of 16 bits. */
static inline Longs random_words(int64_t key, int64_t first) {
#if LANES == 16
    const Longs from_0 = {0, 1, 2, 3, 4, 5, 6, 7};
#elif LANES == 8
    const Longs from_0 = {0, 1, 2, 3};
#else
    const Longs from_0 = {0, 1};
#endif
    Longs place = first + from_0;
    Longs bits = place * (int64_t)0x9E3779B97F4A7C15u + key;
    bits ^= bits >> 32;
    bits *= (int64_t)0xBF58476D1CE4E5B9u;
    return bits + (bits >> 32);
}

/* Threshold and scale of a dropout rate: levels up to `last` are kept. */
typedef struct {
    int16_t last;
    int is_any;
    float scale;
} Fate;

static inline Fate fate_of(const float *threshold_and_scale) {
    float last = threshold_and_scale[0] - 1;
    return (Fate){last < -32768 ? -32768 : (int16_t)last, last >= -32768, -threshold_and_scale[1]};
}

/* The factors of elements: 0, or the scale. */
static inline Floats factors(Shorts levels, Fate fate) {
    Ints is_kept = __builtin_convertvector(levels <= fate.last, Ints);
    return fate.is_any ? (Floats)(is_kept & (Ints)all(fate.scale)) : all(0);
}
