/* describe.c - a plan as text: one line a step. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session.h"
#include "team.h"

typedef struct writer {
  void (*write)(void *arg, const char *text, size_t size);
  void *arg;
} writer;

static void say(const writer *writer, const char *format, ...) PVT_PRINTF(2, 3);
static void say(const writer *writer, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size > 0) writer->write(writer->arg, text, size < 1023 ? (size_t)size : 1023);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void describe_shape(const pvg_slot *slot, char text[120]) {
  size_t used = 0;
  const char *name = pvt_dtype_name(slot->info.dtype);
  text[0] = 0;
  used += (size_t)snprintf(text, 120, "%s", name != NULL ? name : "?");
  if (!slot->info.ranked) return;
  for (int d = 0; d < slot->info.ndim && used < 90; d++) {
    if (PVG_IS_SYMBOL(slot->info.size[d]))
      used += (size_t)snprintf(text + used, 120 - used, "%s?", d > 0 ? "x" : " ");
    else
      used += (size_t)snprintf(text + used, 120 - used, "%s%lld", d > 0 ? "x" : " ",
                               (long long)slot->info.size[d]);
  }
}

static void describe_time(double seconds, char text[24]) {
  if (seconds <= 0) strcpy(text, "-");
  else snprintf(text, 24, "%.1f", seconds * 1e6);
}

static void describe_step(const writer *writer, const pvg_plan *plan, int number, double measured) {
  static const char *const precisions[] = {"exact", "fast", "small"};
  const pvg_step *step = plan->steps[number];
  char what[256] = "", how[160] = "", shape[120] = "", predicted[24], taken[24];
  size_t used = 0;
  if (step->doing == PVG_REORDERS)
    snprintf(what, sizeof what, "%s", step->to_blocked ? "to blocks" : "from blocks");
  else {
    used = (size_t)snprintf(what, sizeof what, "%.60s", step->node->type);
    for (int i = 0; i < step->fused_count && used < 180; i++)
      used += (size_t)snprintf(what + used, sizeof what - used, "+%.40s", step->fused[i]->type);
  }
  if (step->doing == PVG_KERNEL)
    snprintf(how, sizeof how, "%s: %s%s%s %s", step->way.backend->name, step->way.algorithm,
             step->way.reads == PVB_BLOCKED ? ", reads blocks" : "",
             step->way.writes == PVB_BLOCKED ? ", writes blocks" : "",
             precisions[step->work->precision]);
  else if (step->late) snprintf(how, sizeof how, "sizes known in the run");
  if (step->output_count > 0 && step->outputs[0] >= 0)
    describe_shape(&plan->slots[step->outputs[0]], shape);
  describe_time(step->predicted, predicted);
  describe_time(measured > 0 ? measured : step->measured, taken);
  say(writer, "%4d  %-32.100s %-28s %10s %10s  %s%s%.60s\n", number, what, shape, predicted, taken,
      how, how[0] != 0 && step->node != NULL && step->node->name[0] != 0 ? "  " : "",
      step->node != NULL ? step->node->name : "");
}

/* Seconds of each step, the least of all rounds. */
static int time_steps(pvg_bound *bound, const pvt_array *const *inputs, int rounds, double *seconds,
                      double *total) {
  const pvg_plan *plan = bound->plan;
  int status = PVT_OK;
  pvt_array *outputs = calloc((size_t)plan->output_count + 1, sizeof *outputs);
  double *now_taken = calloc((size_t)plan->step_count + 1, sizeof *now_taken);
  if (outputs == NULL || now_taken == NULL) status = pvt_fail(PVT_E_NOMEM, "out of memory");
  pvb_crew crew;
  bound->frame.team = pvb_crew_join(&crew, plan->model->options.threads);
  for (int round = 0; round < rounds && status >= 0; round++) {
    double start = now();
    bound->step_seconds = now_taken;
    status = pvg_bound_run(bound, inputs, NULL, outputs);
    bound->step_seconds = NULL;
    double taken = now() - start;
    if (status < 0) break;
    for (int i = 0; i < plan->output_count; i++) pvt_array_release(&outputs[i]);
    if (round == 0 || taken < *total) *total = taken;
    for (int t = 0; t < plan->step_count; t++)
      if (round == 0 || now_taken[t] < seconds[t]) seconds[t] = now_taken[t];
    bound->busy = true;
  }
  bound->busy = false;
  if (bound->frame.team != NULL) pvb_crew_leave(&crew);
  bound->frame.team = NULL;
  free(outputs);
  free(now_taken);
  return status;
}

static void describe_plan(const writer *writer, const pvg_plan *plan, const double *seconds,
                          double total) {
  size_t packed = 0;
  double predicted = 0;
  int views = 0;
  for (int t = 0; t < plan->step_count; t++) {
    predicted += plan->steps[t]->predicted;
    if (plan->steps[t]->kernel != NULL) packed += plan->steps[t]->kernel->packed;
  }
  for (int s = 0; s < plan->slot_count; s++) views += plan->slots[s].home == PVG_WITHIN;
  say(writer, "graph '%.80s': %d nodes, %d steps, %d views that cost nothing\n", plan->graph->name,
      plan->graph->node_count, plan->step_count, views);
  say(writer, "values %.2f MB, packed weights %.2f MB, planned in %.1f ms\n",
      (double)plan->arena / 1e6, (double)packed / 1e6, plan->seconds * 1e3);
  say(writer, "%4s  %-32s %-28s %10s %10s\n", "step", "operator", "result", "predicted",
      "measured");
  for (int t = 0; t < plan->step_count; t++)
    describe_step(writer, plan, t, seconds != NULL ? seconds[t] : 0);
  say(writer, "predicted for works of backends: %.1f us", predicted * 1e6);
  if (total > 0) say(writer, "; a run took %.1f us", total * 1e6);
  say(writer, "\n");
}

int pvg_model_describe(pvg_model *model, const pvt_array *const *inputs, int rounds,
                       void (*write)(void *arg, const char *text, size_t size), void *arg) {
  writer writer = {write, arg};
  int status = pvg_model_prepare(model, inputs);
  if (status < 0) return status;
  pvg_session *session;
  status = pvg_session_new(model, &session);
  if (status < 0) return status;
  pvg_bound *bound;
  status = pvg_bound_get(session, model->graph, inputs, NULL, &bound);
  if (status >= 0) {
    double total = 0, *seconds = calloc((size_t)bound->plan->step_count + 1, sizeof *seconds);
    if (seconds == NULL) status = pvt_fail(PVT_E_NOMEM, "out of memory");
    else if (rounds > 0) status = time_steps(bound, inputs, rounds, seconds, &total);
    bound->busy = false;
    if (status >= 0) describe_plan(&writer, bound->plan, seconds, total);
    free(seconds);
  }
  pvg_session_release(session);
  return status;
}
