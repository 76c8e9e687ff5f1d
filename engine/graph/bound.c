/* bound.c - a plan bound to memory, and runs of it.
**
** Everything that is the same in each run is set up once: descriptions of all values, and for each
** step the arguments of its call. A run sets the addresses that change and calls.
*/
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "context.h"
#include "session.h"

#define MOST_BOUND 12

void pvg_bound_release(pvg_bound *bound) {
  pvg_scratch_release(&bound->frame);
  pvt_buffer_release(bound->own_arena.buffer);
  pvg_plan *plan = bound->plan;
  pvg_pool_release(bound->pool);
  pvg_plan_release(plan);
}

/* ---- Binding ------------------------------------------------------------- */

static int bind_arrays(pvg_bound *bound) {
  const pvg_plan *plan = bound->plan;
  pvt_array **arrays = pvg_pool_array(bound->pool, (size_t)plan->slot_count + 1, sizeof *arrays);
  if (arrays == NULL) return pvt_error_status();
  bound->frame.arrays = arrays;
  for (int s = 0; s < plan->slot_count; s++) {
    const pvg_slot *slot = &plan->slots[s];
    if (slot->home == PVG_CONSTANT) {
      arrays[s] = slot->array;
      continue;
    }
    size_t dims = slot->home == PVG_NOWHERE ? PVT_MAX_DIMS : slot->array->ndim;
    size_t bytes = offsetof(pvt_array, dim) + dims * sizeof(pvt_dim);
    arrays[s] = pvg_pool_take(bound->pool, bytes);
    if (arrays[s] == NULL) return pvt_error_status();
    if (slot->home == PVG_NOWHERE) continue;
    memcpy(arrays[s], slot->array, bytes);
    arrays[s]->buffer = NULL;
    arrays[s]->writable = slot->home == PVG_ARENA || slot->home == PVG_FRESH;
  }
  return PVT_OK;
}

static int bind_step(pvg_bound *bound, int number) {
  const pvg_step *step = bound->plan->steps[number];
  pvg_active *active = &bound->actives[number];
  size_t in = (size_t)step->input_count, out = (size_t)step->output_count;
  const pvt_array **inputs = pvg_pool_array(bound->pool, in + 1, sizeof *inputs);
  pvt_array **outputs = pvg_pool_array(bound->pool, out + 1, sizeof *outputs);
  if (inputs == NULL || outputs == NULL) return pvt_error_status();
  for (size_t i = 0; i < in; i++)
    if (step->inputs[i] >= 0) inputs[i] = bound->frame.arrays[step->inputs[i]];
  for (size_t i = 0; i < out; i++)
    if (step->outputs[i] >= 0) outputs[i] = bound->frame.arrays[step->outputs[i]];
  *active = (pvg_active){.call = {.node = step->node,
                                  .state = step->state,
                                  .input_count = step->input_count,
                                  .output_count = step->output_count,
                                  .inputs = inputs,
                                  .frame = &bound->frame},
                         .outputs = outputs,
                         .placed = step->placed};
  return PVT_OK;
}

/* Takes over the reference to the plan. */
static int bind(pvg_session *session, pvg_plan *plan, pvg_bound **made) {
  pvg_pool *pool = pvg_pool_new();
  pvg_bound *bound = pool != NULL ? pvg_pool_take(pool, sizeof *bound) : NULL;
  if (bound == NULL) {
    pvg_pool_release(pool);
    pvg_plan_release(plan);
    return pvt_error_status();
  }
  bound->pool = pool;
  bound->plan = plan;
  bound->frame.session = session;
  bound->frame.plan = plan;
  bound->arena = plan->graph == session->model->graph ? &session->arena : &bound->own_arena;
  bound->actives = pvg_pool_array(pool, (size_t)plan->step_count + 1, sizeof *bound->actives);
  int status = bound->actives != NULL ? bind_arrays(bound) : pvt_error_status();
  for (int t = 0; t < plan->step_count && status >= 0; t++) status = bind_step(bound, t);
  if (status < 0) pvg_bound_release(bound);
  else *made = bound;
  return status;
}

static void forget_oldest(pvg_session *session) {
  pvg_bound **oldest = NULL;
  for (pvg_bound **at = &session->bounds; *at != NULL; at = &(*at)->next)
    if (!(*at)->busy && (oldest == NULL || (*at)->used < (*oldest)->used)) oldest = at;
  if (oldest == NULL) return;
  pvg_bound *gone = *oldest;
  *oldest = gone->next;
  session->bound_count--;
  pvg_bound_release(gone);
}

int pvg_bound_get(pvg_session *session, const pvg_graph *graph, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvg_bound **found) {
  pvg_bound *bound = session->bounds;
  for (; bound != NULL; bound = bound->next)
    if (bound->plan->graph == graph && !bound->busy && pvg_plan_fits(bound->plan, inputs, captures))
      break;
  if (bound == NULL) {
    pvg_plan *plan;
    int status = pvg_plans_get(graph->plans, session->model, graph, inputs, captures, &plan);
    if (status >= 0) status = bind(session, plan, &bound);
    if (status < 0) return status;
    if (session->bound_count >= MOST_BOUND) forget_oldest(session);
    bound->next = session->bounds;
    session->bounds = bound;
    session->bound_count++;
  }
  bound->used = ++session->clock;
  bound->busy = true;
  *found = bound;
  return PVT_OK;
}

/* ---- Runs ---------------------------------------------------------------- */

static int have_arena(pvg_bound *bound) {
  const pvg_plan *plan = bound->plan;
  pvg_arena *arena = bound->arena;
  if (plan->arena == 0) return PVT_OK;
  pvt_account *account = pvt_context_account();
  if (arena->buffer == NULL || arena->account != account ||
      pvt_buffer_size(arena->buffer) < plan->arena) {
    pvt_buffer_release(arena->buffer);
    arena->buffer = pvt_buffer_new(plan->arena);
    if (arena->buffer == NULL) return pvt_error_status();
    arena->account = account;
  }
  char *base = pvt_buffer_data(arena->buffer);
  if (bound->base == base) return PVT_OK;
  bound->base = base;
  for (int s = 0; s < plan->slot_count; s++) {
    const pvg_slot *slot = &plan->slots[s];
    if (slot->home == PVG_ARENA) bound->frame.arrays[s]->data = base + slot->offset;
    else if (slot->home == PVG_WITHIN && plan->slots[slot->root].home == PVG_ARENA)
      bound->frame.arrays[s]->data = base + plan->slots[slot->root].offset + slot->offset;
  }
  return PVT_OK;
}

static int take_given(pvg_bound *bound, const pvt_array *const *inputs,
                      const pvt_array *const *captures) {
  const pvg_plan *plan = bound->plan;
  for (int i = 0; i < plan->given_count; i++) {
    int inner = i - plan->graph->input_count;
    const pvt_array *from = inner >= 0 ? captures[inner] : inputs[i];
    pvt_array *to = bound->frame.arrays[plan->given[i]];
    to->data = from->data != NULL ? from->data : (char *)to; /* nothing at all, but there */
    if (pvt_array_is_contiguous(from)) continue;
    to->buffer = pvt_buffer_new((size_t)pvg_info_bytes(&plan->slots[plan->given[i]].info));
    if (to->buffer == NULL) return pvt_error_status();
    to->data = pvt_buffer_data(to->buffer);
    to->writable = true;
    int status = pvt_copy(from, to);
    to->writable = false;
    if (status < 0) return status;
  }
  return PVT_OK;
}

static int have_fresh(pvg_bound *bound) {
  const pvg_plan *plan = bound->plan;
  for (int i = 0; i < plan->fresh_count; i++) {
    pvt_array *array = bound->frame.arrays[plan->fresh[i]];
    array->buffer = pvt_buffer_new((size_t)pvg_info_bytes(&plan->slots[plan->fresh[i]].info));
    if (array->buffer == NULL) return pvt_error_status();
    array->data = pvt_buffer_data(array->buffer);
  }
  for (int i = 0; i < plan->patch_count; i++) {
    const pvg_slot *slot = &plan->slots[plan->patches[i]];
    bound->frame.arrays[plan->patches[i]]->data =
        bound->frame.arrays[slot->root]->data + slot->offset;
  }
  return PVT_OK;
}

static int give_output(pvg_bound *bound, int i, pvt_array *output) {
  const pvg_plan *plan = bound->plan;
  pvt_array *array = bound->frame.arrays[plan->outputs[i]];
  pvg_giving giving = plan->giving[i];
  if (array->data == NULL)
    return pvt_fail(PVT_E_VALUE, "the model did not compute its output '%.100s'",
                    plan->slots[plan->outputs[i]].name);
  /* What came in the run may be a view of somebody else's memory. */
  if (giving == PVG_MOVE && (array->buffer == NULL || pvt_buffer_references(array->buffer) != 1 ||
                             !pvt_array_is_contiguous(array)))
    giving = PVG_COPY;
  if (giving == PVG_COPY) {
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < array->ndim; d++) shape[d] = array->dim[d].size;
    int status = pvt_array_new(output, (pvt_dtype)array->dtype, array->ndim, shape);
    if (status < 0) return status;
    status = pvt_copy(array, output);
    if (status < 0) pvt_array_release(output);
    return status;
  }
  memcpy(output, array, offsetof(pvt_array, dim) + array->ndim * sizeof(pvt_dim));
  output->writable = true;
  if (giving == PVG_MOVE) array->buffer = NULL;
  else {
    pvt_array *root = bound->frame.arrays[plan->slots[plan->outputs[i]].root];
    output->buffer = root->buffer;
    root->buffer = NULL;
  }
  return PVT_OK;
}

static int run_timed(pvg_bound *bound) {
  int status = PVT_OK;
  for (int t = 0; t < bound->plan->step_count && status >= 0; t++) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    status = pvg_step_run(bound, t);
    clock_gettime(CLOCK_MONOTONIC, &end);
    bound->step_seconds[t] =
        (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  }
  return status;
}

int pvg_bound_run(pvg_bound *bound, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvt_array *outputs) {
  const pvg_plan *plan = bound->plan;
  int status = have_arena(bound), given = 0;
  if (status >= 0) status = take_given(bound, inputs, captures);
  if (status >= 0) status = have_fresh(bound);
  if (bound->step_seconds != NULL && status >= 0) status = run_timed(bound);
  else
    for (int t = 0; t < plan->step_count && status >= 0; t++) status = pvg_step_run(bound, t);
  while (status >= 0 && given < plan->output_count) {
    status = give_output(bound, given, &outputs[given]);
    if (status >= 0) given++;
  }
  for (int i = 0; i < plan->loose_count; i++) {
    pvt_array *array = bound->frame.arrays[plan->loose[i]];
    if (array->buffer != NULL) pvt_buffer_release(array->buffer);
    array->buffer = NULL;
    array->data = NULL;
  }
  if (status < 0)
    while (given > 0) pvt_array_release(&outputs[--given]);
  bound->busy = false;
  return status;
}
