/* image.c - convolutions, resizing, sampling, regions of images. */
#include "operator.h"

const pvg_operator pvg_image_operators[] = {{0}};
