/* layers.c - the table of models' kernels. */
#include "layers.h"

#include "kernels.h"

extern pvt_activate_kernel *const PVT_KERNEL(pvt_activate)[PVB_ACTIVATIONS];
extern const pvt_tiles PVT_KERNEL(pvt_tiles_f32), PVT_KERNEL(pvt_tiles_i8);
extern const pvt_pairs PVT_KERNEL(pvt_bf16);
extern const pvt_window_rows PVT_KERNEL(pvt_window_rows);
extern const pvt_rows PVT_KERNEL(pvt_rows);
extern const pvt_winograd PVT_KERNEL(pvt_winograd_of)[2];

const pvt_layers PVT_KERNEL(pvt_layers) = {
    .activate = PVT_KERNEL(pvt_activate),
    .tiles = &PVT_KERNEL(pvt_tiles_f32),
    .tiles_i8 = &PVT_KERNEL(pvt_tiles_i8),
    .bf16 = &PVT_KERNEL(pvt_bf16),
    .rows = &PVT_KERNEL(pvt_rows),
    .winograd = PVT_KERNEL(pvt_winograd_of),
    .window_rows = &PVT_KERNEL(pvt_window_rows),
};
