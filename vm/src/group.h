/* group.h - workers that are confined alike, and so can stand in for each other.
**
** Confinement is for good, so a worker serves tasks of one set of permissions only. Work is
** spread and stolen within a group, never across.
*/
#ifndef PVM_GROUP_H
#define PVM_GROUP_H

#include "worker.h"

typedef struct pvm_group {
  struct pvm_executor *executor;
  pvm_policy policy;
  int ruleset;    /* see confine.h */
  uint32_t first; /* index of its first worker among the executor's */
  uint32_t count;
  pvm_worker workers[];
} pvm_group;

/* Start config.workers threads under the policy. NULL with a reason in `err` and no thread
** left behind, *status telling which kind. */
pvm_group *pvm_group_start(struct pvm_executor *executor, const pvm_policy *policy, uint32_t first,
                           int *status, char *err);
/* Only once all its threads have ended. */
void pvm_group_free(pvm_group *group);

#endif
