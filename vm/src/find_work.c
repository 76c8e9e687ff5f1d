/* find_work.c - see find_work.h. */
#include "find_work.h"

#include "executor.h"
#include "runtime.h"

/* Work that has waited this long in another's queue may be stolen, and a sleeper looks for
** such work this often while any is queued. Sooner, and a thread would make a VM for what
** the home worker was about to do in its own, warm one. */
#define PATIENCE_NS 200000

/* Whoever looks for the invocation finds it in the queue or held here. */
static pvm_invocation *take(pvm_thread *t, pvm_queue *queue) {
  _Atomic uint64_t *holding = &t->worker->holding;
  atomic_store_explicit(holding, PVM_TAKING, memory_order_relaxed);
  pvm_invocation *invocation = pvm_queue_pop(queue);
  uint64_t id = invocation != NULL ? invocation->completion.id : 0;
  atomic_store_explicit(holding, id, memory_order_release);
  return invocation;
}

/* What has waited too long in another queue of the group. */
static pvm_invocation *steal(pvm_thread *t, pvm_group *group, uint32_t first) {
  uint64_t now = pvm_now();
  for (uint32_t i = 0; i < group->count; i++) {
    pvm_worker *other = &group->workers[(first + i) % group->count];
    uint64_t oldest = pvm_queue_oldest(&other->queue);
    if (oldest == UINT64_MAX || oldest + PATIENCE_NS > now) continue;
    pvm_invocation *invocation = take(t, &other->queue);
    if (invocation != NULL) return invocation;
  }
  return NULL;
}

/* Regular workers help other lanes; one of them never helps the low lane. */
static pvm_invocation *help(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_group *own = w->group;
  if (own->lane != PVM_LANE_REGULAR) return NULL;
  pvm_group *core = atomic_load(&own->beside[PVM_LANE_CORE]);
  pvm_invocation *invocation = core != NULL ? steal(t, core, w->index) : NULL;
  if (invocation != NULL) return invocation;
  pvm_group *low = atomic_load(&own->beside[PVM_LANE_LOW]);
  if (low == NULL || own->count < 2) return NULL;
  t->helping = atomic_fetch_add(&own->helping, 1) < own->count - 1 &&
               (invocation = steal(t, low, w->index)) != NULL;
  if (!t->helping) atomic_fetch_sub(&own->helping, 1);
  return invocation;
}

static void ring_group(pvm_group *group) {
  for (uint32_t i = 0; group != NULL && i < group->count; i++)
    pvm_park_ring(&group->workers[i].park);
}

/* Who pushed while this thread was asleep or looking relied on it, but it takes one at a time: if
** there is more than that, others are to come. */
static void call_others(pvm_worker *w, size_t takes) {
  if (pvm_queue_count(&w->queue) <= takes) return;
  ring_group(w->group);
  if (w->group->lane != PVM_LANE_REGULAR)
    ring_group(atomic_load(&w->group->beside[PVM_LANE_REGULAR]));
}

/* Look at the own queue for spin_us. */
static pvm_invocation *watch(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_invocation *invocation = NULL;
  uint64_t until = pvm_now() + w->executor->config.spin_us * 1000u;
  atomic_store(&w->looking, 1);
  do {
    for (int i = 0; i < 64 && invocation == NULL; i++) {
      invocation = take(t, &w->queue);
      pvm_spin();
    }
  } while (invocation == NULL && pvm_now() < until);
  atomic_store(&w->looking, 0);
  if (invocation != NULL) call_others(w, 0);
  return invocation;
}

pvm_invocation *pvm_find_work(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_invocation *invocation = take(t, &w->queue);
  if (invocation == NULL) invocation = watch(t);
  if (invocation == NULL) invocation = steal(t, w->group, w->index + 1);
  return invocation != NULL ? invocation : help(t);
}

static int has_queued(pvm_group *group) {
  for (uint32_t i = 0; group != NULL && i < group->count; i++)
    if (pvm_queue_count(&group->workers[i].queue) != 0) return 1;
  return 0;
}

/* Is there work that this thread may take when it has waited long enough? */
static int may_have_work_soon(pvm_group *group) {
  if (has_queued(group)) return 1;
  if (group->lane != PVM_LANE_REGULAR) return 0;
  return has_queued(atomic_load(&group->beside[PVM_LANE_CORE])) ||
         (atomic_load(&group->helping) + 1 < group->count &&
          has_queued(atomic_load(&group->beside[PVM_LANE_LOW])));
}

void pvm_wait_for_work(pvm_thread *t) {
  pvm_worker *w = t->worker;
  uint32_t ticket = pvm_park_ticket(&w->park);
  if (t->swept != atomic_load(&w->executor->withdrawals) || pvm_thread_is_over(t) ||
      pvm_queue_count(&w->queue) != 0) {
    pvm_park_leave(&w->park);
    call_others(w, 1);
    return;
  }
  pvm_vm_leave(); /* an interpreter is not held while nothing runs in it */
  int soon = may_have_work_soon(w->group);
  pvm_park_sleep(&w->park, ticket, soon ? PATIENCE_NS : PVM_FOREVER);
  call_others(w, 1);
}
