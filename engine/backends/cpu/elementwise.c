/* elementwise.c - one element in, one out. */
#include "kernels.h"

const pvt_elementwise PVT_KERNEL(pvt_elementwise) = {0};
