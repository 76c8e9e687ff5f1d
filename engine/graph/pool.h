/* pool.h - memory of one owner (a model, a plan, a load in progress), given back all at once. */
#ifndef PVG_POOL_H
#define PVG_POOL_H

#include "tensor.h"

typedef struct pvg_pool pvg_pool;

/* Charged to the account of the thread that asks for memory. NULL after pvt_fail. */
pvg_pool *pvg_pool_new(void);
void pvg_pool_release(pvg_pool *pool); /* NULL is fine */

/* Zeroed, aligned to 16; NULL after pvt_fail. */
void *pvg_pool_take(pvg_pool *pool, size_t bytes);
/* count times size, checked. */
void *pvg_pool_array(pvg_pool *pool, size_t count, size_t size);
/* A copy that ends with 0. */
char *pvg_pool_text(pvg_pool *pool, const char *text, size_t size);
/* The pool takes over a reference to a buffer; also on failure, where it is released. */
int pvg_pool_keep(pvg_pool *pool, pvt_buffer *buffer);
/* A description in the pool of `array`, whose buffer the pool takes over. NULL after pvt_fail. */
pvt_array *pvg_pool_hold(pvg_pool *pool, pvt_array *array);
/* Bytes taken and kept. */
size_t pvg_pool_bytes(const pvg_pool *pool);

/* Texts (or other bytes) to pointers, in a pool. */
typedef struct pvg_names {
  struct pvg_name *table;
  size_t count, capacity;
} pvg_names;
/* What is at that name, NULL where nothing is and with `found` set to false (found may be NULL). */
void *pvg_names_get(const pvg_names *names, const void *key, size_t size, bool *found);
/* 1: added; 0: there is one already, which stays; negative. The key's bytes must stay in place. */
int pvg_names_add(pvg_names *names, pvg_pool *pool, const void *key, size_t size, void *value);

#endif
