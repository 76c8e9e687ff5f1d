/* control_operators.h - what Loop and Scan share: states that go round, outputs that pile up. */
#ifndef PVG_CONTROL_OPERATORS_H
#define PVG_CONTROL_OPERATORS_H

#include "inference.h"

/* Arrays of one element type and shape that become one array with an axis more. */
typedef struct pvg_pile {
  int64_t count, room; /* arrays: there are, there is memory for */
  pvt_array first;     /* the type and the shape of each; no data */
  pvt_buffer *buffer;
} pvg_pile;

/* Append a copy. PVT_E_SHAPE or PVT_E_DTYPE if it is not like those before. */
int pvg_pile_add(pvg_pile *pile, const pvt_array *array);
/* Output i: the pile along `axis`, in reverse order if `backward`. An empty one takes type and
** shape from `info`, sizes that are not known being 0. */
int pvg_pile_give(pvg_call *call, int i, const pvg_pile *pile, const pvg_info *info, int axis,
                  bool backward);
void pvg_pile_release(pvg_pile *pile);

/* PVT_E_SHAPE unless the graph takes and gives as many values. */
int pvg_check_body(const pvg_graph *body, int inputs, int outputs);
/* What goes round: `out` has the type of what comes first, and its sizes where the body keeps
** them. */
void pvg_infer_state(pvg_infer *infer, const pvg_info *initial, const pvg_value *in,
                     const pvg_value *body_out, pvg_info *out);
/* What piles up: the body's output with an axis of size `count` more. */
void pvg_infer_pile(pvg_infer *infer, const pvg_value *body_out, int64_t axis, pvg_size count,
                    pvg_info *out);

/* loop.c, scan.c */
int pvg_loop_infer(pvg_infer *infer);
int pvg_loop_run(pvg_call *call);
int pvg_scan_infer(pvg_infer *infer);
int pvg_scan_run(pvg_call *call);

#endif
