/* plan.c - from a graph and its inputs' shapes to what a run does. */
#include "plan.h"

#include <string.h>
#include <time.h>

#include "context.h"

/* What is computed while planning is kept as long as the plan: no more than this, unless the inputs
** were large already. */
#define MOST_FOLDED ((int64_t)1 << 20)

typedef struct maker {
  pvg_plan *plan;
  pvg_symbols symbols;
  pvg_pool *scratch; /* emptied after each node */
} maker;

/* ---- Slots and steps ---------------------------------------------------- */

int pvg_plan_slot(pvg_plan *plan, const pvg_info *info, const char *name) {
  if (plan->slot_count == plan->slot_capacity) {
    int capacity = plan->slot_capacity + plan->slot_capacity / 2 + 16;
    pvg_slot *slots = pvg_pool_array(plan->pool, (size_t)capacity, sizeof *slots);
    if (slots == NULL) return pvt_error_status();
    if (plan->slot_count > 0) memcpy(slots, plan->slots, (size_t)plan->slot_count * sizeof *slots);
    plan->slots = slots;
    plan->slot_capacity = capacity;
  }
  plan->slots[plan->slot_count] = (pvg_slot){.name = name, .root = -1};
  if (info != NULL) plan->slots[plan->slot_count].info = *info;
  else plan->slots[plan->slot_count].info.dtype = -1;
  return plan->slot_count++;
}

int pvg_plan_put(pvg_plan *plan, pvg_step *step) {
  if (plan->step_count == plan->step_capacity) {
    int capacity = plan->step_capacity + plan->step_capacity / 2 + 16;
    pvg_step **steps = pvg_pool_array(plan->pool, (size_t)capacity, sizeof *steps);
    if (steps == NULL) return pvt_error_status();
    if (plan->step_count > 0) memcpy(steps, plan->steps, (size_t)plan->step_count * sizeof *steps);
    plan->steps = steps;
    plan->step_capacity = capacity;
  }
  plan->steps[plan->step_count++] = step;
  return PVT_OK;
}

pvg_step *pvg_plan_step(pvg_plan *plan, pvg_doing doing, const pvg_node *node, int inputs,
                        int outputs) {
  pvg_step *step = pvg_pool_take(plan->pool, sizeof *step);
  int *slots = pvg_pool_array(plan->pool, (size_t)(inputs + outputs) + 1, sizeof *slots);
  bool *placed = pvg_pool_array(plan->pool, (size_t)outputs + 1, sizeof *placed);
  if (step == NULL || slots == NULL || placed == NULL) return NULL;
  *step = (pvg_step){.made_before = plan->made_last,
                     .doing = doing,
                     .node = node,
                     .input_count = inputs,
                     .output_count = outputs,
                     .inputs = slots,
                     .outputs = slots + inputs,
                     .placed = placed};
  if (pvg_plan_put(plan, step) < 0) return NULL;
  return plan->made_last = step;
}

/* Describe a slot whose shape is known, in C order. */
static int describe_slot(pvg_plan *plan, int number) {
  pvg_slot *slot = &plan->slots[number];
  size_t bytes = offsetof(pvt_array, dim) + slot->info.ndim * sizeof(pvt_dim);
  slot->array = pvg_pool_take(plan->pool, bytes);
  if (slot->array == NULL) return pvt_error_status();
  pvt_array_over(slot->array, NULL, (pvt_dtype)slot->info.dtype, slot->info.ndim, slot->info.size);
  return PVT_OK;
}

static int constant_slot(pvg_plan *plan, const pvt_array *array, const char *name) {
  pvg_info info;
  pvg_info_of(&info, array);
  info.constant = array;
  int number = pvg_plan_slot(plan, &info, name);
  if (number < 0) return number;
  plan->slots[number].home = PVG_CONSTANT;
  plan->slots[number].array = (pvt_array *)array;
  return number;
}

/* The slot of a value that a node of the graph reads; -1 for NULL. */
static int slot_of(pvg_plan *plan, const pvg_value *value) {
  if (value == NULL) return -1;
  if (value->graph == plan->graph) return value->index;
  for (int i = 0; i < plan->graph->capture_count; i++)
    if (plan->graph->captures[i] == value) return plan->graph->value_count + i;
  return constant_slot(plan, value->info.constant, value->name);
}

static int make_slots(pvg_plan *plan, const pvt_array *const *inputs,
                      const pvt_array *const *captures) {
  const pvg_graph *graph = plan->graph;
  for (int i = 0; i < graph->value_count; i++) {
    const pvg_value *value = graph->values[i];
    int number = value->info.constant != NULL
                     ? constant_slot(plan, value->info.constant, value->name)
                     : pvg_plan_slot(plan, NULL, value->name);
    if (number < 0) return number;
  }
  plan->given_count = graph->input_count + graph->capture_count;
  plan->given = pvg_pool_array(plan->pool, (size_t)plan->given_count + 1, sizeof *plan->given);
  if (plan->given == NULL) return pvt_error_status();
  for (int i = 0; i < plan->given_count; i++) {
    bool inner = i >= graph->input_count;
    const pvt_array *array = inner ? captures[i - graph->input_count] : inputs[i];
    int number = inner ? pvg_plan_slot(plan, NULL, graph->captures[i - graph->input_count]->name)
                       : graph->inputs[i]->index;
    if (number < 0) return number;
    plan->given[i] = number;
    pvg_info_of(&plan->slots[number].info, array);
    plan->slots[number].home = PVG_GIVEN;
    int status = describe_slot(plan, number);
    if (status < 0) return status;
  }
  return PVT_OK;
}

/* ---- Nodes that are done while planning ---------------------------------- */

static bool has_graphs(const pvg_node *node) {
  for (int i = 0; i < node->attribute_count; i++)
    if (node->attributes[i].kind == PVG_GRAPH) return true;
  return false;
}

static bool can_fold(const pvg_plan *plan, const pvg_node *node, const int *inputs,
                     const pvg_info *outputs) {
  unsigned traits = node->operator->traits;
  if (traits & PVG_RANDOM || has_graphs(node)) return false;
  int64_t bytes = 0, result = 0;
  for (int i = 0; i < node->input_count; i++) {
    if (inputs[i] < 0) continue;
    const pvg_info *info = &plan->slots[inputs[i]].info;
    if (traits & PVG_SHAPES ? !pvg_info_is_fixed(info) : info->constant == NULL) return false;
    if (info->constant != NULL) bytes += pvg_info_bytes(info);
  }
  for (int i = 0; i < node->output_count; i++)
    if (pvg_info_is_fixed(&outputs[i])) result += pvg_info_bytes(&outputs[i]);
  return result <= MOST_FOLDED || result <= 4 * bytes;
}

static int fold(maker *maker, const pvg_node *node, const int *inputs) {
  pvg_plan *plan = maker->plan;
  size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
  const pvt_array **given = pvg_pool_array(maker->scratch, in + 1, sizeof *given);
  pvt_array *made = pvg_pool_array(maker->scratch, out + 1, sizeof *made);
  pvt_array **outputs = pvg_pool_array(maker->scratch, out + 1, sizeof *outputs);
  if (given == NULL || made == NULL || outputs == NULL) return pvt_error_status();
  for (size_t i = 0; i < in; i++)
    if (inputs[i] >= 0) given[i] = plan->slots[inputs[i]].array;
  for (size_t i = 0; i < out; i++)
    if (node->outputs[i] != NULL) outputs[i] = &made[i];
  pvg_frame frame = {0};
  int status = pvg_run_node(&frame, node, given, outputs, NULL);
  pvg_scratch_release(&frame);
  for (size_t i = 0; i < out; i++) {
    if (status < 0 || outputs[i] == NULL || made[i].data == NULL) {
      pvt_array_release(&made[i]);
      continue;
    }
    pvt_array *held = pvg_pool_hold(plan->pool, &made[i]);
    if (held == NULL) {
      status = pvt_error_status();
      continue;
    }
    pvg_slot *slot = &plan->slots[node->outputs[i]->index];
    held->writable = false;
    pvg_info_of(&slot->info, held);
    slot->info.constant = held;
    slot->home = PVG_CONSTANT;
    slot->array = held;
  }
  return status;
}

/* ---- Views --------------------------------------------------------------- */

/* An address with nothing at it, far from others on both sides. */
#define NOWHERE ((char *)((uintptr_t)1 << 45))

/* Outputs as views of input 0's memory, if they are. 1, 0 or negative. */
static int find_views(maker *maker, const pvg_node *node, const int *inputs, void *state) {
  pvg_plan *plan = maker->plan;
  size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
  if (in == 0 || inputs[0] < 0 || plan->slots[inputs[0]].array == NULL) return 0;
  if (plan->slots[inputs[0]].home == PVG_CONSTANT) return 0;
  for (size_t i = 1; i < in; i++)
    if (inputs[i] >= 0 && plan->slots[inputs[i]].info.constant == NULL) return 0;
  const pvt_array **given = pvg_pool_array(maker->scratch, in, sizeof *given);
  pvt_array *made = pvg_pool_array(maker->scratch, out + 1, sizeof *made);
  pvt_array **outputs = pvg_pool_array(maker->scratch, out + 1, sizeof *outputs);
  if (given == NULL || made == NULL || outputs == NULL) return pvt_error_status();
  pvt_array x = *plan->slots[inputs[0]].array;
  x.data = NOWHERE;
  x.buffer = NULL;
  given[0] = &x;
  for (size_t i = 1; i < in; i++)
    if (inputs[i] >= 0) given[i] = plan->slots[inputs[i]].array;
  for (size_t i = 0; i < out; i++)
    if (node->outputs[i] != NULL) outputs[i] = &made[i];
  pvg_frame frame = {0};
  pvg_active active = {.call = {.node = node,
                                .state = state,
                                .input_count = node->input_count,
                                .output_count = node->output_count,
                                .inputs = given,
                                .frame = &frame},
                       .outputs = outputs,
                       .dry = true};
  int status = node->operator->run(&active.call);
  pvg_scratch_release(&frame);
  if (active.copied) return 0;
  if (status < 0) return pvg_name_error(status, node);
  for (size_t i = 0; i < out; i++)
    if (outputs[i] != NULL && made[i].data == NULL) return 0;
  const pvg_slot *source = &plan->slots[inputs[0]];
  int root = source->home == PVG_WITHIN ? source->root : inputs[0];
  int64_t base = source->home == PVG_WITHIN ? source->offset : 0;
  for (size_t i = 0; i < out; i++) {
    if (outputs[i] == NULL) continue;
    pvg_slot *slot = &plan->slots[node->outputs[i]->index];
    size_t bytes = offsetof(pvt_array, dim) + made[i].ndim * sizeof(pvt_dim);
    slot->array = pvg_pool_take(plan->pool, bytes);
    if (slot->array == NULL) return pvt_error_status();
    slot->offset = base + (made[i].data - NOWHERE);
    made[i].data = NULL;
    memcpy(slot->array, &made[i], bytes);
    pvg_info_of(&slot->info, slot->array);
    slot->home = PVG_WITHIN;
    slot->root = root;
  }
  return 1;
}

/* ---- Nodes --------------------------------------------------------------- */

static int prepare_node(maker *maker, const pvg_node *node, const pvg_info *const *infos,
                        const pvg_info *outputs, void **state) {
  const pvg_operator *operator = node->operator;
  *state = NULL;
  if (operator->state_size == 0 || operator->prepare == NULL) return PVT_OK;
  *state = pvg_pool_take(maker->plan->pool, operator->state_size);
  if (*state == NULL) return pvt_error_status();
  pvg_prepare prepare = {.node = node,
                         .input_count = node->input_count,
                         .output_count = node->output_count,
                         .inputs = infos,
                         .outputs = outputs,
                         .pool = maker->plan->pool};
  int status = operator->prepare(&prepare, *state);
  return status < 0 ? pvg_name_error(status, node) : status;
}

static int plan_node(maker *maker, const pvg_node *node) {
  pvg_plan *plan = maker->plan;
  size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
  int *inputs = pvg_pool_array(maker->scratch, in + 1, sizeof *inputs);
  const pvg_info **infos = pvg_pool_array(maker->scratch, in + 1, sizeof *infos);
  pvg_info *outputs = pvg_pool_array(maker->scratch, out + 1, sizeof *outputs);
  if (inputs == NULL || infos == NULL || outputs == NULL) return pvt_error_status();
  bool known = true;
  for (size_t i = 0; i < in; i++) {
    inputs[i] = slot_of(plan, node->inputs[i]);
    if (inputs[i] < -1) return inputs[i];
  }
  for (size_t i = 0; i < in; i++) { /* slots stay in place from here on */
    if (inputs[i] < 0) continue;
    infos[i] = &plan->slots[inputs[i]].info;
    known = known && pvg_info_is_fixed(infos[i]);
  }
  int status = pvg_infer_node(&maker->symbols, node, infos, outputs);
  if (status < 0) return status;
  if (can_fold(plan, node, inputs, outputs)) return fold(maker, node, inputs);
  for (size_t i = 0; i < out; i++)
    if (node->outputs[i] != NULL) plan->slots[node->outputs[i]->index].info = outputs[i];
  void *state = NULL;
  bool late = !known, view = node->operator->traits & PVG_VIEW;
  if (!late) {
    status = prepare_node(maker, node, infos, outputs, &state);
    if (status < 0) return status;
    late = status == PVG_LATER;
  }
  bool loose = has_graphs(node);
  if (!late && view) {
    status = find_views(maker, node, inputs, state);
    if (status != 0) { /* a view needs no step */
      if (state != NULL && node->operator->unprepare != NULL) node->operator->unprepare(state);
      return status < 0 ? status : PVT_OK;
    }
    /* Of what only a run has, views are found then. */
    if (inputs[0] < 0 || plan->slots[inputs[0]].array == NULL) loose = true;
  }
  if (late && view) loose = true;
  pvg_step *step = pvg_plan_step(plan, PVG_CALLS, node, node->input_count, node->output_count);
  if (step == NULL) {
    if (!late && state != NULL && node->operator->unprepare != NULL)
      node->operator->unprepare(state);
    return pvt_error_status();
  }
  step->late = late;
  step->state = late ? NULL : state;
  memcpy(step->inputs, inputs, in * sizeof *inputs);
  for (size_t i = 0; i < out; i++) {
    step->outputs[i] = node->outputs[i] != NULL ? node->outputs[i]->index : -1;
    if (step->outputs[i] < 0 || loose || !pvg_info_is_fixed(&outputs[i])) continue;
    status = describe_slot(plan, step->outputs[i]);
    if (status < 0) return status;
    plan->slots[step->outputs[i]].home = PVG_ARENA;
  }
  return PVT_OK;
}

/* ---- Plans ---------------------------------------------------------------- */

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int make(pvg_model *model, pvg_plan *plan, const pvt_array *const *inputs,
                const pvt_array *const *captures) {
  maker maker = {.plan = plan, .symbols = {.count = plan->model->symbols.count}};
  int status = make_slots(plan, inputs, captures);
  for (int n = 0; n < plan->graph->node_count && status >= 0; n++) {
    maker.scratch = pvg_pool_new();
    if (maker.scratch == NULL) return pvt_error_status();
    status = pvt_poll();
    if (status >= 0) status = plan_node(&maker, plan->graph->nodes[n]);
    pvg_pool_release(maker.scratch);
  }
  plan->output_count = plan->graph->output_count;
  plan->outputs = pvg_pool_array(plan->pool, (size_t)plan->output_count + 1, sizeof *plan->outputs);
  if (plan->outputs == NULL) return pvt_error_status();
  for (int i = 0; i < plan->output_count && status >= 0; i++) {
    plan->outputs[i] = slot_of(plan, plan->graph->outputs[i]);
    if (plan->outputs[i] < 0) status = pvt_error_status();
  }
  if (status >= 0) status = pvg_plan_ways(model, plan);
  return status < 0 ? status : pvg_plan_homes(plan);
}

int pvg_plan_make(pvg_model *model, const pvg_graph *graph, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvg_plan **made) {
  double start = now();
  pvg_pool *pool = pvg_pool_new();
  pvg_plan *plan = pool != NULL ? pvg_pool_take(pool, sizeof *plan) : NULL;
  if (plan == NULL) {
    pvg_pool_release(pool);
    return pvt_error_status();
  }
  atomic_init(&plan->references, 1);
  plan->pool = pool;
  plan->model = model;
  plan->graph = graph;
  int status = make(model, plan, inputs, captures);
  plan->seconds = now() - start;
  if (status < 0) pvg_plan_release(plan);
  else *made = plan;
  return status;
}

void pvg_plan_retain(pvg_plan *plan) {
  atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
}

void pvg_plan_release(pvg_plan *plan) {
  if (plan == NULL || atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) != 1)
    return;
  for (pvg_step *step = plan->made_last; step != NULL; step = step->made_before) {
    if (step->state != NULL && step->node->operator->unprepare != NULL)
      step->node->operator->unprepare(step->state);
    pvb_release(step->kernel);
  }
  pvg_pool_release(plan->pool);
}

bool pvg_plan_fits(const pvg_plan *plan, const pvt_array *const *inputs,
                   const pvt_array *const *captures) {
  for (int i = 0; i < plan->given_count; i++) {
    int inner = i - plan->graph->input_count;
    const pvt_array *array = inner >= 0 ? captures[inner] : inputs[i];
    const pvt_array *known = plan->slots[plan->given[i]].array;
    if (array->ndim != known->ndim || array->dtype != known->dtype) return false;
    for (int d = 0; d < array->ndim; d++)
      if (array->dim[d].size != known->dim[d].size) return false;
  }
  return true;
}
