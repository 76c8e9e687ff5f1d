/* elements.h - element types as kernels that only move or convert see them.
**
** Arrays over foreign memory may lie anywhere and movers join several small elements into a large
** one, so none of these types has an alignment, and each may alias any other.
*/
#ifndef PVT_ELEMENTS_H
#define PVT_ELEMENTS_H

#include <stdint.h>

#define PVT_ELEMENT __attribute__((aligned(1), may_alias))
typedef int8_t PVT_ELEMENT e_i8;
typedef int16_t PVT_ELEMENT e_i16;
typedef int32_t PVT_ELEMENT e_i32;
typedef int64_t PVT_ELEMENT e_i64;
typedef uint8_t PVT_ELEMENT e_u8;
typedef uint16_t PVT_ELEMENT e_u16;
typedef uint32_t PVT_ELEMENT e_u32;
typedef uint64_t PVT_ELEMENT e_u64;
typedef float PVT_ELEMENT e_f32;
typedef double PVT_ELEMENT e_f64;
typedef struct __attribute__((packed, may_alias)) e_c64 {
  float re, im;
} e_c64;
typedef struct __attribute__((packed, may_alias)) e_c128 {
  double re, im;
} e_c128;
typedef struct __attribute__((packed, may_alias)) e_16 {
  uint64_t low, high;
} e_16;

#endif
