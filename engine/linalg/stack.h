/* stack.h - walking stacks of matrices, one of each array at a time. */
#ifndef PVT_STACK_H
#define PVT_STACK_H

#include "kernels.h"

#define PVT_STACK_ARRAYS 4

typedef struct pvt_stack {
  int count, ndim;                  /* arrays; dimensions of the stack */
  pvt_array item[PVT_STACK_ARRAYS]; /* this step's matrix, vector or number of each; no reference */
  bool done;
  int64_t index[PVT_MAX_DIMS], size[PVT_MAX_DIMS];
  int64_t stride[PVT_STACK_ARRAYS][PVT_MAX_DIMS];
} pvt_stack;

/* What a call works on: first the inputs, then the results. core[i] is the number of array i's
** last dimensions that belong to an item. Arrays that are NULL are left out: their item has no
** data. Checks that stacks have one shape, that results may be written and overlap no input. */
int pvt_stack_init(pvt_stack *stack, const char *name, int inputs, int count,
                   const pvt_array *const *arrays, const int *core);
/* Poll, and go to the next: *status. Returns whether there is one. */
bool pvt_stack_next(pvt_stack *stack, int *status);

/* 0 .. 3 for float32, float64, complex64, complex128; PVT_E_DTYPE for others. */
int pvt_linalg_type(const char *name, const pvt_array *array);
/* float32 for float32 and complex64, float64 for the others. */
pvt_dtype pvt_real_type(pvt_dtype dtype);
/* PVT_E_DTYPE unless it is of that type; NULL is fine. */
int pvt_expect_type(const char *name, const pvt_array *array, pvt_dtype dtype);
/* PVT_E_SHAPE unless item's dimension has that size. */
int pvt_expect_size(const char *name, const pvt_array *item, int dim, int64_t size);
int pvt_expect_square(const char *name, const pvt_array *item);

/* Copy an item to memory in C order, or in Fortran order; and back. */
int pvt_item_load(const pvt_array *item, void *to, bool fortran);
int pvt_item_store(const void *from, bool fortran, pvt_array *item);
/* The same from memory of another type. */
int pvt_item_store_as(const void *from, pvt_dtype dtype, bool fortran, pvt_array *item);

#endif
