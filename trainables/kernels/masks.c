/* Dropout in one pass: bias, ReLU, mask and residual. Masks are never stored, the backward pass draws them again. */

#include "vectors.h"

/* Elements [n] of one network: out = residual + mask * act(x + bias); bias [columns] and residual [n] may be absent. */
static void forward(const float *x, const float *bias, const float *residual, float *out, int64_t n, int64_t columns,
                    int64_t key, const Fate *fate, int is_relu) {
    for (int64_t i = 0; i < n; i += 2 * LANES) {
        union { Longs words; Shorts levels[2]; } drawn;
        if (fate) drawn.words = random_words(key, i / 4);
        for (int half = 0; half < 2 && i + half * LANES < n; half++) {
            int64_t at = i + half * LANES, size = n - at < LANES ? n - at : LANES;
            Floats value = all(0), more = all(0), shift = all(0);
            memcpy(&value, x + at, sizeof(float) * size);
            if (residual) memcpy(&more, residual + at, sizeof(float) * size);
            if (bias && columns % LANES == 0) shift = load(bias + at % columns);
            else if (bias) for (int64_t j = 0; j < size; j++) shift[j] = bias[(at + j) % columns];
            if (bias) value += shift;
            if (is_relu) value = choose(value < 0, all(0), value);
            if (fate) value *= factors(drawn.levels[half], *fate);
            if (residual) value += more;
            memcpy(out + at, &value, sizeof(float) * size);
        }
    }
}

/* The gradient of x: grad * mask, and 0 where a ReLU gave 0. */
static void backward(const float *grad, const float *out, float *grad_x, int64_t n, int64_t key, const Fate *fate) {
    for (int64_t i = 0; i < n; i += 2 * LANES) {
        union { Longs words; Shorts levels[2]; } drawn;
        if (fate && !out) drawn.words = random_words(key, i / 4);
        for (int half = 0; half < 2 && i + half * LANES < n; half++) {
            int64_t at = i + half * LANES, size = n - at < LANES ? n - at : LANES;
            Floats value = all(0), result = all(0);
            memcpy(&value, grad + at, sizeof(float) * size);
            if (out) {  /* what was dropped is 0 too */
                memcpy(&result, out + at, sizeof(float) * size);
                value *= choose(result > 0, all(fate ? fate->scale : 1), all(0));
            } else if (fate) {
                value *= factors(drawn.levels[half], *fate);
            }
            memcpy(grad_x + at, &value, sizeof(float) * size);
        }
    }
}

/* n elements of each of `lanes` networks; step [lanes] and fate [lanes, 2] are absent where nothing is dropped. */
void masked_forward(const float *x, const float *bias, const float *residual, float *out, int64_t lanes, int64_t n,
                    int64_t columns, const int64_t *step, int64_t call, const float *fates, int64_t is_relu) {
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate fate = fates ? fate_of(fates + 2 * lane) : (Fate){};
        forward(x + lane * n, bias ? bias + lane * columns : 0, residual ? residual + lane * n : 0, out + lane * n, n,
                columns, fates ? key_of(step[lane], call) : 0, fates ? &fate : 0, is_relu != 0);
    }
}

/* `out` is the result of the forward pass where that had a ReLU and no residual, else absent. */
void masked_backward(const float *grad, const float *out, float *grad_x, int64_t lanes, int64_t n, const int64_t *step,
                     int64_t call, const float *fates) {
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate fate = fates ? fate_of(fates + 2 * lane) : (Fate){};
        backward(grad + lane * n, out ? out + lane * n : 0, grad_x + lane * n, n,
                 fates ? key_of(step[lane], call) : 0, fates ? &fate : 0);
    }
}
