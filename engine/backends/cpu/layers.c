/* layers.c - the table of models' kernels. */
#include "layers.h"

#include "kernels.h"

extern pvt_activate_kernel *const PVT_KERNEL(pvt_activate)[PVB_ACTIVATIONS];
extern pvt_tile_kernel *const PVT_KERNEL(pvt_tiles)[PVT_TILE_BLOCKS][PVT_TILE_ROWS];
extern const int PVT_KERNEL(pvt_tile_rows)[PVT_TILE_BLOCKS];
extern const pvt_window_rows PVT_KERNEL(pvt_window_rows);
extern const pvt_rows PVT_KERNEL(pvt_rows);
extern const pvt_winograd PVT_KERNEL(pvt_winograd_of)[2];

const pvt_layers PVT_KERNEL(pvt_layers) = {
    .activate = PVT_KERNEL(pvt_activate),
    .tile = PVT_KERNEL(pvt_tiles),
    .most_rows = PVT_KERNEL(pvt_tile_rows),
    .rows = &PVT_KERNEL(pvt_rows),
    .winograd = PVT_KERNEL(pvt_winograd_of),
    .window_rows = &PVT_KERNEL(pvt_window_rows),
};
