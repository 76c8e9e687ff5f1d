/* group.c - see group.h. */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine.h"
#include "executor.h"

static int prepare(pvm_group *group, uint32_t index) {
  pvm_worker *w = &group->workers[index];
  const pvm_executor_config *config = &group->executor->config;
  w->executor = group->executor;
  w->group = group;
  w->index = index;
  /* lanes side by side: core, regular, low */
  w->seat = index;
  if (group->lane != PVM_LANE_CORE) w->seat += config->core_workers;
  if (group->lane == PVM_LANE_LOW) w->seat += config->workers;
  return pvm_queue_init(&w->queue, config->max_pending);
}

void pvm_group_free(pvm_group *group) {
  if (group == NULL) return;
  for (uint32_t i = 0; i < group->count; i++) pvm_queue_free(&group->workers[i].queue);
  pvm_confine_close(group->ruleset);
  pvm_policy_free(&group->policy);
  free(group);
}

/* All of its workers, or none. */
static int start_threads(pvm_group *group, char *err) {
  int status = PVM_OK;
  for (uint32_t i = 0; i < group->count && status == PVM_OK; i++)
    atomic_store(&group->workers[i].thread, pvm_thread_start(&group->workers[i], &status, err));
  if (status == PVM_OK) return PVM_OK;
  for (uint32_t i = 0; i < group->count; i++) {
    pvm_thread *thread = atomic_load(&group->workers[i].thread);
    if (thread != NULL) pvm_thread_dismiss(thread);
  }
  return status;
}

pvm_group *pvm_group_start(struct pvm_executor *executor, const pvm_policy *policy, pvm_lane lane,
                           uint32_t first, uint32_t count, int *status, char *err) {
  pvm_group *group = NULL;
  size_t size = sizeof *group + count * sizeof group->workers[0];
  *status = PVM_E_NOMEM;
  if (posix_memalign((void **)&group, _Alignof(pvm_group), size) != 0) return NULL;
  memset(group, 0, size);
  group->executor = executor;
  group->ruleset = -1;
  group->lane = lane;
  group->first = first;
  group->count = count;
  *status = pvm_policy_copy(&group->policy, policy);
  for (uint32_t i = 0; *status == PVM_OK && i < count; i++)
    if (prepare(group, i) < 0) *status = PVM_E_NOMEM;
  if (*status == PVM_OK && executor->config.confine)
    *status = pvm_confine_prepare(policy, &group->ruleset, err);
  if (*status == PVM_OK) *status = start_threads(group, err);
  if (*status == PVM_OK) return group;
  pvm_group_free(group);
  return NULL;
}
