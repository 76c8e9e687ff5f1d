/* product_operators.h - the product family's functions, for its table. */
#ifndef PVG_PRODUCT_OPERATORS_H
#define PVG_PRODUCT_OPERATORS_H

#include "inference.h"

/* einsum.c. Labels of an array's dimensions: letters, then those that an ellipsis stands for. */
#define PVG_LABELS (52 + PVT_MAX_DIMS)
typedef struct pvg_labels {
  int ndim;
  uint8_t label[PVT_MAX_DIMS];
} pvg_labels;
typedef struct pvg_einsum {
  pvg_labels *operands, out;
  int64_t size[PVG_LABELS];
} pvg_einsum;
int pvg_einsum_infer(pvg_infer *infer);
int pvg_einsum_prepare(const pvg_prepare *prepare, void *state);
int pvg_einsum_run(pvg_call *call);

#endif
