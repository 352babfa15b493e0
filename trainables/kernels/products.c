/* Matrix products on the processor's matrix unit (AMX), to the precision of float32: a number is the exact sum of three
   bfloat16 numbers, and of the nine products of two such sums the six above 2^-25 are taken (Henry, Tang and Heinecke
   2019). Sums are float32. */

#include "vectors.h"

#if (defined(__AMX_BF16__) || defined(__AMXBF16__)) && defined(__AVX512BF16__) && defined(__AVX512BW__) && \
    defined(__linux__) && LANES == 16

#include <immintrin.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SIDE = 16,                     /* rows of a tile, and its columns of 4 bytes */
    DEPTH = 32,                    /* of the sum that a tile holds */
    PIECES = 3,                    /* tiles of a number's pieces */
    TILE = 1024,                   /* bytes */
    MOST_DEPTH = 128,              /* two pairs of panels so deep fit into the first cache */
    MOST_COLUMNS = 1024,           /* that many columns so deep fit into the second one */
    LONG = 2048,                   /* a sum that is made of parts */
    REQUEST = 0x1023, TILES = 18   /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA of Linux's asm/prctl.h */
};

/* Asks Linux for the matrix unit: a process has to, once. */
int64_t products_ready(void) { return syscall(SYS_arch_prctl, REQUEST, TILES) == 0; }

/* A factor: its element (i, k), where k is summed over, lies at x[i * row + k * step]; row or step is 1. */
typedef struct {
    const float *x;
    int64_t row, step, rows;
} Factor;

/* The three pieces of 32 numbers: of each pair one lies in the lower half of 4 bytes, one in the upper one. */
static inline void split(__m512 lower, __m512 upper, __m512i *pieces) {
    const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = _mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh(upper, lower));
        lower -= (__m512)_mm512_slli_epi32(pieces[i], 16);
        upper -= (__m512)_mm512_and_si512(pieces[i], _mm512_set1_epi32((int)0xFFFF0000));
    }
}

static inline __m512 some(const float *from, int64_t size) {
    return size >= SIDE ? _mm512_loadu_ps(from) : size <= 0 ? _mm512_setzero_ps()
                                                            : _mm512_maskz_loadu_ps((1u << size) - 1, from);
}

/* Splits 16 rows from `first` on of a factor, `depth` numbers of each from `from` on: tiles by depth and piece. Tiles of
   the left factor have a row for each of its rows, those of the right one for each pair along the depth. */
static void pack(Factor of, int64_t first, int64_t from, int64_t depth, int is_right, char *to) {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    int is_along = of.step == 1;
    int64_t rows = of.rows - first < SIDE ? of.rows - first : SIDE;
    for (int64_t k = 0; k < depth; k += DEPTH, to += PIECES * TILE) {
        Floats squares[PIECES][SIDE];
        int64_t left = depth - k;
        for (int64_t i = 0; i < SIDE; i++) {
            __m512i pieces[PIECES];
            __m512 lower, upper;
            if (is_along) {
                const float *row = of.x + (first + i) * of.row + from + k;
                int64_t size = i < rows ? left : 0;
                __m512 a = some(row, size), b = some(row + SIDE, size - SIDE);
                lower = _mm512_permutex2var_ps(a, even, b);
                upper = _mm512_permutex2var_ps(a, odd, b);
            } else {
                const float *row = of.x + first + (from + k + 2 * i) * of.step;
                lower = some(row, 2 * i < left ? rows : 0);
                upper = some(row + of.step, 2 * i + 1 < left ? rows : 0);
            }
            split(lower, upper, pieces);
            for (int p = 0; p < PIECES; p++) squares[p][i] = (Floats)pieces[p];
        }
        for (int p = 0; p < PIECES; p++) {
            if (is_along == is_right) turn(squares[p]);
            memcpy(to + p * TILE, squares[p], TILE);
        }
    }
}

#define LEFT(piece)                                                                                                    \
    _tile_loadd(4, a + piece * TILE, 64);                                                                              \
    _tile_loadd(5, a + next + piece * TILE, 64);
#define RIGHT(piece)                                                                                                   \
    _tile_loadd(6, b + piece * TILE, 64);                                                                              \
    _tile_loadd(7, b + next + piece * TILE, 64);
#define MULTIPLY                                                                                                       \
    _tile_dpbf16ps(0, 4, 6);                                                                                           \
    _tile_dpbf16ps(1, 4, 7);                                                                                           \
    _tile_dpbf16ps(2, 5, 6);                                                                                           \
    _tile_dpbf16ps(3, 5, 7);

/* Adds to 32 x 32 sums, `start` bytes apart where they come from, `stride` where they go; panels of 16 rows are `next`
   bytes apart. */
static inline void block(const char *a, const char *b, int64_t next, const float *from, int64_t start, float *to,
                         int64_t stride) {
    const char *second = (const char *)from + SIDE * start;
    _tile_loadd(0, from, start);
    _tile_loadd(1, from + SIDE, start);
    _tile_loadd(2, second, start);
    _tile_loadd(3, second + 4 * SIDE, start);
    for (int64_t at = 0; at < next; at += PIECES * TILE, a += PIECES * TILE, b += PIECES * TILE) {
        /* Each product changes one of its two pieces. */
        LEFT(2) RIGHT(0) MULTIPLY
        LEFT(1) MULTIPLY
        RIGHT(1) MULTIPLY
        LEFT(0) MULTIPLY
        RIGHT(0) MULTIPLY
        RIGHT(2) MULTIPLY
    }
    _tile_stored(0, to, stride);
    _tile_stored(1, to + SIDE, stride);
    _tile_stored(2, (char *)to + SIDE * stride, stride);
    _tile_stored(3, (char *)to + SIDE * stride + 4 * SIDE, stride);
}

/* The part of `out` [rows, columns] that a block covers. Its sums begin from bias or zeros where `is_first`, else they go
   on from those in `out`; `is_apart`: they begin anew and are added to those, so that long sums round less. */
static void cover(const char *a, const char *b, int64_t next, const float *bias, int is_first, int is_apart, float *out,
                  int64_t rows, int64_t columns, int64_t stride) {
    float edge[2 * SIDE][2 * SIDE] __attribute__((aligned(64))), shift[2 * SIDE] = {};
    int is_whole = rows >= 2 * SIDE && columns >= 2 * SIDE;
    if (rows > 2 * SIDE) rows = 2 * SIDE;
    if (columns > 2 * SIDE) columns = 2 * SIDE;
    if (is_first && bias) memcpy(shift, bias, sizeof(float) * columns);
    if (is_apart && !is_first) {
        block(a, b, next, shift, 0, edge[0], sizeof edge[0]);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++) out[r * stride + c] += edge[r][c];
        return;
    }
    if (is_whole) {
        block(a, b, next, is_first ? shift : out, is_first ? 0 : 4 * stride, out, 4 * stride);
        return;
    }
    for (int64_t r = 0; r < rows && !is_first; r++) memcpy(edge[r], out + r * stride, sizeof(float) * columns);
    block(a, b, next, is_first ? shift : edge[0], is_first ? 0 : sizeof edge[0], edge[0], sizeof edge[0]);
    for (int64_t r = 0; r < rows; r++) memcpy(out + r * stride, edge[r], sizeof(float) * columns);
}

static int64_t up(int64_t size, int64_t by) { return (size + by - 1) / by * by; }

/* out [rows of a, rows of b] = sums over `depth` of a times b, plus bias [rows of b], which may be absent. */
static void product(Factor a, Factor b, const float *bias, float *out, int64_t depth, char *memory) {
    int64_t parts = (depth + MOST_DEPTH - 1) / MOST_DEPTH, most = up((depth + parts - 1) / parts, DEPTH);
    for (int64_t left = 0; left < b.rows; left += MOST_COLUMNS) {
        int64_t columns = b.rows - left < MOST_COLUMNS ? b.rows - left : MOST_COLUMNS;
        for (int64_t from = 0; from < depth; from += most) {
            int64_t now = depth - from < most ? depth - from : most, next = up(now, DEPTH) / DEPTH * PIECES * TILE;
            char *panels = memory + 2 * next;
            for (int64_t c = 0; c < up(columns, 2 * SIDE); c += SIDE)
                pack(b, left + c, from, now, 1, panels + c / SIDE * next);
            for (int64_t r = 0; r < a.rows; r += 2 * SIDE) {
                pack(a, r, from, now, 0, memory);
                pack(a, r + SIDE, from, now, 0, memory + next);
                for (int64_t c = 0; c < columns; c += 2 * SIDE)
                    cover(memory, panels + c / SIDE * next, next, bias ? bias + left + c : 0, from == 0, depth > LONG,
                          out + r * b.rows + left + c, a.rows - r, columns - c, b.rows);
            }
        }
    }
}

/* Each of `lanes` products: out [m, n] of a and b, whose elements lie as a Factor says. */
void products(const float *a, const float *b, const float *bias, float *out, int64_t lanes, int64_t m, int64_t n,
              int64_t depth, int64_t a_row, int64_t a_step, int64_t b_row, int64_t b_step) {
    struct {
        uint8_t palette, start, rest[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } tiles = {.palette = 1};
    for (int i = 0; i < 8; i++) tiles.bytes[i] = 64, tiles.rows[i] = SIDE;
    int64_t panels = up(n < MOST_COLUMNS ? n : MOST_COLUMNS, 2 * SIDE) / SIDE + 2;
    char *memory = aligned_alloc(64, panels * (MOST_DEPTH / DEPTH) * PIECES * TILE);
    _tile_loadconfig(&tiles);
    for (int64_t lane = 0; lane < lanes; lane++)
        product((Factor){a + lane * m * depth, a_row, a_step, m}, (Factor){b + lane * n * depth, b_row, b_step, n},
                bias ? bias + lane * n : 0, out + lane * m * n, depth, memory);
    _tile_release();
    free(memory);
}

#else

int64_t products_ready(void) { return 0; }

void products(const float *a, const float *b, const float *bias, float *out, int64_t lanes, int64_t m, int64_t n,
              int64_t depth, int64_t a_row, int64_t a_step, int64_t b_row, int64_t b_step) {}

#endif
