/* ziggurat.h - normal and exponential variates, which other distributions are made of. */
#ifndef PVT_ZIGGURAT_H
#define PVT_ZIGGURAT_H

#include "bits.h"

double pvt_normal(pvt_bits *bits);
float pvt_normal_f(pvt_bits *bits);
double pvt_exponential(pvt_bits *bits);
float pvt_exponential_f(pvt_bits *bits);

#endif
