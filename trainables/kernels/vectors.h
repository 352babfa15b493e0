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
#define WORDS (LANES / 2)      /* 64-bit random numbers in a vector */
#define DECISIONS (4 * WORDS)  /* 16-bit levels in it */

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef int64_t Longs __attribute__((vector_size(4 * LANES)));
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));

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

/* exp for x <= 0: 2^n times a polynomial of the rest, relative error 2e-7; nan stays nan. */
static inline Floats exponential(Floats x) {
    x = choose(x < -87.0f, all(-87.0f), x);
    Floats magic = all(12582912.0f), n = x * 1.44269504f + magic;
    Ints power = ((Ints)n - (Ints)magic + 127) << 23;
    n -= magic;
    Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Floats p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * (Floats)power;
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
