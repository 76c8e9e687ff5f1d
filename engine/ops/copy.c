/* copy.c - copying with conversion, filling, ranges. */
#include "kernels.h"

pvt_cast_kernel *pvt_cast_find(pvt_dtype from, pvt_dtype to) {
  return pvt_kernels_get()->casts->cast[from][to];
}
