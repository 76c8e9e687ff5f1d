/* reductions.c - many elements into one, and running totals. */
#include "kernels.h"

const pvt_reductions PVT_KERNEL(pvt_reductions) = {0};
