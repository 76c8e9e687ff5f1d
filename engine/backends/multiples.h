/* multiples.h - weights that were stored as int8 and come as float32. */
#ifndef PVB_MULTIPLES_H
#define PVB_MULTIPLES_H

#include "backend.h"

/* 1 if each column of a float32 matrix [k, n] consists of multiples, -128 to 127 times, of one number,
** exactly as float32 rounds them: those numbers are left in steps [n], 0 for a column of zeros. 0 if
** not; negative if the run is to stop. */
PVT_API int pvb_multiples(const pvt_array *weights, float *steps);

#endif
