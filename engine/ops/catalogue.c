/* catalogue.c - the names of all operators, by class. */
#include "tensor.h"

/* Those of unary, binary, reductions and scans are counted from their enumerations. */
static const char *const atomic[] = {
    "cast",         "where",        "clip",     "arange",
    "fill",         "raster",       "argmax",   "argmin",
    "variance",     "sort",         "argsort",  "partition",
    "argpartition", "searchsorted", "take",     "take_along",
    "put_along",    "gather",       "scatter",  "scatter_add",
    "mask_count",   "mask_take",    "mask_put", "nonzero",
    "bincount",     "matmul",       "conv",     "conv_transposed",
    "pool",
};

static const char *const reductions[PVT_REDUCE_OPS] = {
    [PVT_SUM] = "sum",
    [PVT_PROD] = "prod",
    [PVT_MAX] = "max",
    [PVT_MIN] = "min",
    [PVT_ANY] = "any",
    [PVT_ALL] = "all",
    [PVT_COUNT_NONZERO] = "count_nonzero",
    [PVT_MEAN] = "mean",
    [PVT_SUMSQ] = "sum_of_squares",
};

static const char *const scans[PVT_SCAN_OPS] = {
    [PVT_CUMSUM] = "cumsum",
    [PVT_CUMPROD] = "cumprod",
    [PVT_CUMMAX] = "cummax",
    [PVT_CUMMIN] = "cummin",
};

static const char *const transforms[] = {
    /* views */
    "broadcast_to",
    "expand_dims",
    "squeeze",
    "slice",
    "swapaxes",
    "moveaxis",
    /* regions */
    "copy",
    "permute",
    "reshape",
    "concat",
    "stack",
    "split",
    "flip",
    "roll",
    "tile",
    "repeat",
    "repeat_each",
    "pad_constant",
    "pad_edge",
    "pad_reflect",
    "pad_symmetric",
    "pad_wrap",
    "lower_triangle",
    "upper_triangle",
    "diagonal",
    "windows",
    "im2col",
    "depth_to_space",
    "space_to_depth",
};

#define LENGTH(list) ((int)(sizeof(list) / sizeof *(list)))

static const char *const composites[] = {
    "solve", "inverse", "det", "slogdet", "lstsq", "cholesky", "qr",
    "eigh",  "svd",     "eig", "fft",     "rfft",  "irfft",
};

int pvt_operator_count(pvt_operator_class class) {
  if (class == PVT_ATOMIC)
    return PVT_UNARY_OPS + PVT_BINARY_OPS + PVT_REDUCE_OPS + PVT_SCAN_OPS + LENGTH(atomic);
  if (class == PVT_TRANSFORM) return LENGTH(transforms);
  return class == PVT_COMPOSITE ? LENGTH(composites) : 0;
}

const char *pvt_operator_name(pvt_operator_class class, int i) {
  if (i < 0 || i >= pvt_operator_count(class)) return 0;
  if (class == PVT_TRANSFORM) return transforms[i];
  if (class == PVT_COMPOSITE) return composites[i];
  if (i < PVT_UNARY_OPS) return pvt_unary_name(i);
  i -= PVT_UNARY_OPS;
  if (i < PVT_BINARY_OPS) return pvt_binary_name(i);
  i -= PVT_BINARY_OPS;
  if (i < PVT_REDUCE_OPS) return reductions[i];
  i -= PVT_REDUCE_OPS;
  return i < PVT_SCAN_OPS ? scans[i] : atomic[i - PVT_SCAN_OPS];
}
