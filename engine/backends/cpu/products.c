/* products.c - matrix products. */
#include "kernels.h"

const pvt_products PVT_KERNEL(pvt_products) = {0};
