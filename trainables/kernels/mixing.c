/* Mixing of joints in one pass with what follows it: out = residual + mask * act(mixer x + bias).

   x, out, residual [joints, n] with n a multiple of DECISIONS; columns of bias repeat along n. */

#include "vectors.h"

#define MOST_JOINTS 64

typedef struct {
    const float *mixer, *x, *bias, *residual;
    float *out;
    int64_t joints, n, columns;
    int is_relu;
} Mix;

#define TOGETHER 4 /* joints whose sums stay in registers together */

/* Sums over k of weights[r * row + k * step] * given[half][k] for `count` values of r. */
static inline __attribute__((always_inline)) void combine(const float *weights, int64_t row, int64_t step,
                                                          Floats given[2][MOST_JOINTS], int64_t joints,
                                                          Floats sums[TOGETHER][2], const int count) {
    Floats totals[TOGETHER][2] = {};
    for (int64_t k = 0; k < joints; k++)
        for (int r = 0; r < count; r++)
            for (int half = 0; half < 2; half++) totals[r][half] += weights[r * row + k * step] * given[half][k];
    memcpy(sums, totals, sizeof totals);
}

static void forward(Mix of, int64_t key, const Fate *fate) {
    Floats given[2][MOST_JOINTS], sums[TOGETHER][2];
    for (int64_t at = 0; at < of.n; at += DECISIONS) {
        Floats shift[2] = {};
        for (int half = 0; half < 2; half++) {
            if (of.bias) shift[half] = by_column(of.bias, at + half * LANES, LANES, of.columns);
            for (int64_t k = 0; k < of.joints; k++) given[half][k] = load(of.x + k * of.n + at + half * LANES);
        }
        for (int64_t first = 0, count; first < of.joints; first += count) {
            const float *weights = of.mixer + first * of.joints;
            count = of.joints - first < TOGETHER ? 1 : TOGETHER;
            if (count == TOGETHER) combine(weights, of.joints, 1, given, of.joints, sums, TOGETHER);
            else combine(weights, of.joints, 1, given, of.joints, sums, 1);
            for (int64_t r = 0; r < count; r++) {
                int64_t place = (first + r) * of.n + at;
                union { Longs words; Shorts levels[2]; } drawn;
                if (fate) drawn.words = random_words(key, place / 4);
                for (int half = 0; half < 2; half++) {
                    Floats value = sums[r][half] + shift[half];
                    if (of.is_relu) value = larger(all(0), value);
                    if (fate) value *= factors(drawn.levels[half], *fate);
                    if (of.residual) value += load(of.residual + place + half * LANES);
                    store(of.out + place + half * LANES, value);
                }
            }
        }
    }
}

typedef struct {
    const float *grad, *seen, *mixer, *x;
    float *grad_x, *grad_mixer, *grad_bias;
    int64_t joints, n, columns;
} Slopes;

static void backward(Slopes of, int64_t key, const Fate *fate) {
    Floats slopes[2][MOST_JOINTS], sums[TOGETHER][2], pairs[MOST_JOINTS * MOST_JOINTS];
    int64_t square = of.joints * of.joints;
    if (of.grad_mixer) memset(pairs, 0, sizeof(Floats) * square);
    if (of.grad_bias) memset(of.grad_bias, 0, sizeof(float) * of.columns);
    for (int64_t at = 0; at < of.n; at += DECISIONS) {
        for (int64_t j = 0; j < of.joints; j++) {
            union { Longs words; Shorts levels[2]; } drawn;
            if (fate && !of.seen) drawn.words = random_words(key, (j * of.n + at) / 4);
            for (int half = 0; half < 2; half++) {
                int64_t place = j * of.n + at + half * LANES;
                Floats slope = load(of.grad + place);
                if (of.seen) slope *= choose(load(of.seen + place) > 0, all(fate ? fate->scale : 1), all(0));
                else if (fate) slope *= factors(drawn.levels[half], *fate);
                slopes[half][j] = slope;
            }
        }
        for (int half = 0; half < 2; half++) {
            if (!of.grad_bias) break;
            int64_t place = at + half * LANES;
            Floats total = all(0);
            for (int64_t j = 0; j < of.joints; j++) total += slopes[half][j];
            if (of.columns % LANES == 0) {
                float *shift = of.grad_bias + place % of.columns;
                store(shift, load(shift) + total);
            } else {
                for (int64_t i = 0; i < LANES; i++) of.grad_bias[(place + i) % of.columns] += total[i];
            }
        }
        for (int64_t first = 0, count; first < of.joints; first += count) {
            count = of.joints - first < TOGETHER ? 1 : TOGETHER;
            if (count == TOGETHER) combine(of.mixer + first, 1, of.joints, slopes, of.joints, sums, TOGETHER);
            else combine(of.mixer + first, 1, of.joints, slopes, of.joints, sums, 1);
            for (int64_t r = 0; r < count; r++)
                for (int half = 0; half < 2; half++)
                    store(of.grad_x + (first + r) * of.n + at + half * LANES, sums[r][half]);
        }
        if (of.grad_mixer)
            for (int64_t k = 0; k < of.joints; k++) {
                const float *row = of.x + k * of.n + at;
                Floats given[2] = {load(row), load(row + LANES)};
                for (int64_t j = 0; j < of.joints; j++)
                    pairs[k * of.joints + j] += slopes[0][j] * given[0] + slopes[1][j] * given[1];
            }
    }
    if (of.grad_mixer)
        for (int64_t j = 0; j < of.joints; j++)
            for (int64_t k = 0; k < of.joints; k++)
                of.grad_mixer[j * of.joints + k] = sum(pairs[k * of.joints + j]);
}

/* Each of `lanes` networks; mixer [lanes, joints, joints], bias [lanes, columns]; bias, residual, step and fates may be
   absent. */
void mixed_forward(const float *mixer, const float *x, const float *bias, const float *residual, float *out,
                   int64_t lanes, int64_t joints, int64_t n, int64_t columns, const int64_t *step, int64_t call,
                   const float *fates, int64_t is_relu) {
    int64_t all_of_one = joints * n;
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate own = fates ? fate_of(fates + 2 * lane) : (Fate){}, *fate = fates ? &own : 0;
        Mix of = {mixer + lane * joints * joints, x + lane * all_of_one, bias ? bias + lane * columns : 0,
                  residual ? residual + lane * all_of_one : 0, out + lane * all_of_one, joints, n, columns,
                  is_relu != 0};
        forward(of, fates ? key_of(step[lane], call) : 0, fate);
    }
}

/* `seen` is the result where there was a ReLU, else absent; so are gradients that nobody asks for. */
void mixed_backward(const float *grad, const float *seen, const float *mixer, const float *x, float *grad_x,
                    float *grad_mixer, float *grad_bias, int64_t lanes, int64_t joints, int64_t n, int64_t columns,
                    const int64_t *step, int64_t call, const float *fates) {
    int64_t all_of_one = joints * n, square = joints * joints;
    for (int64_t lane = 0; lane < lanes; lane++) {
        Fate own = fates ? fate_of(fates + 2 * lane) : (Fate){}, *fate = fates ? &own : 0;
        Slopes of = {grad + lane * all_of_one, seen ? seen + lane * all_of_one : 0, mixer + lane * square,
                     x + lane * all_of_one, grad_x + lane * all_of_one, grad_mixer ? grad_mixer + lane * square : 0,
                     grad_bias ? grad_bias + lane * columns : 0, joints, n, columns};
        backward(of, fates ? key_of(step[lane], call) : 0, fate);
    }
}
