/* Dropout in one pass: bias, ReLU, mask and residual. Masks are never stored, the backward pass draws them again. */

#include "vectors.h"

typedef struct {
    const float *x, *bias, *residual;
    float *out;
    int64_t columns;
    int is_relu;
} Sum;

/* 32 elements from `at` on, or the `size` that are left: out = residual + mask * act(x + bias). */
static inline void forward(Sum of, int64_t at, int64_t size, int64_t key, const Fate *fate) {
    union { Longs words; Shorts levels[2]; } drawn;
    if (fate) drawn.words = random_words(key, at / 4);
    for (int half = 0; half < 2; half++, at += LANES, size -= LANES) {
        int64_t now = size < LANES ? size : LANES;
        if (now <= 0) break;
        Floats value = {}, more = {}, shift = {};
        if (now == LANES) value = load(of.x + at);
        else memcpy(&value, of.x + at, sizeof(float) * now);
        if (of.bias && of.columns % LANES == 0) shift = load(of.bias + at % of.columns);
        else if (of.bias) for (int64_t i = 0; i < now; i++) shift[i] = of.bias[(at + i) % of.columns];
        if (of.bias) value += shift;
        if (of.is_relu) value = choose(value < 0, all(0), value);
        if (fate) value *= factors(drawn.levels[half], *fate);
        if (of.residual && now == LANES) more = load(of.residual + at);
        else if (of.residual) memcpy(&more, of.residual + at, sizeof(float) * now);
        if (of.residual) value += more;
        if (now == LANES) store(of.out + at, value);
        else memcpy(of.out + at, &value, sizeof(float) * now);
    }
}

/* The gradient of x for 32 elements or the `size` that are left: grad * mask, and 0 where a ReLU gave 0. */
static inline void backward(const float *grad, const float *out, float *grad_x, int64_t at, int64_t size, int64_t key,
                            const Fate *fate) {
    union { Longs words; Shorts levels[2]; } drawn;
    if (fate && !out) drawn.words = random_words(key, at / 4);
    for (int half = 0; half < 2; half++, at += LANES, size -= LANES) {
        int64_t now = size < LANES ? size : LANES;
        if (now <= 0) break;
        Floats value = {}, result = {};
        if (now == LANES) value = load(grad + at);
        else memcpy(&value, grad + at, sizeof(float) * now);
        if (out && now == LANES) result = load(out + at);
        else if (out) memcpy(&result, out + at, sizeof(float) * now);
        if (out) value *= choose(result > 0, all(fate ? fate->scale : 1), all(0)); /* what was dropped is 0 too */
        else if (fate) value *= factors(drawn.levels[half], *fate);
        if (now == LANES) store(grad_x + at, value);
        else memcpy(grad_x + at, &value, sizeof(float) * now);
    }
}

/* n elements of each of `lanes` networks; step [lanes] and fate [lanes, 2] are absent where nothing is dropped. */
void masked_forward(const float *x, const float *bias, const float *residual, float *out, int64_t lanes, int64_t n,
                    int64_t columns, const int64_t *step, int64_t call, const float *fates, int64_t is_relu) {
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate fate = fates ? fate_of(fates + 2 * lane) : (Fate){};
        int64_t key = fates ? key_of(step[lane], call) : 0, whole = n / DECISIONS * DECISIONS;
        Sum of = {x + lane * n, bias ? bias + lane * columns : 0, residual ? residual + lane * n : 0, out + lane * n,
                  columns, is_relu != 0};
        for (int64_t at = 0; at < whole; at += DECISIONS) forward(of, at, DECISIONS, key, fates ? &fate : 0);
        forward(of, whole, n - whole, key, fates ? &fate : 0);
    }
}

/* `out` is the result of the forward pass where that had a ReLU and no residual, else absent. */
void masked_backward(const float *grad, const float *out, float *grad_x, int64_t lanes, int64_t n, const int64_t *step,
                     int64_t call, const float *fates) {
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate fate = fates ? fate_of(fates + 2 * lane) : (Fate){};
        int64_t key = fates ? key_of(step[lane], call) : 0, whole = n / DECISIONS * DECISIONS;
        const float *given = grad + lane * n, *result = out ? out + lane * n : 0;
        for (int64_t at = 0; at < whole; at += DECISIONS)
            backward(given, result, grad_x + lane * n, at, DECISIONS, key, fates ? &fate : 0);
        backward(given, result, grad_x + lane * n, whole, n - whole, key, fates ? &fate : 0);
    }
}
