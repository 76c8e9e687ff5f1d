/* steps.c - what one step of a plan does in a run. */
#include "context.h"
#include "layouts.h"
#include "session.h"

static int run_kernel(const pvg_step *step, const pvg_active *active) {
  pvg_call *call = (pvg_call *)&active->call;
  pvb_run run = {.x = call->inputs[0],
                 .b = call->inputs[1],
                 .residual = step->input_count > 2 ? call->inputs[2] : NULL,
                 .y = active->outputs[0],
                 .team = call->frame->team};
  if (step->kernel->scratch > 0) {
    run.scratch = pvg_scratch(call, step->kernel->scratch);
    if (run.scratch == NULL) return pvt_error_status();
  }
  return step->kernel->run(step->kernel, &run);
}

static int run_reorder(const pvg_step *step, const pvg_active *active) {
  const pvt_array *from = active->call.inputs[0];
  pvt_array *to = active->outputs[0];
  return step->to_blocked ? pvb_to_blocked(from, to) : pvb_from_blocked(from, to);
}

int pvg_step_run(pvg_bound *bound, int number) {
  const pvg_step *step = bound->plan->steps[number];
  pvg_active *active = &bound->actives[number];
  int status = pvt_poll();
  if (status < 0) return status;
  if (step->late)
    status =
        pvg_run_node(&bound->frame, step->node, active->call.inputs, active->outputs, step->placed);
  else {
    if (step->doing == PVG_CALLS) status = step->node->operator->run(&active->call);
    else if (step->doing == PVG_CALLS_BLOCKED)
      status = step->node->operator->blocked(&active->call, step->channels);
    else if (step->doing == PVG_KERNEL) status = run_kernel(step, active);
    else status = run_reorder(step, active);
    pvg_scratch_reset(&bound->frame);
    if (status < 0 && step->node != NULL) pvg_name_error(status, step->node);
  }
  for (int i = 0; i < step->dead_count; i++) {
    pvt_array *array = bound->frame.arrays[step->dead[i]];
    pvt_buffer_release(array->buffer);
    array->buffer = NULL;
  }
  return status;
}
