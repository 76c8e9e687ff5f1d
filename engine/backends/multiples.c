/* multiples.c - see multiples.h.
**
** The step of a column is its smallest magnitude, or a small part of it: among many weights some are
** one or a few steps. Other columns are told by their first elements.
*/
#include "multiples.h"

#include <math.h>
#include <string.h>

#include "context.h"

#define PARTS 16 /* of the smallest magnitude, at most */

typedef struct column {
  const char *data;
  int64_t count, stride;
} column;

static float element(const column *c, int64_t i) {
  float value;
  memcpy(&value, c->data + i * c->stride, sizeof value);
  return value;
}

static bool is_step(const column *c, float step) {
  float inverse = 1 / step;
  for (int64_t i = 0; i < c->count; i++) {
    float value = element(c, i), near = value * inverse;
    if (!(near >= -128.5f && near <= 127.5f)) return false;
    long times = lrintf(near);
    if (times > 127 || (float)times * step != value) return false;
  }
  return true;
}

static bool find_step(const column *c, float *step) {
  float least = 0;
  for (int64_t i = 0; i < c->count; i++) {
    float size = fabsf(element(c, i));
    if (!(size <= 3e38f)) return false;
    if (size > 0 && (least == 0 || size < least)) least = size;
  }
  *step = 0;
  if (least == 0) return true;
  if (least < 1e-30f) return false; /* neither it nor its inverse may leave float32's range */
  for (int part = 1; part <= PARTS; part++) {
    float middle = least / (float)part;
    const float near[] = {middle, nextafterf(middle, 0), nextafterf(middle, least)};
    for (int i = 0; i < 3; i++)
      if (is_step(c, *step = near[i])) return true;
  }
  return false;
}

int pvb_multiples(const pvt_array *weights, float *steps) {
  const pvt_dim *rows = &weights->dim[0], *columns = &weights->dim[1];
  if (weights->dtype != PVT_FLOAT32 || weights->ndim != 2) return 0;
  for (int64_t j = 0; j < columns->size; j++) {
    column c = {weights->data + j * columns->stride, rows->size, rows->stride};
    if (!find_step(&c, &steps[j])) return 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return 1;
}
