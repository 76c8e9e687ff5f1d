/* pooling.c - pooling. */
#include "pooling_operators.h"

#define POOL pvg_pool_infer, sizeof(pvg_pool_state), pvg_pool_prepare, NULL, pvg_pool_run
#define UNPOOL pvg_unpool_infer, sizeof(pvg_pool_state), pvg_unpool_prepare, NULL, pvg_unpool_run
#define GLOBAL                                                                                     \
  pvg_global_pool_infer, sizeof(pvg_pool_state), pvg_global_pool_prepare, NULL, pvg_global_pool_run

const pvg_operator pvg_pooling_operators[] = {
    {"AveragePool", "", 1, 0, 1, 1, PVG_PURE, POOL, NULL, pvg_pool_blocked},
    {"MaxPool", "", 1, 0, 1, 1, PVG_PURE, POOL, NULL, pvg_pool_blocked},
    {"LpPool", "", 1, 0, 1, 1, PVG_PURE, POOL},
    {"MaxUnpool", "", 9, 0, 2, 3, PVG_PURE, UNPOOL},
    {"GlobalAveragePool", "", 1, 0, 1, 1, PVG_PURE, GLOBAL, NULL, pvg_global_pool_blocked},
    {"GlobalMaxPool", "", 1, 0, 1, 1, PVG_PURE, GLOBAL, NULL, pvg_global_pool_blocked},
    {"GlobalLpPool", "", 1, 0, 1, 1, PVG_PURE, GLOBAL},
    {0}};
