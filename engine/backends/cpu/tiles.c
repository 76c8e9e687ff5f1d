/* tiles.c - tiles of products: see pvt_tile. */
#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define BLOCK_VECTORS (PVB_BLOCK * 4 / VECTOR_BYTES)

/* Vector `vector` of the last block, which has that many columns. */
static inline int64_t lanes_of(int64_t columns, int vector) {
  int64_t some = columns - vector * LANES_f32;
  return vector < 0 || some > LANES_f32 ? LANES_f32 : some < 0 ? 0 : some;
}

/* Addresses of three rows come from one pointer; that the distance is opaque keeps the compiler from
** keeping a pointer for each row, for which there are not enough registers. */
static inline __attribute__((always_inline)) void tile_of(const pvt_tile *t, const int rows,
                                                          const int blocks) {
  enum { MOST = PVT_TILE_ROWS, VECTORS = PVT_TILE_BLOCKS * BLOCK_VECTORS };
  const int width = blocks * BLOCK_VECTORS, bases = (rows + 2) / 3;
  v_f32 s[MOST][VECTORS];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int b = 0; b < width; b++) s[r][b] = (v_f32){0};
  const float *w = t->w;
  int64_t step = t->row * 4, w_row = t->w_row, depth = t->depth;
  for (int64_t i = 0; i < t->segments; i++) {
    const char *p[(MOST + 2) / 3];
#pragma GCC unroll 16
    for (int j = 0; j < bases; j++) p[j] = (const char *)(t->x + t->offset[i]) + 3 * j * step;
    for (int64_t d = 0; d < depth; d++) {
      __asm__("" : "+r"(step));
      v_f32 c[VECTORS];
#pragma GCC unroll 16
      for (int b = 0; b < width; b++) c[b] = LOAD_f32(w + b * LANES_f32);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        v_f32 a = splat_f32(*(const float *)(const void *)(p[r / 3] + r % 3 * step));
#pragma GCC unroll 16
        for (int b = 0; b < width; b++) s[r][b] = FMA_f32(a, c[b], s[r][b]);
      }
#pragma GCC unroll 16
      for (int j = 0; j < bases; j++) p[j] += 4;
      w += w_row;
    }
  }

  if (t->bias != NULL) {
#pragma GCC unroll 16
    for (int b = 0; b < width; b++) {
      v_f32 bias = LOAD_f32(t->bias + b * LANES_f32);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) s[r][b] += bias;
    }
  }
#define EACH(statement)                                                                            \
  _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++)                                          \
      _Pragma("GCC unroll 16") for (int b = 0; b < width; b++) {                                   \
    statement;                                                                                     \
  }
#define AT(base, row, block)                                                                       \
  ((base) + r * (row) + b / BLOCK_VECTORS * (block) + b % BLOCK_VECTORS * LANES_f32)
/* How many lanes of vector b there are. */
#define LEFT lanes_of(t->columns, b - (blocks - 1) * BLOCK_VECTORS)
  bool whole = t->columns == PVB_BLOCK;
  if (t->add) {
    if (whole) EACH(s[r][b] += LOAD_f32(AT(t->y, t->y_row, t->y_block)))
    else EACH(s[r][b] += LOAD_SOME_f32(AT(t->y, t->y_row, t->y_block), LEFT))
  }
  if (t->residual != NULL) {
    if (whole) EACH(s[r][b] += LOAD_f32(AT(t->residual, t->residual_row, t->residual_block)))
    else EACH(s[r][b] += LOAD_SOME_f32(AT(t->residual, t->residual_row, t->residual_block), LEFT))
  }
  if (t->activation == PVB_RELU) {
    EACH(s[r][b] = max_f32((v_f32){0}, s[r][b]))
  } else if (t->activation == PVB_CLIP) {
    v_f32 low = splat_f32(t->alpha), high = splat_f32(t->beta);
    EACH(s[r][b] = min_f32(high, max_f32(low, s[r][b])))
  }
  if (whole) EACH(STORE_f32(AT(t->y, t->y_row, t->y_block), s[r][b]))
  else EACH(STORE_SOME_f32(AT(t->y, t->y_row, t->y_block), s[r][b], LEFT))
}

#define TILE(rows, blocks)                                                                         \
  static void tile_##rows##_##blocks(const pvt_tile *tile) {                                       \
    tile_of(tile, rows, blocks);                                                                   \
  }
#define EACH_TO_3(f, b) f(1, b) f(2, b) f(3, b)
#define EACH_TO_6(f, b) EACH_TO_3(f, b) f(4, b) f(5, b) f(6, b)
#define EACH_TO_14(f, b)                                                                           \
  EACH_TO_6(f, b) f(7, b) f(8, b) f(9, b) f(10, b) f(11, b) f(12, b) f(13, b) f(14, b)
#define NAME(rows, blocks) tile_##rows##_##blocks,

/* As many rows as leave registers for a block of w and one element of x. */
#if defined(__AVX512F__)
EACH_TO_14(TILE, 1)
EACH_TO_14(TILE, 2)
EACH_TO_6(TILE, 4)
#define TILES                                                                                      \
  {                                                                                                \
    {EACH_TO_14(NAME, 1)}, {EACH_TO_14(NAME, 2)}, {0}, {                                           \
      EACH_TO_6(NAME, 4)                                                                           \
    }                                                                                              \
  }
#define MOST {14, 14, 0, 6}
#elif defined(__AVX2__)
EACH_TO_6(TILE, 1)
#define TILES                                                                                      \
  {                                                                                                \
    {                                                                                              \
      EACH_TO_6(NAME, 1)                                                                           \
    }                                                                                              \
  }
#define MOST {6}
#else
EACH_TO_3(TILE, 1)
#define TILES                                                                                      \
  {                                                                                                \
    {                                                                                              \
      EACH_TO_3(NAME, 1)                                                                           \
    }                                                                                              \
  }
#define MOST {3}
#endif

pvt_tile_kernel *const PVT_KERNEL(pvt_tiles)[PVT_TILE_BLOCKS][PVT_TILE_ROWS] = TILES;
const int PVT_KERNEL(pvt_tile_rows)[PVT_TILE_BLOCKS] = MOST;
