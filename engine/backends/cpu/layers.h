/* layers.h - kernels of models: activations, tiles of products and convolutions, rows.
**
** A table like those of kernels.h, filled in by each instruction set. All elements are float32 unless
** something else is said; vectors of elements lie side by side.
*/
#ifndef PVT_LAYERS_H
#define PVT_LAYERS_H

#include "backend.h"

/* y[i] = activation(y[i] + residual[i]); residual may be NULL. */
typedef void pvt_activate_kernel(int64_t n, float *y, const float *residual, float alpha,
                                 float beta);

typedef struct pvt_layers {
  pvt_activate_kernel *activate[PVB_ACTIVATIONS];
} pvt_layers;

#endif
