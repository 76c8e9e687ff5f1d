/* product.c - matrix products and what is made of them. */
#include "operator.h"

const pvg_operator pvg_product_operators[] = {{0}};
