/* numbers.c - int8 from float32, and scratch for parts that run at the same time. */
#include <math.h>
#include <stdatomic.h>

#include "onednn.h"

void pvb_onednn_quantise(const float *from, int64_t rows, int64_t row, int64_t columns,
                         int64_t column, int8_t *to, float *scales) {
  for (int64_t i = 0; i < rows; i++) {
    float largest = 0;
    for (int64_t j = 0; j < columns; j++) {
      float size = fabsf(from[i * row + j * column]);
      if (size > largest) largest = size;
    }
    float scale = largest > 0 ? largest / 127 : 1;
    for (int64_t j = 0; j < columns; j++) {
      float steps = rintf(from[i * row + j * column] / scale);
      to[i * row + j * column] = (int8_t)(steps > 127 ? 127 : steps < -127 ? -127 : steps);
    }
    scales[i] = scale;
  }
}

int pvb_onednn_scale(const pvt_array *x, float *scale) {
  float low = 0, high = 0;
  pvt_array one;
  int64_t ones[PVT_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) ones[d] = 1;
  uint32_t axes = x->ndim == 32 ? ~0u : (1u << x->ndim) - 1;
  pvt_array_over(&one, &low, PVT_FLOAT32, x->ndim, ones);
  int status = pvt_reduce(PVT_MIN, x, axes, &one);
  pvt_array_over(&one, &high, PVT_FLOAT32, x->ndim, ones);
  if (status == PVT_OK) status = pvt_reduce(PVT_MAX, x, axes, &one);
  float largest = fmaxf(fabsf(low), fabsf(high));
  *scale = largest > 0 && isfinite(largest) ? largest / 127 : 1;
  return status;
}

char *pvb_slot_take(pvb_slots *slots, int *slot) {
  uint64_t taken = atomic_load_explicit(&slots->taken, memory_order_relaxed);
  do *slot = __builtin_ctzll(~taken);
  while (!atomic_compare_exchange_weak_explicit(&slots->taken, &taken, taken | 1ull << *slot,
                                                memory_order_acquire, memory_order_relaxed));
  return slots->memory + slots->size * (size_t)*slot;
}

void pvb_slot_give(pvb_slots *slots, int slot) {
  atomic_fetch_and_explicit(&slots->taken, ~(1ull << slot), memory_order_release);
}
