/* copy.c - copying with conversion, filling, ranges. */
#include <string.h>

#include "kernels.h"
#include "move.h"

pvt_cast_kernel *pvt_cast_find(pvt_dtype from, pvt_dtype to) {
  return pvt_kernels_get()->casts->cast[from][to];
}

static int check_writable(const pvt_array *array) {
  return array->writable ? PVT_OK : pvt_fail(PVT_E_READONLY, "the result is read-only");
}

static int check_broadcast(const pvt_array *from, const pvt_array *to) {
  int added = to->ndim - from->ndim;
  bool fits = added >= 0;
  for (int i = 0; fits && i < from->ndim; i++)
    fits = from->dim[i].size == 1 || from->dim[i].size == to->dim[i + added].size;
  if (fits) return PVT_OK;
  char shapes[2][PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE, "could not broadcast input array from shape %s into shape %s",
                  pvt_shape_text(from, shapes[0]), pvt_shape_text(to, shapes[1]));
}

/* ---- Conversion --------------------------------------------------------- */

static void convert_row(int64_t n, char *const *data, const int64_t *strides, void *arg) {
  pvt_cast_kernel *cast = *(pvt_cast_kernel **)arg;
  cast(n, data[0], strides[0], data[1], strides[1]);
}

static int convert(const pvt_array *from, pvt_array *to) {
  pvt_loop loop;
  int status = pvt_loop_init(&loop, 2, (const pvt_array *[]){from, to});
  if (status != PVT_OK) return status;
  pvt_cast_kernel *cast = pvt_cast_find((pvt_dtype)from->dtype, (pvt_dtype)to->dtype);
  return pvt_loop_run(&loop, convert_row, &cast);
}

/* ---- Copying ------------------------------------------------------------ */

static int copy_apart(const pvt_array *from, pvt_array *to) {
  if (from->dtype != to->dtype) return convert(from, to);
  pvt_move move;
  pvt_move_between(&move, from, to);
  return pvt_move_normalise(&move) ? pvt_move_run(&move) : PVT_OK;
}

static int copy_through(const pvt_array *from, pvt_array *to) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < from->ndim; i++) shape[i] = from->dim[i].size;
  pvt_array between;
  int status = pvt_array_new(&between, (pvt_dtype)from->dtype, from->ndim, shape);
  if (status != PVT_OK) return status;
  status = copy_apart(from, &between);
  if (status == PVT_OK) status = copy_apart(&between, to);
  pvt_array_release(&between);
  return status;
}

int pvt_copy(const pvt_array *from, pvt_array *to) {
  int status = check_writable(to);
  if (status == PVT_OK) status = check_broadcast(from, to);
  if (status != PVT_OK) return status;
  if (!pvt_array_overlap(from, to)) return copy_apart(from, to);
  if (pvt_array_same(from, to)) return PVT_OK;
  return copy_through(from, to);
}

int pvt_fill(pvt_array *array, const void *element) {
  int status = check_writable(array);
  if (status != PVT_OK) return status;
  char kept[16];
  memcpy(kept, element, pvt_itemsize((pvt_dtype)array->dtype));
  pvt_array one;
  pvt_array_over(&one, kept, (pvt_dtype)array->dtype, 0, NULL);
  return copy_apart(&one, array);
}

/* ---- Ranges ------------------------------------------------------------- */

#define BLOCK 1024

typedef struct range {
  bool is_float;
  uint64_t start, step;
  double float_start, float_step;
} range;

static int fill_range(pvt_array *array, const range *range) {
  int status = check_writable(array);
  if (status != PVT_OK) return status;
  if (array->ndim != 1)
    return pvt_fail(PVT_E_SHAPE, "a range has one dimension, not %d", array->ndim);
  pvt_cast_kernel *cast =
      pvt_cast_find(range->is_float ? PVT_FLOAT64 : PVT_INT64, (pvt_dtype)array->dtype);
  union {
    uint64_t i[BLOCK];
    double f[BLOCK];
  } block;
  int64_t size = array->dim[0].size, stride = array->dim[0].stride;
  for (int64_t done = 0; done < size; done += BLOCK) {
    int64_t n = size - done < BLOCK ? size - done : BLOCK;
    if (range->is_float)
      for (int64_t i = 0; i < n; i++)
        block.f[i] = range->float_start + (double)(done + i) * range->float_step;
    else
      for (int64_t i = 0; i < n; i++)
        block.i[i] = range->start + (uint64_t)(done + i) * range->step;
    cast(n, (const char *)&block, 8, array->data + done * stride, stride);
    status = done % PVT_TILE == 0 ? pvt_poll() : PVT_OK;
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

int pvt_arange_int(pvt_array *array, int64_t start, int64_t step) {
  return fill_range(array, &(range){.start = (uint64_t)start, .step = (uint64_t)step});
}

int pvt_arange_float(pvt_array *array, double start, double step) {
  return fill_range(array, &(range){.is_float = true, .float_start = start, .float_step = step});
}
