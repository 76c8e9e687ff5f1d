/* compose.c - one list of regions instead of two, where one reads what the other writes.
**
** The array in between is a line of elements. A region that writes it does so at
**   base + j[0] t[0] + j[1] t[1] + ...,  0 <= j[m] < size[m],
** with strides t that are places of a number system: t[m] is at least size[m+1] t[m+1]. So an
** element that is read has digits j, and it was written by that region if each is below its size. A
** dimension of the reading region advances one digit by a constant; where it carries into the next
** one it is cut into whole turns and rests. What is left of it is where its digits are below their
** sizes: a box again, read from where the writing region reads.
*/
#include "regions.h"

#define MOST_PAIRS ((size_t)1 << 16)
#define DIGITS (2 * PVT_REGION_DIMS + 1)

typedef struct writer {
  int digits; /* ends with one of a single element, size 1 */
  const char *source;
  int64_t base;           /* bytes from the array's first element */
  int64_t size[DIGITS];   /* places descending */
  int64_t place[DIGITS];  /* bytes */
  int64_t stride[DIGITS]; /* of the source */
} writer;

typedef struct composing {
  pvt_regions *both;
  writer writer;
  int64_t covered; /* elements of the reading region found so far */
  bool possible;
} composing;

/* false: its places are no number system. */
static bool writer_of(writer *w, const pvt_region *region, const char *between, int64_t itemsize) {
  w->source = region->source;
  w->base = (int64_t)((uintptr_t)region->target - (uintptr_t)between);
  w->digits = 0;
  for (int i = 0; i < region->ndim; i++) {
    int64_t size = region->size[i], place = region->target_stride[i];
    int64_t stride = region->source_stride[i];
    if (size == 1) continue;
    if (place < 0) {
      w->base += (size - 1) * place;
      w->source += (size - 1) * stride;
      place = -place;
      stride = -stride;
    }
    int d = w->digits++;
    for (; d > 0 && w->place[d - 1] < place; d--) {
      w->size[d] = w->size[d - 1];
      w->place[d] = w->place[d - 1];
      w->stride[d] = w->stride[d - 1];
    }
    w->size[d] = size;
    w->place[d] = place;
    w->stride[d] = stride;
  }
  if (w->digits == 0 || w->place[w->digits - 1] != itemsize) {
    w->size[w->digits] = 1;
    w->place[w->digits] = itemsize;
    w->stride[w->digits++] = 0;
  }
  for (int m = 0; m + 1 < w->digits; m++)
    if (w->place[m] % w->place[m + 1] != 0 || w->place[m] < w->size[m + 1] * w->place[m + 1])
      return false;
  return true;
}

/* Dimensions that the writing region goes through as one, the reading one as two, are two digits.
 */
static void refine(writer *w, const pvt_region *reading) {
  for (int d = 0; d < reading->ndim && w->digits < DIGITS; d++) {
    int64_t step = reading->source_stride[d];
    int m = 0;
    while (m < w->digits && w->place[m] > step) m++;
    if (reading->size[d] == 1 || m == w->digits || step % w->place[m] != 0) continue;
    if (m > 0 && w->place[m - 1] % step != 0) continue; /* they stay a number system */
    int64_t turn = step / w->place[m];
    bool shared = false;
    for (int e = 0; e < reading->ndim; e++)
      shared |= reading->source_stride[e] < step &&
                reading->source_stride[e] * (reading->size[e] - 1) >= w->place[m];
    if (!shared || turn == 1 || w->size[m] % turn != 0) continue;
    for (int k = w->digits++; k > m; k--) {
      w->size[k] = w->size[k - 1];
      w->place[k] = w->place[k - 1];
      w->stride[k] = w->stride[k - 1];
    }
    w->size[m] /= turn;
    w->place[m] *= turn;
    w->stride[m] *= turn;
    w->size[m + 1] = turn;
  }
}

/* The digits of a place, the first of any size and sign; false if it is between elements. */
static bool digits_of(const writer *w, int64_t at, int64_t *digit) {
  for (int m = 0; m < w->digits; m++) {
    int64_t place = w->place[m];
    digit[m] = at / place - (at % place < 0);
    at -= digit[m] * place;
  }
  return at == 0;
}

static int part(composing *c, const pvt_region *reading, int64_t at);

/* Read only elements first .. first + count - 1 of dimension d. */
static int cut(composing *c, const pvt_region *reading, int64_t at, int d, int64_t first,
               int64_t count) {
  if (count <= 0) return PVT_OK;
  pvt_region region = *reading;
  region.target += first * region.target_stride[d];
  region.size[d] = count;
  return part(c, &region, at + first * region.source_stride[d]);
}

/* Dimension d carries: `rest` elements until the first carry, then turns of `turn`. */
static int cut_turns(composing *c, const pvt_region *reading, int64_t at, int d, int64_t rest,
                     int64_t turn) {
  int64_t size = reading->size[d], whole = (size - rest) / turn;
  int status = cut(c, reading, at, d, 0, rest);
  if (status == PVT_OK && whole > 0) {
    if (reading->ndim == PVT_REGION_DIMS) {
      c->possible = false;
      return PVT_OK;
    }
    pvt_region region = *reading;
    int64_t step = region.source_stride[d], target = region.target_stride[d];
    region.target += rest * target;
    region.size[d] = turn;
    int e = region.ndim++;
    region.size[e] = whole;
    region.source_stride[e] = turn * step;
    region.target_stride[e] = turn * target;
    status = part(c, &region, at + rest * step);
  }
  rest += whole * turn;
  return status == PVT_OK ? cut(c, reading, at, d, rest, size - rest) : status;
}

/* What the writer wrote of a part of the reading region, whose first element is at `at`; strides
** are not negative. */
static int part(composing *c, const pvt_region *reading, int64_t at) {
  const writer *w = &c->writer;
  int64_t digit[DIGITS], advance[PVT_REGION_DIMS];
  int of[PVT_REGION_DIMS], user[DIGITS];
  for (int m = 0; m < w->digits; m++) user[m] = -1;
  if (!c->possible) return PVT_OK;
  if (!digits_of(w, at - w->base, digit)) {
    c->possible = false;
    return PVT_OK;
  }
  for (int d = 0; d < reading->ndim; d++) {
    int64_t step = reading->source_stride[d];
    of[d] = -1;
    advance[d] = 0;
    if (step == 0 || reading->size[d] == 1) continue;
    int m = 0;
    while (m < w->digits && w->place[m] > step) m++;
    if (m == w->digits || step % w->place[m] != 0 || user[m] >= 0) {
      c->possible = false;
      return PVT_OK;
    }
    of[d] = m;
    user[m] = d;
    advance[d] = step / w->place[m];
    if (m == 0) continue;
    int64_t radix = w->place[m - 1] / w->place[m], turn = radix / advance[d];
    int64_t rest = (radix - 1 - digit[m]) / advance[d] + 1; /* before it carries */
    if (rest >= reading->size[d]) continue;
    if (radix % advance[d] != 0) {
      c->possible = false;
      return PVT_OK;
    }
    return cut_turns(c, reading, at, d, rest, turn);
  }
  pvt_region region = *reading;
  region.source = w->source;
  for (int m = 0; m < w->digits; m++) {
    int d = user[m];
    if (d < 0) {
      if (digit[m] < 0 || digit[m] >= w->size[m]) return PVT_OK;
      region.source += digit[m] * w->stride[m];
      continue;
    }
    int64_t first = digit[m] >= 0 ? 0 : (-digit[m] + advance[d] - 1) / advance[d];
    int64_t end = digit[m] >= w->size[m] ? 0 : (w->size[m] - 1 - digit[m]) / advance[d] + 1;
    if (end > region.size[d]) end = region.size[d];
    if (first >= end) return PVT_OK;
    region.source += (digit[m] + first * advance[d]) * w->stride[m];
    region.target += first * region.target_stride[d];
    region.size[d] = end - first;
  }
  int64_t elements = 1;
  for (int d = 0; d < region.ndim; d++) {
    region.source_stride[d] = of[d] < 0 ? 0 : advance[d] * w->stride[of[d]];
    elements *= region.size[d];
  }
  c->covered += elements;
  return pvt_regions_add(c->both, &region);
}

/* A reading region whose source strides are not negative. */
static pvt_region forwards(const pvt_region *region) {
  pvt_region result = *region;
  for (int d = 0; d < result.ndim; d++) {
    int64_t last = result.size[d] - 1;
    if (result.source_stride[d] >= 0) continue;
    result.source += last * result.source_stride[d];
    result.target += last * result.target_stride[d];
    result.source_stride[d] = -result.source_stride[d];
    result.target_stride[d] = -result.target_stride[d];
  }
  return result;
}

int pvt_regions_compose(const pvt_regions *first, const pvt_array *between,
                        const pvt_regions *second, pvt_regions *both, bool *possible) {
  *possible = false;
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)between->dtype);
  int64_t bytes = pvt_array_count(between) * itemsize;
  if (!pvt_array_is_contiguous(between))
    return pvt_fail(PVT_E_VALUE, "the array in between is not in C order");
  if (first->count > 0 && second->count > MOST_PAIRS / first->count) return PVT_OK;
  pvt_regions made = PVT_REGIONS_NONE;
  composing c = {.both = &made, .possible = true};
  int status = PVT_OK;
  for (size_t i = 0; i < second->count && status == PVT_OK && c.possible; i++) {
    pvt_region reading = forwards(&second->items[i]);
    uintptr_t at = (uintptr_t)reading.source - (uintptr_t)between->data;
    if (at >= (uintptr_t)bytes) { /* reads something else */
      status = pvt_regions_add(&made, &second->items[i]);
      continue;
    }
    int64_t elements = 1;
    for (int d = 0; d < reading.ndim; d++) elements *= reading.size[d];
    c.covered = 0;
    for (size_t k = 0; k < first->count && status == PVT_OK && c.possible; k++) {
      c.possible = writer_of(&c.writer, &first->items[k], between->data, itemsize);
      if (!c.possible) break;
      refine(&c.writer, &reading);
      status = part(&c, &reading, (int64_t)at);
    }
    if (c.covered != elements) c.possible = false;
  }
  if (status == PVT_OK) status = pvt_poll();
  *possible = status == PVT_OK && c.possible;
  for (size_t i = 0; i < made.count && *possible; i++) {
    status = pvt_regions_add(both, &made.items[i]);
    if (status != PVT_OK) *possible = false;
  }
  pvt_regions_release(&made);
  return status;
}
