/* group.h - workers of one lane that are confined alike, and so can stand in for each other.
**
** Confinement is for good, so a worker serves tasks of one set of permissions only. Work is
** spread and stolen within a group. Across lanes, but never across permissions, workers of the
** regular lane help: the core lane with what it cannot take at once, and the low lane as
** long as one of them stays free for their own.
*/
#ifndef PVM_GROUP_H
#define PVM_GROUP_H

#include "worker.h"

typedef struct pvm_group pvm_group;
struct pvm_group {
  struct pvm_executor *executor;
  pvm_policy policy;
  pvm_lane lane;
  _Atomic uint32_t helping; /* of a regular one: threads that run the low lane's work */
  _Atomic(pvm_group *) beside[PVM_LANES]; /* those of the same policy, by lane */
  int ruleset;                            /* see confine.h */
  uint32_t first;                         /* index of its first worker among the executor's */
  uint32_t count;
  pvm_worker workers[];
};

/* Start `count` threads under the policy. NULL with a reason in `err` and no thread
** left behind, *status telling which kind. */
pvm_group *pvm_group_start(struct pvm_executor *executor, const pvm_policy *policy, pvm_lane lane,
                           uint32_t first, uint32_t count, int *status, char *err);
/* Only once all its threads have ended. */
void pvm_group_free(pvm_group *group);

#endif
