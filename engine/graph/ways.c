/* ways.c - who computes what costs, and in which layout.
**
** Steps that describe a work get the backends' ways as options; steps that follow any layout get one
** for each. What is chosen makes the sum of all times, moves between layouts included, small: two
** starts (all plain, all blocked), then step by step whatever is better beside its neighbours.
*/
#include <stdio.h>
#include <string.h>

#include "context.h"
#include "heavy.h"
#include "multiples.h"

#define MOVE_RATE 3e10 /* bytes a second between layouts, read and written */
#define MOVE_START 1e-6

void pvg_blocked_info(const pvg_info *plain, pvg_info *blocked) {
  *blocked = *plain;
  blocked->constant = NULL;
  blocked->size[1] = (plain->size[1] + PVB_BLOCK - 1) / PVB_BLOCK;
  blocked->size[plain->ndim] = PVB_BLOCK;
  blocked->ndim = (uint8_t)(plain->ndim + 1);
}

/* ---- Readers ------------------------------------------------------------- */

static void each_reader(pvg_heavy *heavy,
                        void (*visit)(pvg_heavy *heavy, int slot, int item, int input)) {
  pvg_plan *plan = heavy->plan;
  for (int i = 0; i < heavy->item_count; i++) {
    const pvg_step *step = heavy->items[i].step;
    if (step == NULL) continue;
    for (int j = 0; j < step->input_count; j++)
      if (step->inputs[j] >= 0) visit(heavy, step->inputs[j], i, j);
    for (int a = 0; step->node != NULL && a < step->node->attribute_count; a++) {
      if (step->node->attributes[a].kind != PVG_GRAPH) continue;
      const pvg_graph *inner = step->node->attributes[a].graph;
      for (int c = 0; c < inner->capture_count; c++)
        if (inner->captures[c]->graph == plan->graph)
          visit(heavy, inner->captures[c]->index, -1, 0);
    }
  }
  for (int s = 0; s < plan->slot_count; s++)
    if (plan->slots[s].home == PVG_WITHIN) visit(heavy, plan->slots[s].root, -1, 0);
  for (int i = 0; i < plan->output_count; i++) visit(heavy, plan->outputs[i], -1, 0);
}

static void count_reader(pvg_heavy *heavy, int slot, int item, int input) {
  (void)item;
  (void)input;
  heavy->reader_start[slot + 1]++;
}

static void put_reader(pvg_heavy *heavy, int slot, int item, int input) {
  heavy->readers[heavy->reader_start[slot]++] = (pvg_reader){item, input};
}

int pvg_heavy_readers(pvg_heavy *heavy) {
  size_t slots = (size_t)heavy->plan->slot_count;
  heavy->writer = pvg_pool_array(heavy->scratch, slots + 1, sizeof *heavy->writer);
  heavy->reader_start = pvg_pool_array(heavy->scratch, slots + 2, sizeof *heavy->reader_start);
  if (heavy->writer == NULL || heavy->reader_start == NULL) return pvt_error_status();
  for (size_t s = 0; s < slots; s++) heavy->writer[s] = -1;
  for (int i = 0; i < heavy->item_count; i++)
    for (int j = 0; heavy->items[i].step != NULL && j < heavy->items[i].step->output_count; j++)
      if (heavy->items[i].step->outputs[j] >= 0)
        heavy->writer[heavy->items[i].step->outputs[j]] = i;
  each_reader(heavy, count_reader);
  for (size_t s = 0; s < slots; s++) heavy->reader_start[s + 1] += heavy->reader_start[s];
  heavy->readers = pvg_pool_array(heavy->scratch, (size_t)heavy->reader_start[slots] + 1,
                                  sizeof *heavy->readers);
  if (heavy->readers == NULL) return pvt_error_status();
  each_reader(heavy, put_reader);
  for (size_t s = slots; s > 0; s--) heavy->reader_start[s] = heavy->reader_start[s - 1];
  heavy->reader_start[0] = 0;
  return PVT_OK;
}

/* ---- Works --------------------------------------------------------------- */

static bool is_allowed(const pvg_model *model, const pvb_backend *backend) {
  const char *names = model->options.backends;
  size_t size = strlen(backend->name);
  if (names == NULL || names[0] == 0) return true;
  for (const char *at = names; (at = strstr(at, backend->name)) != NULL; at += size) {
    bool starts = at == names || at[-1] == ',' || at[-1] == ' ';
    if (starts && (at[size] == 0 || at[size] == ',' || at[size] == ' ')) return true;
  }
  return false;
}

static void find_ways(pvg_heavy *heavy, pvg_item *item) {
  item->option_count = 0;
  const pvb_backend *backend;
  for (int b = 0; (backend = pvb_backend_at(b)) != NULL; b++) {
    if (!is_allowed(heavy->model, backend) || !backend->available()) continue;
    pvb_way ways[PVB_WAYS];
    int count = backend->ways(item->work, ways);
    for (int w = 0; w < count && item->option_count < PVG_OPTIONS; w++)
      item->options[item->option_count++] = (pvg_option){
          .way = ways[w],
          .reads = ways[w].reads,
          .writes = ways[w].writes,
          .seconds = ways[w].seconds,
      };
  }
}

static bool is_transposed(const pvg_plan *plan, int slot) {
  const pvt_array *array = plan->slots[slot].array;
  if (array == NULL || array->ndim < 2) return false;
  int64_t item = (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  return array->dim[array->ndim - 2].stride == item && array->dim[array->ndim - 1].stride != item;
}

/* Weights that were int8 in the file take a quarter of the room, whatever the precision. */
static int find_steps(pvg_heavy *heavy, pvb_work *work) {
  if (work->kind != PVB_PRODUCT || work->weights == NULL || work->precision == PVB_SMALL)
    return PVT_OK;
  size_t columns = (size_t)work->product.n;
  float *steps = pvg_pool_array(heavy->scratch, columns + 1, sizeof *steps);
  if (steps == NULL) return pvt_error_status();
  int status = pvb_multiples(work->weights, steps);
  if (status > 0) work->steps = steps;
  return status < 0 ? status : PVT_OK;
}

/* Make the step of a node that describes a work a heavy one: 1, 0 or negative. */
static int find_work(pvg_heavy *heavy, pvg_item *item) {
  pvg_plan *plan = heavy->plan;
  pvg_step *step = item->step;
  const pvg_operator *operator = step->node->operator;
  if (step->late || operator->work == NULL || step->outputs[0] < 0) return 0;
  if (plan->slots[step->outputs[0]].array == NULL) return 0;
  const pvg_info **inputs =
      pvg_pool_array(heavy->scratch, (size_t)step->input_count + 1, sizeof *inputs);
  pvg_info *outputs = pvg_pool_array(heavy->scratch, (size_t)step->output_count, sizeof *outputs);
  pvb_work *work = pvg_pool_take(plan->pool, sizeof *work);
  pvg_option *options = pvg_pool_array(heavy->scratch, PVG_OPTIONS, sizeof *options);
  if (inputs == NULL || outputs == NULL || work == NULL || options == NULL)
    return pvt_error_status();
  for (int i = 0; i < step->input_count; i++)
    if (step->inputs[i] >= 0) inputs[i] = &plan->slots[step->inputs[i]].info;
  for (int i = 0; i < step->output_count; i++) {
    outputs[i].dtype = -1;
    if (step->outputs[i] >= 0) outputs[i] = plan->slots[step->outputs[i]].info;
  }
  pvg_prepare prepare = {.node = step->node,
                         .input_count = step->input_count,
                         .output_count = step->output_count,
                         .inputs = inputs,
                         .outputs = outputs,
                         .pool = plan->pool};
  int status = operator->work(&prepare, work);
  if (status <= 0) return status;
  /* Convolutions by weights that come in a run are the operator's own affair. */
  if (work->kind != PVB_PRODUCT && work->weights == NULL) return 0;
  if (work->kind == PVB_PRODUCT) {
    work->product.a_transposed = is_transposed(plan, step->inputs[0]);
    if (work->weights == NULL) work->product.b_transposed = is_transposed(plan, step->inputs[1]);
  }
  work->precision = (pvb_precision)heavy->model->options.precision;
  work->threads = heavy->model->options.threads;
  if ((status = find_steps(heavy, work)) < 0) return status;
  item->options = options;
  item->work = work;
  find_ways(heavy, item);
  if (item->option_count == 0 && work->precision != PVB_EXACT) {
    work->precision = PVB_EXACT; /* what a description of the plan says */
    find_ways(heavy, item);
  }
  if (item->option_count == 0) {
    item->work = NULL;
    return 0;
  }
  return 1;
}

/* ---- Layouts ------------------------------------------------------------- */

static bool is_image(const pvg_plan *plan, int slot) {
  if (slot < 0) return false;
  const pvg_info *info = &plan->slots[slot].info;
  return plan->slots[slot].array != NULL && pvg_info_is_fixed(info) && info->dtype == PVT_FLOAT32 &&
         info->ndim >= 3 && info->ndim <= 5 && plan->slots[slot].home != PVG_WITHIN;
}

static bool keeps_zeros(const char *type) {
  static const char *const types[] = {"Relu", "LeakyRelu", "Tanh", "HardSwish", "Swish", "Mul"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(type, types[i]) == 0) return true;
  return false;
}

static bool same_sizes(const pvg_info *a, const pvg_info *b) {
  return a->ndim == b->ndim && memcmp(a->size, b->size, a->ndim * sizeof *a->size) == 0;
}

/* Whether a step computes the same when all its images are in blocks. */
static bool can_follow(const pvg_plan *plan, const pvg_step *step) {
  if (step->doing != PVG_CALLS || step->late || step->output_count != 1) return false;
  if (step->outputs[0] < 0 || step->node->domain[0] != 0 || !is_image(plan, step->outputs[0]))
    return false;
  const pvg_info *y = &plan->slots[step->outputs[0]].info;
  if (step->node->operator->blocked != NULL && step->input_count > 0)
    return is_image(plan, step->inputs[0]) && plan->slots[step->inputs[0]].home != PVG_CONSTANT;
  if (strcmp(step->node->type, "Concat") == 0) {
    int64_t axis = pvg_int(step->node, "axis", 1);
    if (axis != 1 && axis != 1 - y->ndim) return false;
    for (int i = 0; i < step->input_count; i++)
      if (!is_image(plan, step->inputs[i]) || plan->slots[step->inputs[i]].home == PVG_CONSTANT ||
          plan->slots[step->inputs[i]].info.size[1] % PVB_BLOCK != 0)
        return false;
    return axis == 1;
  }
  if (!(step->node->operator->traits & PVG_ELEMENTWISE)) return false;
  bool whole = y->size[1] % PVB_BLOCK == 0;
  bool sum = strcmp(step->node->type, "Add") == 0 || strcmp(step->node->type, "Sub") == 0;
  for (int i = 0; i < step->input_count; i++) {
    if (step->inputs[i] < 0) continue;
    const pvg_slot *slot = &plan->slots[step->inputs[i]];
    bool scalar = slot->home == PVG_CONSTANT &&
                  pvg_info_bytes(&slot->info) == (int64_t)pvt_itemsize((pvt_dtype)slot->info.dtype);
    if (scalar && (whole || !sum)) continue;
    if (slot->home == PVG_CONSTANT || !is_image(plan, step->inputs[i]) ||
        !same_sizes(&slot->info, y))
      return false;
  }
  return whole || sum || keeps_zeros(step->node->type);
}

static double move_seconds(const pvg_plan *plan, int slot) {
  return MOVE_START + 2 * (double)pvg_info_bytes(&plan->slots[slot].info) / MOVE_RATE;
}

static bool is_moved_input(const pvg_heavy *heavy, const pvg_item *item, int input) {
  if (item->work != NULL) return input == 0 || input == 2;
  const pvg_slot *slot = &heavy->plan->slots[item->step->inputs[input]];
  return item->follows && slot->home != PVG_CONSTANT;
}

/* The layout in which an item reads its input. */
static pvb_layout reads(const pvg_heavy *heavy, const pvg_item *item, int input) {
  if (item->option_count == 0 || !is_moved_input(heavy, item, input)) return PVB_PLAIN;
  const pvg_option *option = &item->options[item->chosen];
  return item->work != NULL && input == 2 ? option->writes : option->reads;
}

static pvb_layout writes(const pvg_heavy *heavy, int slot) {
  int writer = heavy->writer[slot];
  if (writer < 0 || heavy->items[writer].option_count == 0) return PVB_PLAIN;
  return heavy->items[writer].options[heavy->items[writer].chosen].writes;
}

static double slot_seconds(const pvg_heavy *heavy, int slot) {
  pvb_layout written = writes(heavy, slot);
  for (int r = heavy->reader_start[slot]; r < heavy->reader_start[slot + 1]; r++) {
    const pvg_reader *reader = &heavy->readers[r];
    pvb_layout wanted =
        reader->item < 0 ? PVB_PLAIN : reads(heavy, &heavy->items[reader->item], reader->input);
    if (wanted != written) return move_seconds(heavy->plan, slot);
  }
  return 0;
}

/* What depends on an item's choice. */
static double seconds_around(const pvg_heavy *heavy, const pvg_item *item) {
  double sum = item->options[item->chosen].seconds;
  for (int i = 0; i < item->step->input_count; i++)
    if (item->step->inputs[i] >= 0 && is_moved_input(heavy, item, i))
      sum += slot_seconds(heavy, item->step->inputs[i]);
  return sum + slot_seconds(heavy, item->step->outputs[0]);
}

static double seconds_of_all(const pvg_heavy *heavy) {
  double sum = 0;
  for (int i = 0; i < heavy->item_count; i++) {
    const pvg_item *item = &heavy->items[i];
    if (item->step != NULL && item->option_count > 0) sum += item->options[item->chosen].seconds;
  }
  for (int s = 0; s < heavy->plan->slot_count; s++)
    if (heavy->plan->slots[s].array != NULL && heavy->plan->slots[s].home != PVG_CONSTANT)
      sum += slot_seconds(heavy, s);
  return sum;
}

/* The best option of an item that keeps to a layout where it can. */
static void prefer(pvg_item *item, pvb_layout layout) {
  double best = 0;
  for (int o = 0; o < item->option_count; o++) {
    const pvg_option *option = &item->options[o];
    double seconds = (option->seconds + 1e-9) *
                     (1 + 3 * (option->reads != layout) + 3 * (option->writes != layout));
    if (o > 0 && seconds >= best) continue;
    best = seconds;
    item->chosen = o;
  }
}

/* Better the items one by one, as long as that goes on; then the time of all. */
static double descend(pvg_heavy *heavy) {
  bool better = true;
  for (int round = 0; round < 8 && better; round++) {
    better = false;
    for (int i = 0; i < heavy->item_count; i++) {
      pvg_item *item = &heavy->items[round % 2 == 0 ? i : heavy->item_count - 1 - i];
      if (item->step == NULL || item->option_count < 2) continue;
      int before = item->chosen, best = before;
      double least = seconds_around(heavy, item);
      for (int o = 0; o < item->option_count; o++) {
        item->chosen = o;
        double seconds = seconds_around(heavy, item);
        if (seconds >= least * (1 - 1e-9)) continue;
        least = seconds;
        best = o;
      }
      item->chosen = best;
      better = better || best != before;
    }
  }
  return seconds_of_all(heavy);
}

static void keep(const pvg_heavy *heavy, int *kept) {
  for (int i = 0; i < heavy->item_count; i++) kept[i] = heavy->items[i].chosen;
}

static void restore(pvg_heavy *heavy, const int *kept) {
  for (int i = 0; i < heavy->item_count; i++) heavy->items[i].chosen = kept[i];
}

/* From all plain and from all blocked; then stretches of the better one are turned to another layout,
** which one by one would not pay. The numbers are the same each time. */
static int choose(pvg_heavy *heavy) {
  int count = heavy->item_count;
  int *kept = pvg_pool_array(heavy->scratch, (size_t)count + 1, sizeof *kept);
  if (kept == NULL) return pvt_error_status();
  double best = 0;
  for (int layout = PVB_PLAIN; layout <= PVB_BLOCKED; layout++) {
    for (int i = 0; i < count; i++) prefer(&heavy->items[i], (pvb_layout)layout);
    double seconds = descend(heavy);
    if (layout == PVB_PLAIN || seconds < best) {
      best = seconds;
      keep(heavy, kept);
    }
  }
  int tries = count > 0 ? 20000 / count : 0;
  if (tries > 200) tries = 200;
  uint32_t random = 12345;
  for (int t = 0; t < tries; t++) {
    restore(heavy, kept);
    random = random * 1664525 + 1013904223;
    int first = (int)((random >> 8) % (uint32_t)count), length = 2 + (int)(random >> 4 & 15);
    for (int i = first; i < count && i < first + length; i++)
      prefer(&heavy->items[i], random >> 31 ? PVB_BLOCKED : PVB_PLAIN);
    double seconds = descend(heavy);
    if (seconds >= best) continue;
    best = seconds;
    keep(heavy, kept);
  }
  restore(heavy, kept);
  return pvt_poll();
}

/* Chosen ways that a backend does not prepare after all: a library may tell only then that it has nothing
** fast for a work. They are options no more. How many there were, or a negative status. */
static int refuse(pvg_heavy *heavy) {
  int refused = 0;
  for (int i = 0; i < heavy->item_count; i++) {
    pvg_item *item = &heavy->items[i];
    if (item->step == NULL || item->work == NULL || item->option_count < 2) continue;
    pvg_option *option = &item->options[item->chosen];
    if (option->prepared || option->measured || option->way.backend == pvb_backend_at(0)) continue;
    pvb_kernel *kernel = NULL;
    int status = option->way.backend->prepare(item->work, &option->way, &kernel);
    if (status >= 0) {
      pvb_release(kernel);
      option->prepared = true;
      continue;
    }
    if (status != PVT_E_UNSUPPORTED) return status;
    item->option_count--;
    memmove(option, option + 1, (size_t)(item->option_count - item->chosen) * sizeof *option);
    item->chosen = 0;
    refused++;
  }
  return refused;
}

/* ---- Making it so -------------------------------------------------------- */

static int describe_arena(pvg_plan *plan, int number) {
  pvg_slot *slot = &plan->slots[number];
  slot->array =
      pvg_pool_take(plan->pool, offsetof(pvt_array, dim) + slot->info.ndim * sizeof(pvt_dim));
  if (slot->array == NULL) return pvt_error_status();
  pvt_array_over(slot->array, NULL, (pvt_dtype)slot->info.dtype, slot->info.ndim, slot->info.size);
  slot->home = PVG_ARENA;
  return PVT_OK;
}

/* The slot of the same value in blocks; made once. */
static int blocked_slot(pvg_plan *plan, int *twins, int slot) {
  if (twins[slot] > 0) return twins[slot];
  pvg_info info;
  pvg_blocked_info(&plan->slots[slot].info, &info);
  int made = pvg_plan_slot(plan, &info, plan->slots[slot].name);
  if (made < 0) return made;
  twins[slot] = made;
  int status = describe_arena(plan, made);
  return status < 0 ? status : made;
}

static int reorder(pvg_plan *plan, int from, int to, bool to_blocked) {
  pvg_step *step = pvg_plan_step(plan, PVG_REORDERS, NULL, 1, 1);
  if (step == NULL) return pvt_error_status();
  step->inputs[0] = from;
  step->outputs[0] = to;
  step->to_blocked = to_blocked;
  return PVT_OK;
}

/* A step that follows is prepared anew, for its images in blocks, unless it can tell them. */
static int prepare_blocked(pvg_heavy *heavy, pvg_step *step, int64_t channels) {
  pvg_plan *plan = heavy->plan;
  const pvg_operator *operator = step->node->operator;
  if (operator->blocked != NULL) {
    step->doing = PVG_CALLS_BLOCKED;
    step->channels = channels;
    return PVT_OK;
  }
  if (step->state != NULL && operator->unprepare != NULL) operator->unprepare(step->state);
  step->state = NULL;
  if (operator->state_size == 0 || operator->prepare == NULL) return PVT_OK;
  const pvg_info **inputs =
      pvg_pool_array(heavy->scratch, (size_t)step->input_count + 1, sizeof *inputs);
  void *state = pvg_pool_take(plan->pool, operator->state_size);
  if (inputs == NULL || state == NULL) return pvt_error_status();
  for (int i = 0; i < step->input_count; i++)
    if (step->inputs[i] >= 0) inputs[i] = &plan->slots[step->inputs[i]].info;
  pvg_prepare prepare = {.node = step->node,
                         .input_count = step->input_count,
                         .output_count = step->output_count,
                         .inputs = inputs,
                         .outputs = &plan->slots[step->outputs[0]].info,
                         .pool = plan->pool};
  int status = operator->prepare(&prepare, state);
  if (status == PVT_OK) step->state = state;
  return status == PVG_LATER ? pvt_fail(PVT_E_UNSUPPORTED, "a step cannot follow a layout")
                             : status;
}

static int make_kernel(pvg_item *item) {
  const pvg_option *option = &item->options[item->chosen];
  pvg_step *step = item->step;
  step->doing = PVG_KERNEL;
  step->work = item->work;
  step->way = option->way;
  step->predicted = option->way.seconds;
  step->measured = option->measured ? option->seconds : 0;
  int status = option->way.backend->prepare(item->work, &option->way, &step->kernel);
  item->work->steps = NULL; /* they go with the search's scratch memory */
  return pvg_name_error(status, step->node);
}

static int rewrite(pvg_heavy *heavy) {
  pvg_plan *plan = heavy->plan;
  int slots = plan->slot_count, status = PVT_OK;
  int *twins = pvg_pool_array(heavy->scratch, (size_t)slots + 1, sizeof *twins);
  bool *has = pvg_pool_array(heavy->scratch, 2 * (size_t)slots + 2, sizeof *has); /* by layout */
  pvb_layout *written = pvg_pool_array(heavy->scratch, (size_t)slots + 1, sizeof *written);
  if (twins == NULL || has == NULL || written == NULL) return pvt_error_status();
  for (int s = 0; s < slots; s++) {
    written[s] = writes(heavy, s);
    has[2 * s + written[s]] = true;
  }
  plan->step_count = 0;
  for (int i = 0; i < heavy->item_count && status >= 0; i++) {
    pvg_item *item = &heavy->items[i];
    pvg_step *step = item->step;
    if (step == NULL) continue;
    bool blocked =
        item->option_count > 0 && item->follows && item->options[item->chosen].reads == PVB_BLOCKED;
    for (int j = 0; j < step->input_count && status >= 0; j++) {
      int slot = step->inputs[j];
      if (slot < 0) continue;
      pvb_layout wanted = reads(heavy, item, j);
      int twin = wanted == PVB_BLOCKED || written[slot] == PVB_BLOCKED
                     ? blocked_slot(plan, twins, slot)
                     : 0;
      if (twin < 0) return twin;
      if (!has[2 * slot + wanted]) {
        bool to_blocked = wanted == PVB_BLOCKED;
        status = reorder(plan, to_blocked ? slot : twin, to_blocked ? twin : slot, to_blocked);
        has[2 * slot + wanted] = true;
      }
      if (wanted == PVB_BLOCKED) step->inputs[j] = twin;
    }
    int slot = step->output_count > 0 ? step->outputs[0] : -1, twin = 0;
    if (status >= 0 && slot >= 0 && written[slot] == PVB_BLOCKED) {
      twin = blocked_slot(plan, twins, slot);
      if (twin < 0) return twin;
      step->outputs[0] = twin;
    }
    if (status >= 0 && item->work != NULL) status = make_kernel(item);
    if (status >= 0 && blocked)
      status = prepare_blocked(heavy, step, plan->slots[slot].info.size[1]);
    if (status >= 0) status = pvg_plan_put(plan, step);
    /* Views, outputs and inner graphs read the plain layout. */
    for (int r = twin > 0 ? heavy->reader_start[slot] : 0;
         twin > 0 && r < heavy->reader_start[slot + 1] && status >= 0; r++)
      if (heavy->readers[r].item < 0 && !has[2 * slot]) {
        status = reorder(plan, twin, slot, false);
        has[2 * slot] = true;
      }
  }
  return status;
}

static int plan_ways(pvg_heavy *heavy) {
  pvg_plan *plan = heavy->plan;
  heavy->item_count = plan->step_count;
  heavy->items =
      pvg_pool_array(heavy->scratch, (size_t)heavy->item_count + 1, sizeof *heavy->items);
  if (heavy->items == NULL) return pvt_error_status();
  int works = 0, status = PVT_OK;
  for (int i = 0; i < heavy->item_count && status >= 0; i++) {
    heavy->items[i].step = plan->steps[i];
    status = find_work(heavy, &heavy->items[i]);
    works += status > 0;
  }
  if (status < 0 || works == 0) return status;
  /* Inputs of a kernel: x, weights or b where they are given to each run, residual. */
  for (int i = 0; i < heavy->item_count; i++) {
    pvg_item *item = &heavy->items[i];
    if (item->work == NULL) continue;
    int *inputs = pvg_pool_array(plan->pool, 4, sizeof *inputs);
    if (inputs == NULL) return pvt_error_status();
    inputs[0] = item->step->inputs[0];
    inputs[1] = item->work->weights == NULL ? item->step->inputs[1] : -1;
    inputs[2] = -1;
    inputs[3] = item->step->outputs[0];
    item->step->inputs = inputs;
    item->step->input_count = 3;
    item->step->outputs = inputs + 3;
    item->step->output_count = 1;
  }
  status = pvg_heavy_readers(heavy);
  for (int i = 0; i < heavy->item_count && status >= 0; i++)
    if (heavy->items[i].work != NULL && heavy->items[i].step->fused == NULL)
      status = pvg_heavy_absorb(heavy, i);
  if (status >= 0) status = pvg_heavy_readers(heavy);
  for (int i = 0; i < heavy->item_count && status >= 0; i++) {
    pvg_item *item = &heavy->items[i];
    if (item->step == NULL) continue;
    if (item->work != NULL) {
      find_ways(heavy, item); /* with the epilogue */
      if (item->option_count == 0)
        status = pvt_fail(PVT_E_UNSUPPORTED, "no backend computes '%.60s' with what follows it",
                          item->step->node->type);
      continue;
    }
    if (!can_follow(plan, item->step)) continue;
    item->follows = true;
    item->options = pvg_pool_array(heavy->scratch, 2, sizeof *item->options);
    if (item->options == NULL) return pvt_error_status();
    item->option_count = 2;
    item->options[1].reads = item->options[1].writes = PVB_BLOCKED;
    if (item->step->node->operator->blocked == NULL) continue;
    double elements = (double)pvg_info_bytes(&plan->slots[item->step->inputs[0]].info) / 4;
    item->options[0].seconds = elements * 1.2e-9;
    item->options[1].seconds = elements * 1.5e-10;
  }
  if (status >= 0) status = pvg_heavy_measure(heavy);
  int refused = 1;
  while (status >= 0 && refused > 0) {
    status = choose(heavy);
    if (status >= 0) status = refused = refuse(heavy);
  }
  return status < 0 ? status : rewrite(heavy);
}

int pvg_plan_ways(pvg_model *model, pvg_plan *plan) {
  pvg_heavy heavy = {.plan = plan, .model = model, .scratch = pvg_pool_new()};
  if (heavy.scratch == NULL) return pvt_error_status();
  int status = plan_ways(&heavy);
  pvg_pool_release(heavy.scratch);
  return status;
}
