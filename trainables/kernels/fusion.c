/* Fusion of views: batch norm over all but the views, then a convolution of all of them into one, and ReLU. */

#include <math.h>
#include <stdlib.h>

#include "vectors.h"

enum { SIDE = 7, REACH = SIDE / 2, ROWS = 8 /* of outputs that stay in registers together */ };

/* Sizes of views [views, batch, frames, columns]; a frame is a row of the convolution's image. */
typedef struct {
    int64_t views, batch, frames, columns;
} Sizes;

/* A padded image: ROWS - 1 rows more than frames and borders, for blocks that reach beyond. */
static int64_t width_of(Sizes of) { return (of.columns + LANES - 1) / LANES * LANES + LANES; }
static int64_t size_of(Sizes of) { return (of.frames + 2 * REACH + ROWS) * width_of(of); }

static float *scratch(int64_t floats) {
    int64_t size = (sizeof(float) * floats + 63) / 64 * 64;
    float *found = aligned_alloc(64, size);
    memset(found, 0, size);
    return found;
}

/* Mean of a view, and the inverse deviation. */
static void moments(const float *x, Sizes of, float eps, float *mean, float *inverse) {
    int64_t size = of.batch * of.frames * of.columns, whole = size / LANES * LANES;
    double total = 0, squares = 0; /* of parts, which are short enough for float32 */
    for (int is_second = 0; is_second < 2; is_second++) {
        float shift = is_second ? *mean : 0;
        for (int64_t from = 0; from < whole; from += 64 * LANES) {
            Floats part = all(0);
            for (int64_t i = from; i < whole && i < from + 64 * LANES; i += LANES) {
                Floats value = load(x + i) - shift;
                part += is_second ? value * value : value;
            }
            *(is_second ? &squares : &total) += sum(part);
        }
        for (int64_t i = whole; i < size; i++) {
            float value = x[i] - shift;
            *(is_second ? &squares : &total) += is_second ? value * value : value;
        }
        if (!is_second) *mean = total / size;
    }
    *inverse = 1 / sqrtf(squares / size + eps);
}

/* Writes factor * x + shift into the inside of a padded image, whose border stays 0. */
static void frame(const float *x, float factor, float shift, float *image, Sizes of) {
    int64_t width = width_of(of), whole = of.columns / LANES * LANES;
    for (int64_t f = 0; f < of.frames; f++, x += of.columns) {
        float *to = image + (f + REACH) * width + REACH;
        for (int64_t c = 0; c < whole; c += LANES) store(to + c, load(x + c) * factor + shift);
        for (int64_t c = whole; c < of.columns; c++) to[c] = x[c] * factor + shift;
    }
}

/* Adds to ROWS x LANES sums the convolution of an image, from its corner on, with weights [SIDE, SIDE]. */
static inline void convolve(const float *image, int64_t width, const float *weights, Floats *sums) {
    for (int64_t c = 0; c < SIDE; c++) {
#pragma GCC unroll 14
        for (int i = 0; i < ROWS + SIDE - 1; i++) {
            Floats seen = load(image + i * width + c);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++)
                if (i - r >= 0 && i - r < SIDE) sums[r] += seen * weights[(i - r) * SIDE + c];
        }
    }
}

/* One network. out [batch, frames, columns]; weights [views, SIDE, SIDE]; scale, shift, mean and inverse [views]. */
static void forward(const float *x, const float *scale, const float *shift, const float *weights, float *out,
                    float *mean, float *inverse, Sizes of, float eps) {
    int64_t width = width_of(of), image = size_of(of), one = of.frames * of.columns;
    float *images = scratch(of.views * image);
    for (int64_t v = 0; v < of.views; v++) moments(x + v * of.batch * one, of, eps, mean + v, inverse + v);
    for (int64_t b = 0; b < of.batch; b++, out += one) {
        for (int64_t v = 0; v < of.views; v++)
            frame(x + (v * of.batch + b) * one, scale[v] * inverse[v], shift[v] - mean[v] * scale[v] * inverse[v],
                  images + v * image, of);
        for (int64_t f = 0; f < of.frames; f += ROWS)
            for (int64_t c = 0; c < of.columns; c += LANES) {
                Floats sums[ROWS] = {};
                int64_t left = of.columns - c < LANES ? of.columns - c : LANES;
                for (int64_t v = 0; v < of.views; v++)
                    convolve(images + v * image + f * width + c, width, weights + v * SIDE * SIDE, sums);
                for (int64_t r = 0; r < ROWS && f + r < of.frames; r++) {
                    sums[r] = larger(all(0), sums[r]);
                    memcpy(out + (f + r) * of.columns + c, sums + r, sizeof(float) * left);
                }
            }
    }
    free(images);
}

/* Adds to SIDE x SIDE sums the products of an image's places with ROWS x LANES slopes. */
static inline void correlate(const float *image, int64_t width, const Floats *slopes, Floats *sums) {
    for (int64_t c = 0; c < SIDE; c++) {
        Floats totals[SIDE];
        memcpy(totals, sums + c * SIDE, sizeof totals);
#pragma GCC unroll 14
        for (int i = 0; i < ROWS + SIDE - 1; i++) {
            Floats seen = load(image + i * width + c);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++)
                if (i - r >= 0 && i - r < SIDE) totals[i - r] += seen * slopes[r];
        }
        memcpy(sums + c * SIDE, totals, sizeof totals);
    }
}

/* Gradients of one network: those of x, scale, shift and weights. */
static void backward(const float *x, const float *scale, const float *shift, const float *weights, const float *out,
                     const float *mean, const float *inverse, const float *grad, float *grad_x, float *grad_scale,
                     float *grad_shift, float *grad_weights, Sizes of) {
    int64_t width = width_of(of), image = size_of(of), one = of.frames * of.columns, kernel = SIDE * SIDE;
    float *images = scratch((of.views + 1) * image + 2 * of.views * kernel * LANES);
    float *slopes = images + of.views * image, *turned = scratch(of.views * kernel + one);
    Floats *sums = (Floats *)(slopes + image);
    float *masked = turned + of.views * kernel;
    for (int64_t i = 0; i < of.views * kernel; i++) turned[i] = weights[i / kernel * kernel + kernel - 1 - i % kernel];
    for (int64_t b = 0; b < of.batch; b++, out += one, grad += one) {
        for (int64_t i = 0; i < one; i++) masked[i] = out[i] > 0 ? grad[i] : 0;
        frame(masked, 1, 0, slopes, of);
        for (int64_t v = 0; v < of.views; v++)
            frame(x + (v * of.batch + b) * one, scale[v] * inverse[v], shift[v] - mean[v] * scale[v] * inverse[v],
                  images + v * image, of);
        for (int64_t f = 0; f < of.frames; f += ROWS)
            for (int64_t c = 0; c < of.columns; c += LANES) {
                Floats own[ROWS];
                int64_t left = of.columns - c < LANES ? of.columns - c : LANES;
                for (int64_t r = 0; r < ROWS; r++) own[r] = load(slopes + (f + r + REACH) * width + c + REACH);
                for (int64_t v = 0; v < of.views; v++) {
                    float *to = grad_x + (v * of.batch + b) * one + f * of.columns + c;
                    Floats found[ROWS] = {};
                    convolve(slopes + f * width + c, width, turned + v * kernel, found);
                    for (int64_t r = 0; r < ROWS && f + r < of.frames; r++)
                        memcpy(to + r * of.columns, found + r, sizeof(float) * left);
                    correlate(images + v * image + f * width + c, width, own, sums + v * kernel);
                }
            }
    }
    for (int64_t v = 0; v < of.views; v++, x += of.batch * one, grad_x += of.batch * one) {
        int64_t size = of.batch * one, whole = size / LANES * LANES;
        double total = 0, dot = 0;
        for (int64_t i = 0; i < kernel; i++)
            grad_weights[v * kernel + i] = sum(sums[v * kernel + i % SIDE * SIDE + i / SIDE]);
        for (int64_t from = 0; from < whole; from += 64 * LANES) {
            Floats part = all(0), product = all(0);
            for (int64_t i = from; i < whole && i < from + 64 * LANES; i += LANES) {
                part += load(grad_x + i);
                product += load(grad_x + i) * (load(x + i) - mean[v]);
            }
            total += sum(part);
            dot += sum(product);
        }
        for (int64_t i = whole; i < size; i++) {
            total += grad_x[i];
            dot += grad_x[i] * (x[i] - mean[v]);
        }
        grad_shift[v] = total;
        grad_scale[v] = dot * inverse[v];
        float factor = scale[v] * inverse[v], level = factor * total / size;
        float pull = factor * dot / size * inverse[v] * inverse[v];
        for (int64_t i = 0; i < size; i++) grad_x[i] = factor * grad_x[i] - level - (x[i] - mean[v]) * pull;
    }
    free(images);
    free(turned);
}

/* Each of `lanes` networks. */
void fusion_forward(const float *x, const float *scale, const float *shift, const float *weights, float *out,
                    float *mean, float *inverse, int64_t lanes, int64_t views, int64_t batch, int64_t frames,
                    int64_t columns, float eps) {
    Sizes of = {views, batch, frames, columns};
    int64_t one = batch * frames * columns;
    for (int64_t i = 0; i < lanes; i++)
        forward(x + i * views * one, scale + i * views, shift + i * views, weights + i * views * SIDE * SIDE,
                out + i * one, mean + i * views, inverse + i * views, of, eps);
}

void fusion_backward(const float *x, const float *scale, const float *shift, const float *weights, const float *out,
                     const float *mean, const float *inverse, const float *grad, float *grad_x, float *grad_scale,
                     float *grad_shift, float *grad_weights, int64_t lanes, int64_t views, int64_t batch,
                     int64_t frames, int64_t columns) {
    Sizes of = {views, batch, frames, columns};
    int64_t one = batch * frames * columns, kernel = SIDE * SIDE;
    for (int64_t i = 0; i < lanes; i++) {
        int64_t view = i * views;
        backward(x + view * one, scale + view, shift + view, weights + view * kernel, out + i * one, mean + view,
                 inverse + view, grad + i * one, grad_x + view * one, grad_scale + view, grad_shift + view,
                 grad_weights + view * kernel, of);
    }
}
