/* legacy.c - distributions as NumPy's RandomState draws them, whose streams are frozen.
**
** Those that are not here are the same as a Generator's.
*/
#include <math.h>

#include "variates.h"

/* Marsaglia's polar method gives two at a time; the second is kept. */
static double normal(pvt_bits *bits) {
  if (bits->has_normal) {
    bits->has_normal = false;
    double kept = bits->normal;
    bits->normal = 0;
    return kept;
  }
  double x, y, square;
  do {
    x = 2.0 * next_double(bits) - 1.0;
    y = 2.0 * next_double(bits) - 1.0;
    square = x * x + y * y;
  } while (square >= 1.0 || square == 0.0);
  double factor = sqrt(-2.0 * log(square) / square);
  bits->normal = factor * x;
  bits->has_normal = true;
  return factor * y;
}

static double exponential(pvt_bits *bits) {
  return -log(1.0 - next_double(bits));
}

static double standard_gamma(pvt_bits *bits, double shape) {
  if (shape == 1.0) return exponential(bits);
  if (shape == 0.0) return 0.0;
  if (shape < 1.0) {
    for (;;) {
      double u = next_double(bits), v = exponential(bits);
      if (u <= 1.0 - shape) {
        double x = pow(u, 1. / shape);
        if (x <= v) return x;
      } else {
        double y = -log((1 - u) / shape), x = pow(1.0 - shape + shape * y, 1. / shape);
        if (x <= v + y) return x;
      }
    }
  }
  double b = shape - 1. / 3., c = 1. / sqrt(9 * b);
  for (;;) { /* Marsaglia and Tsang */
    double x, v;
    do {
      x = normal(bits);
      v = 1.0 + c * x;
    } while (v <= 0.0);
    v = v * v * v;
    double u = next_double(bits);
    if (u < 1.0 - 0.0331 * (x * x) * (x * x)) return b * v;
    if (log(u) < 0.5 * x * x + b * (1. - v + log(v))) return b * v;
  }
}

static double chisquare(pvt_bits *bits, double degrees) {
  return 2.0 * standard_gamma(bits, degrees / 2.0);
}

static double noncentral_chisquare(pvt_bits *bits, double degrees, double noncentrality) {
  if (noncentrality == 0) return chisquare(bits, degrees);
  if (1 < degrees) {
    double rest = chisquare(bits, degrees - 1), n = normal(bits) + sqrt(noncentrality);
    return rest + n * n;
  }
  int64_t i = pvt_poisson(bits, noncentrality / 2.0);
  double drawn = chisquare(bits, degrees + 2 * (double)i);
  return isnan(noncentrality) ? NAN : drawn;
}

static double beta(pvt_bits *bits, double a, double b) {
  if (a > 1.0 || b > 1.0) {
    double x = standard_gamma(bits, a), y = standard_gamma(bits, b);
    return x / (x + y);
  }
  for (;;) { /* Johnk */
    double u = next_double(bits), v = next_double(bits);
    double x = pow(u, 1.0 / a), y = pow(v, 1.0 / b), sum = x + y;
    if (sum > 1.0 || u + v <= 0.0) continue;
    if (sum > 0) return x / sum;
    double log_x = log(u) / a, log_y = log(v) / b, most = log_x > log_y ? log_x : log_y;
    log_x -= most;
    log_y -= most;
    return exp(log_x - log(exp(log_x) + exp(log_y)));
  }
}

static double wald(pvt_bits *bits, double mean, double scale) {
  double half = mean / (2 * scale), y = normal(bits);
  y = mean * y * y;
  double x = mean + half * (y - sqrt(4 * scale * y + y * y)), u = next_double(bits);
  return u <= mean / (mean + x) ? x : mean * mean / x;
}

double pvt_draw_real_legacy(pvt_bits *bits, pvt_distribution distribution, const double *p) {
  double x, y;
  switch (distribution) {
  case PVT_STANDARD_NORMAL: return normal(bits);
  case PVT_STANDARD_EXPONENTIAL: return exponential(bits);
  case PVT_STANDARD_GAMMA: return standard_gamma(bits, p[0]);
  case PVT_STANDARD_CAUCHY: x = normal(bits); return x / normal(bits);
  case PVT_NORMAL: return p[0] + p[1] * normal(bits);
  case PVT_EXPONENTIAL: return p[0] * exponential(bits);
  case PVT_GAMMA: return p[1] * standard_gamma(bits, p[0]);
  case PVT_BETA: return beta(bits, p[0], p[1]);
  case PVT_CHISQUARE: return chisquare(bits, p[0]);
  case PVT_NONCENTRAL_CHISQUARE: return noncentral_chisquare(bits, p[0], p[1]);
  case PVT_F:
    x = chisquare(bits, p[0]) * p[1];
    y = chisquare(bits, p[1]) * p[0];
    return x / y;
  case PVT_NONCENTRAL_F:
    x = noncentral_chisquare(bits, p[0], p[2]) * p[1];
    return x / (chisquare(bits, p[1]) * p[0]);
  case PVT_LOGNORMAL: return exp(p[0] + p[1] * normal(bits));
  case PVT_WEIBULL: return p[0] == 0.0 ? 0.0 : pow(exponential(bits), 1. / p[0]);
  case PVT_PARETO: return exp(exponential(bits) / p[0]) - 1;
  case PVT_POWER_FUNCTION: return pow(1 - exp(-exponential(bits)), 1. / p[0]);
  case PVT_RAYLEIGH: return p[0] * sqrt(-2.0 * log(1.0 - next_double(bits)));
  case PVT_STANDARD_T:
    x = normal(bits);
    y = standard_gamma(bits, p[0] / 2);
    return sqrt(p[0] / 2) * x / sqrt(y);
  case PVT_VONMISES: return pvt_vonmises(bits, p[0], p[1], INFINITY);
  case PVT_WALD: return wald(bits, p[0], p[1]);
  default: return pvt_draw_real(bits, distribution, p);
  }
}

/* ---- Counts ------------------------------------------------------------- */

static int64_t zipf(pvt_bits *bits, double a) {
  double less = a - 1.0, b = pow(2.0, less);
  for (;;) {
    double u = 1.0 - next_double(bits), v = next_double(bits), x = floor(pow(u, -1.0 / less));
    if (x > 0x1p63 || x < 1.0) continue;
    double t = pow(1.0 + 1.0 / x, less);
    if (v * x * (t - 1.0) / (b - 1.0) <= t / b) return (int64_t)x;
  }
}

/* Few draws: one by one. */
static int64_t hypergeometric_drawn(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn) {
  double rest = (double)(bad + good - drawn), fewer = (double)(good < bad ? good : bad), y = fewer;
  for (int64_t k = drawn; y > 0.0 && k > 0; k--)
    y -= floor(next_double(bits) + y / (rest + (double)k));
  int64_t z = (int64_t)(fewer - y);
  return good > bad ? drawn - z : z;
}

/* Stadlober's ratio of uniforms. */
static int64_t hypergeometric_large(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn) {
  int64_t fewer = good < bad ? good : bad, more = good < bad ? bad : good, all = good + bad;
  int64_t m = drawn < all - drawn ? drawn : all - drawn;
  double share = (double)fewer / (double)all, center = (double)m * share + 0.5;
  double spread =
      sqrt((double)(all - m) * (double)drawn * share * (1.0 - share) / (double)(all - 1) + 0.5);
  double width = 1.7155277699214135 * spread + 0.8989161620588988;
  int64_t mode = (int64_t)floor((double)(m + 1) * (double)(fewer + 1) / (double)(all + 2));
  double top = pvt_log_gamma((double)(mode + 1)) + pvt_log_gamma((double)(fewer - mode + 1)) +
               pvt_log_gamma((double)(m - mode + 1)) + pvt_log_gamma((double)(more - m + mode + 1));
  double end = (double)(m < fewer ? m : fewer) + 1.0, far = floor(center + 16 * spread);
  if (far < end) end = far;
  int64_t z;
  for (;;) {
    double x = next_double(bits), y = next_double(bits), w = center + width * (y - 0.5) / x;
    if (w < 0.0 || w >= end) continue;
    z = (int64_t)floor(w);
    double t =
        top - (pvt_log_gamma((double)(z + 1)) + pvt_log_gamma((double)(fewer - z + 1)) +
               pvt_log_gamma((double)(m - z + 1)) + pvt_log_gamma((double)(more - m + z + 1)));
    if (x * (4.0 - x) - 3.0 <= t) break;
    if (x * (x - t) >= 1) continue;
    if (2.0 * log(x) <= t) break;
  }
  if (good > bad) z = m - z;
  return m < drawn ? good - z : z;
}

int64_t pvt_draw_count_legacy(pvt_bits *bits, pvt_distribution distribution, const double *p) {
  switch (distribution) {
  case PVT_NEGATIVE_BINOMIAL:
    return pvt_poisson(bits, (1 - p[1]) / p[1] * standard_gamma(bits, p[0]));
  case PVT_GEOMETRIC:
    if (p[0] >= 0.333333333333333333333333) break;
    return (int64_t)ceil(log(1.0 - next_double(bits)) / log(1.0 - p[0]));
  case PVT_ZIPF: return zipf(bits, p[0]);
  case PVT_HYPERGEOMETRIC: {
    int64_t good = (int64_t)p[0], bad = (int64_t)p[1], drawn = (int64_t)p[2];
    if (drawn > 10) return hypergeometric_large(bits, good, bad, drawn);
    return drawn > 0 ? hypergeometric_drawn(bits, good, bad, drawn) : 0;
  }
  default: break;
  }
  return pvt_draw_count(bits, distribution, p);
}
