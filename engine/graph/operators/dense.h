/* dense.h - a node's inputs and outputs as memory in C order, of the type that is computed in.
**
** Operators that compute in one or two types only see their inputs so, whatever type and strides
** those have, and write their results so. Where an array lies right already nothing is copied.
*/
#ifndef PVG_DENSE_H
#define PVG_DENSE_H

#include "inference.h"

/* What floats are computed in: float64 for float64, float32 for all others. */
static inline pvt_dtype pvg_real(const pvt_array *x) {
  return x->dtype == PVT_FLOAT64 ? PVT_FLOAT64 : PVT_FLOAT32;
}

/* The elements of x in C order and of that type: where they lie, or a copy for the time of the
** call. NULL after pvt_fail. */
const void *pvg_dense(pvg_call *call, const pvt_array *x, pvt_dtype dtype);
/* The same of x broadcast to a shape. */
const void *pvg_dense_as(pvg_call *call, const pvt_array *x, pvt_dtype dtype, int ndim,
                         const int64_t *shape);
/* Output i, of type `dtype`, to be written as elements of `computed`. */
typedef struct pvg_result {
  pvt_array *out; /* NULL: nobody wants it */
  void *data;     /* what to write; also where nobody wants it */
  pvt_dtype computed;
} pvg_result;
/* PVT_OK, or a negative status. */
int pvg_result_begin(pvg_call *call, pvg_result *result, int i, pvt_dtype dtype, pvt_dtype computed,
                     int ndim, const int64_t *shape);
/* After the writing: converts where that is needed. */
int pvg_result_end(const pvg_result *result);

/* An array's sizes; returns its ndim. */
int pvg_sizes_of(const pvt_array *x, int64_t shape[PVT_MAX_DIMS]);
/* The product of sizes first .. last - 1. */
int64_t pvg_product_of(const int64_t *shape, int first, int last);
/* An array of integers with one element, or a scalar's double; PVT_E_SHAPE for more or none. */
int pvg_one_int(const char *what, const pvt_array *x, int64_t *value);
int pvg_one_float(const char *what, const pvt_array *x, double *value);
/* Up to PVT_MAX_DIMS integers: how many, or a negative status. */
int pvg_some_ints(const char *what, const pvt_array *x, int64_t values[PVT_MAX_DIMS]);

/* An attribute that is ONNX's number of a type, as pvt_dtype; `otherwise` where it is left out or 0.
** PVT_E_UNSUPPORTED. */
int pvg_dtype_attribute(const pvg_node *node, const char *name, int otherwise);

/* ---- For infer functions -------------------------------------------------- */

/* Output has what is known of input: type, rank, sizes. */
int pvg_infer_copy(pvg_infer *infer, int output, int input);
/* Of inputs that others may be left out before: bit i says that input i is needed. PVT_E_VALUE. */
int pvg_infer_needs(const pvg_infer *infer, uint64_t inputs);
/* ndim -1: the rank is not known. */
void pvg_infer_is(pvg_infer *infer, int output, int dtype, int ndim, const pvg_size *sizes);

#endif
