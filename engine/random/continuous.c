/* continuous.c - distributions with densities.
**
** Operations are in the order that NumPy's streams come from: each rounding counts.
*/
#include <math.h>

#include "variates.h"

#define PI 3.14159265358979323846

/* ---- Gamma and what is made of it --------------------------------------- */

double pvt_standard_gamma(pvt_bits *bits, double shape) {
  if (shape == 1.0) return pvt_exponential(bits);
  if (shape == 0.0) return 0.0;
  if (shape < 1.0) { /* Ahrens and Dieter's GS */
    for (;;) {
      double u = next_double(bits), v = pvt_exponential(bits);
      if (u <= 1.0 - shape) {
        double x = pow(u, 1. / shape);
        if (x <= v) return x;
      } else {
        double y = -log((1 - u) / shape), x = pow(1.0 - shape + shape * y, 1. / shape);
        if (x <= v + y) return x;
      }
    }
  }
  double b = shape - 1. / 3., c = 1. / sqrt(9 * b); /* Marsaglia and Tsang */
  for (;;) {
    double x, v;
    do {
      x = pvt_normal(bits);
      v = 1.0 + c * x;
    } while (v <= 0.0);
    v = v * v * v;
    double u = next_double(bits);
    if (u < 1.0 - 0.0331 * (x * x) * (x * x)) return b * v;
    if (log(u) < 0.5 * x * x + b * (1. - v + log(v))) return b * v;
  }
}

static float standard_gamma_f(pvt_bits *bits, float shape) {
  if (shape == 1.0f) return pvt_exponential_f(bits);
  if (shape == 0.0f) return 0.0f;
  if (shape < 1.0f) {
    for (;;) {
      float u = next_float(bits), v = pvt_exponential_f(bits);
      if (u <= 1.0f - shape) {
        float x = powf(u, 1.0f / shape);
        if (x <= v) return x;
      } else {
        float y = -logf((1.0f - u) / shape), x = powf(1.0f - shape + shape * y, 1.0f / shape);
        if (x <= v + y) return x;
      }
    }
  }
  float b = shape - 1.0f / 3.0f, c = 1.0f / sqrtf(9.0f * b);
  for (;;) {
    float x, v;
    do {
      x = pvt_normal_f(bits);
      v = 1.0f + c * x;
    } while (v <= 0.0f);
    v = v * v * v;
    float u = next_float(bits);
    if (u < 1.0f - 0.0331f * (x * x) * (x * x)) return b * v;
    if (logf(u) < 0.5f * x * x + b * (1.0f - v + logf(v))) return b * v;
  }
}

static double chisquare(pvt_bits *bits, double degrees) {
  return 2.0 * pvt_standard_gamma(bits, degrees / 2.0);
}

static double noncentral_chisquare(pvt_bits *bits, double degrees, double noncentrality) {
  if (isnan(noncentrality)) return NAN;
  if (noncentrality == 0) return chisquare(bits, degrees);
  if (degrees > 1) {
    double square = chisquare(bits, degrees - 1);
    double n = pvt_normal(bits) + sqrt(noncentrality);
    return square + n * n;
  }
  int64_t i = pvt_poisson(bits, noncentrality / 2.0);
  return chisquare(bits, degrees + 2 * (double)i);
}

static double beta(pvt_bits *bits, double a, double b) {
  if (a > 1.0 || b > 1.0) {
    double x = pvt_standard_gamma(bits, a), y = pvt_standard_gamma(bits, b);
    return x / (x + y);
  }
  if (a < 3e-103 && b < 3e-103) { /* all but 0 and 1 is lost */
    double u = next_double(bits);
    return (a + b) * u < a;
  }
  for (;;) { /* Johnk */
    double u = next_double(bits), v = next_double(bits);
    double x = pow(u, 1.0 / a), y = pow(v, 1.0 / b), sum = x + y;
    if (sum > 1.0 || u + v <= 0.0) continue;
    if (x > 0 && y > 0) return x / sum;
    /* they underflow: by their logarithms */
    double difference = log(u) / a - log(v) / b;
    if (difference > 0) return exp(-log1p(exp(-difference)));
    return exp(difference - log1p(exp(difference)));
  }
}

/* ---- By inversion ------------------------------------------------------- */

static double laplace(pvt_bits *bits, double location, double scale) {
  for (;;) {
    double u = next_double(bits);
    if (u >= 0.5) return location - scale * log(2.0 - u - u);
    if (u > 0.0) return location + scale * log(u + u);
  }
}

static double gumbel(pvt_bits *bits, double location, double scale) {
  for (;;) {
    double u = 1.0 - next_double(bits);
    if (u < 1.0) return location - scale * log(-log(u));
  }
}

static double logistic(pvt_bits *bits, double location, double scale) {
  for (;;) {
    double u = next_double(bits);
    if (u > 0.0) return location + scale * log(u / (1.0 - u));
  }
}

static double triangular(pvt_bits *bits, double left, double mode, double right) {
  double base = right - left, left_base = mode - left, ratio = left_base / base;
  double left_product = left_base * base, right_product = (right - mode) * base;
  double u = next_double(bits);
  if (u <= ratio) return left + sqrt(u * left_product);
  return right - sqrt((1.0 - u) * right_product);
}

/* ---- Others ------------------------------------------------------------- */

double pvt_vonmises(pvt_bits *bits, double mean, double kappa, double most) {
  if (isnan(kappa)) return NAN;
  if (kappa < 1e-8) return PI * (2 * next_double(bits) - 1);
  double s;
  if (kappa < 1e-5) {
    s = 1. / kappa + kappa;
  } else if (kappa <= most) {
    double r = 1 + sqrt(1 + 4 * kappa * kappa), rho = (r - sqrt(2 * r)) / (2 * kappa);
    s = (1 + rho * rho) / (2 * rho);
  } else { /* as good as a normal one, wrapped */
    double result = mean + sqrt(1. / kappa) * pvt_normal(bits);
    if (result < -PI) result += 2 * PI;
    if (result > PI) result -= 2 * PI;
    return result;
  }
  double w; /* Best and Fisher */
  for (;;) {
    double u = next_double(bits), z = cos(PI * u);
    w = (1 + s * z) / (s + z);
    double y = kappa * (s - w), v = next_double(bits);
    if (y * (2 - y) - v >= 0 || log(y / v) + 1 - y >= 0) break;
  }
  double u = next_double(bits), result = acos(w);
  if (u < 0.5) result = -result;
  result += mean;
  double wrapped = fmod(fabs(result) + PI, 2 * PI) - PI;
  return result < 0 ? -wrapped : wrapped;
}

static double wald(pvt_bits *bits, double mean, double scale) {
  double y = pvt_normal(bits);
  y = mean * y * y;
  double d = 1 + sqrt(1 + 4 * scale / y);
  double x = mean * (1 - 2 / d);
  double u = next_double(bits);
  return u <= mean / (mean + x) ? x : mean * mean / x;
}

float pvt_draw_single(pvt_bits *bits, pvt_distribution distribution, const double *p) {
  switch (distribution) {
  case PVT_RANDOM: return next_float(bits);
  case PVT_STANDARD_NORMAL: return pvt_normal_f(bits);
  case PVT_STANDARD_EXPONENTIAL: return pvt_exponential_f(bits);
  case PVT_INVERTED_EXPONENTIAL: return (float)-log1p(-next_float(bits));
  case PVT_STANDARD_GAMMA: return standard_gamma_f(bits, (float)p[0]);
  default: return NAN;
  }
}

double pvt_draw_real(pvt_bits *bits, pvt_distribution distribution, const double *p) {
  double x, y;
  switch (distribution) {
  case PVT_RANDOM: return next_double(bits);
  case PVT_STANDARD_NORMAL: return pvt_normal(bits);
  case PVT_STANDARD_EXPONENTIAL: return pvt_exponential(bits);
  case PVT_INVERTED_EXPONENTIAL: return -log1p(-next_double(bits));
  case PVT_STANDARD_GAMMA: return pvt_standard_gamma(bits, p[0]);
  case PVT_STANDARD_CAUCHY: x = pvt_normal(bits); return x / pvt_normal(bits);
  case PVT_UNIFORM: return p[0] + p[1] * next_double(bits);
  case PVT_NORMAL: return p[0] + p[1] * pvt_normal(bits);
  case PVT_EXPONENTIAL: return p[0] * pvt_exponential(bits);
  case PVT_GAMMA: return p[1] * pvt_standard_gamma(bits, p[0]);
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
  case PVT_LOGNORMAL: return exp(p[0] + p[1] * pvt_normal(bits));
  case PVT_LAPLACE: return laplace(bits, p[0], p[1]);
  case PVT_LOGISTIC: return logistic(bits, p[0], p[1]);
  case PVT_GUMBEL: return gumbel(bits, p[0], p[1]);
  case PVT_WEIBULL: return p[0] == 0.0 ? 0.0 : pow(pvt_exponential(bits), 1. / p[0]);
  case PVT_PARETO: return expm1(pvt_exponential(bits) / p[0]);
  case PVT_POWER_FUNCTION: return pow(-expm1(-pvt_exponential(bits)), 1. / p[0]);
  case PVT_RAYLEIGH: return p[0] * sqrt(2.0 * pvt_exponential(bits));
  case PVT_STANDARD_T:
    x = pvt_normal(bits);
    y = pvt_standard_gamma(bits, p[0] / 2);
    return sqrt(p[0] / 2) * x / sqrt(y);
  case PVT_VONMISES: return pvt_vonmises(bits, p[0], p[1], 1e6);
  case PVT_WALD: return wald(bits, p[0], p[1]);
  case PVT_TRIANGULAR: return triangular(bits, p[0], p[1], p[2]);
  default: return NAN;
  }
}
