/* window.h - what convolutions and pooling have in common: kernels, strides, dilations, paddings. */
#ifndef PVG_WINDOW_H
#define PVG_WINDOW_H

#include "backend.h"
#include "dense.h"

typedef enum pvg_auto_pad {
  PVG_PAD_GIVEN,
  PVG_PAD_UPPER,
  PVG_PAD_LOWER,
  PVG_PAD_VALID
} pvg_auto_pad;

/* As the attributes say; dimensions that they leave out have stride and dilation 1, no padding. */
typedef struct pvg_window {
  int dims; /* that attributes give; 0: none does */
  bool has_kernel, ceil;
  pvg_auto_pad auto_pad;
  int64_t kernel[PVB_SPATIAL], stride[PVB_SPATIAL], dilation[PVB_SPATIAL];
  int64_t before[PVB_SPATIAL], after[PVB_SPATIAL];
} pvg_window;

/* The same for sizes that are known. */
typedef struct pvg_fit {
  int spatial;
  int64_t size[PVB_SPATIAL], out[PVB_SPATIAL], kernel[PVB_SPATIAL], stride[PVB_SPATIAL];
  int64_t dilation[PVB_SPATIAL], before[PVB_SPATIAL], after[PVB_SPATIAL];
} pvg_fit;

/* Read a node's attributes. PVT_E_VALUE, PVT_E_SHAPE for such as make no sense. */
int pvg_window_read(const pvg_node *node, pvg_window *window);
/* `kernel`: of the weights; NULL: the attribute's. PVT_E_SHAPE where no window fits. */
int pvg_window_fit(const pvg_window *window, const char *type, int spatial, const int64_t *kernel,
                   const int64_t *size, pvg_fit *fit);
/* Output sizes from sizes that may be symbols; kernel's too, where it is given. */
int pvg_window_infer(pvg_infer *infer, const pvg_window *window, int spatial,
                     const pvg_size *kernel, const pvg_size *size, pvg_size *out);
/* The same for the engine's own operators over windows. */
void pvg_fit_window(const pvg_fit *fit, pvt_window *window);
/* How many elements: products over the spatial dimensions. */
int64_t pvg_fit_count(const int64_t *sizes, int spatial);

#endif
