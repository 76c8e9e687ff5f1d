/* loop.c - see loop.h. */
#include "loop.h"

#include <stdlib.h>

static int fits(const pvt_array *array, const pvt_array *shape) {
  int added = shape->ndim - array->ndim;
  if (added >= 0) {
    int i = 0;
    while (i < array->ndim &&
           (array->dim[i].size == shape->dim[i + added].size || array->dim[i].size == 1))
      i++;
    if (i == array->ndim) return PVT_OK;
  }
  return pvt_fail(PVT_E_SHAPE,
                  "an operand of %d dimensions cannot be broadcast to the result's "
                  "shape of %d dimensions",
                  array->ndim, shape->ndim);
}

/* Does dimension i belong further in than j? The last operand decides, then the others. */
static bool is_inner(const pvt_loop *loop, int i, int j) {
  for (int k = loop->operands - 1; k >= 0; k--) {
    int64_t a = llabs(loop->stride[i][k]), b = llabs(loop->stride[j][k]);
    if (a == 0 || b == 0 || a == b) continue;
    return a < b;
  }
  return false;
}

static void swap_dims(pvt_loop *loop, int i, int j) {
  int64_t size = loop->size[i];
  loop->size[i] = loop->size[j];
  loop->size[j] = size;
  for (int k = 0; k < loop->operands; k++) {
    int64_t stride = loop->stride[i][k];
    loop->stride[i][k] = loop->stride[j][k];
    loop->stride[j][k] = stride;
  }
}

static bool can_merge(const pvt_loop *loop, int outer, int inner) {
  for (int k = 0; k < loop->operands; k++)
    if (loop->stride[outer][k] != loop->size[inner] * loop->stride[inner][k]) return false;
  return true;
}

static void merge(pvt_loop *loop) {
  int last = 0;
  for (int i = 1; i < loop->ndim; i++) {
    if (can_merge(loop, last, i)) {
      loop->size[last] *= loop->size[i];
    } else {
      last++;
      loop->size[last] = loop->size[i];
    }
    for (int k = 0; k < loop->operands; k++) loop->stride[last][k] = loop->stride[i][k];
  }
  loop->ndim = last + 1;
}

int pvt_loop_init(pvt_loop *loop, int operands, const pvt_array *const *arrays) {
  const pvt_array *shape = arrays[operands - 1];
  loop->operands = operands;
  loop->ndim = 0;
  bool empty = false;
  for (int k = 0; k < operands; k++) {
    int status = k + 1 < operands ? fits(arrays[k], shape) : PVT_OK;
    if (status != PVT_OK) return status;
    loop->data[k] = arrays[k]->data;
  }
  for (int i = 0; i < shape->ndim; i++) {
    int64_t size = shape->dim[i].size;
    if (size == 0) empty = true;
    if (size == 1) continue;
    int d = loop->ndim++;
    loop->size[d] = size;
    for (int k = 0; k < operands; k++) {
      int own = i - (shape->ndim - arrays[k]->ndim);
      bool steps = own >= 0 && arrays[k]->dim[own].size != 1;
      loop->stride[d][k] = steps ? arrays[k]->dim[own].stride : 0;
    }
  }
  if (empty) {
    loop->ndim = 0;
    return PVT_OK;
  }
  if (loop->ndim == 0) { /* one element */
    loop->ndim = 1;
    loop->size[0] = 1;
    for (int k = 0; k < operands; k++) loop->stride[0][k] = 0;
    return PVT_OK;
  }
  for (int i = 1; i < loop->ndim; i++)
    for (int j = i; j > 0 && is_inner(loop, j - 1, j); j--) swap_dims(loop, j - 1, j);
  merge(loop);
  return PVT_OK;
}

/* Call `row` for every row of the innermost dimension, in tiles. */
typedef void pvt_row(int64_t n, char *const *data, const int64_t *strides, void *arg);

static int walk(const pvt_loop *loop, pvt_row *row, void *arg) {
  if (loop->ndim == 0) return PVT_OK;
  int inner = loop->ndim - 1, operands = loop->operands;
  int64_t index[PVT_MAX_DIMS] = {0}, n = loop->size[inner], since = 0;
  const int64_t *strides = loop->stride[inner];
  char *data[PVT_OPERANDS];
  for (int k = 0; k < operands; k++) data[k] = loop->data[k];
  for (;;) {
    if (n <= PVT_TILE) {
      row(n, data, strides, arg);
      since += n;
    } else {
      char *at[PVT_OPERANDS];
      for (int k = 0; k < operands; k++) at[k] = data[k];
      for (int64_t done = 0; done < n; done += PVT_TILE) {
        int status = done > 0 ? pvt_poll() : PVT_OK;
        if (status != PVT_OK) return status;
        row(n - done < PVT_TILE ? n - done : PVT_TILE, at, strides, arg);
        for (int k = 0; k < operands; k++) at[k] += PVT_TILE * strides[k];
      }
      since = PVT_TILE;
    }
    int d = inner - 1;
    for (; d >= 0; d--) {
      for (int k = 0; k < operands; k++) data[k] += loop->stride[d][k];
      if (++index[d] < loop->size[d]) break;
      for (int k = 0; k < operands; k++) data[k] -= loop->size[d] * loop->stride[d][k];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
    if (since >= PVT_TILE) {
      int status = pvt_poll();
      if (status != PVT_OK) return status;
      since = 0;
    }
  }
}

int pvt_loop_run(const pvt_loop *loop, pvt_kernel *kernel, void *arg) {
  return walk(loop, kernel, arg);
}

/* ---- With conversion ---------------------------------------------------- */

#define BLOCK 256 /* elements converted at a time: 16 KiB of stack for four operands */

typedef struct converting {
  pvt_kernel *kernel;
  void *arg;
  int operands;
  pvt_cast_kernel *cast[PVT_OPERANDS]; /* NULL: as it is */
  int64_t size[PVT_OPERANDS];          /* of an element as the kernel wants it */
} converting;

static void converted_row(int64_t n, char *const *data, const int64_t *strides, void *arg) {
  const converting *c = arg;
  int last = c->operands - 1;
  _Alignas(64) char block[PVT_OPERANDS][BLOCK * 16];
  char *at[PVT_OPERANDS];
  int64_t step[PVT_OPERANDS];
  for (int64_t done = 0; done < n; done += BLOCK) {
    int64_t count = n - done < BLOCK ? n - done : BLOCK;
    for (int k = 0; k <= last; k++) {
      char *own = data[k] + done * strides[k];
      at[k] = c->cast[k] != NULL ? block[k] : own;
      step[k] = c->cast[k] != NULL ? c->size[k] : strides[k];
      if (c->cast[k] == NULL || k == last) continue;
      if (strides[k] == 0) step[k] = 0;
      c->cast[k](strides[k] == 0 ? 1 : count, own, strides[k], block[k], c->size[k]);
    }
    c->kernel(count, at, step, c->arg);
    if (c->cast[last] != NULL)
      c->cast[last](count, block[last], c->size[last], data[last] + done * strides[last],
                    strides[last]);
  }
}

int pvt_loop_run_as(const pvt_loop *loop, pvt_kernel *kernel, void *arg, const pvt_dtype *types,
                    const pvt_dtype *wanted) {
  converting c = {.kernel = kernel, .arg = arg, .operands = loop->operands};
  bool any = false;
  for (int k = 0; k < loop->operands; k++) {
    c.size[k] = (int64_t)pvt_itemsize(wanted[k]);
    if (types[k] == wanted[k]) continue;
    any = true;
    c.cast[k] = k + 1 < loop->operands ? pvt_cast_find(types[k], wanted[k])
                                       : pvt_cast_find(wanted[k], types[k]);
  }
  return any ? walk(loop, converted_row, &c) : walk(loop, kernel, arg);
}
