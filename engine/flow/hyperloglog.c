/* hyperloglog.c - see hyperloglog.h. The estimate is Ertl's (2017, "New cardinality estimation algorithms
** for HyperLogLog sketches"), which needs no tables and is unbiased from none to 2^64. */
#include "hyperloglog.h"

#include <math.h>
#include <stddef.h>

void flow_hyperloglog_merge(uint8_t *registers, const uint8_t *from, int bits) {
  for (size_t i = 0; i < (size_t)1 << bits; i++)
    if (from[i] > registers[i]) registers[i] = from[i];
}

/* x + the sum of x^(2^k) 2^(k - 1) over k from 1 */
static double sigma(double x) {
  if (x == 1) return INFINITY;
  double weight = 1, sum = x, before;
  do {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  } while (sum != before);
  return sum;
}

/* (1 - x - the sum of (1 - x^(2^-k))^2 2^-k over k from 1) / 3 */
static double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double weight = 1, sum = 1 - x, before;
  do {
    x = sqrt(x);
    before = sum;
    weight /= 2;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != before);
  return sum / 3;
}

double flow_hyperloglog_estimate(const uint8_t *registers, int bits) {
  uint32_t counts[66] = {0}; /* of registers by their rank: 0 to 65 - bits */
  size_t size = (size_t)1 << bits;
  int longest = 64 - bits;
  double all = (double)size;
  for (size_t i = 0; i < size; i++) counts[registers[i]]++;
  double sum = all * tau(1 - (double)counts[longest + 1] / all);
  for (int rank = longest; rank > 0; rank--) sum = (sum + counts[rank]) / 2;
  sum += all * sigma((double)counts[0] / all);
  return all * all / (2 * M_LN2 * sum);
}
