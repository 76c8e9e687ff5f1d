/* lines.h - walking the one-dimensional lines of two arrays along one axis.
**
** Both have the same shape but for that axis. For operators that take a whole line at a time.
*/
#ifndef PVT_LINES_H
#define PVT_LINES_H

#include "context.h"

typedef struct pvt_lines {
  char *x, *out; /* of the line's first element */
  int64_t x_step, out_step, x_count, out_count;
  bool done; /* no line is left; true from the start if there is none */
  int ndim;
  int64_t index[PVT_MAX_DIMS], size[PVT_MAX_DIMS];
  int64_t x_stride[PVT_MAX_DIMS], out_stride[PVT_MAX_DIMS];
} pvt_lines;

/* `axis` counts from the front. PVT_E_AXIS, PVT_E_SHAPE where the shapes differ elsewhere,
** PVT_E_READONLY; `name` is the operator's, for the error. */
int pvt_lines_init(pvt_lines *lines, const char *name, const pvt_array *x, const pvt_array *out,
                   int axis);
void pvt_lines_next(pvt_lines *lines);

#endif
