/* backends.c - the backends that there are, and what all of them share. */
#include "backend.h"

#include <string.h>

#include "graph.h"

extern const pvb_backend pvb_portable, pvb_openblas, pvb_onednn;

static const pvb_backend *const all[] = {&pvb_portable, &pvb_openblas, &pvb_onednn};

const pvb_backend *pvb_backend_at(int i) {
  return i >= 0 && i < (int)(sizeof all / sizeof *all) ? all[i] : NULL;
}

const pvb_backend *pvb_backend_named(const char *name) {
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i]->name, name) == 0) return all[i];
  return NULL;
}

bool pvg_backend_name(int i, const char **name, bool *available, const char **about) {
  const pvb_backend *backend = pvb_backend_at(i);
  if (backend == NULL) return false;
  *name = backend->name;
  *available = backend->available();
  *about = backend->describe();
  return true;
}

void pvb_release(pvb_kernel *kernel) {
  if (kernel != NULL) kernel->release(kernel);
}

int pvb_spread(pvb_team *team, int count, int (*part)(void *arg, int index), void *arg) {
  if (team != NULL && count > 1) return team->spread(team, count, part, arg);
  for (int i = 0; i < count; i++) {
    int status = part(arg, i);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}
