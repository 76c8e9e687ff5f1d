/* stacked.h - products of stacks of matrices by a library's sgemm, with the epilogue. */
#ifndef PVB_STACKED_H
#define PVB_STACKED_H

#include "backend.h"

/* c [m, n] = alpha a [m, k] b [k, n] + beta c, rows ld elements apart; transposed ones are given by
** columns. A status. */
typedef int pvb_sgemm(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k,
                      float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                      float beta, float *c, int64_t ldc);

/* A kernel for a product whose b may be constant (it is kept as it is). Polls between calls of some
** milliseconds at most, and gives parts to the team. */
int pvb_stacked_prepare(const pvb_work *work, pvb_sgemm *sgemm, pvb_kernel **kernel);

#endif
