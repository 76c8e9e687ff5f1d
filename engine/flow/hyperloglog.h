/* hyperloglog.h - how many different hashes there were, from registers of a byte each. */
#ifndef FLOW_HYPERLOGLOG_H
#define FLOW_HYPERLOGLOG_H

#include <stdint.h>

/* 2^bits registers, zeros at first; bits 4 to 16. */
static inline void flow_hyperloglog_add(uint8_t *registers, int bits, uint64_t hash) {
  uint64_t rest = hash << bits | (uint64_t)1 << (bits - 1); /* ends the run of zeros */
  uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
  uint8_t *at = &registers[hash >> (64 - bits)];
  if (rank > *at) *at = rank;
}

void flow_hyperloglog_merge(uint8_t *registers, const uint8_t *from, int bits);
double flow_hyperloglog_estimate(const uint8_t *registers, int bits);

#endif
