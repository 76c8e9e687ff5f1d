/* onednn.h - what the files of the oneDNN backend share. */
#ifndef PVB_ONEDNN_H
#define PVB_ONEDNN_H

#include "context.h"
#include "portable.h"
#include "step.h"

/* How a primitive wants its images: as the ways' layouts, or channels last. */
typedef enum pvb_order { PVB_ORDER_PLAIN, PVB_ORDER_BLOCKED, PVB_ORDER_LAST } pvb_order;

/* One way: what its primitive reads and writes; where that is not what the way has, oneDNN
** converts before and after. */
typedef struct pvb_recipe {
  const char *name;
  pvb_precision precision;
  pvb_layout reads, writes;
  pvb_order src, dst;
  int dtype;       /* of the primitive's inputs */
  bool transposed; /* it does transposed convolutions too */
} pvb_recipe;

int pvb_onednn_conv_prepare(const pvb_work *work, const pvb_recipe *recipe, double seconds,
                            pvb_kernel **kernel);
int pvb_onednn_product_prepare(const pvb_work *work, const pvb_recipe *recipe, double seconds,
                               pvb_kernel **kernel);

/* One part of a run lasts about so long: nothing is left before the end of a part. */
#define PVB_ONEDNN_PART 2e-3

/* [count] int8 of float32 rows of weights, by one scale for each row: `rows` of them, element j of
** row i being at i * row + j * column of `from`'s elements. Written where `from` would be. */
void pvb_onednn_quantise(const float *from, int64_t rows, int64_t row, int64_t columns,
                         int64_t column, int8_t *to, float *scales);
/* What one step of int8 stands for so that all of x fits: its largest magnitude / 127. */
int pvb_onednn_scale(const pvt_array *x, float *scale);

/* Scratch for parts that run at the same time, at most 64. */
typedef struct pvb_slots {
  _Atomic uint64_t taken;
  char *memory;
  size_t size;
} pvb_slots;
char *pvb_slot_take(pvb_slots *slots, int *slot);
void pvb_slot_give(pvb_slots *slots, int slot);

#endif
