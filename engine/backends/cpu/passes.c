/* passes.c - passes of Fourier transforms.
**
** Radices 2, 4 and 8, and odd ones up to PVT_MAX_RADIX.
*/
#include "kernels.h"
#include "vectors.h"

#define T float
#define SUFFIX f32
#include "passes.inc"
#undef T
#undef SUFFIX

#define T double
#define SUFFIX f64
#include "passes.inc"
#undef T
#undef SUFFIX

const pvt_passes PVT_KERNEL(pvt_passes) = {
    .f32 = pass_f32,
    .f64 = pass_f64,
    .lanes_f32 = VECTOR_BYTES / 4 < 8 ? 8 : VECTOR_BYTES / 4,
    .lanes_f64 = 8,
};
