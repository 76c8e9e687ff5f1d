/* discrete.c - distributions of whole numbers.
**
** Operations are in the order that NumPy's streams come from: each rounding counts.
*/
#include <math.h>

#include "factorials.h"
#include "variates.h"

#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* log(gamma(x)), by Stirling's series. */
double pvt_log_gamma(double x) {
  static const double terms[10] = {
      8.333333333333333e-02, -2.777777777777778e-03, 7.936507936507937e-04, -5.952380952380952e-04,
      8.417508417508418e-04, -1.917526917526918e-03, 6.410256410256410e-03, -2.955065359477124e-02,
      1.796443723688307e-01, -1.39243221690590e+00};
  if (x == 1.0 || x == 2.0) return 0.0;
  int64_t steps = x < 7.0 ? (int64_t)(7 - x) : 0;
  double shifted = x + (double)steps, square = (1.0 / shifted) * (1.0 / shifted), sum = terms[9];
  for (int k = 8; k >= 0; k--) sum = sum * square + terms[k];
  double result =
      sum / shifted + 0.5 * 1.8378770664093453e+00 + (shifted - 0.5) * log(shifted) - shifted;
  if (x < 7.0)
    for (int64_t k = 1; k <= steps; k++) {
      result -= log(shifted - 1.0);
      shifted -= 1.0;
    }
  return result;
}

/* ---- Poisson ------------------------------------------------------------ */

/* Hormann's transformed rejection, for means from 10 on. */
static int64_t poisson_large(pvt_bits *bits, double mean) {
  double root = sqrt(mean), log_mean = log(mean), b = 0.931 + 2.53 * root;
  double a = -0.059 + 0.02483 * b, inverse = 1.1239 + 1.1328 / (b - 3.4);
  double vr = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    double u = next_double(bits) - 0.5, v = next_double(bits), us = 0.5 - fabs(u);
    int64_t k = (int64_t)floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (log(v) + log(inverse) - log(a / (us * us) + b) <=
        -mean + (double)k * log_mean - pvt_log_gamma((double)k + 1))
      return k;
  }
}

int64_t pvt_poisson(pvt_bits *bits, double mean) {
  if (mean >= 10) return poisson_large(bits, mean);
  if (mean == 0) return 0;
  double least = exp(-mean), product = 1.0;
  for (int64_t k = 0;; k++) {
    product *= next_double(bits);
    if (product <= least) return k;
  }
}

/* ---- Binomial ----------------------------------------------------------- */

static int64_t binomial_inverted(pvt_bits *bits, int64_t n, double p) {
  double q = 1.0 - p, first = exp((double)n * log1p(-p)), mean = (double)n * p;
  int64_t bound = (int64_t)LEAST((double)n, mean + 10.0 * sqrt(mean * q + 1));
  double u = next_double(bits), at = first;
  for (int64_t x = 0;;) {
    if (u <= at) return x;
    if (++x > bound) {
      x = 0;
      at = first;
      u = next_double(bits);
    } else {
      u -= at;
      at = ((double)(n - x + 1) * p * at) / ((double)x * q);
    }
  }
}

/* Terms of Stirling's correction. */
static double correction(double x) {
  double square = x * x;
  return (13680. - (462. - (132. - (99. - 140. / square) / square) / square) / square) / x /
         166320.;
}

/* Is it accepted, y having been drawn with weight v? */
static bool binomial_accepts(int64_t n, double r, double q, double center, int64_t m, int64_t y,
                             double v) {
  int64_t k = y < m ? m - y : y - m;
  double variance = (double)n * r * q;
  if (k <= 20 || (double)k >= variance / 2.0 - 1) {
    double s = r / q, a = s * (double)(n + 1), f = 1.0;
    for (int64_t i = m + 1; i <= y; i++) f *= a / (double)i - s;
    for (int64_t i = y + 1; i <= m; i++) f /= a / (double)i - s;
    return v <= f;
  }
  double d = (double)k;
  double rho = (d / variance) * ((d * (d / 3.0 + 0.625) + 0.16666666666666666) / variance + 0.5);
  double t = (double)(-k * k) / (2 * variance), log_v = log(v);
  if (log_v < t - rho) return true;
  if (log_v > t + rho) return false;
  double x1 = (double)(y + 1), f1 = (double)(m + 1), z = (double)(n + 1 - m);
  double w = (double)(n - y + 1);
  return log_v <= center * log(f1 / x1) + ((double)(n - m) + 0.5) * log(z / w) +
                      (double)(y - m) * log(w * r / (x1 * q)) + correction(f1) + correction(z) +
                      correction(x1) + correction(w);
}

/* Kachitvichyanukul and Schmeiser's BTPE, for p up to a half. */
static int64_t binomial_large(pvt_bits *bits, int64_t n, double p) {
  double r = LEAST(p, 1.0 - p), q = 1.0 - r, fm = (double)n * r + r;
  int64_t m = (int64_t)floor(fm), y;
  double p1 = floor(2.195 * sqrt((double)n * r * q) - 4.6 * q) + 0.5;
  double xm = (double)m + 0.5, xl = xm - p1, xr = xm + p1, c = 0.134 + 20.5 / (15.3 + (double)m);
  double a = (fm - xl) / (fm - xl * r), left = a * (1.0 + a / 2.0);
  a = (xr - fm) / (xr * q);
  double right = a * (1.0 + a / 2.0);
  double p2 = p1 * (1.0 + 2.0 * c), p3 = p2 + c / left, p4 = p3 + c / right;
  for (;;) {
    double u = next_double(bits) * p4, v = next_double(bits);
    if (u <= p1) { /* the triangle: always accepted */
      y = (int64_t)floor(xm - p1 * v + u);
      break;
    }
    if (u <= p2) { /* the parallelogram */
      double x = xl + (u - p1) / c;
      v = v * c + 1.0 - fabs((double)m - x + 0.5) / p1;
      if (v > 1.0) continue;
      y = (int64_t)floor(x);
    } else if (u <= p3) { /* the tails */
      y = (int64_t)floor(xl + log(v) / left);
      if (y < 0 || v == 0.0) continue;
      v = v * (u - p2) * left;
    } else {
      y = (int64_t)floor(xr - log(v) / right);
      if (y > n || v == 0.0) continue;
      v = v * (u - p3) * right;
    }
    if (binomial_accepts(n, r, q, xm, m, y, v)) break;
  }
  return p > 0.5 ? n - y : y;
}

int64_t pvt_binomial(pvt_bits *bits, int64_t n, double p) {
  if (n == 0 || p == 0.0) return 0;
  bool mirrored = p > 0.5;
  double least = mirrored ? 1.0 - p : p;
  int64_t y = least * (double)n <= 30.0 ? binomial_inverted(bits, n, least)
                                        : binomial_large(bits, n, least);
  return mirrored ? n - y : y;
}

void pvt_random_multinomial(pvt_bits *bits, int64_t n, const double *probabilities, int64_t kinds,
                            int64_t *counts) {
  double left = 1.0;
  for (int64_t i = 0; i < kinds; i++) counts[i] = 0;
  for (int64_t i = 0; i < kinds - 1; i++) {
    counts[i] = pvt_binomial(bits, n, probabilities[i] / left);
    n -= counts[i];
    if (n <= 0) return;
    left -= probabilities[i];
  }
  if (n > 0) counts[kinds - 1] = n;
}

/* ---- Hypergeometric ----------------------------------------------------- */

static double log_factorial(int64_t k) {
  if (k < (int64_t)(sizeof log_factorials / sizeof *log_factorials)) return log_factorials[k];
  double x = (double)k;
  return (x + 0.5) * log(x) - x +
         (0.9189385332046728 + (1.0 / x) * (1 / 12.0 - 1 / (360.0 * x * x)));
}

static int64_t hypergeometric_drawn(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn) {
  int64_t all = good + bad, todo = drawn > all / 2 ? all - drawn : drawn;
  int64_t left = all, left_good = good;
  while (todo > 0 && left_good > 0 && left > left_good) {
    left--;
    if ((int64_t)pvt_interval(bits, (uint64_t)left) < left_good) left_good--;
    todo--;
  }
  if (left == left_good) left_good -= todo;
  return drawn > all / 2 ? left_good : good - left_good;
}

/* Stadlober's HRUA. */
static int64_t hypergeometric_large(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn) {
  int64_t all = good + bad, todo = LEAST(drawn, all - drawn);
  int64_t few = LEAST(good, bad), many = good + bad - few, k;
  double p = (double)few / (double)all, q = (double)many / (double)all;
  double a = (double)todo * p + 0.5;
  double variance = (double)(all - todo) * (double)todo * p * q / (double)(all - 1);
  double c = sqrt(variance + 0.5), h = 1.7155277699214135 * c + 0.8989161620588988;
  int64_t m = (int64_t)floor((double)(todo + 1) * (double)(few + 1) / (double)(all + 2));
  double g = log_factorial(m) + log_factorial(few - m) + log_factorial(todo - m) +
             log_factorial(many - todo + m);
  double bound = LEAST((double)(LEAST(todo, few) + 1), floor(a + 16 * c));
  for (;;) {
    double u = next_double(bits), v = next_double(bits), x = a + h * (v - 0.5) / u;
    if (x < 0.0 || x >= bound) continue;
    k = (int64_t)floor(x);
    double t = g - (log_factorial(k) + log_factorial(few - k) + log_factorial(todo - k) +
                    log_factorial(many - todo + k));
    if (u * (4.0 - u) - 3.0 <= t) break;
    if (u * (u - t) >= 1) continue;
    if (2.0 * log(u) <= t) break;
  }
  if (good > bad) k = todo - k;
  return todo < drawn ? good - k : k;
}

int64_t pvt_hypergeometric(pvt_bits *bits, int64_t good, int64_t bad, int64_t drawn) {
  if (drawn >= 10 && drawn <= good + bad - 10) return hypergeometric_large(bits, good, bad, drawn);
  return drawn > 0 ? hypergeometric_drawn(bits, good, bad, drawn) : 0;
}

/* ---- Others ------------------------------------------------------------- */

static int64_t geometric(pvt_bits *bits, double p) {
  if (p >= 0.333333333333333333333333) {
    int64_t x = 1;
    double sum = p, product = p, q = 1.0 - p, u = next_double(bits);
    for (; u > sum; x++) {
      product *= q;
      sum += product;
    }
    return x;
  }
  double z = ceil(-pvt_exponential(bits) / log1p(-p));
  return z >= 9.223372036854776e+18 ? INT64_MAX : (int64_t)z;
}

static int64_t zipf(pvt_bits *bits, double a) {
  if (a >= 1025) return 1; /* 2^(1 - a) is 0 */
  double less = a - 1.0, b = pow(2.0, less), least = pow((double)INT64_MAX, -less);
  for (;;) {
    double share = next_double(bits), u = share * least + (1 - share), v = next_double(bits);
    double x = floor(pow(u, -1.0 / less));
    if (x > (double)INT64_MAX || x < 1.0) continue;
    double t = pow(1.0 + 1.0 / x, less);
    if (v * x * (t - 1.0) / (b - 1.0) <= t / b) return (int64_t)x;
  }
}

static int64_t logseries(pvt_bits *bits, double p) {
  double r = log1p(-p);
  for (;;) {
    double v = next_double(bits);
    if (v >= p) return 1;
    double u = next_double(bits), q = -expm1(r * u);
    if (v <= q * q) {
      int64_t result = (int64_t)floor(1 + log(v) / log(q));
      if (result < 1 || v == 0.0) continue;
      return result;
    }
    return v >= q ? 1 : 2;
  }
}

int64_t pvt_draw_count(pvt_bits *bits, pvt_distribution distribution, const double *p) {
  switch (distribution) {
  case PVT_POISSON: return pvt_poisson(bits, p[0]);
  case PVT_BINOMIAL: return pvt_binomial(bits, (int64_t)p[0], p[1]);
  case PVT_NEGATIVE_BINOMIAL:
    return pvt_poisson(bits, (1 - p[1]) / p[1] * pvt_standard_gamma(bits, p[0]));
  case PVT_GEOMETRIC: return geometric(bits, p[0]);
  case PVT_ZIPF: return zipf(bits, p[0]);
  case PVT_LOGSERIES: return logseries(bits, p[0]);
  case PVT_HYPERGEOMETRIC:
    return pvt_hypergeometric(bits, (int64_t)p[0], (int64_t)p[1], (int64_t)p[2]);
  default: return 0;
  }
}
