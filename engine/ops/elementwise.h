/* elementwise.h - what unary, binary and where share: choosing types, and running a kernel on
** arrays that may lie in any way. */
#ifndef PVT_OPS_ELEMENTWISE_H
#define PVT_OPS_ELEMENTWISE_H

#include "kernels.h"

/* Which types an operator computes in, and what that gives. */
typedef struct pvt_rule {
  const char *name;
  uint32_t loops; /* bit t: there is a loop of type t */
  enum { PVT_GIVES_LOOP, PVT_GIVES_BOOL, PVT_GIVES_REAL } gives;
  bool no_bool;    /* bools alone are refused, though integers are taken */
  bool true_ratio; /* of two integers or bools it is computed in float64 */
} pvt_rule;

#define PVT_BIT(t) (1u << (t))
#define PVT_LOOPS_BOOL PVT_BIT(PVT_BOOL)
#define PVT_LOOPS_INT                                                                              \
  (PVT_BIT(PVT_INT8) | PVT_BIT(PVT_INT16) | PVT_BIT(PVT_INT32) | PVT_BIT(PVT_INT64) |              \
   PVT_BIT(PVT_UINT8) | PVT_BIT(PVT_UINT16) | PVT_BIT(PVT_UINT32) | PVT_BIT(PVT_UINT64))
#define PVT_LOOPS_FLOAT                                                                            \
  (PVT_BIT(PVT_FLOAT16) | PVT_BIT(PVT_BFLOAT16) | PVT_BIT(PVT_FLOAT32) | PVT_BIT(PVT_FLOAT64))
#define PVT_LOOPS_COMPLEX (PVT_BIT(PVT_COMPLEX64) | PVT_BIT(PVT_COMPLEX128))
#define PVT_LOOPS_NUMBER (PVT_LOOPS_INT | PVT_LOOPS_FLOAT | PVT_LOOPS_COMPLEX)
#define PVT_LOOPS_ANY (PVT_LOOPS_BOOL | PVT_LOOPS_NUMBER)

/* The first loop that both types convert to safely, as NumPy chooses it; a unary operator names its
** type twice. False where there is none. */
bool pvt_rule_apply(const pvt_rule *rule, pvt_dtype a, pvt_dtype b, pvt_dtype *loop,
                    pvt_dtype *result);

/* The type without its imaginary part. */
static inline pvt_dtype pvt_real_of(pvt_dtype dtype) {
  return dtype == PVT_COMPLEX64 ? PVT_FLOAT32 : dtype == PVT_COMPLEX128 ? PVT_FLOAT64 : dtype;
}

/* The short way for small and plain work: all operands have their kernel's types already. If `out`
** is contiguous, of at most PVT_TILE elements, and each input has its shape and is contiguous,
** or is one element, and none overlaps it but by being the very same, then set the strides, and
** return the number of elements; otherwise -1. */
int64_t pvt_flat(int inputs, const pvt_array *const *in, const pvt_array *out,
                 int64_t strides[PVT_OPERANDS]);

/* Run a kernel on `inputs` arrays and `out`, which are converted to and from wanted[]. An input
** that overlaps `out` without being the same view is copied first. */
int pvt_elementwise_run(pvt_kernel *kernel, void *arg, int inputs, const pvt_array *const *in,
                        pvt_array *out, const pvt_dtype *wanted);

/* The same for an operator whose loop and result types are these; its row's kernels of float32 do
** the work of half precision, rounded to it even where `out` is wider. */
int pvt_elementwise_row(pvt_kernel *const *row, void *arg, int inputs, const pvt_array *const *in,
                        pvt_array *out, pvt_dtype loop, pvt_dtype result);

#endif
