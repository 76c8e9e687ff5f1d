/* loop.c - Loop: a graph that is run a number of times, or while its condition holds. */
#include "control_operators.h"

#include "context.h"

int pvg_loop_infer(pvg_infer *infer) {
  const pvg_graph *body = pvg_subgraph(infer->node, "body");
  int states = infer->input_count - 2, piles = infer->output_count - states;
  if (states < 0 || piles < 0) return pvt_fail(PVT_E_VALUE, "the loop has too few outputs");
  int status = pvg_check_body(body, states + 2, states + piles + 1);
  if (status != PVT_OK) return status;
  for (int i = 0; i < states; i++) {
    if (infer->inputs[i + 2] == NULL)
      return pvt_fail(PVT_E_VALUE, "value %d of the loop is left out", i);
    pvg_infer_state(infer, infer->inputs[i + 2], body->inputs[i + 2], body->outputs[i + 1],
                    &infer->outputs[i]);
  }
  for (int i = states; i < states + piles; i++)
    pvg_infer_pile(infer, body->outputs[i + 1], 0, pvg_symbol(infer), &infer->outputs[i]);
  return PVT_OK;
}

/* What a loop has while it runs; arrays with buffers are its own. */
typedef struct looping {
  const pvg_graph *body;
  int states, piles;
  pvt_array *values;        /* of the states */
  pvt_array *results;       /* of the body: condition, states, what piles up */
  const pvt_array **inputs; /* of the body */
  pvg_pile *pile;
} looping;

static int set_up(pvg_call *call, looping *loop) {
  loop->states = call->input_count - 2;
  loop->piles = call->output_count - loop->states;
  loop->body = pvg_subgraph(call->node, "body");
  size_t states = (size_t)loop->states, piles = (size_t)loop->piles;
  loop->values = pvg_scratch(call, (states + 1) * sizeof *loop->values);
  if (loop->values == NULL) return pvt_error_status();
  loop->results = pvg_scratch(call, (states + piles + 1) * sizeof *loop->results);
  if (loop->results == NULL) return pvt_error_status();
  loop->inputs = pvg_scratch(call, (states + 2) * sizeof *loop->inputs);
  if (loop->inputs == NULL) return pvt_error_status();
  loop->pile = pvg_scratch(call, (piles + 1) * sizeof *loop->pile);
  if (loop->pile == NULL) return pvt_error_status();
  memset(loop->pile, 0, piles * sizeof *loop->pile);
  for (int i = 0; i < loop->states; i++) {
    pvg_look(&loop->values[i], call->inputs[i + 2]);
    loop->values[i].buffer = NULL; /* the input's, not ours to release */
  }
  return PVT_OK;
}

/* One round: *on is the condition that it gives. */
static int go_round(pvg_call *call, looping *loop, int64_t round, bool *on) {
  pvt_array number, condition;
  pvt_array_over(&number, &round, PVT_INT64, 0, NULL);
  pvt_array_over(&condition, on, PVT_BOOL, 0, NULL);
  loop->inputs[0] = &number;
  loop->inputs[1] = &condition;
  for (int i = 0; i < loop->states; i++) loop->inputs[i + 2] = &loop->values[i];
  int status = pvg_call_graph(call, loop->body, loop->inputs, loop->results);
  if (status != PVT_OK) return status;
  if (pvt_array_count(&loop->results[0]) != 1)
    status = pvt_fail(PVT_E_SHAPE, "the loop's condition is not one element");
  else *on = pvg_int_at(&loop->results[0], 0) != 0;
  pvt_array_release(&loop->results[0]);
  for (int i = 0; i < loop->states; i++) {
    pvt_array_release(&loop->values[i]);
    memcpy(&loop->values[i], &loop->results[i + 1], sizeof loop->values[i]);
  }
  for (int i = 0; i < loop->piles; i++) {
    pvt_array *result = &loop->results[loop->states + 1 + i];
    if (status == PVT_OK) status = pvg_pile_add(&loop->pile[i], result);
    pvt_array_release(result);
  }
  return status == PVT_OK ? pvt_poll() : status;
}

int pvg_loop_run(pvg_call *call) {
  const pvt_array *limit = call->inputs[0], *condition = call->inputs[1];
  if ((limit != NULL && pvt_array_count(limit) != 1) ||
      (condition != NULL && pvt_array_count(condition) != 1))
    return pvt_fail(PVT_E_SHAPE, "the loop's count and condition are one element each");
  int64_t most = limit != NULL ? pvg_int_at(limit, 0) : INT64_MAX;
  bool on = condition == NULL || pvg_int_at(condition, 0) != 0, always = condition == NULL;
  looping loop;
  int status = set_up(call, &loop);
  if (status != PVT_OK) return status;
  for (int64_t round = 0; round < most && on && status == PVT_OK; round++) {
    status = go_round(call, &loop, round, &on);
    if (always) on = true; /* without a condition to begin with it is not looked at */
  }
  for (int i = 0; i < loop.states; i++) {
    const pvt_array *value = loop.values[i].buffer != NULL ? &loop.values[i] : call->inputs[i + 2];
    if (status == PVT_OK) status = pvg_output_view(call, i, value);
    pvt_array_release(&loop.values[i]);
  }
  for (int i = 0; i < loop.piles; i++) {
    const pvg_info *each = &loop.body->outputs[loop.states + 1 + i]->info;
    if (status == PVT_OK)
      status = pvg_pile_give(call, loop.states + i, &loop.pile[i], each, 0, false);
    pvg_pile_release(&loop.pile[i]);
  }
  return status;
}
