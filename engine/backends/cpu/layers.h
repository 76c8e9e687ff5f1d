/* layers.h - kernels of models: activations, tiles of products and convolutions, rows.
**
** A table like those of kernels.h, filled in by each instruction set. All elements are float32 unless
** something else is said; vectors of elements lie side by side.
*/
#ifndef PVT_LAYERS_H
#define PVT_LAYERS_H

#include "backend.h"

/* y[i] = activation(y[i] + residual[i]); residual may be NULL. */
typedef void pvt_activate_kernel(int64_t n, float *y, const float *residual, float alpha,
                                 float beta);

/* A tile of a product stays in registers: `rows` rows (of pixels, of a matrix) times some blocks of
** PVB_BLOCK columns (channels), summed over `segments` stretches of x, each `depth` long:
**
**   y[r][b][j] = activation(bias[b][j] + residual[r][b][j] + (add ? y[r][b][j] : 0) +
**                sum over i < segments, d < depth of x[offset[i] + r row + d] w[i][d][b][j])
**
** Distances are in elements. */
typedef struct pvt_tile {
  const float *x;
  int64_t row; /* from one row of x to the next */
  int64_t segments, depth;
  const int64_t *offset; /* [segments] */
  const void *w;         /* float, int8 or, with x, pairs of bfloat16 */
  int64_t w_row;      /* from one d to the next: blocks times 16 where w is packed for this tile */
  const float *scale; /* [blocks][16], multiplies the sum; NULL */
  float *y;
  int64_t y_row, y_block;
  int64_t columns; /* of the last block that y and residual have: 1 to 16 */
  bool add;
  const float *bias;     /* [blocks][16]; NULL */
  const float *residual; /* NULL; strides are y's */
  int64_t residual_row, residual_block;
  pvb_activation
      activation; /* PVB_NONE, PVB_RELU or PVB_CLIP: others are for the activate kernels */
  float alpha, beta;
} pvt_tile;
typedef void pvt_tile_kernel(const pvt_tile *tile);

#define PVT_TILE_ROWS 14
#define PVT_TILE_BLOCKS 4
/* kernel[blocks - 1][rows - 1]; blocks are 1, 2 or 4, where most_rows is not 0. */
typedef struct pvt_tiles {
  pvt_tile_kernel *kernel[PVT_TILE_BLOCKS][PVT_TILE_ROWS];
  int most_rows[PVT_TILE_BLOCKS];
} pvt_tiles;
/* Of pairs of bfloat16, each in the place of a float. */
typedef struct pvt_pairs {
  const pvt_tiles *tiles; /* NULL: there are none in this instruction set */
  /* n floats to pairs of neighbours, an odd one with 0. `to` may be `from`. */
  void (*convert)(int64_t n, const float *from, uint32_t *to);
  /* n pairs of one number of each row; high may be NULL, for zeros. */
  void (*join)(int64_t n, const float *low, const float *high, uint32_t *to);
} pvt_pairs;

/* One row of results of a window that goes over 16 channels at once, each for itself. `row` and `w`
** are the rows of the image and of the window that meet, both on the image; sizes are those along the
** row. */
typedef struct pvt_window_row {
  int64_t rows;
  const float *const *row; /* [rows] -> [size][16] */
  const float *const *w;   /* [rows] -> [kernel][16]; convolutions only */
  int64_t size, result, kernel, stride, dilation, before;
  float *y;                     /* [result][16] */
  const float *bias, *residual; /* as a tile's; convolutions only */
  pvb_activation activation;
  float alpha, beta;
  const float *share; /* [result]: what the sums of pooling are divided by */
} pvt_window_row;
typedef struct pvt_window_rows {
  void (*depthwise)(const pvt_window_row *row);
  void (*largest)(const pvt_window_row *row);
  void (*average)(const pvt_window_row *row);
} pvt_window_rows;

/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta, x being x + residual + added; with `rms` the
** mean is taken as 0. NULL where there is none; sum is where that x is left, mean and inverse (of the
** root) what was found. y may be x; sum may be x or residual. */
typedef struct pvt_normal {
  const float *x, *residual, *added, *gamma, *beta;
  float epsilon;
  bool rms;
  float *y, *sum, *mean, *inverse;
} pvt_normal;

typedef struct pvt_rows {
  /* y = exp(scale x + mask) over their sum, or its logarithm; mask may be NULL, y may be x. n >= 1. */
  void (*softmax)(int64_t n, const float *x, float scale, const float *mask, bool logs, float *y);
  void (*normalise)(const pvt_normal *row, int64_t n);
} pvt_rows;

/* Transforms of Winograd's convolutions of one tile and 16 channels: from a patch of the image (rows x_row
** floats apart) to one vector of 16 for each product, v_step apart, and back, with what follows. */
typedef struct pvt_winograd_out {
  float *y;
  int64_t row; /* from one row of y and of the residual to the next */
  const float *bias, *residual;
  pvb_activation activation; /* as a tile's */
  float alpha, beta;
} pvt_winograd_out;
typedef struct pvt_winograd {
  void (*input)(const float *x, int64_t x_row, float *v, int64_t v_step);
  void (*output)(const float *from, int64_t from_step, const pvt_winograd_out *out);
} pvt_winograd;

typedef struct pvt_layers {
  pvt_activate_kernel *const *activate; /* by activation */
  const pvt_tiles *tiles, *tiles_i8;    /* most_rows are the same in both */
  const pvt_pairs *bf16;                /* only where pvb_has_bf16 says so */
  const pvt_window_rows *window_rows;
  const pvt_rows *rows;
  const pvt_winograd *winograd; /* [2]: for 2 x 2 and 4 x 4 results */
} pvt_layers;

#endif
