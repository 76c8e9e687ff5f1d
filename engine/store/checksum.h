/* checksum.h - CRC-32, the one of zlib, so that any language can check what C has written. */
#ifndef STORE_CHECKSUM_H
#define STORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Once before the first sum; idempotent, from any thread. */
void store_checksum_init(void);
/* The sum of what `sum` (0 at first) covers and the data after it. Lengths that are multiples of
** 16 are fastest. */
uint32_t store_checksum(uint32_t sum, const void *data, size_t len);

#endif
