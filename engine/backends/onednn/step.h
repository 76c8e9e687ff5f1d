/* step.h - one primitive of oneDNN, ready to run from any number of threads at once. */
#ifndef PVB_DNNL_STEP_H
#define PVB_DNNL_STEP_H

#include "dnnl.h"

#define PVB_STEP_ARGS 8
#define PVB_STEP_FRAMES 16

/* What one run needs for itself: oneDNN's handles of memory are not for two threads. */
typedef struct pvb_frame {
  dnnl_stream *stream;
  dnnl_memory *memory[PVB_STEP_ARGS];
} pvb_frame;

typedef struct pvb_step {
  dnnl_primitive *primitive; /* NULL: there is no such step */
  int count;
  int args[PVB_STEP_ARGS];
  dnnl_desc *descs[PVB_STEP_ARGS];
  size_t scratch; /* bytes of the argument DNNL_SCRATCHPAD, which comes last if there is any */
  _Atomic(pvb_frame *) frames[PVB_STEP_FRAMES];
} pvb_step;

/* How a result ends: attributes for an epilogue. NULL after pvt_fail. */
dnnl_attr *pvb_step_attr(const pvb_epilogue *epilogue);

/* An argument whose memory is of that description, which stays the caller's. Arguments are taken in
** the order of run's data. */
int pvb_step_take(pvb_step *step, int arg, const dnnl_desc *desc);
/* After the arguments: take over what has been described; `desc` and `attr` are destroyed in any
** case. A reference implementation, many times slower than anything else, is PVT_E_UNSUPPORTED. */
int pvb_step_make(pvb_step *step, dnnl_primitive_desc *desc, dnnl_attr *attr);
/* A copy from one description to another. attr may be NULL. */
int pvb_step_reorder(pvb_step *step, const dnnl_desc *from, const dnnl_desc *to, dnnl_attr *attr);
/* data: of each argument taken, then the scratch, aligned to 64. */
int pvb_step_run(pvb_step *step, void *const *data);
void pvb_step_release(pvb_step *step);

/* pvt_fail for a status of oneDNN's. */
int pvb_dnnl_fail(int status, const char *what);

#endif
