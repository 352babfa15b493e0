/* Layer norm: out = a (x - mean) / deviation + b along rows, LANES rows at a time. */

#include <math.h>

#include "vectors.h"

/* Mean of each row, its inverse deviation, and the factor by which the deviation answers to a centred element. */
typedef struct {
    float mean[LANES], inverse[LANES], answer[LANES];
} Moments;

/* Is outside: unbiased deviation plus eps (GraFormer), else the root of the biased variance plus eps. */
static Moments moments(const float *x, int64_t count, int64_t width, float eps, int is_outside) {
    int64_t whole = width / LANES * LANES;
    float rests[LANES] = {};
    Floats totals[LANES] = {}, squares[LANES] = {};
    Moments of;
    for (int64_t r = 0; r < count; r++) {
        const float *row = x + r * width;
        for (int64_t i = 0; i < whole; i += LANES) totals[r] += load(row + i);
        for (int64_t i = whole; i < width; i++) rests[r] += row[i];
    }
    store(of.mean, (sums(totals) + load(rests)) / (float)width);
    for (int64_t r = 0; r < count; r++) {
        const float *row = x + r * width;
        rests[r] = 0;
        for (int64_t i = 0; i < whole; i += LANES) {
            Floats centred = load(row + i) - of.mean[r];
            squares[r] += centred * centred;
        }
        for (int64_t i = whole; i < width; i++) rests[r] += (row[i] - of.mean[r]) * (row[i] - of.mean[r]);
    }
    store(of.inverse, (sums(squares) + load(rests)) / (float)(is_outside ? width - 1 : width));
    for (int l = 0; l < LANES; l++) {
        /* 1e-30: the root of an exact 0 has no slope */
        float deviation = sqrtf(of.inverse[l] + (is_outside ? 1e-30f : eps));
        of.inverse[l] = 1 / (is_outside ? deviation + eps : deviation);
        of.answer[l] = of.inverse[l] * of.inverse[l] / (is_outside ? deviation * (width - 1) : deviation * width);
    }
    return of;
}

/* Of one network: x, out [rows, width]; a, b [width]. */
static void forward(const float *x, const float *a, const float *b, float *out, int64_t rows, int64_t width, float eps,
                    int is_outside) {
    int64_t whole = width / LANES * LANES;
    for (int64_t count; rows > 0; rows -= count) {
        count = rows < LANES ? rows : LANES;
        Moments of = moments(x, count, width, eps, is_outside);
        for (int64_t r = 0; r < count; r++, x += width, out += width) {
            float mean = of.mean[r], inverse = of.inverse[r];
            for (int64_t i = 0; i < whole; i += LANES)
                store(out + i, (load(x + i) - mean) * inverse * load(a + i) + load(b + i));
            for (int64_t i = whole; i < width; i++) out[i] = (x[i] - mean) * inverse * a[i] + b[i];
        }
    }
}

/* Gradients of one network: of x [rows, width], a and b [width]. */
static void backward(const float *x, const float *a, const float *grad, float *grad_x, float *grad_a, float *grad_b,
                     int64_t rows, int64_t width, float eps, int is_outside) {
    int64_t whole = width / LANES * LANES;
    memset(grad_a, 0, sizeof(float) * width);
    memset(grad_b, 0, sizeof(float) * width);
    for (int64_t count; rows > 0; rows -= count, x += count * width, grad += count * width) {
        count = rows < LANES ? rows : LANES;
        Moments of = moments(x, count, width, eps, is_outside);
        Floats dots[LANES] = {}, totals[LANES] = {};
        float rest_of_dot[LANES] = {}, rest_of_total[LANES] = {}, pull[LANES], level[LANES];
        for (int64_t r = 0; r < count; r++) {
            const float *row = x + r * width, *own = grad + r * width;
            for (int64_t i = 0; i < whole; i += LANES) {
                Floats centred = load(row + i) - of.mean[r], slope = load(own + i), scaled = slope * load(a + i);
                dots[r] += scaled * centred;
                totals[r] += scaled;
                store(grad_a + i, load(grad_a + i) + slope * centred * of.inverse[r]);
                store(grad_b + i, load(grad_b + i) + slope);
            }
            for (int64_t i = whole; i < width; i++) {
                rest_of_dot[r] += own[i] * a[i] * (row[i] - of.mean[r]);
                rest_of_total[r] += own[i] * a[i];
                grad_a[i] += own[i] * (row[i] - of.mean[r]) * of.inverse[r];
                grad_b[i] += own[i];
            }
        }
        store(pull, (sums(dots) + load(rest_of_dot)) * load(of.answer));
        store(level, (sums(totals) + load(rest_of_total)) * load(of.inverse) / (float)width);
        for (int64_t r = 0; r < count; r++, grad_x += width) {
            const float *row = x + r * width, *own = grad + r * width;
            for (int64_t i = 0; i < whole; i += LANES)
                store(grad_x + i, load(own + i) * load(a + i) * of.inverse[r] - level[r] -
                                      (load(row + i) - of.mean[r]) * pull[r]);
            for (int64_t i = whole; i < width; i++)
                grad_x[i] = own[i] * a[i] * of.inverse[r] - level[r] - (row[i] - of.mean[r]) * pull[r];
        }
    }
}

/* Tensors have a leading axis of lanes. */
void norm_forward(const float *x, const float *a, const float *b, float *out, int64_t lanes, int64_t rows,
                  int64_t width, float eps, int64_t is_outside) {
    int64_t size = rows * width;
    for (int64_t i = 0; i < lanes; i++)
        forward(x + i * size, a + i * width, b + i * width, out + i * size, rows, width, eps, is_outside != 0);
}

void norm_backward(const float *x, const float *a, const float *grad, float *grad_x, float *grad_a, float *grad_b,
                   int64_t lanes, int64_t rows, int64_t width, float eps, int64_t is_outside) {
    int64_t size = rows * width;
    for (int64_t i = 0; i < lanes; i++)
        backward(x + i * size, a + i * width, grad + i * size, grad_x + i * size, grad_a + i * width,
                 grad_b + i * width, rows, width, eps, is_outside != 0);
}
