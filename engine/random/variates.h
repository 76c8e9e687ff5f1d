/* variates.h - one number of a distribution; random.h has their names and parameters. */
#ifndef PVT_VARIATES_H
#define PVT_VARIATES_H

#include "ziggurat.h"

double pvt_draw_real(pvt_bits *bits, pvt_distribution distribution, const double *p);
float pvt_draw_single(pvt_bits *bits, pvt_distribution distribution, const double *p);
int64_t pvt_draw_count(pvt_bits *bits, pvt_distribution distribution, const double *p);

/* The same as NumPy's RandomState draws them. */
double pvt_draw_real_legacy(pvt_bits *bits, pvt_distribution distribution, const double *p);
int64_t pvt_draw_count_legacy(pvt_bits *bits, pvt_distribution distribution, const double *p);

/* A normal number, wrapped, where kappa is more than `most`. */
double pvt_vonmises(pvt_bits *bits, double mean, double kappa, double most);
double pvt_log_gamma(double x);
double pvt_standard_gamma(pvt_bits *bits, double shape);
int64_t pvt_poisson(pvt_bits *bits, double mean);
int64_t pvt_binomial(pvt_bits *bits, int64_t n, double p);
int64_t pvt_hypergeometric(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn);
/* In 0 ... range, without bias. */
uint64_t pvt_bounded(pvt_bits *bits, uint64_t range);
/* The same by masks, which is another stream. */
uint64_t pvt_interval(pvt_bits *bits, uint64_t most);

#endif
