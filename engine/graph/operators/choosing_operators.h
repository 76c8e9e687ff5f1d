/* choosing_operators.h - the choosing family's functions, for its table. */
#ifndef PVG_CHOOSING_OPERATORS_H
#define PVG_CHOOSING_OPERATORS_H

#include "inference.h"

/* Views of the columns of indices [..., k] as arrays of places: pvt_gather's indices. They are
** int64; `columns` has room for k. */
void pvg_index_columns(const pvt_array *indices, pvt_array *columns, const pvt_array **pointers);

/* scattering.c */
int pvg_scatter_elements_run(pvg_call *call);
int pvg_scatter_nd_run(pvg_call *call);

/* ranking.c */
int pvg_top_k_infer(pvg_infer *infer);
int pvg_top_k_run(pvg_call *call);
int pvg_unique_infer(pvg_infer *infer);
int pvg_unique_run(pvg_call *call);

/* suppression.c */
int pvg_suppression_infer(pvg_infer *infer);
int pvg_suppression_run(pvg_call *call);

/* ngrams.c */
typedef struct pvg_ngrams {
  int64_t columns; /* of the output */
  int64_t total, sizes;
  const int64_t **gram; /* n-grams in the pool's order */
  int64_t *begin;       /* [sizes + 1]: those of size i + 1 are `order`'s from begin[i] on */
  int64_t *order;       /* numbers of n-grams, sorted within a size */
} pvg_ngrams;
int pvg_ngrams_infer(pvg_infer *infer);
int pvg_ngrams_prepare(const pvg_prepare *prepare, void *state);
int pvg_ngrams_run(pvg_call *call);

#endif
