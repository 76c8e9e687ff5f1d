/* packed.h - where values of MessagePack begin and end, without decoding them. */
#ifndef PVM_PACKED_H
#define PVM_PACKED_H

#include <stddef.h>
#include <stdint.h>

/* The end of the value that begins at `at`; NULL if it is cut short, or is no MessagePack. What is
** in strings is not looked at, and nesting has no limit: both are for whoever decodes. */
const unsigned char *pvm_packed_skip(const unsigned char *at, const unsigned char *end);
/* The first element of the array that begins at `at`, and how many there are; NULL if it is no
** array, or cut short so early. */
const unsigned char *pvm_packed_array(const unsigned char *at, const unsigned char *end,
                                      uint32_t *count);

#define PVM_PACKED_HEAD 5 /* bytes that pvm_packed_head writes */
void pvm_packed_head(unsigned char *to, uint32_t count);

#endif
