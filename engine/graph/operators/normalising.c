/* normalising.c - batch, layer, group and other normalisations. */
#include "normalising_operators.h"

#define BATCH                                                                                      \
  pvg_batch_normalization_infer, sizeof(pvg_batch_state), pvg_batch_normalization_prepare, NULL,   \
      pvg_batch_normalization_run
#define LAYER                                                                                      \
  pvg_layer_normalization_infer, sizeof(pvg_layer_state), pvg_layer_normalization_prepare, NULL,   \
      pvg_layer_normalization_run
#define GROUP                                                                                      \
  pvg_infer_like, sizeof(pvg_layer_state), pvg_layer_normalization_prepare, NULL,                  \
      pvg_group_normalization_run
#define AXES pvg_infer_like, sizeof(pvg_axes_state), pvg_axes_normalization_prepare, NULL

const pvg_operator pvg_normalising_operators[] = {
    {"BatchNormalization", "", 1, 8, 5, 5, PVG_OVER, BATCH},
    {"BatchNormalization", "", 9, 13, 5, 5, PVG_OVER, BATCH},
    {"BatchNormalization", "", 14, 0, 5, 5, PVG_OVER, BATCH},
    {"InstanceNormalization", "", 1, 0, 3, 3, PVG_OVER, GROUP},
    {"GroupNormalization", "", 18, 20, 3, 3, PVG_OVER, GROUP},
    {"GroupNormalization", "", 21, 0, 3, 3, PVG_OVER, GROUP},
    {"LayerNormalization", "", 17, 0, 2, 3, PVG_OVER, LAYER},
    {"RMSNormalization", "", 23, 0, 2, 2, PVG_OVER, LAYER},
    /* As onnxruntime's files have them, in either domain. */
    {"SimplifiedLayerNormalization", "", 1, 0, 2, 2, PVG_OVER, LAYER},
    {"SimplifiedLayerNormalization", "com.microsoft", 1, 0, 2, 2, PVG_OVER, LAYER},
    {"LpNormalization", "", 1, 0, 1, 1, PVG_PURE, AXES, pvg_lp_normalization_run},
    {"MeanVarianceNormalization", "", 9, 0, 1, 1, PVG_PURE, AXES, pvg_mean_variance_run},
    {"LRN", "", 1, 0, 1, 1, PVG_PURE, pvg_infer_like, sizeof(pvg_lrn_state), pvg_lrn_prepare, NULL,
     pvg_lrn_run},
    {0}};
