/* casts.c - from one element type to another. */
#include "kernels.h"

const pvt_casts PVT_KERNEL(pvt_casts) = {0};
