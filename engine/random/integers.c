/* integers.c - whole numbers within bounds, by Lemire's multiplication; orders and samples. */
#include <string.h>

#include "context.h"
#include "variates.h"

static uint32_t bounded32(pvt_bits *bits, uint32_t range) {
  uint32_t count = range + 1;
  uint64_t product = (uint64_t)next32(bits) * count;
  if ((uint32_t)product < count) {
    uint32_t threshold = (UINT32_MAX - range) % count;
    while ((uint32_t)product < threshold) product = (uint64_t)next32(bits) * count;
  }
  return (uint32_t)(product >> 32);
}

uint64_t pvt_bounded(pvt_bits *bits, uint64_t range) {
  if (range == 0) return 0;
  if (range < UINT32_MAX) return bounded32(bits, (uint32_t)range);
  if (range == UINT32_MAX) return next32(bits);
  if (range == UINT64_MAX) return next64(bits);
  uint64_t count = range + 1;
  unsigned __int128 product = (unsigned __int128)next64(bits) * count;
  if ((uint64_t)product < count) {
    uint64_t threshold = (UINT64_MAX - range) % count;
    while ((uint64_t)product < threshold) product = (unsigned __int128)next64(bits) * count;
  }
  return (uint64_t)(product >> 64);
}

uint64_t pvt_interval(pvt_bits *bits, uint64_t most) {
  if (most == 0) return 0;
  uint64_t mask = UINT64_MAX >> __builtin_clzll(most), value;
  if (most <= UINT32_MAX)
    while ((value = next32(bits) & mask) > most) continue;
  else
    while ((value = next64(bits) & mask) > most) continue;
  return value;
}

/* Words of 32 bits dealt out in parts of 16, 8 or 1 bit, low ones first. */
typedef struct parts {
  uint32_t word;
  int left;
} parts;

static uint32_t next_part(pvt_bits *bits, parts *p, int width) {
  if (p->left == 0) {
    p->word = next32(bits);
    p->left = 32 / width - 1;
  } else {
    p->word >>= width;
    p->left--;
  }
  return p->word & ((1u << width) - 1);
}

/* width: 8 or 16 bits. */
static uint32_t bounded_part(pvt_bits *bits, parts *p, int width, uint32_t range) {
  uint32_t all = (1u << width) - 1, count = range + 1;
  if (range == 0) return 0;
  if (range == all) return next_part(bits, p, width);
  if (bits->legacy) {
    uint32_t mask = UINT32_MAX >> __builtin_clz(range), value;
    while ((value = next_part(bits, p, width) & mask) > range) continue;
    return value;
  }
  uint32_t product = next_part(bits, p, width) * count;
  if ((product & all) < count) {
    uint32_t threshold = (all - range) % count;
    while ((product & all) < threshold) product = next_part(bits, p, width) * count;
  }
  return product >> width;
}

int pvt_random_integers(pvt_bits *bits, const pvt_array *low, const pvt_array *range,
                        pvt_array *out) {
  if (!pvt_array_is_contiguous(out))
    return pvt_fail(PVT_E_VALUE, "random: the result has to be in C order without gaps");
  pvt_array lows, ranges;
  int64_t shape[PVT_MAX_DIMS], index[PVT_MAX_DIMS] = {0};
  for (int i = 0; i < out->ndim; i++) shape[i] = out->dim[i].size;
  pvt_array_view(&lows, low);
  pvt_array_view(&ranges, range);
  int status = pvt_view_broadcast(&lows, out->ndim, shape);
  if (status == PVT_OK) status = pvt_view_broadcast(&ranges, out->ndim, shape);
  int64_t count = pvt_array_count(out);
  size_t size = pvt_itemsize((pvt_dtype)out->dtype);
  char *to = out->data, *from_low = lows.data, *from_range = ranges.data;
  parts p = {0};
  for (int64_t n = 0; status == PVT_OK && n < count; n++, to += size) {
    if (n % PVT_TILE == PVT_TILE - 1 && (status = pvt_poll()) != PVT_OK) break;
    uint64_t base, span, value;
    memcpy(&base, from_low, sizeof base);
    memcpy(&span, from_range, sizeof span);
    if (out->dtype == PVT_BOOL) value = span == 0 ? base : next_part(bits, &p, 1);
    else if (size >= 4)
      value = base + (bits->legacy ? pvt_interval(bits, span) : pvt_bounded(bits, span));
    else value = base + bounded_part(bits, &p, (int)size * 8, (uint32_t)span);
    memcpy(to, &value, size); /* the low bytes come first */
    for (int d = out->ndim - 1; d >= 0; d--) {
      from_low += lows.dim[d].stride;
      from_range += ranges.dim[d].stride;
      if (++index[d] < shape[d]) break;
      from_low -= lows.dim[d].stride * shape[d];
      from_range -= ranges.dim[d].stride * shape[d];
      index[d] = 0;
    }
  }
  pvt_array_release(&lows);
  pvt_array_release(&ranges);
  return status;
}

/* Elements from `first` on get their place among those up to them: by masks, or by Lemire's. */
static int shuffled(pvt_bits *bits, int64_t *order, int64_t count, int64_t first, bool masked) {
  for (int64_t i = count - 1; i >= first; i--) {
    if (i % PVT_TILE == 0) {
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
    uint64_t j = masked ? pvt_interval(bits, (uint64_t)i) : pvt_bounded(bits, (uint64_t)i);
    int64_t kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return PVT_OK;
}

int pvt_random_shuffle(pvt_bits *bits, int64_t *order, int64_t count) {
  return shuffled(bits, order, count, 1, true);
}

/* Puts the value into the set of `mask + 1` places, -1 being empty ones; false if it was there. */
static bool insert(int64_t *set, uint64_t mask, int64_t value) {
  uint64_t at = (uint64_t)value & mask;
  while (set[at] != -1 && set[at] != value) at = (at + 1) & mask;
  if (set[at] == value) return false;
  set[at] = value;
  return true;
}

/* Floyd's, with a set of the numbers that are taken. */
static int sample_few(pvt_bits *bits, int64_t population, int64_t count, int64_t *sample) {
  uint64_t mask = (uint64_t)(1.2 * (double)count);
  mask = mask == 0 ? 0 : UINT64_MAX >> __builtin_clzll(mask);
  pvt_buffer *buffer = pvt_buffer_new((mask + 1) * sizeof(int64_t));
  if (buffer == NULL) return pvt_error_status();
  int64_t *set = pvt_buffer_data(buffer);
  memset(set, 0xff, (mask + 1) * sizeof *set);
  int status = PVT_OK;
  for (int64_t i = 0; i < count; i++) {
    if (i % PVT_TILE == PVT_TILE - 1 && (status = pvt_poll()) != PVT_OK) break;
    int64_t last = population - count + i;
    sample[i] = (int64_t)pvt_bounded(bits, (uint64_t)last);
    if (!insert(set, mask, sample[i])) insert(set, mask, sample[i] = last);
  }
  pvt_buffer_release(buffer);
  return status;
}

int pvt_random_sample(pvt_bits *bits, int64_t population, int64_t count, bool shuffle,
                      int64_t *sample) {
  if (count < 0 || count > population)
    return pvt_fail(PVT_E_VALUE,
                    "Cannot take a larger sample than population when replace is False");
  int64_t cutoff = shuffle ? 50 : 20;
  if (population > 10000 && count > population / cutoff) {
    pvt_buffer *buffer = pvt_buffer_new((size_t)population * sizeof(int64_t));
    if (buffer == NULL) return pvt_error_status();
    int64_t *order = pvt_buffer_data(buffer), left = population - count;
    for (int64_t i = 0; i < population; i++) order[i] = i;
    int status = shuffled(bits, order, population, left > 1 ? left : 1, false);
    memcpy(sample, order + left, (size_t)count * sizeof *sample);
    pvt_buffer_release(buffer);
    return status;
  }
  int status = sample_few(bits, population, count, sample);
  return status == PVT_OK && shuffle ? shuffled(bits, sample, count, 1, false) : status;
}
