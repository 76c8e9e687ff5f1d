/* keys.h - elements as unsigned keys of the same order, and sorting those.
**
** The key of a signed integer has its sign bit turned; of a float all bits if it is negative. So -0
** comes before 0, which are equal: whoever sorts sees to them. NaNs have no key.
*/
#ifndef PVT_KEYS_H
#define PVT_KEYS_H

#include "kernels.h"

/* Sort n keys, by vectors where the machine has them, otherwise by radix, or by insertion where
** they are few. `spare` has room for n more and 64 bytes, counts for pvt_sort_counts(n) numbers.
** The result is in *keys; the two may have been exchanged. PVT_OK or PVT_E_CANCELLED. Radix
** looks at the bits from `low` up to `high` only: the others are the same in all keys, or those
** below `low` ascend already. */
int64_t pvt_sort_counts(int64_t n);
int pvt_sort_u8(int64_t n, uint8_t **keys, uint8_t **spare, uint64_t *counts, int low, int high);
int pvt_sort_u16(int64_t n, uint16_t **keys, uint16_t **spare, uint64_t *counts, int low, int high);
int pvt_sort_u32(int64_t n, uint32_t **keys, uint32_t **spare, uint64_t *counts, int low, int high);
int pvt_sort_u64(int64_t n, uint64_t **keys, uint64_t **spare, uint64_t *counts, int low, int high);

/* Order n keys so that the one at `at` is where it would be if sorted, none before it being larger
** and none after it smaller. `spare` as above. PVT_OK or PVT_E_CANCELLED. */
int pvt_select_u32(int64_t n, uint32_t *keys, uint32_t *spare, int64_t at);
int pvt_select_u64(int64_t n, uint64_t *keys, uint64_t *spare, int64_t at);

/* What a line's elements are. */
typedef enum pvt_order { PVT_ORDER_UNSIGNED, PVT_ORDER_SIGNED, PVT_ORDER_FLOAT } pvt_order;
pvt_order pvt_order_of(pvt_dtype dtype);
/* The bits of the element type's infinity: larger ones without the sign are NaNs. */
uint64_t pvt_infinity_bits(pvt_dtype dtype);

#endif
