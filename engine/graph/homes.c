/* homes.c - where a plan's values lie: one arena for all whose shapes are known.
**
** A value lives from the step that makes it to the last one that reads it or a view of it. Values
** whose lives do not meet share memory. A value may be written over an input that nobody needs any
** more, where the operator allows it. Outputs have memory of their own, which the caller takes.
*/
#include <stdlib.h>
#include <string.h>

#include "plan.h"

typedef struct block {
  int first, last; /* steps */
  size_t size;
  int64_t offset;
} block;

typedef struct homes {
  pvg_plan *plan;
  pvg_pool *scratch;
  int *root; /* by slot: what its memory belongs to, itself for most; views of the runs' included */
  int *last; /* by slot: the last step that reads it or what lies in it */
  int *block; /* by slot: -1 for none */
  block *blocks;
  int block_count;
} homes;

static void note_use(homes *homes, int slot, int step) {
  if (slot < 0) return;
  if (homes->last[slot] < step) homes->last[slot] = step;
  int root = homes->root[slot];
  if (homes->last[root] < step) homes->last[root] = step;
}

static void find_lives(homes *homes) {
  pvg_plan *plan = homes->plan;
  for (int s = 0; s < plan->slot_count; s++) {
    homes->root[s] = plan->slots[s].home == PVG_WITHIN ? plan->slots[s].root : s;
    homes->last[s] = homes->block[s] = -1;
  }
  for (int t = 0; t < plan->step_count; t++) {
    const pvg_step *step = plan->steps[t];
    bool views = step->doing == PVG_CALLS && step->node->operator->traits & PVG_VIEW;
    for (int i = 0; i < step->input_count; i++) note_use(homes, step->inputs[i], t);
    for (int i = 0; i < step->output_count; i++) {
      int slot = step->outputs[i];
      if (slot < 0) continue;
      if (views && plan->slots[slot].home == PVG_NOWHERE && step->inputs[0] >= 0)
        homes->root[slot] = homes->root[step->inputs[0]];
      note_use(homes, slot, t);
    }
    /* Captures of a node's graphs are inputs of it, in all but name. */
    for (int a = 0; step->node != NULL && a < step->node->attribute_count; a++) {
      if (step->node->attributes[a].kind != PVG_GRAPH) continue;
      const pvg_graph *inner = step->node->attributes[a].graph;
      for (int i = 0; i < inner->capture_count; i++)
        if (inner->captures[i]->graph == plan->graph) note_use(homes, inner->captures[i]->index, t);
    }
  }
  for (int i = 0; i < plan->output_count; i++) note_use(homes, plan->outputs[i], plan->step_count);
}

/* Outputs take their memory with them where they can. */
static void give_outputs(homes *homes) {
  pvg_plan *plan = homes->plan;
  for (int i = 0; i < plan->output_count; i++) {
    pvg_slot *slot = &plan->slots[plan->outputs[i]];
    bool taken = false;
    for (int j = 0; j < i && !taken; j++)
      taken = homes->root[plan->outputs[j]] == homes->root[plan->outputs[i]];
    plan->giving[i] = PVG_COPY;
    if (taken) continue;
    if (slot->home == PVG_ARENA) {
      slot->home = PVG_FRESH;
      plan->giving[i] = PVG_MOVE;
    } else if (slot->home == PVG_NOWHERE) plan->giving[i] = PVG_MOVE;
    else if (slot->home == PVG_WITHIN && pvt_array_is_contiguous(slot->array)) {
      pvg_slot *root = &plan->slots[slot->root];
      if (root->home != PVG_ARENA) continue;
      root->home = PVG_FRESH;
      plan->giving[i] = PVG_SHARE;
    }
  }
}

/* ---- The arena ------------------------------------------------------------ */

/* Whether the step's output may lie in the memory of its input i. */
static bool can_be_over(const homes *homes, const pvg_step *step, int t, int output, int i) {
  const pvg_plan *plan = homes->plan;
  int slot = step->inputs[i];
  if (slot < 0) return false;
  int root = homes->root[slot];
  const pvg_slot *from = &plan->slots[slot], *to = &plan->slots[output];
  if (plan->slots[root].home != PVG_ARENA || homes->block[root] < 0) return false;
  if (homes->blocks[homes->block[root]].last != t || homes->last[root] != t) return false;
  if (from->array == NULL || from->info.dtype != to->info.dtype || from->info.ndim != to->info.ndim)
    return false;
  for (int d = 0; d < to->info.ndim; d++)
    if (from->info.size[d] != to->info.size[d]) return false;
  if (from->home == PVG_WITHIN && from->offset != 0) return false;
  if (!pvt_array_is_contiguous(from->array)) return false;
  for (int j = 0; j < step->input_count; j++)
    if (step->inputs[j] >= 0 && step->inputs[j] != slot && homes->root[step->inputs[j]] == root)
      return false;
  return true;
}

static int over_which(const homes *homes, const pvg_step *step, int t, int output) {
  if (step->doing == PVG_REORDERS || step->doing == PVG_CALLS_BLOCKED) return -1;
  if (step->doing == PVG_KERNEL) /* the residual */
    return step->input_count > 2 && can_be_over(homes, step, t, output, 2) ? 2 : -1;
  if (!(step->node->operator->traits & PVG_OVER) || step->output_count != 1) return -1;
  for (int i = 0; i < step->input_count; i++)
    if (can_be_over(homes, step, t, output, i)) return i;
  return -1;
}

static void make_blocks(homes *homes) {
  pvg_plan *plan = homes->plan;
  for (int t = 0; t < plan->step_count; t++) {
    const pvg_step *step = plan->steps[t];
    for (int i = 0; i < step->output_count; i++) {
      int slot = step->outputs[i];
      if (slot < 0 || plan->slots[slot].home != PVG_ARENA) continue;
      int over = over_which(homes, step, t, slot);
      if (over >= 0) {
        homes->block[slot] = homes->block[homes->root[step->inputs[over]]];
        homes->blocks[homes->block[slot]].last = homes->last[slot];
        continue;
      }
      homes->block[slot] = homes->block_count;
      size_t bytes = (size_t)pvg_info_bytes(&plan->slots[slot].info);
      homes->blocks[homes->block_count++] =
          (block){t, homes->last[slot], (bytes + 63) / 64 * 64, -1};
    }
  }
}

static int by_size(const void *a, const void *b) {
  const block *const *x = a, *const *y = b;
  if ((*x)->size != (*y)->size) return (*x)->size < (*y)->size ? 1 : -1;
  return (*x)->first<(*y)->first ? -1 : (*x)->first>(*y)->first;
}

static int by_offset(const void *a, const void *b) {
  const block *const *x = a, *const *y = b;
  return (*x)->offset<(*y)->offset ? -1 : (*x)->offset>(*y)->offset;
}

/* The largest first, each as low as those before it leave room. */
static int lay_out(homes *homes) {
  size_t count = (size_t)homes->block_count;
  block **order = pvg_pool_array(homes->scratch, count + 1, sizeof *order);
  block **meets = pvg_pool_array(homes->scratch, count + 1, sizeof *meets);
  if (order == NULL || meets == NULL) return pvt_error_status();
  for (size_t i = 0; i < count; i++) order[i] = &homes->blocks[i];
  qsort(order, count, sizeof *order, by_size);
  size_t arena = 0;
  for (size_t i = 0; i < count; i++) {
    size_t others = 0;
    for (size_t j = 0; j < i; j++)
      if (order[j]->first <= order[i]->last && order[i]->first <= order[j]->last)
        meets[others++] = order[j];
    qsort(meets, others, sizeof *meets, by_offset);
    int64_t at = 0;
    for (size_t j = 0; j < others; j++) {
      if (meets[j]->offset - at >= (int64_t)order[i]->size) break;
      int64_t end = meets[j]->offset + (int64_t)meets[j]->size;
      if (end > at) at = end;
    }
    order[i]->offset = at;
    size_t end;
    if (__builtin_add_overflow((size_t)at, order[i]->size, &end) || end > (size_t)1 << 62)
      return pvt_fail(PVT_E_NOMEM, "the model's values do not fit into memory");
    if (end > arena) arena = end;
  }
  homes->plan->arena = arena;
  for (int s = 0; s < homes->plan->slot_count; s++)
    if (homes->block[s] >= 0) homes->plan->slots[s].offset = homes->blocks[homes->block[s]].offset;
  return PVT_OK;
}

/* ---- Lists ---------------------------------------------------------------- */

static int finish(homes *homes) {
  pvg_plan *plan = homes->plan;
  size_t count = (size_t)plan->slot_count + 1;
  plan->patches = pvg_pool_array(plan->pool, count, sizeof *plan->patches);
  plan->fresh = pvg_pool_array(plan->pool, count, sizeof *plan->fresh);
  plan->loose = pvg_pool_array(plan->pool, count, sizeof *plan->loose);
  int *dead = pvg_pool_array(plan->pool, count, sizeof *dead);
  if (plan->patches == NULL || plan->fresh == NULL || plan->loose == NULL || dead == NULL)
    return pvt_error_status();
  for (int s = 0; s < plan->slot_count; s++) {
    const pvg_slot *slot = &plan->slots[s];
    if (slot->home == PVG_WITHIN) {
      pvg_home home = plan->slots[slot->root].home;
      if (home == PVG_GIVEN || home == PVG_FRESH) plan->patches[plan->patch_count++] = s;
    } else if (slot->home == PVG_FRESH) plan->fresh[plan->fresh_count++] = s;
    if (slot->home != PVG_CONSTANT && slot->home != PVG_ARENA && slot->home != PVG_WITHIN)
      plan->loose[plan->loose_count++] = s;
  }
  for (int t = 0; t < plan->step_count; t++) {
    pvg_step *step = plan->steps[t];
    for (int i = 0; i < step->output_count; i++)
      step->placed[i] = step->outputs[i] >= 0 && plan->slots[step->outputs[i]].home != PVG_NOWHERE;
    step->dead = dead;
    for (int i = 0; i < step->input_count + step->output_count; i++) {
      int slot = i < step->input_count ? step->inputs[i] : step->outputs[i - step->input_count];
      if (slot < 0 || plan->slots[slot].home != PVG_NOWHERE || homes->last[slot] != t) continue;
      homes->last[slot] = -2; /* once */
      *dead++ = slot;
      step->dead_count++;
    }
  }
  return PVT_OK;
}

int pvg_plan_homes(pvg_plan *plan) {
  homes homes = {.plan = plan, .scratch = pvg_pool_new()};
  if (homes.scratch == NULL) return pvt_error_status();
  size_t count = (size_t)plan->slot_count + 1;
  int *numbers = pvg_pool_array(homes.scratch, 3 * count, sizeof *numbers);
  homes.blocks = pvg_pool_array(homes.scratch, count, sizeof *homes.blocks);
  plan->giving = pvg_pool_array(plan->pool, (size_t)plan->output_count + 1, sizeof *plan->giving);
  int status = PVT_OK;
  if (numbers == NULL || homes.blocks == NULL || plan->giving == NULL) status = pvt_error_status();
  else {
    homes.root = numbers;
    homes.last = numbers + count;
    homes.block = numbers + 2 * count;
    find_lives(&homes);
    give_outputs(&homes);
    make_blocks(&homes);
    status = lay_out(&homes);
    if (status >= 0) status = finish(&homes);
  }
  pvg_pool_release(homes.scratch);
  return status;
}
