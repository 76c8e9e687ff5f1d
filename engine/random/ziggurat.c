/* ziggurat.c - Marsaglia and Tsang's ziggurat of 256 layers; ziggurat.py makes the tables. */
#include "ziggurat.h"

#include <math.h>

#include "ziggurat_tables.h"

#define LAYER_MASK 0xff
#define NORMAL_START 3.6541528853610087963519472518
#define EXPONENTIAL_START 7.6971174701310497140446280481

/* Beyond the last layer, by Marsaglia's method; `negative` is one more random bit. */
#define TAIL(name, T, uniform, log1p)                                                              \
  static T name(pvt_bits *bits, bool negative) {                                                   \
    for (;;) {                                                                                     \
      T x = (T)(-1 / NORMAL_START) * log1p(-uniform(bits)), y = -log1p(-uniform(bits));            \
      if (y + y > x * x) return negative ? -((T)NORMAL_START + x) : (T)NORMAL_START + x;           \
    }                                                                                              \
  }
TAIL(tail, double, next_double, log1p)
TAIL(tail_f, float, next_float, log1pf)

double pvt_normal(pvt_bits *bits) {
  for (;;) {
    uint64_t r = next64(bits), size = r >> 9 & 0x000fffffffffffff;
    int layer = r & LAYER_MASK;
    double x = (double)size * normal_width[layer];
    if (r >> 8 & 1) x = -x;
    if (__builtin_expect(size < normal_share[layer], 1)) return x;
    if (layer == 0) return tail(bits, size >> 8 & 1);
    double high = normal_height[layer - 1], low = normal_height[layer];
    if ((high - low) * next_double(bits) + low < exp(-0.5 * x * x)) return x;
  }
}

float pvt_normal_f(pvt_bits *bits) {
  for (;;) {
    uint32_t r = next32(bits), size = r >> 9 & 0x007fffff;
    int layer = r & LAYER_MASK;
    float x = (float)size * normal_width_f[layer];
    if (r >> 8 & 1) x = -x;
    if (size < normal_share_f[layer]) return x;
    if (layer == 0) return tail_f(bits, size >> 8 & 1);
    float high = normal_height_f[layer - 1], low = normal_height_f[layer];
    if ((high - low) * next_float(bits) + low < exp(-0.5 * x * x)) return x;
  }
}

double pvt_exponential(pvt_bits *bits) {
  for (;;) {
    uint64_t r = next64(bits) >> 3, size = r >> 8;
    int layer = r & LAYER_MASK;
    double x = (double)size * exponential_width[layer];
    if (__builtin_expect(size < exponential_share[layer], 1)) return x;
    if (layer == 0) return EXPONENTIAL_START - log1p(-next_double(bits));
    double high = exponential_height[layer - 1], low = exponential_height[layer];
    if ((high - low) * next_double(bits) + low < exp(-x)) return x;
  }
}

float pvt_exponential_f(pvt_bits *bits) {
  for (;;) {
    uint32_t r = next32(bits) >> 1, size = r >> 8;
    int layer = r & LAYER_MASK;
    float x = (float)size * exponential_width_f[layer];
    if (size < exponential_share_f[layer]) return x;
    if (layer == 0) return (float)EXPONENTIAL_START - log1pf(-next_float(bits));
    float high = exponential_height_f[layer - 1], low = exponential_height_f[layer];
    if ((high - low) * next_float(bits) + low < expf(-x)) return x;
  }
}
