/* Attention of short sequences: many heads at a time, one in each place of a vector, scores never stored.

   Tensors are [tokens, sequences, heads, width]; of q, k and v a sequence is a row of `stride` floats, so that they may
   be parts of one product. A group of LANES pairs of sequence and head is turned to [tokens, width, LANES]. */

#include <stdlib.h>

#include "vectors.h"

#define ROWS (LANES == 16 ? 4 : 3) /* of a block of products, which fits into the registers */
#define COLUMNS (LANES == 16 ? 4 : 3)

/* Copies a few floats; a size that the compiler knows needs no call. */
static inline void copy(void *to, const void *from, int64_t size) {
    if (size == 16) memcpy(to, from, 64);
    else if (size == 8) memcpy(to, from, 32);
    else if (size == 4) memcpy(to, from, 16);
    else memcpy(to, from, sizeof(float) * size);
}

/* A vector of two halves; they meet in registers, for a vector that is read just after its halves were written waits. */
static inline Floats joined(const float *first, const float *second) {
    Half low, high;
    memcpy(&low, first, sizeof low);
    memcpy(&high, second, sizeof high);
#if LANES == 16
    return PICK(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif LANES == 8
    return PICK(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return PICK(low, high, 0, 1, 2, 3);
#endif
}

/* So many tokens fill one square together, where each has so many channels for it. */
static int64_t together(int64_t size) { return LANES / size; }

/* Where LANES pairs, or the `count` that are left, lie in a token's row. */
typedef struct {
    int64_t at[LANES], count;
} Group;

static Group group_of(int64_t first, int64_t pairs, int64_t heads, int64_t width, int64_t stride) {
    Group found = {.count = pairs - first < LANES ? pairs - first : LANES};
    for (int64_t l = 0; l < found.count; l++)
        found.at[l] = (first + l) / heads * stride + (first + l) % heads * width;
    return found;
}

/* to = scale * from + shifts [width], which may be absent. */
static void gather(const float *from, Floats *to, int64_t tokens, int64_t row, int64_t width, const Group *group,
                   float scale, const Floats *shifts) {
    for (int64_t c = 0, size; c < width; c += size) {
        size = width - c < LANES ? width - c : LANES;
        for (int64_t t = 0, most; t < tokens; t += most) {
            Floats square[LANES] = {};
            const float *place = from + t * row + c;
            most = tokens - t < together(size) ? tokens - t : together(size);
            if (size == LANES)
                for (int64_t l = 0; l < group->count; l++) square[l] = load(place + group->at[l]);
            else if (most == 2 && 2 * size == LANES)
                for (int64_t l = 0; l < group->count; l++)
                    square[l] = joined(place + group->at[l], place + row + group->at[l]);
            else
                for (int64_t i = 0; i < most; i++)
                    for (int64_t l = 0; l < group->count; l++)
                        copy((float *)(square + l) + i * size, place + i * row + group->at[l], size);
            turn(square);
            for (int64_t i = 0; i < most; i++)
                for (int64_t j = 0; j < size; j++)
                    to[(t + i) * width + c + j] = scale * square[i * size + j] + (shifts ? shifts[c + j] : all(0));
        }
    }
}

/* Turns what each head adds to its channels, [heads, width], to [width, LANES] for the pairs from `first` on. */
static void spread(const float *shifts, Floats *to, int64_t heads, int64_t width, int64_t first, float scale) {
    for (int64_t l = 0; l < LANES; l++) {
        const float *own = shifts + (first + l) % heads * width;
        for (int64_t c = 0; c < width; c++) ((float *)(to + c))[l] = scale * own[c];
    }
}

static void scatter(const Floats *from, float *to, int64_t tokens, int64_t row, int64_t width, const Group *group,
                    float scale) {
    for (int64_t c = 0, size; c < width; c += size) {
        size = width - c < LANES ? width - c : LANES;
        for (int64_t t = 0, most; t < tokens; t += most) {
            Floats square[LANES] = {};
            float *place = to + t * row + c;
            most = tokens - t < together(size) ? tokens - t : together(size);
            for (int64_t i = 0; i < most; i++)
                for (int64_t j = 0; j < size; j++) square[i * size + j] = scale * from[(t + i) * width + c + j];
            turn(square);
            if (size == LANES)
                for (int64_t l = 0; l < group->count; l++) store(place + group->at[l], square[l]);
            else
                for (int64_t i = 0; i < most; i++)
                    for (int64_t l = 0; l < group->count; l++)
                        copy(place + i * row + group->at[l], (float *)(square + l) + i * size, size);
        }
    }
}

/* Sums over `steps` of a[r] * b[c], for ROWS places of a, `many` of b; steps lie so many vectors apart. The products of a
   block stay in registers, so that each load serves many of them. */
#define INLINE static inline __attribute__((always_inline))

INLINE void block(const Floats *a, int64_t row, int64_t step_a, const Floats *b, int64_t column, int64_t step_b,
                  int64_t steps, Floats *to, int64_t to_row, int64_t to_column, const int rows, const int columns) {
    Floats total[ROWS][COLUMNS] = {};
    for (int64_t i = 0; i < steps; i++)
        for (int c = 0; c < columns; c++) {
            Floats other = b[c * column + i * step_b];
            for (int r = 0; r < rows; r++) total[r][c] += a[r * row + i * step_a] * other;
        }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) to[r * to_row + c * to_column] = total[r][c];
}

/* All products of `rows` places of a and `columns` of b, block by block. */
static void products(const Floats *a, int64_t row, int64_t step_a, const Floats *b, int64_t column, int64_t step_b,
                     int64_t steps, Floats *to, int64_t to_row, int64_t to_column, int64_t rows, int64_t columns) {
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS, a += ROWS * row, to += ROWS * to_row) {
        int64_t j = 0;
        for (; j + COLUMNS <= columns; j += COLUMNS)
            block(a, row, step_a, b + j * column, column, step_b, steps, to + j * to_column, to_row, to_column, ROWS,
                  COLUMNS);
        for (; j < columns; j++)
            block(a, row, step_a, b + j * column, column, step_b, steps, to + j * to_column, to_row, to_column, ROWS, 1);
    }
    for (; i < rows; i++, a += row, to += to_row) {
        int64_t j = 0;
        for (; j + COLUMNS <= columns; j += COLUMNS)
            block(a, row, step_a, b + j * column, column, step_b, steps, to + j * to_column, to_row, to_column, 1,
                  COLUMNS);
        for (; j < columns; j++)
            block(a, row, step_a, b + j * column, column, step_b, steps, to + j * to_column, to_row, to_column, 1, 1);
    }
}

/* products [rows, columns] of a [rows, width] and b [columns, width] */
static void dots(const Floats *a, const Floats *b, Floats *to, int64_t rows, int64_t columns, int64_t width) {
    products(a, width, 1, b, width, 1, width, to, columns, 1, rows, columns);
}

/* sums [rows, width] over the columns of weights [rows, columns] times b [columns, width] */
static void mixes(const Floats *weights, const Floats *b, Floats *to, int64_t rows, int64_t columns, int64_t width) {
    products(weights, columns, 1, b, 1, width, columns, to, width, 1, rows, width);
}

/* sums [columns, width] over the rows of weights [rows, columns] times b [rows, width] */
static void mixes_turned(const Floats *weights, const Floats *b, Floats *to, int64_t rows, int64_t columns,
                         int64_t width) {
    products(weights, 1, columns, b, 1, width, rows, to, width, 1, columns, width);
}

/* Levels of the mask's elements [T * S] of the pairs from `first` on, turned to [T * S, LANES]; the mask's order is
   [pairs, T, S]. */
static void draw(int16_t *row, Shorts *levels, int64_t size, int64_t first, int64_t count, int64_t key) {
    for (int64_t l = 0; l < count; l++) {
        int64_t start = (first + l) * size, word = start / 4;
        for (int64_t w = 0; 4 * (word + w) < start + size; w += WORDS) {
            Longs words = random_words(key, word + w);
            memcpy(row + 4 * w, &words, sizeof words);
        }
        const int16_t *own = row + start % 4;
        int16_t *place = (int16_t *)levels + l;
        for (int64_t i = 0; i < size; i++) place[i * LANES] = own[i];
    }
}

/* Memory of one group; `weights` are the probabilities that dropout left. */
typedef struct {
    Floats *q, *k, *v, *grad, *result, *probabilities, *weights, *grad_scores, *shift_q, *shift_v;
    Shorts *levels;
    int16_t *row;
    void *memory;
} Scratch;

static Scratch scratch_for(int64_t tokens, int64_t sources, int64_t width) {
    int64_t square = tokens * sources, part = (tokens > sources ? tokens : sources) * width;
    int64_t row = (square / DECISIONS + 2) * sizeof(Longs);
    int64_t size = sizeof(Floats) * (5 * part + 3 * square + 2 * width) + sizeof(Shorts) * square + row;
    char *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    Floats *at = (Floats *)memory, *squares = at + 5 * part, *shifts = squares + 3 * square;
    Shorts *levels = (Shorts *)(shifts + 2 * width);
    return (Scratch){at, at + part, at + 2 * part, at + 3 * part, at + 4 * part, squares, squares + square,
                     squares + 2 * square, shifts, shifts + width, levels, (int16_t *)(levels + square), memory};
}

/* The sizes of one call. */
typedef struct {
    int64_t tokens, sources, sequences, heads, width, stride;
    float scale;
} Sizes;

/* The maximum of each place; four at a time, for one after the other would wait for each. */
static inline Floats largest(const Floats *values, int64_t count) {
    Floats most[4];
    for (int i = 0; i < 4; i++) most[i] = all(-__builtin_inff());
    int64_t at = 0;
    for (; at + 4 <= count; at += 4)
        for (int i = 0; i < 4; i++) most[i] = larger(values[at + i], most[i]);
    for (; at < count; at++) most[0] = larger(values[at], most[0]);
    return larger(larger(most[0], most[1]), larger(most[2], most[3]));
}

/* Gathers queries, in units of log 2, keys and values of the pairs from `first` on. shifts [3, heads, width], which
   these lack, may be absent; that of the keys adds the same to all scores of a query, which softmax does not see. */
static void gather_all(const float *q, const float *k, const float *v, const float *shifts, Scratch at, Sizes of,
                       int64_t first, const Group *group) {
    int64_t row = of.sequences * of.stride;
    if (shifts && (first == 0 || LANES % of.heads)) {
        spread(shifts, at.shift_q, of.heads, of.width, first, LOG2E * of.scale);
        spread(shifts + 2 * of.heads * of.width, at.shift_v, of.heads, of.width, first, 1);
    }
    gather(q, at.q, of.tokens, row, of.width, group, LOG2E * of.scale, shifts ? at.shift_q : 0);
    gather(k, at.k, of.sources, row, of.width, group, 1, 0);
    gather(v, at.v, of.sources, row, of.width, group, 1, shifts ? at.shift_v : 0);
}

/* One network. Scores are in units of log 2: they take the power of two. bias [T, S] may be absent; stats
   [ceil(pairs / LANES), T, 2, LANES]: maximum of the scores, 1 / sum. */
static void forward(const float *q, const float *k, const float *v, const float *shifts, const float *bias, float *out,
                    float *stats, Sizes of, int64_t key, const Fate *fate) {
    int64_t tokens = of.tokens, sources = of.sources, width = of.width, pairs = of.sequences * of.heads;
    Scratch at = scratch_for(tokens, sources, width);
    for (int64_t first = 0; first < pairs; first += LANES) {
        Group strided = group_of(first, pairs, of.heads, width, of.stride);
        Group dense = group_of(first, pairs, of.heads, width, of.heads * width);
        gather_all(q, k, v, shifts, at, of, first, &strided);
        if (fate) draw(at.row, at.levels, tokens * sources, first, dense.count, key);
        dots(at.q, at.k, at.weights, tokens, sources, width);
        for (int64_t t = 0; t < tokens; t++, stats += 2 * LANES) {
            Floats *weights = at.weights + t * sources, total = all(0);
            if (bias)
                for (int64_t s = 0; s < sources; s++) weights[s] += LOG2E * bias[t * sources + s];
            Floats most = largest(weights, sources);
            for (int64_t s = 0; s < sources; s++) total += weights[s] = power_of_2(weights[s] - most);
            if (fate) {
                const Shorts *levels = at.levels + t * sources;
                for (int64_t s = 0; s < sources; s++) weights[s] *= factors(levels[s], *fate);
            }
            store(stats, most);
            store(stats + LANES, 1 / total);
        }
        mixes(at.weights, at.v, at.result, tokens, sources, width);
        for (int64_t t = 0; t < tokens; t++) {
            Floats inverse = load(stats + (2 * (t - tokens) + 1) * LANES);
            for (int64_t c = 0; c < width; c++) at.result[t * width + c] *= inverse;
        }
        scatter(at.result, out, tokens, pairs * width, width, &dense, 1);
    }
    free(at.memory);
}

/* Gradients of one network; grad_bias [T, S] is absent where there is no bias. */
static void backward(const float *q, const float *k, const float *v, const float *shifts, const float *bias,
                     const float *stats, const float *grad, float *grad_q, float *grad_k, float *grad_v, float *grad_bias, Sizes of,
                     int64_t key, const Fate *fate) {
    int64_t tokens = of.tokens, sources = of.sources, width = of.width, pairs = of.sequences * of.heads;
    int64_t row = of.sequences * of.stride;
    Scratch at = scratch_for(tokens, sources, width);
    if (grad_bias) memset(grad_bias, 0, sizeof(float) * tokens * sources);
    for (int64_t first = 0; first < pairs; first += LANES) {
        Group strided = group_of(first, pairs, of.heads, width, of.stride);
        Group dense = group_of(first, pairs, of.heads, width, of.heads * width);
        gather_all(q, k, v, shifts, at, of, first, &strided);
        gather(grad, at.grad, tokens, pairs * width, width, &dense, 1, 0);
        if (fate) draw(at.row, at.levels, tokens * sources, first, dense.count, key);
        dots(at.q, at.k, at.probabilities, tokens, sources, width);
        dots(at.grad, at.v, at.grad_scores, tokens, sources, width);
        for (int64_t t = 0; t < tokens; t++, stats += 2 * LANES) {
            Floats *p = at.probabilities + t * sources, *weights = at.weights + t * sources;
            Floats *grads = at.grad_scores + t * sources, most = load(stats), inverse = load(stats + LANES);
            const Shorts *levels = at.levels + t * sources;
            Floats common = all(0);
            for (int64_t s = 0; s < sources; s++) {
                if (bias) p[s] += LOG2E * bias[t * sources + s];
                p[s] = power_of_2(p[s] - most) * inverse;
                weights[s] = fate ? p[s] * factors(levels[s], *fate) : p[s];
                grads[s] *= weights[s];
                common += grads[s];
            }
            for (int64_t s = 0; s < sources; s++) {
                grads[s] -= p[s] * common;
                if (grad_bias) grad_bias[t * sources + s] += sum(grads[s]);
            }
        }
        mixes_turned(at.weights, at.grad, at.result, tokens, sources, width);
        scatter(at.result, grad_v, sources, row, width, &strided, 1);
        mixes_turned(at.grad_scores, at.q, at.result, tokens, sources, width);
        scatter(at.result, grad_k, sources, row, width, &strided, 1 / LOG2E);
        mixes(at.grad_scores, at.k, at.result, tokens, sources, width);
        scatter(at.result, grad_q, tokens, row, width, &strided, of.scale);
    }
    free(at.memory);
}

/* Tensors have a leading axis of lanes; step [lanes] and fates [lanes, 2] are absent where nothing is dropped. */
void attention_forward(const float *q, const float *k, const float *v, const float *shifts, const float *bias,
                       float *out, float *stats, int64_t lanes, int64_t tokens, int64_t sources, int64_t sequences,
                       int64_t heads, int64_t width, int64_t stride, float scale, const int64_t *step, int64_t call,
                       const float *fates) {
    int64_t queries = tokens * sequences * stride, keys = sources * sequences * stride, square = tokens * sources;
    int64_t groups = (sequences * heads + LANES - 1) / LANES;
    Sizes of = {tokens, sources, sequences, heads, width, stride, scale};
    for (int64_t i = 0; i < lanes; i++) {
        Fate fate = fates ? fate_of(fates + 2 * i) : (Fate){};
        forward(q + i * queries, k + i * keys, v + i * keys, shifts ? shifts + 3 * i * heads * width : 0,
                bias ? bias + i * square : 0,
                out + i * tokens * sequences * heads * width, stats + i * groups * tokens * 2 * LANES, of,
                fates ? key_of(step[i], call) : 0, fates ? &fate : 0);
    }
}

void attention_backward(const float *q, const float *k, const float *v, const float *shifts, const float *bias,
                        const float *stats, const float *grad, float *grad_q, float *grad_k, float *grad_v, float *grad_bias,
                        int64_t lanes, int64_t tokens, int64_t sources, int64_t sequences, int64_t heads, int64_t width,
                        int64_t stride, float scale, const int64_t *step, int64_t call, const float *fates) {
    int64_t queries = tokens * sequences * stride, keys = sources * sequences * stride, square = tokens * sources;
    int64_t groups = (sequences * heads + LANES - 1) / LANES;
    Sizes of = {tokens, sources, sequences, heads, width, stride, scale};
    for (int64_t i = 0; i < lanes; i++) {
        Fate fate = fates ? fate_of(fates + 2 * i) : (Fate){};
        backward(q + i * queries, k + i * keys, v + i * keys, shifts ? shifts + 3 * i * heads * width : 0,
                 bias ? bias + i * square : 0,
                 stats + i * groups * tokens * 2 * LANES, grad + i * tokens * sequences * heads * width,
                 grad_q + i * queries, grad_k + i * keys, grad_v + i * keys, grad_bias ? grad_bias + i * square : 0,
                 of, fates ? key_of(step[i], call) : 0, fates ? &fate : 0);
    }
}
