/* program.c - the code and assets of one version of one task. */
#include "program.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify.h"

#define SHARED_BYTES ((size_t)64 << 10)

static int valid_name(const char *name) {
  return name != NULL && name[0] != '\0' && strlen(name) <= PVM_NAME_MAX;
}

pvm_program *pvm_program_new(const char *name, const char *version, const char *entry) {
  const char *colon = entry != NULL ? strchr(entry, ':') : NULL;
  if (!valid_name(name) || !valid_name(version) || !valid_name(entry)) return NULL;
  if (colon == NULL || colon == entry || colon[1] == '\0') return NULL;
  pvm_program *program = calloc(1, sizeof *program);
  if (program == NULL) return NULL;
  atomic_init(&program->references, 1);
  program->name = strdup(name);
  program->version = strdup(version);
  program->module = strndup(entry, (size_t)(colon - entry));
  program->function = strdup(colon + 1);
  if (!program->name || !program->version || !program->module || !program->function) {
    pvm_program_release(program);
    return NULL;
  }
  return program;
}

/* Make room for one more in a growing array. */
static int grow(void **items, size_t *cap, size_t count, size_t size) {
  if (count < *cap) return PVM_OK;
  size_t more = *cap ? 2 * *cap : 8;
  void *moved = realloc(*items, more * size);
  if (moved == NULL) return PVM_E_NOMEM;
  *items = moved;
  *cap = more;
  return PVM_OK;
}

/* Takes over the caller's reference, also when it fails. */
static int keep(pvm_regions *regions, pvm_region *region) {
  if (region == NULL) return PVM_E_NOMEM;
  if (grow((void **)&regions->items, &regions->cap, regions->count, sizeof *regions->items) < 0) {
    pvm_region_release(region);
    return PVM_E_NOMEM;
  }
  regions->items[regions->count++] = region;
  return PVM_OK;
}

static unsigned char *room_for(pvm_regions *regions, size_t len) {
  if (len > SIZE_MAX - 32) return NULL;
  size_t rounded = (len + 16) & ~(size_t)15; /* at least 1, so that each piece has a place */
  if (rounded > regions->left) {
    int shared = rounded <= SHARED_BYTES / 4;
    pvm_region *region = pvm_region_new(shared ? SHARED_BYTES : rounded);
    if (keep(regions, region) < 0) return NULL;
    if (!shared) return region->data;
    regions->free = region->data;
    regions->left = SHARED_BYTES;
  }
  unsigned char *room = regions->free;
  regions->free += rounded;
  regions->left -= rounded;
  return room;
}

static int append(pvm_items *list, const char *name, int flags, const void *data, size_t len) {
  if (grow((void **)&list->items, &list->cap, list->count, sizeof *list->items) < 0)
    return PVM_E_NOMEM;
  pvm_item item = {strdup(name), data, len, flags};
  if (item.name == NULL) return PVM_E_NOMEM;
  list->items[list->count++] = item;
  return PVM_OK;
}

static int copy(pvm_program *program, pvm_items *list, const char *name, int flags,
                const void *data, size_t len) {
  unsigned char *room = room_for(&program->regions, len);
  if (room == NULL) return PVM_E_NOMEM;
  if (len != 0) memcpy(room, data, len);
  return append(list, name, flags, room, len);
}

int pvm_program_add_module(pvm_program *program, const char *module, int flags, const void *code,
                           size_t len, char *err) {
  if (program == NULL || !valid_name(module) || code == NULL || len == 0) return PVM_E_INVALID;
  if (program->finished) return PVM_E_STATE;
  char why[PVM_ERR_MAX] = "";
  int status = pvm_verify_code(code, len, why);
  if (status != PVM_OK) {
    if (err) snprintf(err, PVM_ERR_MAX, "module '%.128s': %.350s", module, why);
    return status;
  }
  return copy(program, &program->modules, module, flags, code, len);
}

static int takes_asset(const pvm_program *program, const char *path) {
  if (program == NULL || path == NULL || path[0] == '\0') return PVM_E_INVALID;
  return program->finished ? PVM_E_STATE : PVM_OK;
}

int pvm_program_add_asset(pvm_program *program, const char *path, const void *data, size_t len) {
  int status = takes_asset(program, path);
  if (status != PVM_OK) return status;
  if (data == NULL && len != 0) return PVM_E_INVALID;
  return copy(program, &program->assets, path, 0, data, len);
}

int pvm_program_add_region(pvm_program *program, const char *path, pvm_region *region) {
  int status = takes_asset(program, path);
  if (status != PVM_OK) return status;
  if (region == NULL) return PVM_E_INVALID;
  status = keep(&program->regions, pvm_region_retain(region));
  return status == PVM_OK ? append(&program->assets, path, 0, region->data, region->len) : status;
}

int pvm_program_permit(pvm_program *program, pvm_access access, const char *path) {
  if (program == NULL) return PVM_E_INVALID;
  return program->finished ? PVM_E_STATE : pvm_policy_add(&program->policy, access, path);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const pvm_item *)a)->name, ((const pvm_item *)b)->name);
}

static const char *sort(pvm_items *list) {
  if (list->count > 1) qsort(list->items, list->count, sizeof *list->items, by_name);
  for (size_t i = 1; i < list->count; i++)
    if (strcmp(list->items[i - 1].name, list->items[i].name) == 0) return list->items[i].name;
  return NULL;
}

int pvm_program_finish(pvm_program *program, char *err) {
  if (program == NULL) return PVM_E_INVALID;
  if (program->finished) return PVM_OK;
  const char *twice = sort(&program->modules);
  if (twice == NULL) twice = sort(&program->assets);
  if (twice != NULL) {
    if (err) snprintf(err, PVM_ERR_MAX, "%s: '%.200s' was added twice", program->name, twice);
    return PVM_E_INVALID;
  }
  if (pvm_program_find(&program->modules, program->module) == NULL) {
    if (err)
      snprintf(err, PVM_ERR_MAX, "%s: the entry point's module '%s' is not among its modules",
               program->name, program->module);
    return PVM_E_ENTRY;
  }
  program->finished = 1;
  return PVM_OK;
}

const pvm_item *pvm_program_find(const pvm_items *list, const char *name) {
  pvm_item key = {.name = (char *)name};
  if (list->count == 0) return NULL;
  return bsearch(&key, list->items, list->count, sizeof *list->items, by_name);
}

pvm_program *pvm_program_retain(pvm_program *program) {
  if (program != NULL) atomic_fetch_add_explicit(&program->references, 1, memory_order_relaxed);
  return program;
}

static void free_items(pvm_items *list) {
  for (size_t i = 0; i < list->count; i++) free(list->items[i].name);
  free(list->items);
}

void pvm_program_release(pvm_program *program) {
  if (program == NULL) return;
  if (atomic_fetch_sub_explicit(&program->references, 1, memory_order_acq_rel) != 1) return;
  free_items(&program->modules);
  free_items(&program->assets);
  for (size_t i = 0; i < program->regions.count; i++) pvm_region_release(program->regions.items[i]);
  free(program->regions.items);
  pvm_policy_free(&program->policy);
  free(program->name);
  free(program->version);
  free(program->module);
  free(program->function);
  free(program);
}
