/* choose.h - what operators that choose elements by masks or indices share. */
#ifndef PVT_CHOOSE_H
#define PVT_CHOOSE_H

#include "move.h"

/* A result to fill: `out` itself where it is contiguous, of the wanted type and clear of the
** sources, else an array of its own that pvt_result_finish copies into it. */
typedef struct pvt_result {
  pvt_array *out;
  pvt_array made;
  bool apart;
} pvt_result;

/* `a` and `b` are what is read; b may be NULL. */
int pvt_result_start(pvt_result *result, pvt_array *out, pvt_dtype dtype, const pvt_array *a,
                     const pvt_array *b);
char *pvt_result_data(pvt_result *result);
/* Copy if `status` is PVT_OK, and release in any case. Returns the first error. */
int pvt_result_finish(pvt_result *result, int status);

/* A source of type `dtype` that `x` does not overlap: `values` itself, or a converted copy. */
typedef struct pvt_source {
  pvt_array array; /* a view or a copy; release with pvt_source_finish */
} pvt_source;
int pvt_source_start(pvt_source *source, const pvt_array *values, pvt_dtype dtype,
                     const pvt_array *x);
void pvt_source_finish(pvt_source *source);

/* What belongs to one index: x's dimensions from `first` on. */
typedef struct pvt_chunk {
  pvt_move move;          /* normalised; from `from` to `to`, whose first elements vary */
  int64_t source, target; /* bytes from there to where the move begins */
  bool empty;
  int log;       /* of its bytes if it counts as one element of 1 to 16 bytes, else -1 */
  int64_t bytes; /* if contiguous on both sides, else -1 */
} pvt_chunk;

/* Dimensions from `first_from` and `first_to` on, of equal sizes (or 1 in `from`). */
void pvt_chunk_of(pvt_chunk *chunk, const pvt_array *from, int first_from, const pvt_array *to,
                  int first_to);
int pvt_chunk_copy(pvt_chunk *chunk, const char *from, char *to);

#endif
