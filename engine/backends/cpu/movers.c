/* movers.c - transposing, compressing and gathering elements. */
#include "kernels.h"

const pvt_movers PVT_KERNEL(pvt_movers) = {0};
