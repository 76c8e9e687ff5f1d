/* loop.h - walking several arrays of one shape at once, for elementwise kernels.
**
** Kernels see one dimension; the loop sees to the others. It orders dimensions so that the last
** operand's innermost stride is the smallest, merges those that lie one behind the other, hands
** the kernel at most PVT_TILE elements at a time, and polls in between.
*/
#ifndef PVT_LOOP_H
#define PVT_LOOP_H

#include "context.h"

#define PVT_OPERANDS 6

/* data[i] is operand i's first element, strides[i] its step in bytes; inputs first, the result
** last. Kernels may not fail. n >= 1. */
typedef void pvt_kernel(int64_t n, char *const *data, const int64_t *strides, void *arg);

typedef struct pvt_loop {
  int operands;
  int ndim; /* 1 or more, after merging; 0: there is nothing to do */
  char *data[PVT_OPERANDS];
  int64_t size[PVT_MAX_DIMS]; /* innermost last */
  int64_t stride[PVT_MAX_DIMS][PVT_OPERANDS];
} pvt_loop;

/* The last operand gives the shape; the others are broadcast to it (PVT_E_SHAPE). */
int pvt_loop_init(pvt_loop *loop, int operands, const pvt_array *const *arrays);
/* PVT_OK or PVT_E_CANCELLED. */
int pvt_loop_run(const pvt_loop *loop, pvt_kernel *kernel, void *arg);
/* The same where operand i is of type types[i] in memory, and the kernel wants wanted[i]: inputs
** are converted before, the result after the kernel, in blocks that stay in the cache. */
int pvt_loop_run_as(const pvt_loop *loop, pvt_kernel *kernel, void *arg, const pvt_dtype *types,
                    const pvt_dtype *wanted);

/* Convert n elements between two types. See cast.c. */
typedef void pvt_cast_kernel(int64_t n, const char *from, int64_t from_stride, char *to,
                             int64_t to_stride);
pvt_cast_kernel *pvt_cast_find(pvt_dtype from, pvt_dtype to);

#endif
