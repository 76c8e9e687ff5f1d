/* fill.c - arrays of random numbers: which parameters a distribution takes, and the loop. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "variates.h"

/* What a parameter may be; NumPy's words for it. */
typedef enum bound {
  ANY,
  FINITE,
  NOT_NEGATIVE,
  POSITIVE,
  SHARE,
  POSITIVE_SHARE,
  BELOW_1,
  ABOVE_1,
  COUNT
} bound;

/* NaN passes only where NumPy lets it. */
static const char *outside(bound b, double x) {
  switch (b) {
  case FINITE: return isfinite(x) ? NULL : "must be finite";
  case NOT_NEGATIVE: return x < 0 || (x == 0 && signbit(x)) ? "< 0" : NULL;
  case POSITIVE: return x > 0 ? NULL : "<= 0";
  case SHARE: return x >= 0 && x <= 1 ? NULL : "< 0, > 1 or is NaN";
  case POSITIVE_SHARE: return x > 0 && x <= 1 ? NULL : "<= 0, > 1 or is NaN";
  case BELOW_1: return x >= 0 && x < 1 ? NULL : "< 0, >= 1 or is NaN";
  case ABOVE_1: return x > 1 ? NULL : "<= 1 or is NaN";
  case COUNT: return x >= 0 && x < 0x1p63 ? NULL : "< 0 or too large";
  default: return NULL;
  }
}

static const struct {
  const char *name;
  int parameters;
  struct {
    const char *name;
    bound bound;
  } parameter[3];
} known[PVT_DISTRIBUTIONS] = {
    [PVT_RANDOM] = {"random", 0, {{0}}},
    [PVT_STANDARD_NORMAL] = {"standard_normal", 0, {{0}}},
    [PVT_STANDARD_EXPONENTIAL] = {"standard_exponential", 0, {{0}}},
    [PVT_INVERTED_EXPONENTIAL] = {"inverted_exponential", 0, {{0}}},
    [PVT_STANDARD_GAMMA] = {"standard_gamma", 1, {{"shape", NOT_NEGATIVE}}},
    [PVT_STANDARD_CAUCHY] = {"standard_cauchy", 0, {{0}}},
    [PVT_UNIFORM] = {"uniform", 2, {{"low", ANY}, {"high - low", NOT_NEGATIVE}}},
    [PVT_NORMAL] = {"normal", 2, {{"loc", ANY}, {"scale", NOT_NEGATIVE}}},
    [PVT_EXPONENTIAL] = {"exponential", 1, {{"scale", NOT_NEGATIVE}}},
    [PVT_GAMMA] = {"gamma", 2, {{"shape", NOT_NEGATIVE}, {"scale", NOT_NEGATIVE}}},
    [PVT_BETA] = {"beta", 2, {{"a", POSITIVE}, {"b", POSITIVE}}},
    [PVT_CHISQUARE] = {"chisquare", 1, {{"df", POSITIVE}}},
    [PVT_NONCENTRAL_CHISQUARE] = {"noncentral_chisquare",
                                  2,
                                  {{"df", POSITIVE}, {"nonc", NOT_NEGATIVE}}},
    [PVT_F] = {"f", 2, {{"dfnum", POSITIVE}, {"dfden", POSITIVE}}},
    [PVT_NONCENTRAL_F] = {"noncentral_f",
                          3,
                          {{"dfnum", POSITIVE}, {"dfden", POSITIVE}, {"nonc", NOT_NEGATIVE}}},
    [PVT_LOGNORMAL] = {"lognormal", 2, {{"mean", ANY}, {"sigma", NOT_NEGATIVE}}},
    [PVT_LAPLACE] = {"laplace", 2, {{"loc", ANY}, {"scale", NOT_NEGATIVE}}},
    [PVT_LOGISTIC] = {"logistic", 2, {{"loc", ANY}, {"scale", NOT_NEGATIVE}}},
    [PVT_GUMBEL] = {"gumbel", 2, {{"loc", ANY}, {"scale", NOT_NEGATIVE}}},
    [PVT_WEIBULL] = {"weibull", 1, {{"a", NOT_NEGATIVE}}},
    [PVT_PARETO] = {"pareto", 1, {{"a", POSITIVE}}},
    [PVT_POWER_FUNCTION] = {"power", 1, {{"a", POSITIVE}}},
    [PVT_RAYLEIGH] = {"rayleigh", 1, {{"scale", NOT_NEGATIVE}}},
    [PVT_STANDARD_T] = {"standard_t", 1, {{"df", POSITIVE}}},
    [PVT_VONMISES] = {"vonmises", 2, {{"mu", ANY}, {"kappa", NOT_NEGATIVE}}},
    [PVT_WALD] = {"wald", 2, {{"mean", POSITIVE}, {"scale", POSITIVE}}},
    [PVT_TRIANGULAR] = {"triangular", 3, {{"left", ANY}, {"mode", ANY}, {"right", ANY}}},
    [PVT_POISSON] = {"poisson", 1, {{"lam", NOT_NEGATIVE}}},
    [PVT_BINOMIAL] = {"binomial", 2, {{"n", COUNT}, {"p", SHARE}}},
    [PVT_NEGATIVE_BINOMIAL] = {"negative_binomial", 2, {{"n", POSITIVE}, {"p", POSITIVE_SHARE}}},
    [PVT_GEOMETRIC] = {"geometric", 1, {{"p", POSITIVE_SHARE}}},
    [PVT_ZIPF] = {"zipf", 1, {{"a", ABOVE_1}}},
    [PVT_LOGSERIES] = {"logseries", 1, {{"p", BELOW_1}}},
    [PVT_HYPERGEOMETRIC] = {"hypergeometric",
                            3,
                            {{"ngood", COUNT}, {"nbad", COUNT}, {"nsample", COUNT}}},
};

const char *pvt_distribution_name(int distribution) {
  return distribution >= 0 && distribution < PVT_DISTRIBUTIONS ? known[distribution].name : NULL;
}

int pvt_distribution_parameters(pvt_distribution distribution) {
  return known[distribution].parameters;
}

/* What no single parameter shows. */
static int check_together(pvt_distribution distribution, const double *p) {
  if (distribution == PVT_UNIFORM && !isfinite(p[1]))
    return pvt_fail(PVT_E_VALUE, "high - low range exceeds valid bounds");
  if (distribution == PVT_POISSON && !(p[0] <= 9.223372006484771e+18))
    return pvt_fail(PVT_E_VALUE, "lam value too large");
  if (distribution == PVT_TRIANGULAR) {
    if (!(p[0] <= p[1])) return pvt_fail(PVT_E_VALUE, "left > mode");
    if (!(p[1] <= p[2])) return pvt_fail(PVT_E_VALUE, "mode > right");
    if (p[0] == p[2]) return pvt_fail(PVT_E_VALUE, "left == right");
  }
  if (distribution == PVT_HYPERGEOMETRIC) {
    if (p[0] >= 1e9 || p[1] >= 1e9)
      return pvt_fail(PVT_E_VALUE, "both ngood and nbad must be less than 1000000000");
    if (p[0] + p[1] < p[2]) return pvt_fail(PVT_E_VALUE, "ngood + nbad < nsample");
  }
  if (distribution == PVT_NEGATIVE_BINOMIAL) {
    double mean = (1 - p[1]) / p[1] * p[0], most = mean + 10 * sqrt(mean);
    if (!(most <= 9.223372006484771e+18))
      return pvt_fail(PVT_E_VALUE, "n too large or p too small, see Generator.negative_binomial");
  }
  return PVT_OK;
}

static int check(pvt_distribution distribution, const double *p) {
  for (int i = 0; i < known[distribution].parameters; i++) {
    const char *what = outside(known[distribution].parameter[i].bound, p[i]);
    if (what != NULL)
      return pvt_fail(PVT_E_VALUE, "%s %s", known[distribution].parameter[i].name, what);
  }
  return check_together(distribution, p);
}

/* Is this the kind of element that the distribution gives? */
static bool takes(pvt_distribution distribution, pvt_dtype dtype) {
  if (distribution >= PVT_POISSON) return dtype == PVT_INT64;
  return dtype == PVT_FLOAT64 || (dtype == PVT_FLOAT32 && distribution <= PVT_STANDARD_GAMMA);
}

static void draw(pvt_bits *bits, pvt_distribution distribution, const double *p, pvt_dtype dtype,
                 char *to) {
  if (dtype == PVT_INT64) {
    int64_t x = bits->legacy ? pvt_draw_count_legacy(bits, distribution, p)
                             : pvt_draw_count(bits, distribution, p);
    memcpy(to, &x, sizeof x);
  } else if (dtype == PVT_FLOAT32) {
    float x = pvt_draw_single(bits, distribution, p);
    memcpy(to, &x, sizeof x);
  } else {
    double x = bits->legacy ? pvt_draw_real_legacy(bits, distribution, p)
                            : pvt_draw_real(bits, distribution, p);
    memcpy(to, &x, sizeof x);
  }
}

/* The ones that are drawn most, without a decision for each element. */
static bool fill_quickly(pvt_bits *bits, pvt_distribution distribution, char *to, int64_t count) {
  double *out = (double *)to;
  if (bits->legacy) return false;
  if (distribution == PVT_RANDOM)
    for (int64_t i = 0; i < count; i++) out[i] = next_double(bits);
  else if (distribution == PVT_STANDARD_NORMAL)
    for (int64_t i = 0; i < count; i++) out[i] = pvt_normal(bits);
  else return false;
  return true;
}

#define TILE 1024 /* some distributions take 100 ns an element */

int pvt_random(pvt_bits *bits, pvt_distribution distribution, const pvt_array *const *parameters,
               pvt_array *out) {
  if (!takes(distribution, (pvt_dtype)out->dtype))
    return pvt_fail(PVT_E_DTYPE, "Unsupported dtype dtype('%s') for %s", pvt_dtype_name(out->dtype),
                    known[distribution].name);
  if (!pvt_array_is_contiguous(out))
    return pvt_fail(PVT_E_VALUE, "random: the result has to be in C order without gaps");
  int count = known[distribution].parameters, status = PVT_OK;
  pvt_array views[3];
  char *from[3];
  int64_t shape[PVT_MAX_DIMS], index[PVT_MAX_DIMS] = {0}, total = pvt_array_count(out);
  double p[3] = {0};
  bool moving = false;
  int seen = 0;
  for (int i = 0; i < out->ndim; i++) shape[i] = out->dim[i].size;
  for (int i = 0; i < count && status == PVT_OK; i++) {
    pvt_array_view(&views[i], parameters[i]);
    seen++;
    moving |= pvt_array_count(&views[i]) != 1;
    status = pvt_view_broadcast(&views[i], out->ndim, shape);
    from[i] = views[i].data;
  }
  if (status == PVT_OK && !moving) {
    for (int i = 0; i < count; i++) memcpy(&p[i], from[i], sizeof p[i]);
    status = check(distribution, p);
  }
  size_t size = pvt_itemsize((pvt_dtype)out->dtype);
  char *to = out->data;
  for (int64_t n = 0; status == PVT_OK && n < total;) {
    int64_t until = total - n < TILE ? total : n + TILE;
    if (!moving && out->dtype == PVT_FLOAT64 && fill_quickly(bits, distribution, to, until - n)) {
      to += (until - n) * (int64_t)size;
      n = until;
    }
    for (; n < until; n++, to += size) {
      if (moving) {
        for (int i = 0; i < count; i++) memcpy(&p[i], from[i], sizeof p[i]);
        if ((status = check(distribution, p)) != PVT_OK) break;
        for (int d = out->ndim - 1; d >= 0; d--) {
          for (int i = 0; i < count; i++) from[i] += views[i].dim[d].stride;
          if (++index[d] < shape[d]) break;
          for (int i = 0; i < count; i++) from[i] -= views[i].dim[d].stride * shape[d];
          index[d] = 0;
        }
      }
      draw(bits, distribution, p, (pvt_dtype)out->dtype, to);
    }
    if (status == PVT_OK) status = pvt_poll();
  }
  for (int i = 0; i < seen; i++) pvt_array_release(&views[i]);
  return status;
}
