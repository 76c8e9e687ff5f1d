/* policy.h - which paths a task may open: part of its program. */
#ifndef PVM_POLICY_H
#define PVM_POLICY_H

#include "../include/vm.h"

typedef struct pvm_policy {
  char *paths[2][PVM_POLICY_PATHS]; /* by pvm_access, each list sorted, none twice */
  uint32_t count[2];
} pvm_policy;

/* PVM_OK, PVM_E_NOMEM, or PVM_E_INVALID for too many paths or one that is not absolute. */
int pvm_policy_add(pvm_policy *policy, pvm_access access, const char *path);
int pvm_policy_copy(pvm_policy *to, const pvm_policy *from);
int pvm_policy_equal(const pvm_policy *a, const pvm_policy *b);
void pvm_policy_free(pvm_policy *policy);

#endif
