/* plan.h - what is prepared for the transforms of one length. */
#ifndef PVT_PLAN_H
#define PVT_PLAN_H

#include "kernels.h"

#define PVT_PASSES 40 /* of a length below 2^62, in radices 8 and 4 mostly */

typedef struct pvt_plan {
  int64_t n;
  bool is_double;
  int passes;
  pvt_pass pass[PVT_PASSES]; /* strides as for one line */
  struct pvt_plan *inner;    /* Bluestein's convolution; of a real length, of half of it; NULL */
  const void *chirp;         /* exp(-pi i k^2 / n), pairs; NULL: passes do all */
  const void *filter[2];     /* the convolution's, transformed, over its length: real, imaginary */
  const void *twist;         /* exp(-2 pi i k / n) for k up to n / 2: of a real length; NULL */
  pvt_buffer *memory;
  size_t bytes;
} pvt_plan;

/* Complex transforms of length n; or real ones of an even length n: the plan of n / 2 and a
** twist. It is this thread's until pvt_plan_done. NULL after pvt_fail. */
const pvt_plan *pvt_plan_get(int64_t n, bool is_double, bool real);
void pvt_plan_done(const pvt_plan *plan);

/* Numbers of room for each of a line's four arrays. */
int64_t pvt_plan_room(const pvt_plan *plan);
/* Transform `lines` lines side by side: element k of line b is at [k * lines + b]; 1, or 8 and
** more. data: real, imaginary, and room for as much of both; where the result is, they are
** exchanged with the room. Forward; exchange the first two for the inverse. */
int pvt_plan_run(const pvt_plan *plan, int64_t lines, void *data[4]);

#endif
