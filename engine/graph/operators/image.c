/* image.c - convolutions, resizing, sampling, regions of images. */
#include "image_operators.h"

#define STATE sizeof(pvg_conv_state)
#define RESIZE pvg_resize_infer, sizeof(pvg_resize_state), pvg_resize_prepare, NULL, pvg_resize_run
#define GRID                                                                                       \
  pvg_grid_sample_infer, sizeof(pvg_grid_state), pvg_grid_prepare, NULL, pvg_grid_sample_run
#define ROI pvg_roi_infer, sizeof(pvg_roi_state), pvg_roi_prepare, NULL

const pvg_operator pvg_image_operators[] = {
    {"Conv", "", 1, 0, 2, 3, PVG_PURE, pvg_conv_infer, STATE, pvg_conv_prepare, NULL, pvg_conv_run,
     pvg_conv_work},
    {"ConvTranspose", "", 1, 0, 2, 3, PVG_PURE, pvg_conv_transpose_infer, STATE,
     pvg_conv_transpose_prepare, NULL, pvg_conv_transpose_run, pvg_conv_transpose_work},
    {"DeformConv", "", 19, 0, 3, 5, PVG_PURE, pvg_deform_conv_infer, STATE, pvg_deform_conv_prepare,
     NULL, pvg_deform_conv_run},
    {"Upsample", "", 7, 8, 1, 1, PVG_PURE, RESIZE},
    {"Upsample", "", 9, 9, 2, 2, PVG_PURE, RESIZE},
    {"Resize", "", 10, 10, 2, 2, PVG_PURE, RESIZE},
    {"Resize", "", 11, 0, 1, 4, PVG_PURE, RESIZE},
    {"GridSample", "", 16, 0, 2, 2, PVG_PURE, GRID},
    {"GridSample", "com.microsoft", 1, 0, 2, 2, PVG_PURE, GRID},
    {"AffineGrid", "", 20, 0, 2, 2, PVG_PURE, pvg_affine_grid_infer, 0, NULL, NULL,
     pvg_affine_grid_run},
    {"RoiAlign", "", 10, 15, 3, 3, PVG_PURE, ROI, pvg_roi_align_run},
    {"RoiAlign", "", 16, 0, 3, 3, PVG_PURE, ROI, pvg_roi_align_run},
    {"MaxRoiPool", "", 1, 0, 2, 2, PVG_PURE, ROI, pvg_max_roi_pool_run},
    {"Col2Im", "", 18, 0, 3, 3, PVG_PURE, pvg_col2im_infer, 0, NULL, NULL, pvg_col2im_run},
    {0}};
