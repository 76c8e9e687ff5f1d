/* portable.h - what the files of the portable backend share.
**
** Each algorithm is a `pvb_algorithm` in a file of its own: whether it does a work and in what time,
** and how its kernel is prepared.
*/
#ifndef PVB_PORTABLE_H
#define PVB_PORTABLE_H

#include "backend.h"
#include "context.h"
#include "kernels.h"
#include "layers.h"

typedef struct pvb_algorithm {
  const char *name;
  /* Fills in layouts and seconds; false where it does not do such a work. */
  bool (*suits)(const pvb_work *work, pvb_way *way);
  int (*prepare)(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel);
} pvb_algorithm;

/* What weights are made of. */
typedef enum pvb_weights { PVB_FLOATS, PVB_PAIRS, PVB_BYTES } pvb_weights;
/* Of bfloat16: whether this processor multiplies them. */
bool pvb_has_pairs(void);
/* Of one unit of weights: a float, a pair of bfloat16, an int8. */
static inline int64_t pvb_weight_size(pvb_weights weights) {
  return weights == PVB_BYTES ? 1 : 4;
}
const pvt_tiles *pvb_tiles_of(pvb_weights weights);
/* Two numbers as a pair, rounded to nearest even. */
uint32_t pvb_pair(float low, float high);
/* The scale of `count` weights, `step` apart, as int8; and one of them. */
float pvb_scale_of(const float *weights, int64_t count, int64_t step);
int8_t pvb_byte(float weight, float scale);

extern const pvb_backend pvb_portable;
extern const pvb_algorithm pvb_columns, pvb_multiply, pvb_direct, pvb_direct_plain, pvb_dense,
    pvb_channelwise, pvb_winograd_2, pvb_winograd_4, pvb_direct_pairs, pvb_direct_bytes,
    pvb_dense_pairs, pvb_dense_bytes, pvb_dense_multiples;

/* Ask for the part-th of `parts` equal shares of what is needed next, while there is work to do. */
static inline void pvb_prefetch(const void *next, int64_t bytes, int64_t part, int64_t parts) {
  const char *from = (const char *)next + bytes * part / parts;
  const char *end = (const char *)next + bytes * (part + 1) / parts;
  for (; from < end; from += 64) __builtin_prefetch(from, 0, 2);
}

/* A kernel as all algorithms have it, with memory of its own behind it. */
typedef struct pvb_packed {
  pvb_kernel kernel;
  pvb_work work;      /* its weights, bias and steps are not to be read after prepare */
  pvt_buffer *memory; /* of weights; NULL */
  float *weights;     /* as the algorithm lays them out; NULL */
  float *bias;        /* [out] or [n], and zeros up to a whole number of blocks; NULL for none */
  float *scale;       /* of bytes: as bias; NULL */
} pvb_packed;

/* A kernel of `size` bytes (a pvb_packed first) with room for `floats` floats of weights, not
** initialised, and with the work's bias. */
int pvb_packed_new(size_t size, const pvb_work *work, int64_t floats,
                   int (*run)(const pvb_kernel *kernel, const pvb_run *run), pvb_packed **packed);
/* The same with so many bytes of weights, and `scales` scales. */
int pvb_packed_bytes(size_t size, const pvb_work *work, int64_t bytes, int64_t scales,
                     int (*run)(const pvb_kernel *kernel, const pvb_run *run), pvb_packed **packed);

/* y = activation(y + residual) over a contiguous y. Polls. */
int pvb_finish(const pvb_epilogue *epilogue, const pvt_array *residual, pvt_array *y);

/* What this machine does in a second: multiplications with additions by register tiles, bytes moved
** within the caches and beyond them. Measured once in some milliseconds. */
typedef struct pvb_speed {
  double products, cached, memory;
} pvb_speed;
const pvb_speed *pvb_speed_get(void);

/* A convolution with three sizes (those that it has not are 1), channels of one group. Windows of one
** element that go over all of the image are taken as one long row. */
typedef struct pvb_geometry {
  int64_t n, groups, in, out;
  int64_t size[3], result[3], kernel[3], stride[3], dilation[3], before[3];
  int64_t pixels, results, taps;
  bool padded; /* some windows reach beyond the image */
} pvb_geometry;
void pvb_geometry_of(const pvb_conv *conv, pvb_geometry *geometry);
/* An array in C order, float by float: itself, or a copy of it, which is the caller's to release. */
int pvb_in_order(const pvt_array *array, pvt_array *copy, const float **floats);
/* Blocks of a tile that keep most sums in registers for so many rows, out of so many blocks. */
int pvb_tile_blocks(int64_t rows, int64_t blocks);
/* Is 0 what the activation makes of 0? */
bool pvb_keeps_zero(const pvb_epilogue *epilogue);

/* The same convolution without the last sizes, down to one that is left, where these are 1 and windows
** have one element: what was high and one wide is a row. Elements lie as before. */
pvb_conv pvb_conv_narrowed(const pvb_conv *conv);

/* Sizes of a convolution's image and result, without channels. */
int64_t pvb_pixels(const pvb_conv *conv);
int64_t pvb_out_pixels(const pvb_conv *conv);
int64_t pvb_taps(const pvb_conv *conv);
/* Multiplications with additions. */
double pvb_work_products(const pvb_work *work);

#endif
