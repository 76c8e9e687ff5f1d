/* step.c - making and running primitives of oneDNN. */
#include "step.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

int pvb_dnnl_fail(int status, const char *what) {
  if (status == 0) return PVT_OK;
  if (status == 1) return pvt_fail(PVT_E_NOMEM, "out of memory in oneDNN");
  return pvt_fail(PVT_E_UNSUPPORTED, "oneDNN has no %s for this (status %d)", what, status);
}

/* PVB_SILU is a swish of 1, HARD_SWISH x * max(0, min(1, x / 6 + 1 / 2)). */
static int append_activation(dnnl_post_ops *ops, const pvb_epilogue *e) {
  static const int kinds[PVB_ACTIVATIONS] = {
      [PVB_RELU] = DNNL_RELU,
      [PVB_CLIP] = DNNL_CLIP,
      [PVB_LEAKY_RELU] = DNNL_RELU,
      [PVB_SIGMOID] = DNNL_LOGISTIC,
      [PVB_TANH] = DNNL_TANH,
      [PVB_GELU] = DNNL_GELU,
      [PVB_GELU_TANH] = DNNL_GELU_TANH,
      [PVB_SILU] = DNNL_SWISH,
      [PVB_HARD_SIGMOID] = DNNL_HARD_SIGMOID,
      [PVB_HARD_SWISH] = DNNL_HARD_SWISH,
  };
  float alpha = e->alpha, beta = e->beta;
  if (e->activation == PVB_NONE) return 0;
  if (e->activation == PVB_RELU) alpha = beta = 0;
  if (e->activation == PVB_LEAKY_RELU) beta = 0;
  if (e->activation == PVB_SILU) alpha = 1;
  if (e->activation == PVB_HARD_SWISH) alpha = 1.0f / 6, beta = 0.5f;
  return pvb_dnnl_get()->post_ops_append_eltwise(ops, kinds[e->activation], alpha, beta);
}

dnnl_attr *pvb_step_attr(const pvb_epilogue *epilogue) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  dnnl_attr *attr = NULL;
  dnnl_post_ops *ops = NULL;
  int status = dnnl->primitive_attr_create(&attr);
  if (status == 0) status = dnnl->primitive_attr_set_scratchpad_mode(attr, DNNL_SCRATCHPAD_USER);
  if (status == 0) status = dnnl->post_ops_create(&ops);
  if (status == 0 && epilogue->residual) status = dnnl->post_ops_append_sum(ops, 1, 0, 0);
  if (status == 0) status = append_activation(ops, epilogue);
  if (status == 0) status = dnnl->primitive_attr_set_post_ops(attr, ops);
  if (ops != NULL) dnnl->post_ops_destroy(ops);
  if (status == 0) return attr;
  if (attr != NULL) dnnl->primitive_attr_destroy(attr);
  pvb_dnnl_fail(status, "attributes");
  return NULL;
}

int pvb_step_take(pvb_step *step, int arg, const dnnl_desc *desc) {
  int status = pvb_dnnl_get()->memory_desc_clone(&step->descs[step->count], desc);
  if (status != 0) return pvb_dnnl_fail(status, "description");
  step->args[step->count++] = arg;
  return PVT_OK;
}

int pvb_step_make(pvb_step *step, dnnl_primitive_desc *desc, dnnl_attr *attr) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  const char *implementation = "";
  const dnnl_desc *scratch = dnnl->primitive_desc_query_md(desc, DNNL_QUERY_SCRATCHPAD, 0);
  int status = dnnl->primitive_desc_query(desc, DNNL_QUERY_IMPLEMENTATION, 0, &implementation);
  bool slow = status == 0 && strstr(implementation, "ref") != NULL;
  if (status == 0 && !slow) status = dnnl->primitive_create(&step->primitive, desc);
  step->scratch = scratch == NULL ? 0 : dnnl->memory_desc_get_size(scratch);
  int taken = step->scratch > 0 ? pvb_step_take(step, DNNL_SCRATCHPAD, scratch) : PVT_OK;
  dnnl->primitive_desc_destroy(desc);
  if (attr != NULL) dnnl->primitive_attr_destroy(attr);
  if (slow) return pvt_fail(PVT_E_UNSUPPORTED, "oneDNN has only a slow form of this");
  return status == 0 ? taken : pvb_dnnl_fail(status, "primitive");
}

int pvb_step_reorder(pvb_step *step, const dnnl_desc *from, const dnnl_desc *to, dnnl_attr *attr) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  static const pvb_epilogue none;
  dnnl_primitive_desc *desc;
  if (attr == NULL && (attr = pvb_step_attr(&none)) == NULL) return pvt_error_status();
  dnnl_engine *engine = pvb_dnnl_engine();
  int status = dnnl->reorder_primitive_desc_create(&desc, from, engine, to, engine, attr);
  if (status != 0) {
    dnnl->primitive_attr_destroy(attr);
    return pvb_dnnl_fail(status, "conversion");
  }
  status = pvb_step_take(step, DNNL_SRC, from);
  if (status == PVT_OK) status = pvb_step_take(step, DNNL_DST, to);
  int made = pvb_step_make(step, desc, attr);
  return status == PVT_OK ? made : status;
}

static void frame_release(pvb_frame *frame) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  for (int i = 0; i < PVB_STEP_ARGS; i++)
    if (frame->memory[i] != NULL) dnnl->memory_destroy(frame->memory[i]);
  if (frame->stream != NULL) dnnl->stream_destroy(frame->stream);
  free(frame);
}

static pvb_frame *frame_new(const pvb_step *step) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  pvb_frame *frame = calloc(1, sizeof *frame);
  if (frame == NULL) return NULL;
  int status = dnnl->stream_create(&frame->stream, pvb_dnnl_engine(), 1);
  for (int i = 0; i < step->count && status == 0; i++)
    status = dnnl->memory_create(&frame->memory[i], step->descs[i], pvb_dnnl_engine(), NULL);
  if (status == 0) return frame;
  frame_release(frame);
  return NULL;
}

static pvb_frame *frame_take(pvb_step *step) {
  for (int i = 0; i < PVB_STEP_FRAMES; i++) {
    if (atomic_load_explicit(&step->frames[i], memory_order_relaxed) == NULL) continue;
    pvb_frame *frame = atomic_exchange_explicit(&step->frames[i], NULL, memory_order_acquire);
    if (frame != NULL) return frame;
  }
  return frame_new(step);
}

static void frame_give(pvb_step *step, pvb_frame *frame) {
  for (int i = 0; i < PVB_STEP_FRAMES; i++) {
    pvb_frame *none = NULL;
    if (atomic_load_explicit(&step->frames[i], memory_order_relaxed) == NULL &&
        atomic_compare_exchange_strong_explicit(&step->frames[i], &none, frame,
                                                memory_order_release, memory_order_relaxed))
      return;
  }
  frame_release(frame);
}

int pvb_step_run(pvb_step *step, void *const *data) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  pvb_frame *frame = frame_take(step);
  if (frame == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  dnnl_exec_arg args[PVB_STEP_ARGS];
  int status = 0;
  for (int i = 0; i < step->count && status == 0; i++) {
    args[i] = (dnnl_exec_arg){step->args[i], frame->memory[i]};
    status = dnnl->memory_set_data_handle(frame->memory[i], data[i]);
  }
  if (status == 0) {
    int before = pvb_dnnl_enter();
    status = dnnl->primitive_execute(step->primitive, frame->stream, step->count, args);
    if (status == 0) status = dnnl->stream_wait(frame->stream);
    pvb_dnnl_leave(before);
  }
  frame_give(step, frame);
  return status == 0 ? PVT_OK : pvt_fail(PVT_E_NOMEM, "oneDNN failed (status %d)", status);
}

void pvb_step_release(pvb_step *step) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  for (int i = 0; i < PVB_STEP_FRAMES; i++) {
    pvb_frame *frame = atomic_load_explicit(&step->frames[i], memory_order_acquire);
    if (frame != NULL) frame_release(frame);
  }
  for (int i = 0; i < step->count; i++) dnnl->memory_desc_destroy(step->descs[i]);
  if (step->primitive != NULL) dnnl->primitive_destroy(step->primitive);
  *step = (pvb_step){0};
}
