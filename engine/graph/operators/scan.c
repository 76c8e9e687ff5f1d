/* scan.c - Scan: a graph that is run for each part of its inputs along an axis. */
#include "control_operators.h"

#include "context.h"

/* Version 8 has a first input of lengths, and a first dimension of all others that counts
** sequences; `axes` and directions of outputs come with version 9. */
typedef struct scanning {
  const pvg_graph *body;
  bool batched; /* version 8 */
  int first;    /* input that is the first state */
  int states, scanned, piles;
} scanning;

static int describe(const pvg_node *node, int input_count, int output_count, scanning *scan) {
  scan->batched = node->version < 9;
  scan->first = scan->batched;
  scan->body = pvg_subgraph(node, "body");
  int64_t scanned = pvg_int(node, "num_scan_inputs", 0);
  if (scanned < 1 || scanned > input_count - scan->first)
    return pvt_fail(PVT_E_VALUE, "num_scan_inputs is %lld", (long long)scanned);
  scan->scanned = (int)scanned;
  scan->states = input_count - scan->first - scan->scanned;
  scan->piles = output_count - scan->states;
  if (scan->piles < 0) return pvt_fail(PVT_E_VALUE, "the scan has too few outputs");
  return pvg_check_body(scan->body, scan->states + scan->scanned, output_count);
}

/* An element of a list attribute; 0 where there is none. */
static int64_t listed(const pvg_node *node, const char *name, int i) {
  int count;
  const int64_t *list = pvg_ints(node, name, &count);
  return i < count ? list[i] : 0;
}

int pvg_scan_infer(pvg_infer *infer) {
  scanning scan;
  int status = describe(infer->node, infer->input_count, infer->output_count, &scan);
  if (status != PVT_OK) return status;
  pvg_size length = 0;
  for (int i = scan.first; i < infer->input_count; i++)
    if (infer->inputs[i] == NULL) return pvt_fail(PVT_E_VALUE, "input %d is left out", i);
  const pvg_info *x = infer->inputs[scan.first + scan.states];
  if (x->ranked && !scan.batched) {
    int axis = pvg_axis(listed(infer->node, "scan_input_axes", 0), x->ndim);
    if (axis < 0) return axis;
    length = x->size[axis];
  }
  if (!x->ranked || PVG_IS_SYMBOL(length)) length = pvg_symbol(infer);
  for (int i = 0; i < infer->output_count; i++) {
    const pvg_value *out = scan.body->outputs[i];
    infer->outputs[i].dtype = out->info.dtype;
    if (scan.batched) continue; /* found in the run */
    if (i < scan.states)
      pvg_infer_state(infer, infer->inputs[i], scan.body->inputs[i], out, &infer->outputs[i]);
    else
      pvg_infer_pile(infer, out, listed(infer->node, "scan_output_axes", i - scan.states), length,
                     &infer->outputs[i]);
  }
  return PVT_OK;
}

/* ---- Running ------------------------------------------------------------ */

typedef struct sequence {
  pvt_array *values;  /* states */
  pvt_array *parts;   /* of the scanned inputs */
  pvt_array *results; /* of the body */
  const pvt_array **inputs;
} sequence;

static int room_for(pvg_call *call, const scanning *scan, sequence *sequence) {
  size_t inputs = (size_t)(scan->states + scan->scanned), outputs = (size_t)call->output_count;
  sequence->values = pvg_scratch(call, (inputs + outputs) * sizeof(pvt_array));
  if (sequence->values == NULL) return pvt_error_status();
  sequence->parts = sequence->values + scan->states;
  sequence->results = sequence->parts + scan->scanned;
  sequence->inputs = pvg_scratch(call, inputs * sizeof *sequence->inputs);
  return sequence->inputs != NULL ? PVT_OK : pvt_error_status();
}

/* Run the body over x's parts 0 ... length - 1 along their axes. States begin as `values`, and are
** left there; what is given piles up. */
static int run_sequence(pvg_call *call, const scanning *scan, sequence *s, const pvt_array *x,
                        const int *axes, const bool *backward, int64_t length, pvg_pile *piles) {
  for (int64_t t = 0; t < length; t++) {
    for (int i = 0; i < scan->states; i++) s->inputs[i] = &s->values[i];
    for (int i = 0; i < scan->scanned; i++) {
      pvg_look_at(&s->parts[i], &x[i], axes[i], backward[i] ? length - 1 - t : t);
      s->inputs[scan->states + i] = &s->parts[i];
    }
    int status = pvg_call_graph(call, scan->body, s->inputs, s->results);
    if (status != PVT_OK) return status;
    for (int i = 0; i < scan->states; i++) {
      pvt_array_release(&s->values[i]);
      memcpy(&s->values[i], &s->results[i], sizeof s->values[i]);
    }
    for (int i = 0; i < scan->piles; i++) {
      pvt_array *result = &s->results[scan->states + i];
      if (status == PVT_OK) status = pvg_pile_add(&piles[i], result);
      pvt_array_release(result);
    }
    if (status == PVT_OK) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int run_plain(pvg_call *call, const scanning *scan, sequence *s, pvg_pile *piles, int *axes,
                     bool *backward) {
  const pvt_array *x = NULL;
  pvt_array *scanned = pvg_scratch(call, (size_t)scan->scanned * sizeof *scanned);
  if (scanned == NULL) return pvt_error_status();
  int64_t length = 0;
  for (int i = 0; i < scan->scanned; i++) {
    x = call->inputs[scan->states + i];
    pvg_look(&scanned[i], x);
    axes[i] = pvg_axis(listed(call->node, "scan_input_axes", i), x->ndim);
    if (axes[i] < 0) return axes[i];
    backward[i] = listed(call->node, "scan_input_directions", i) != 0;
    if (i == 0) length = x->dim[axes[0]].size;
    if (x->dim[axes[i]].size != length)
      return pvt_fail(PVT_E_SHAPE, "inputs of %lld and %lld parts are scanned", (long long)length,
                      (long long)x->dim[axes[i]].size);
  }
  for (int i = 0; i < scan->states; i++) {
    pvg_look(&s->values[i], call->inputs[i]);
    s->values[i].buffer = NULL;
  }
  int status = run_sequence(call, scan, s, scanned, axes, backward, length, piles);
  for (int i = 0; i < scan->states; i++) {
    const pvt_array *value = s->values[i].buffer != NULL ? &s->values[i] : call->inputs[i];
    if (status == PVT_OK) status = pvg_output_view(call, i, value);
    pvt_array_release(&s->values[i]);
  }
  for (int i = 0; i < scan->piles && status == PVT_OK; i++)
    status = pvg_pile_give(call, scan->states + i, &piles[i],
                           &scan->body->outputs[scan->states + i]->info,
                           (int)listed(call->node, "scan_output_axes", i),
                           listed(call->node, "scan_output_directions", i) != 0);
  return status;
}

/* Version 8: each of the batch's sequences by itself. Its outputs are a pile of piles; shorter
** sequences are followed by zeros. */
static int run_batch(pvg_call *call, const scanning *scan, sequence *s, pvg_pile *piles, int *axes,
                     bool *backward) {
  const pvt_array *lengths = call->inputs[0], *x = call->inputs[1 + scan->states];
  pvt_array *scanned = pvg_scratch(call, (size_t)scan->scanned * sizeof *scanned);
  pvg_pile *wholes = pvg_scratch(call, (size_t)(call->output_count + 1) * sizeof *wholes);
  if (scanned == NULL || wholes == NULL) return pvt_error_status();
  memset(wholes, 0, (size_t)call->output_count * sizeof *wholes);
  for (int i = 1; i < call->input_count; i++)
    if (call->inputs[i]->ndim < 1 + (i > scan->states) ||
        call->inputs[i]->dim[0].size != x->dim[0].size ||
        (i > scan->states && call->inputs[i]->dim[1].size != x->dim[1].size))
      return pvt_fail(PVT_E_SHAPE, "inputs of a scan are not of one batch");
  int64_t batch = x->dim[0].size, longest = x->dim[1].size;
  if (lengths != NULL && pvt_array_count(lengths) != batch)
    return pvt_fail(PVT_E_SHAPE, "there is not one length for each of %lld sequences",
                    (long long)batch);
  int status = PVT_OK;
  for (int64_t b = 0; b < batch && status == PVT_OK; b++) {
    int64_t length = lengths != NULL ? pvg_int_at(lengths, b) : longest;
    if (length < 0 || length > longest) {
      status = pvt_fail(PVT_E_VALUE, "a sequence's length is %lld of %lld", (long long)length,
                        (long long)longest);
      break;
    }
    for (int i = 0; i < scan->scanned; i++) {
      pvg_look_at(&scanned[i], call->inputs[1 + scan->states + i], 0, b);
      scanned[i].dim[0].size = length; /* so reverse ones begin at their own end */
      axes[i] = 0;
      backward[i] = listed(call->node, "directions", i) != 0;
    }
    for (int i = 0; i < scan->states; i++) {
      pvg_look_at(&s->values[i], call->inputs[1 + i], 0, b);
      s->values[i].buffer = NULL;
    }
    status = run_sequence(call, scan, s, scanned, axes, backward, length, piles);
    for (int i = 0; i < scan->states; i++) {
      if (status == PVT_OK) status = pvg_pile_add(&wholes[i], &s->values[i]);
      pvt_array_release(&s->values[i]);
    }
    for (int i = 0; i < scan->piles && status == PVT_OK; i++) {
      pvg_pile *pile = &piles[i];
      pvt_array padded, part;
      int64_t shape[PVT_MAX_DIMS] = {longest};
      pvg_info *each = &scan->body->outputs[scan->states + i]->info;
      int ndim = pile->count > 0 ? pile->first.ndim : each->ndim;
      pvt_dtype dtype = (pvt_dtype)(pile->count > 0 ? pile->first.dtype : each->dtype);
      for (int d = 0; d < ndim; d++)
        shape[d + 1] = pile->count > 0     ? pile->first.dim[d].size
                       : each->size[d] < 0 ? 0
                                           : each->size[d];
      status = pvt_array_zeros(&padded, dtype, ndim + 1, shape);
      if (status != PVT_OK) break;
      shape[0] = pile->count;
      if (pile->count > 0 && pvt_array_count(&padded) > 0) {
        pvt_array_over(&part, pvt_buffer_data(pile->buffer), dtype, ndim + 1, shape);
        memcpy(padded.data, part.data, (size_t)pvt_array_count(&part) * pvt_itemsize(dtype));
      }
      pile->count = 0;
      status = pvg_pile_add(&wholes[scan->states + i], &padded);
      pvt_array_release(&padded);
    }
  }
  for (int i = 0; i < call->output_count; i++) {
    if (status == PVT_OK)
      status = pvg_pile_give(call, i, &wholes[i], &scan->body->outputs[i]->info, 0, false);
    pvg_pile_release(&wholes[i]);
  }
  return status;
}

int pvg_scan_run(pvg_call *call) {
  scanning scan;
  sequence sequence;
  int status = describe(call->node, call->input_count, call->output_count, &scan);
  if (status == PVT_OK) status = room_for(call, &scan, &sequence);
  if (status != PVT_OK) return status;
  size_t count = (size_t)(scan.piles + 1);
  pvg_pile *piles = pvg_scratch(call, count * sizeof *piles);
  int *axes = pvg_scratch(call, (size_t)scan.scanned * sizeof *axes);
  bool *backward = pvg_scratch(call, (size_t)scan.scanned * sizeof *backward);
  if (piles == NULL || axes == NULL || backward == NULL) return pvt_error_status();
  memset(piles, 0, count * sizeof *piles);
  status = (scan.batched ? run_batch : run_plain)(call, &scan, &sequence, piles, axes, backward);
  for (int i = 0; i < scan.piles; i++) pvg_pile_release(&piles[i]);
  return status;
}
