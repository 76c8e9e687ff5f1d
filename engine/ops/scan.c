/* scan.c - running totals and extremes along one axis. */
#include <string.h>

#include "along.h"
#include "kernels.h"

#define BUFFER 4096 /* bytes converted at a time */

typedef struct scanning {
  pvt_lines lines;
  pvt_dtype type, total, result; /* of x, of the running total, of out */
  int64_t size;                  /* of a total */
  pvt_cast_kernel *load, *store;
  pvt_scan_kernel *scan;
  pvt_fold_kernel *fold;
} scanning;

static int look(int64_t *since, int64_t done) {
  *since += done;
  if (*since < PVT_TILE) return PVT_OK;
  *since = 0;
  return pvt_poll();
}

static int along_one(const scanning *s, const char *x, char *out, int64_t *since) {
  const pvt_lines *lines = &s->lines;
  _Alignas(64) char input[BUFFER], output[BUFFER], carry[16];
  bool loaded = s->type == s->total && lines->x_step == s->size;
  bool stored = s->result == s->total && lines->out_step == s->size;
  int64_t block = loaded && stored ? PVT_TILE : BUFFER / s->size;
  for (int64_t done = 0; done < lines->length; done += block) {
    int64_t n = lines->length - done < block ? lines->length - done : block;
    const char *from = x + done * lines->x_step;
    char *to = out + done * lines->out_step;
    if (!loaded) s->load(n, from, lines->x_step, input, s->size);
    s->scan(n, loaded ? from : input, stored ? to : output, carry, done == 0);
    if (!stored) s->store(n, output, s->size, to, lines->out_step);
    int status = look(since, n);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int along_each(const scanning *s, const char *x, char *out) {
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0;
  do {
    int status = along_one(s, x, out, &since);
    if (status != PVT_OK) return status;
  } while (pvt_lines_step(&s->lines, s->lines.ndim, index, &x, &out));
  return PVT_OK;
}

/* n lines side by side: their totals stay in one strip, row after row. */
static int across_strip(const scanning *s, int64_t n, const char *x, char *out, int64_t *since) {
  const pvt_lines *lines = &s->lines;
  int inner = lines->ndim - 1;
  _Alignas(64) char input[BUFFER], total[BUFFER];
  int64_t x_stride = lines->x[inner];
  bool loaded = s->type == s->total && x_stride == s->size;
  for (int64_t i = 0; i < lines->length; i++) {
    if (i == 0) {
      s->load(n, x, x_stride, total, s->size);
    } else {
      if (!loaded) s->load(n, x, x_stride, input, s->size);
      s->fold(n, loaded ? x : input, total);
    }
    s->store(n, total, s->size, out, lines->out[inner]);
    x += lines->x_step;
    out += lines->out_step;
    int status = look(since, n);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int across(const scanning *s, const char *x, char *out) {
  const pvt_lines *lines = &s->lines;
  int inner = lines->ndim - 1;
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0, most = BUFFER / s->size;
  do {
    for (int64_t done = 0; done < lines->size[inner]; done += most) {
      int64_t n = lines->size[inner] - done < most ? lines->size[inner] - done : most;
      int status =
          across_strip(s, n, x + done * lines->x[inner], out + done * lines->out[inner], &since);
      if (status != PVT_OK) return status;
    }
  } while (pvt_lines_step(lines, inner, index, &x, &out));
  return PVT_OK;
}

static pvt_dtype total_type(pvt_scan_op op, pvt_dtype dtype) {
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) return PVT_FLOAT32;
  if (op == PVT_CUMMAX || op == PVT_CUMMIN) return dtype;
  if (pvt_dtype_kind(dtype) == PVT_KIND_UINT) return PVT_UINT64;
  return pvt_dtype_kind(dtype) <= PVT_KIND_INT ? PVT_INT64 : dtype;
}

static int scan_apart(pvt_scan_op op, const pvt_array *x, int axis, pvt_array *out) {
  static const pvt_reduce_op folds[PVT_SCAN_OPS] = {PVT_SUM, PVT_PROD, PVT_MAX, PVT_MIN};
  scanning s = {.type = (pvt_dtype)x->dtype, .result = (pvt_dtype)out->dtype};
  pvt_lines_of(&s.lines, x, axis, out);
  s.total = total_type(op, s.result);
  s.size = (int64_t)pvt_itemsize(s.total);
  s.load = pvt_cast_find(s.type, s.total);
  s.store = pvt_cast_find(s.total, s.result);
  s.scan = pvt_kernels_get()->scans->scan[op][s.total];
  s.fold = pvt_kernels_get()->reductions->fold[folds[op]][s.total];
  return pvt_lines_across(&s.lines) ? across(&s, x->data, out->data)
                                    : along_each(&s, x->data, out->data);
}

int pvt_scan(pvt_scan_op op, const pvt_array *x, int axis, pvt_array *out) {
  if (op < 0 || op >= PVT_SCAN_OPS)
    return pvt_fail(PVT_E_VALUE, "there is no scan of number %d", (int)op);
  int status = axis >= 0 && axis < x->ndim ? PVT_OK : -1;
  status = pvt_lines_check(x, axis, out, status == PVT_OK ? x->dim[axis].size : 0);
  if (status != PVT_OK || pvt_array_count(x) == 0) return status;
  if (!pvt_array_overlap(x, out)) return scan_apart(op, x, axis, out);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) shape[i] = x->dim[i].size;
  pvt_array apart;
  status = pvt_array_new(&apart, (pvt_dtype)x->dtype, x->ndim, shape);
  if (status != PVT_OK) return status;
  status = pvt_copy(x, &apart);
  if (status == PVT_OK) status = scan_apart(op, &apart, axis, out);
  pvt_array_release(&apart);
  return status;
}
