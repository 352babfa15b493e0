/* Layer norm: out = a (x - mean) / deviation + b along rows. */

#include <math.h>

#include "vectors.h"

/* Mean of a row, its inverse deviation, and the factor by which the deviation answers to a centred element. Is outside:
   unbiased deviation plus eps (GraFormer), else the root of the biased variance plus eps. */
static void moments(const float *x, int64_t width, float eps, int is_outside, float *mean, float *inverse,
                    float *answer) {
    int64_t whole = width / LANES * LANES;
    Floats total = all(0), squares = all(0);
    float rest = 0;
    for (int64_t i = 0; i < whole; i += LANES) total += load(x + i);
    for (int64_t i = whole; i < width; i++) rest += x[i];
    *mean = (sum(total) + rest) / width;
    rest = 0;
    for (int64_t i = 0; i < whole; i += LANES) {
        Floats centred = load(x + i) - *mean;
        squares += centred * centred;
    }
    for (int64_t i = whole; i < width; i++) rest += (x[i] - *mean) * (x[i] - *mean);
    if (is_outside) {
        /* 1e-30: the root of an exact 0 has no slope */
        float deviation = sqrtf((sum(squares) + rest) / (width - 1) + 1e-30f);
        *inverse = 1 / (deviation + eps);
        *answer = *inverse * *inverse / (deviation * (width - 1));
    } else {
        *inverse = 1 / sqrtf((sum(squares) + rest) / width + eps);
        *answer = *inverse * *inverse * *inverse / width;
    }
}

/* x, out [rows, width]; a, b [width]. */
void norm_forward(const float *x, const float *a, const float *b, float *out, int64_t lanes, int64_t rows,
                  int64_t width, float eps, int64_t is_outside) {
    int64_t whole = width / LANES * LANES;
    for (int64_t row = 0; row < lanes * rows; row++, x += width, out += width) {
        const float *scale = a + row / rows * width, *shift = b + row / rows * width;
        float mean, inverse, answer;
        moments(x, width, eps, is_outside != 0, &mean, &inverse, &answer);
        for (int64_t i = 0; i < whole; i += LANES)
            store(out + i, (load(x + i) - mean) * inverse * load(scale + i) + load(shift + i));
        for (int64_t i = whole; i < width; i++) out[i] = (x[i] - mean) * inverse * scale[i] + shift[i];
    }
}

/* Gradients of x [rows, width], a and b [width]. */
void norm_backward(const float *x, const float *a, const float *grad, float *grad_x, float *grad_a, float *grad_b,
                   int64_t lanes, int64_t rows, int64_t width, float eps, int64_t is_outside) {
    int64_t whole = width / LANES * LANES;
    memset(grad_a, 0, sizeof(float) * lanes * width);
    memset(grad_b, 0, sizeof(float) * lanes * width);
    for (int64_t row = 0; row < lanes * rows; row++, x += width, grad += width, grad_x += width) {
        const float *scale = a + row / rows * width;
        float *slope = grad_a + row / rows * width, *shift = grad_b + row / rows * width;
        float mean, inverse, answer, dot = 0, total = 0;
        moments(x, width, eps, is_outside != 0, &mean, &inverse, &answer);
        Floats dots = all(0), totals = all(0);
        for (int64_t i = 0; i < whole; i += LANES) {
            Floats centred = load(x + i) - mean, own = load(grad + i), scaled = own * load(scale + i);
            dots += scaled * centred;
            totals += scaled;
            store(slope + i, load(slope + i) + own * centred * inverse);
            store(shift + i, load(shift + i) + own);
        }
        for (int64_t i = whole; i < width; i++) {
            dot += grad[i] * scale[i] * (x[i] - mean);
            total += grad[i] * scale[i];
            slope[i] += grad[i] * (x[i] - mean) * inverse;
            shift[i] += grad[i];
        }
        float pull = (dot + sum(dots)) * answer, level = (total + sum(totals)) * inverse / width;
        for (int64_t i = 0; i < whole; i += LANES)
            store(grad_x + i, load(grad + i) * load(scale + i) * inverse - level - (load(x + i) - mean) * pull);
        for (int64_t i = whole; i < width; i++)
            grad_x[i] = grad[i] * scale[i] * inverse - level - (x[i] - mean) * pull;
    }
}
