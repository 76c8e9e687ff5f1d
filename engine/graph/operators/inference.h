/* inference.h - what `infer`, `prepare` and `run` of many operators share.
**
** Infos in, infos out; integers that are an attribute in older versions and an input in newer ones.
*/
#ifndef PVG_INFERENCE_H
#define PVG_INFERENCE_H

#include <string.h>

#include "operator.h"

/* ---- Infos -------------------------------------------------------------- */

/* Input i's, or NULL where it is left out. `of`: a pvg_infer, pvg_prepare or pvg_call. */
#define PVG_INPUT(of, i) ((i) < (of)->input_count ? (of)->inputs[i] : NULL)

/* `out` is of x's shape; nothing is said of its type. */
void pvg_info_shape(pvg_info *out, const pvg_info *x);
/* `out` has these sizes. */
void pvg_info_sizes(pvg_info *out, int ndim, const pvg_size *size);
/* All sizes are numbers. */
bool pvg_info_is_known(const pvg_info *info);
/* Output 0 has the type and the shape of input 0. */
int pvg_infer_like(pvg_infer *infer);
/* Output 0 has the type of input 0, and a rank that is known, or not (ndim -1), but no sizes. */
int pvg_infer_open(pvg_infer *infer, int ndim);

/* ---- Integers of nodes -------------------------------------------------- */

/* Besides counts (0 or more) and errors, what the next two return. */
enum { PVG_LEFT_OUT = -1000, PVG_UNKNOWN };

/* A constant's elements, of any integer type, in C order; PVG_LEFT_OUT for NULL, PVG_UNKNOWN where
** it is no constant. PVT_E_SHAPE for more than `most`, PVT_E_DTYPE for other types. */
int pvg_info_ints(const pvg_info *info, int64_t *values, int most);
/* Input `input` if there is one, otherwise the attribute. `of`: a pvg_infer or a pvg_prepare. */
#define pvg_node_ints(of, input, name, values, most)                                               \
  pvg_listed_ints((of)->node, PVG_INPUT(of, input), name, values, most)
int pvg_listed_ints(const pvg_node *node, const pvg_info *input, const char *name, int64_t *values,
                    int most);
/* An array's element i in C order, as int64 or as double. */
int64_t pvg_int_at(const pvt_array *array, int64_t i);
double pvg_float_at(const pvt_array *array, int64_t i);

/* The axis counted from the front, or PVT_E_AXIS. */
int pvg_axis(int64_t axis, int ndim);
/* Axes as bits; all of them for count 0 or less. PVT_E_AXIS for one named twice. */
int pvg_axes(const int64_t *axes, int count, int ndim, uint32_t *bits);
/* ONNX's number of a type as a pvt_dtype; PVT_E_UNSUPPORTED for strings, 4- and 8-bit floats ... */
int pvg_dtype_of(int64_t number);

/* ---- Arrays ------------------------------------------------------------- */

/* The same description without a reference: for views that last no longer than a call. */
static inline void pvg_look(pvt_array *view, const pvt_array *x) {
  memcpy(view, x, offsetof(pvt_array, dim) + (size_t)x->ndim * sizeof(pvt_dim));
}

static inline void pvg_shape_of(const pvt_array *x, int64_t shape[PVT_MAX_DIMS]) {
  for (int d = 0; d < x->ndim; d++) shape[d] = x->dim[d].size;
}

/* One element of a type, given as a double; `memory` stays in place as long as `array`. */
void pvg_scalar(pvt_array *array, char memory[16], pvt_dtype dtype, double value);
/* An array in C order in scratch memory. */
int pvg_scratch_array(pvg_call *call, pvt_array *array, pvt_dtype dtype, int ndim,
                      const int64_t *shape);
/* x itself, or its elements as `dtype` in scratch memory. */
int pvg_as(pvg_call *call, const pvt_array *x, pvt_dtype dtype, pvt_array *as);
/* `whole` without the axis, at index i. */
void pvg_look_at(pvt_array *view, const pvt_array *whole, int axis, int64_t i);

/* Output 0: a view of x with this shape, or a copy where that cannot be. */
int pvg_output_reshaped(pvg_call *call, const pvt_array *x, int ndim, const int64_t *shape);

#endif
