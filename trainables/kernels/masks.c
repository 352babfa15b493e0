/* Dropout in one pass: bias, activation, mask and residual. Masks are never stored, the backward pass draws them again. */

#include "vectors.h"

enum { NOTHING, RELU, GELU };

/* Distribution of the normal, and its density: erf by formula 7.1.26 of Abramowitz and Stegun (1964), error 1.5e-7. */
static inline Floats normal(Floats x, Floats *density) {
    Floats z = choose(x < 0, -x, x) * 0.70710678f, t = 1 / (1 + 0.3275911f * z), e = power_of_2(-LOG2E * z * z);
    Floats tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    *density = 0.39894228f * e;
    tail *= 0.5f * e;
    return choose(x < 0, tail, 1 - tail);
}

/* A vector, or the `size` floats that are left. */
static inline Floats some(const float *from, int64_t size) {
    Floats found = {};
    if (size == LANES) found = load(from);
    else memcpy(&found, from, sizeof(float) * size);
    return found;
}

static inline void put(float *to, Floats values, int64_t size) {
    if (size == LANES) store(to, values);
    else memcpy(to, &values, sizeof(float) * size);
}

typedef struct {
    const float *x, *bias, *residual;
    float *out;
    int64_t columns, act;
} Sum;

/* DECISIONS elements from `at` on, or the `size` that are left: out = residual + mask * act(x + bias). */
static inline void forward(Sum of, int64_t at, int64_t size, int64_t key, const Fate *fate) {
    union { Longs words; Shorts levels[2]; } drawn;
    if (fate) drawn.words = random_words(key, at / 4);
    for (int half = 0; half < 2 && size > 0; half++, at += LANES, size -= LANES) {
        int64_t now = size < LANES ? size : LANES;
        Floats value = some(of.x + at, now), density;
        if (of.bias) value += by_column(of.bias, at, now, of.columns);
        if (of.act == RELU) value = larger(all(0), value);
        if (of.act == GELU) value *= normal(value, &density);
        if (fate) value *= factors(drawn.levels[half], *fate);
        if (of.residual) value += some(of.residual + at, now);
        put(of.out + at, value, now);
    }
}

typedef struct {
    const float *grad, *seen, *bias;
    float *grad_x;
    int64_t columns, act;
} Slope;

/* The gradient of x for DECISIONS elements or the `size` that are left; `seen` is the result of a ReLU, the input of a GELU. */
static inline void backward(Slope of, int64_t at, int64_t size, int64_t key, const Fate *fate) {
    union { Longs words; Shorts levels[2]; } drawn;
    if (fate && of.act != RELU) drawn.words = random_words(key, at / 4);
    for (int half = 0; half < 2 && size > 0; half++, at += LANES, size -= LANES) {
        int64_t now = size < LANES ? size : LANES;
        Floats value = some(of.grad + at, now);
        if (of.act == RELU) {  /* what was dropped is 0 too */
            value *= choose(some(of.seen + at, now) > 0, all(fate ? fate->scale : 1), all(0));
        } else if (fate) {
            value *= factors(drawn.levels[half], *fate);
        }
        if (of.act == GELU) {
            Floats x = some(of.seen + at, now), density;
            if (of.bias) x += by_column(of.bias, at, now, of.columns);
            Floats share = normal(x, &density);
            value *= share + x * density;
        }
        put(of.grad_x + at, value, now);
    }
}

/* n elements of each of `lanes` networks; bias [lanes, columns] and residual may be absent; step [lanes] and fates
   [lanes, 2] are absent where nothing is dropped. */
void masked_forward(const float *x, const float *bias, const float *residual, float *out, int64_t lanes, int64_t n,
                    int64_t columns, const int64_t *step, int64_t call, const float *fates, int64_t act) {
    int64_t whole = n / DECISIONS * DECISIONS;
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate own = fates ? fate_of(fates + 2 * lane) : (Fate){}, *fate = fates ? &own : 0;
        int64_t key = fates ? key_of(step[lane], call) : 0;
        Sum of = {x + lane * n, bias ? bias + lane * columns : 0, residual ? residual + lane * n : 0, out + lane * n,
                  columns, act};
        for (int64_t at = 0; at < whole; at += DECISIONS) forward(of, at, DECISIONS, key, fate);
        forward(of, whole, n - whole, key, fate);
    }
}

void masked_backward(const float *grad, const float *seen, const float *bias, float *grad_x, int64_t lanes, int64_t n,
                     int64_t columns, const int64_t *step, int64_t call, const float *fates, int64_t act) {
    int64_t whole = n / DECISIONS * DECISIONS;
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate own = fates ? fate_of(fates + 2 * lane) : (Fate){}, *fate = fates ? &own : 0;
        int64_t key = fates ? key_of(step[lane], call) : 0;
        Slope of = {grad + lane * n, seen ? seen + lane * n : 0, bias ? bias + lane * columns : 0, grad_x + lane * n,
                    columns, act};
        for (int64_t at = 0; at < whole; at += DECISIONS) backward(of, at, DECISIONS, key, fate);
        backward(of, whole, n - whole, key, fate);
    }
}
