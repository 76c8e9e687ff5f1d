/* along.h - operators that work along one axis: scans, and the place of an extreme. */
#ifndef PVT_ALONG_H
#define PVT_ALONG_H

#include "context.h"

/* Two arrays of one shape but for the axis, seen as lines along it. All strides in bytes. */
typedef struct pvt_lines {
  int64_t length, x_step, out_step; /* along the axis */
  int ndim;                         /* of the other dimensions, x's strides descending */
  int64_t size[PVT_MAX_DIMS], x[PVT_MAX_DIMS], out[PVT_MAX_DIMS];
} pvt_lines;

void pvt_lines_of(pvt_lines *lines, const pvt_array *x, int axis, const pvt_array *out);
/* Step both to the next line, over the first `ndim` other dimensions; false after the last. */
bool pvt_lines_step(const pvt_lines *lines, int ndim, int64_t *index, const char **x, char **out);
/* Should neighbouring lines be done together, as rows across the axis? */
bool pvt_lines_across(const pvt_lines *lines);

/* PVT_E_READONLY, PVT_E_AXIS; PVT_E_SHAPE unless out has x's shape, and `length` along the axis. */
int pvt_lines_check(const pvt_array *x, int axis, const pvt_array *out, int64_t length);

#endif
