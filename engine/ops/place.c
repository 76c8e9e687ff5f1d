/* place.c - where the largest or the smallest element is, along one axis. */
#include <string.h>

#include "along.h"
#include "kernels.h"

#define BUFFER 8192 /* bytes converted at a time */

typedef struct placing {
  pvt_lines lines;
  pvt_dtype type, input; /* of x, and what the kernels take */
  int64_t size;          /* of an input element */
  pvt_cast_kernel *load; /* from one to the other */
  pvt_place_kernel *place;
  pvt_fold_place_kernel *fold;
} placing;

static pvt_dtype input_type(pvt_dtype type) {
  switch (type) {
  case PVT_BOOL:
  case PVT_INT8:
  case PVT_INT16:
  case PVT_UINT8:
  case PVT_UINT16: return PVT_INT32;
  case PVT_FLOAT16:
  case PVT_BFLOAT16: return PVT_FLOAT32;
  default: return type;
  }
}

static const char *load(const placing *p, int64_t n, const char *x, int64_t step, char *buffer) {
  if (p->type == p->input && step == p->size) return x;
  p->load(n, x, step, buffer, p->size);
  return buffer;
}

static int along_one(const placing *p, const char *x, char *out, int64_t *since) {
  _Alignas(64) char buffer[BUFFER], best[16];
  int64_t length = p->lines.length, step = p->lines.x_step, found = 0;
  int64_t block = p->type == p->input && step == p->size ? PVT_TILE : BUFFER / p->size;
  for (int64_t done = 0; done < length; done += block) {
    int64_t n = length - done < block ? length - done : block;
    int64_t place = p->place(n, load(p, n, x + done * step, step, buffer), done == 0, best);
    if (place >= 0) found = done + place;
    *since += n;
    if (*since < PVT_TILE) continue;
    *since = 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  memcpy(out, &found, sizeof found);
  return PVT_OK;
}

static int along_each(const placing *p, const char *x, char *out) {
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0;
  do {
    int status = along_one(p, x, out, &since);
    if (status != PVT_OK) return status;
  } while (pvt_lines_step(&p->lines, p->lines.ndim, index, &x, &out));
  return PVT_OK;
}

/* n lines side by side. */
static int across_strip(const placing *p, int64_t n, const char *x, char *out, int64_t *since) {
  _Alignas(64) char buffer[BUFFER], best[BUFFER], place[BUFFER];
  const pvt_lines *lines = &p->lines;
  int inner = lines->ndim - 1;
  for (int64_t i = 0; i < lines->length; i++) {
    const char *row = x + i * lines->x_step;
    p->fold(n, load(p, n, row, lines->x[inner], buffer), i, best, place);
    *since += n;
    if (*since < PVT_TILE) continue;
    *since = 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  pvt_dtype kept = p->size == 4 ? PVT_INT32 : PVT_INT64;
  pvt_cast_find(kept, PVT_INT64)(n, place, p->size == 4 ? 4 : 8, out, lines->out[inner]);
  return PVT_OK;
}

static int across(const placing *p, const char *x, char *out) {
  const pvt_lines *lines = &p->lines;
  int inner = lines->ndim - 1;
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0, most = BUFFER / p->size;
  do {
    for (int64_t done = 0; done < lines->size[inner]; done += most) {
      int64_t n = lines->size[inner] - done < most ? lines->size[inner] - done : most;
      int status =
          across_strip(p, n, x + done * lines->x[inner], out + done * lines->out[inner], &since);
      if (status != PVT_OK) return status;
    }
  } while (pvt_lines_step(lines, inner, index, &x, &out));
  return PVT_OK;
}

int pvt_arg_reduce(bool largest, const pvt_array *x, int axis, pvt_array *out) {
  int status = pvt_lines_check(x, axis, out, 1);
  if (status != PVT_OK) return status;
  if (out->dtype != PVT_INT64) return pvt_fail(PVT_E_DTYPE, "places are given as int64");
  if (pvt_array_count(out) == 0) return PVT_OK;
  if (x->dim[axis].size == 0)
    return pvt_fail(PVT_E_SHAPE, "attempt to get %s of an empty sequence",
                    largest ? "argmax" : "argmin");
  const pvt_reductions *kernels = pvt_kernels_get()->reductions;
  placing p = {.type = (pvt_dtype)x->dtype};
  pvt_lines_of(&p.lines, x, axis, out);
  p.input = input_type(p.type);
  p.size = (int64_t)pvt_itemsize(p.input);
  p.load = pvt_cast_find(p.type, p.input);
  p.place = kernels->place[largest][p.input];
  p.fold = kernels->fold_place[largest][p.input];
  bool together = pvt_lines_across(&p.lines) && p.lines.length <= INT32_MAX;
  return together ? across(&p, x->data, out->data) : along_each(&p, x->data, out->data);
}
