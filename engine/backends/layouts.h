/* layouts.h - images in blocks of channels: in and out of them, and pooling within them.
**
** Blocked images are as in backend.h: [n, blocks, sizes..., 16], contiguous; float32 all. Every
** function polls.
*/
#ifndef PVB_LAYOUTS_H
#define PVB_LAYOUTS_H

#include "backend.h"

/* plain: [n, c, sizes...] of any strides. Channels behind the last become 0. */
PVT_API int pvb_to_blocked(const pvt_array *plain, pvt_array *blocked);
PVT_API int pvb_from_blocked(const pvt_array *blocked, pvt_array *plain);
/* pvt_pool between blocked images, but for PVT_POOL_LP and places. Channels behind the last of x must
** be 0, and stay 0 (in windows of padding alone, too). `channels` are those that there are. */
PVT_API int pvb_pool_blocked(pvt_pool_op op, const pvt_array *x, const pvt_window *window,
                             int64_t channels, pvt_array *y);

#endif
