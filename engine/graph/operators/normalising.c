/* normalising.c - batch, layer, group and other normalisations. */
#include "operator.h"

const pvg_operator pvg_normalising_operators[] = {{0}};
