/* activations.h - functions of each element that networks put between their layers.
**
** Kernels of float32 and float64; their arg is a pvt_activation.
*/
#ifndef PVT_ACTIVATIONS_H
#define PVT_ACTIVATIONS_H

#include "kernels.h"

typedef struct pvt_activation {
  double alpha, beta;
} pvt_activation;

typedef enum pvt_activation_op {
  PVT_LEAKY_RELU,       /* x, or alpha x below 0 */
  PVT_THRESHOLDED_RELU, /* x above alpha, otherwise 0 */
  PVT_ELU,              /* x, or alpha (e^x - 1) below 0 */
  PVT_SELU,             /* beta times elu */
  PVT_CELU,             /* max(0, x) + min(0, alpha (e^(x / alpha) - 1)) */
  PVT_HARD_SIGMOID,     /* max(0, min(1, alpha x + beta)) */
  PVT_HARD_SWISH,       /* x max(0, min(1, x / 6 + 1 / 2)) */
  PVT_SOFTPLUS,         /* log(1 + e^x) */
  PVT_SOFTSIGN,         /* x / (1 + |x|) */
  PVT_MISH,             /* x tanh(softplus(x)) */
  PVT_GELU,             /* x / 2 (1 + erf(x / sqrt(2))) */
  PVT_GELU_TANH,        /* its approximation by tanh */
  PVT_SWISH,            /* x / (1 + e^(-alpha x)) */
  PVT_FAST_EXP,         /* e^x, 1 / (1 + e^-x), tanh and erf as exact as functions.h says */
  PVT_FAST_SIGMOID,
  PVT_FAST_TANH,
  PVT_FAST_ERF,
  PVT_SHRINK, /* x + beta below -alpha, x - beta above alpha, otherwise 0 */
  PVT_ACTIVATION_OPS
} pvt_activation_op;

/* Rows of kernels by type: of x, and out. The fast ones have float32 only. */
typedef pvt_kernel *const pvt_activation_rows[PVT_ACTIVATION_OPS][PVT_DTYPES];

#endif
