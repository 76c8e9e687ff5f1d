/* heavy.h - a plan's steps while it is decided who computes what costs: what the files that do so
** share. */
#ifndef PVG_HEAVY_H
#define PVG_HEAVY_H

#include "plan.h"

#define PVG_OPTIONS 32

typedef struct pvg_option {
  pvb_way way; /* of heavy steps */
  pvb_layout reads, writes;
  double seconds; /* predicted, or measured */
  bool prepared;  /* its backend has shown that it can be prepared */
  bool measured;
} pvg_option;

typedef struct pvg_item {
  pvg_step *step;
  pvb_work *work; /* NULL: not a heavy step */
  bool follows;   /* computes element by element or channel by channel: in either layout */
  int option_count, chosen;
  pvg_option *options;
} pvg_item;

typedef struct pvg_reader {
  int item, input; /* item -1: somebody who reads the plain layout */
} pvg_reader;

typedef struct pvg_heavy {
  pvg_plan *plan;
  pvg_model *model;
  pvg_pool *scratch;
  pvg_item *items; /* by step; step NULL: done by another one */
  int item_count;
  int *writer;       /* by slot: item; -1 */
  int *reader_start; /* by slot: of its readers; one more at the end */
  pvg_reader *readers;
} pvg_heavy;

/* Who writes and who reads each slot, anew. */
int pvg_heavy_readers(pvg_heavy *heavy);
/* epilogue.c: give a heavy step what follows it element by element; those steps become none. */
int pvg_heavy_absorb(pvg_heavy *heavy, int item);
/* search.c: fill in what is known of options' times, and measure what matters. */
int pvg_heavy_measure(pvg_heavy *heavy);

/* Sizes in blocks: info of [n, blocks, sizes..., 16] for one of [n, c, sizes...]. */
void pvg_blocked_info(const pvg_info *plain, pvg_info *blocked);

#endif
