/* plans.c - a graph's plans by shapes: found without a lock, made by one thread at a time.
**
** Readers are counted while they look and take a reference; whoever replaces a plan waits for those
** few instructions before letting go of it. Runs hold references, so what they use stays.
*/
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "context.h"
#include "plan.h"

#define MOST_PLANS 24

struct pvg_plans {
  _Atomic(pvg_plan *) plans[MOST_PLANS];
  _Atomic uint32_t readers;
  _Atomic uint64_t clock;
  pthread_mutex_t making;
};

pvg_plans *pvg_plans_new(void) {
  pvg_plans *plans = calloc(1, sizeof *plans);
  if (plans == NULL) {
    pvt_fail(PVT_E_NOMEM, "out of memory");
    return NULL;
  }
  pthread_mutex_init(&plans->making, NULL);
  return plans;
}

void pvg_plans_release(pvg_plans *plans) {
  if (plans == NULL) return;
  for (int i = 0; i < MOST_PLANS; i++) pvg_plan_release(atomic_load(&plans->plans[i]));
  pthread_mutex_destroy(&plans->making);
  free(plans);
}

static pvg_plan *find(pvg_plans *plans, const pvt_array *const *inputs,
                      const pvt_array *const *captures) {
  pvg_plan *found = NULL;
  atomic_fetch_add(&plans->readers, 1);
  for (int i = 0; i < MOST_PLANS && found == NULL; i++) {
    pvg_plan *plan = atomic_load(&plans->plans[i]);
    if (plan == NULL || !pvg_plan_fits(plan, inputs, captures)) continue;
    pvg_plan_retain(plan);
    found = plan;
  }
  atomic_fetch_sub(&plans->readers, 1);
  if (found != NULL)
    atomic_store_explicit(&found->used, atomic_fetch_add(&plans->clock, 1) + 1,
                          memory_order_relaxed);
  return found;
}

/* In the place of none, or of the one that was not asked for the longest. */
static void add(pvg_plans *plans, pvg_plan *plan) {
  int place = 0;
  uint64_t oldest = UINT64_MAX;
  for (int i = 0; i < MOST_PLANS; i++) {
    pvg_plan *there = atomic_load(&plans->plans[i]);
    uint64_t used = there == NULL ? 0 : atomic_load_explicit(&there->used, memory_order_relaxed);
    if (used < oldest) {
      oldest = used;
      place = i;
    }
    if (there == NULL) break;
  }
  atomic_store(&plan->used, atomic_fetch_add(&plans->clock, 1) + 1);
  pvg_plan_retain(plan);
  pvg_plan *before = atomic_exchange(&plans->plans[place], plan);
  if (before == NULL) return;
  while (atomic_load(&plans->readers) != 0) sched_yield();
  pvg_plan_release(before);
}

static int take_lock(pthread_mutex_t *mutex) {
  for (;;) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 2000000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_nsec -= 1000000000;
      until.tv_sec++;
    }
    if (pthread_mutex_timedlock(mutex, &until) == 0) return PVT_OK;
    int status = pvt_poll();
    if (status < 0) return status;
  }
}

int pvg_plans_get(pvg_plans *plans, pvg_model *model, const pvg_graph *graph,
                  const pvt_array *const *inputs, const pvt_array *const *captures,
                  pvg_plan **plan) {
  *plan = find(plans, inputs, captures);
  if (*plan != NULL) return PVT_OK;
  int status = take_lock(&plans->making);
  if (status < 0) return status;
  *plan = find(plans, inputs, captures);
  if (*plan == NULL) {
    status = pvg_plan_make(model, graph, inputs, captures, plan);
    if (status == PVT_OK) add(plans, *plan);
  }
  pthread_mutex_unlock(&plans->making);
  return status;
}
