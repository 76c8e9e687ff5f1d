/* policy.c - see policy.h. */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

int pvm_policy_add(pvm_policy *policy, pvm_access access, const char *path) {
  if (access != PVM_READ && access != PVM_WRITE) return PVM_E_INVALID;
  if (path == NULL || path[0] != '/') return PVM_E_INVALID;
  char **paths = policy->paths[access];
  uint32_t count = policy->count[access], at = 0;
  while (at < count && strcmp(paths[at], path) < 0) at++;
  if (at < count && strcmp(paths[at], path) == 0) return PVM_OK;
  if (count == PVM_POLICY_PATHS) return PVM_E_INVALID;
  char *copy = strdup(path);
  if (copy == NULL) return PVM_E_NOMEM;
  memmove(paths + at + 1, paths + at, (count - at) * sizeof *paths);
  paths[at] = copy;
  policy->count[access]++;
  return PVM_OK;
}

int pvm_policy_copy(pvm_policy *to, const pvm_policy *from) {
  *to = (pvm_policy){0};
  for (int access = 0; access < 2; access++)
    for (uint32_t i = 0; i < from->count[access]; i++)
      if (pvm_policy_add(to, (pvm_access)access, from->paths[access][i]) != PVM_OK) {
        pvm_policy_free(to);
        return PVM_E_NOMEM;
      }
  return PVM_OK;
}

int pvm_policy_equal(const pvm_policy *a, const pvm_policy *b) {
  for (int access = 0; access < 2; access++) {
    if (a->count[access] != b->count[access]) return 0;
    for (uint32_t i = 0; i < a->count[access]; i++)
      if (strcmp(a->paths[access][i], b->paths[access][i]) != 0) return 0;
  }
  return 1;
}

void pvm_policy_free(pvm_policy *policy) {
  for (int access = 0; access < 2; access++)
    for (uint32_t i = 0; i < policy->count[access]; i++) free(policy->paths[access][i]);
  *policy = (pvm_policy){0};
}
