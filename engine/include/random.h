/* random.h - random numbers into tensor.h's arrays.
**
** Bit generators, seeding and distributions give the streams of NumPy 2's Generator, bit by bit:
** the same seed gives the same numbers, so far as the C library's log, exp and pow agree. Arrays
** are filled in C order. A pvt_bits belongs to one thread at a time. After PVT_E_CANCELLED its
** stream has moved on by an unsaid number of steps.
*/
#ifndef PVT_RANDOM_H
#define PVT_RANDOM_H

#include "tensor.h"

/* ---- Seeds -------------------------------------------------------------- */

#define PVT_SEED_POOL 4
/* Mix any number of words into a pool. */
PVT_API void pvt_seed_mix(const uint32_t *words, size_t count, uint32_t pool[PVT_SEED_POOL]);
/* Draw `count` words of state from a pool; always the same ones. */
PVT_API void pvt_seed_draw(const uint32_t pool[PVT_SEED_POOL], size_t count, uint32_t *words);

/* ---- Bit generators ----------------------------------------------------- */

typedef enum pvt_bits_kind {
  PVT_PCG64,
  PVT_PCG64DXSM,
  PVT_SFC64,
  PVT_PHILOX,
  PVT_MT19937,
  PVT_BITS_KINDS
} pvt_bits_kind;

#define PVT_TWISTER_WORDS 624
#define PVT_BITS_STATE (PVT_TWISTER_WORDS / 2 + 1)
/* May be copied as it is. state: PCG64s have state and increment, low words first; SFC64 its four
** words; Philox counter (4), key (2), buffer (4) and the place in it; MT19937 624 words of 32 bits,
** two in one, low ones first, and the place among them. With `legacy` distributions are those of
** NumPy's RandomState, of which normal ones come in pairs. */
typedef struct pvt_bits {
  uint8_t kind;
  bool has_half; /* the upper half of a word is left over */
  bool legacy;
  bool has_normal; /* the second of a pair */
  uint32_t half;
  double normal;
  uint64_t state[PVT_BITS_STATE];
} pvt_bits;

/* "PCG64", ...; NULL for a number that is none. */
PVT_API const char *pvt_bits_name(int kind);
PVT_API void pvt_bits_seed(pvt_bits *bits, pvt_bits_kind kind, const uint32_t pool[PVT_SEED_POOL]);
/* MT19937 as RandomState seeds it: by one number, or by an array of them. */
PVT_API void pvt_bits_seed_twister(pvt_bits *bits, const uint32_t *seed, size_t count);
/* How many words of `state` a kind uses. */
PVT_API int pvt_bits_words(pvt_bits_kind kind);
PVT_API uint64_t pvt_bits_next64(pvt_bits *bits);
PVT_API uint32_t pvt_bits_next32(pvt_bits *bits);
PVT_API double pvt_bits_double(pvt_bits *bits); /* in [0, 1) */
/* Move on by high * 2^64 + low steps; Philox by that many blocks of four. PVT_E_VALUE for SFC64
** and MT19937. */
PVT_API int pvt_bits_advance(pvt_bits *bits, uint64_t low, uint64_t high);

/* ---- Distributions ------------------------------------------------------ */

/* With their parameters, in order. The first have float64 results, also float32 ones those that
** are marked by an f, then come those with int64 results. */
typedef enum pvt_distribution {
  PVT_RANDOM,               /* f */
  PVT_STANDARD_NORMAL,      /* f */
  PVT_STANDARD_EXPONENTIAL, /* f */
  PVT_INVERTED_EXPONENTIAL, /* f; by the logarithm */
  PVT_STANDARD_GAMMA,       /* f; shape */
  PVT_STANDARD_CAUCHY,
  PVT_UNIFORM,              /* low, width */
  PVT_NORMAL,               /* mean, deviation */
  PVT_EXPONENTIAL,          /* scale */
  PVT_GAMMA,                /* shape, scale */
  PVT_BETA,                 /* a, b */
  PVT_CHISQUARE,            /* degrees */
  PVT_NONCENTRAL_CHISQUARE, /* degrees, noncentrality */
  PVT_F,                    /* two degrees */
  PVT_NONCENTRAL_F,         /* two degrees, noncentrality */
  PVT_LOGNORMAL,            /* mean, deviation */
  PVT_LAPLACE,              /* location, scale */
  PVT_LOGISTIC,             /* location, scale */
  PVT_GUMBEL,               /* location, scale */
  PVT_WEIBULL,              /* shape */
  PVT_PARETO,               /* shape */
  PVT_POWER_FUNCTION,       /* shape */
  PVT_RAYLEIGH,             /* scale */
  PVT_STANDARD_T,           /* degrees */
  PVT_VONMISES,             /* mean, concentration */
  PVT_WALD,                 /* mean, scale */
  PVT_TRIANGULAR,           /* left, mode, right */
  PVT_POISSON,              /* mean; from here on int64 */
  PVT_BINOMIAL,             /* trials, probability */
  PVT_NEGATIVE_BINOMIAL,    /* successes, probability */
  PVT_GEOMETRIC,            /* probability */
  PVT_ZIPF,                 /* exponent */
  PVT_LOGSERIES,            /* probability */
  PVT_HYPERGEOMETRIC,       /* good, bad, drawn */
  PVT_DISTRIBUTIONS
} pvt_distribution;

/* NumPy's name; NULL for a number that is none. */
PVT_API const char *pvt_distribution_name(int distribution);
PVT_API int pvt_distribution_parameters(pvt_distribution distribution);
/* Fill out, in C order or any other. Parameters are float64 arrays, whole numbers where they count
** things, broadcast to out; PVT_E_VALUE names the first that is out of its range. */
PVT_API int pvt_random(pvt_bits *bits, pvt_distribution distribution,
                       const pvt_array *const *parameters, pvt_array *out);

/* ---- Integers and orders ------------------------------------------------ */

/* low + (0 ... range), both ends included, in the type of out: bool and integers; legacy ones by
** masks. low and range are
** uint64 arrays broadcast to out, low in two's complement. */
PVT_API int pvt_random_integers(pvt_bits *bits, const pvt_array *low, const pvt_array *range,
                                pvt_array *out);
/* Shuffle an order in place. */
PVT_API int pvt_random_shuffle(pvt_bits *bits, int64_t *order, int64_t count);
/* `count` different numbers below `population`, in random order if `shuffle`. */
PVT_API int pvt_random_sample(pvt_bits *bits, int64_t population, int64_t count, bool shuffle,
                              int64_t *sample);
/* How n things fall on `kinds` kinds of these probabilities. */
PVT_API void pvt_random_multinomial(pvt_bits *bits, int64_t n, const double *probabilities,
                                    int64_t kinds, int64_t *counts);

#endif
