/* program.c - the code and assets of one version of one task. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int add(pvm_items *list, const char *name, int flags, const void *data, size_t len) {
  if (list->count == list->cap) {
    size_t cap = list->cap ? 2 * list->cap : 8;
    pvm_item *items = realloc(list->items, cap * sizeof *items);
    if (items == NULL) return PVM_E_NOMEM;
    list->items = items;
    list->cap = cap;
  }
  pvm_item item = {strdup(name), malloc(len ? len : 1), len, flags};
  if (item.name == NULL || item.data == NULL) {
    free(item.name);
    free(item.data);
    return PVM_E_NOMEM;
  }
  if (len != 0) memcpy(item.data, data, len);
  list->items[list->count++] = item;
  return PVM_OK;
}

int pvm_program_add_module(pvm_program *program, const char *module, int flags, const void *code,
                           size_t len) {
  if (program == NULL || !valid_name(module) || code == NULL || len == 0) return PVM_E_INVALID;
  if (program->sealed) return PVM_E_STATE;
  return add(&program->modules, module, flags, code, len);
}

int pvm_program_add_asset(pvm_program *program, const char *path, const void *data, size_t len) {
  if (program == NULL || path == NULL || path[0] == '\0') return PVM_E_INVALID;
  if (data == NULL && len != 0) return PVM_E_INVALID;
  if (program->sealed) return PVM_E_STATE;
  return add(&program->assets, path, 0, data, len);
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

int pvm_program_seal(pvm_program *program, char *err) {
  if (program == NULL) return PVM_E_INVALID;
  if (program->sealed) return PVM_OK;
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
  program->sealed = 1;
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
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].name);
    free(list->items[i].data);
  }
  free(list->items);
}

void pvm_program_release(pvm_program *program) {
  if (program == NULL) return;
  if (atomic_fetch_sub_explicit(&program->references, 1, memory_order_acq_rel) != 1) return;
  free_items(&program->modules);
  free_items(&program->assets);
  free(program->name);
  free(program->version);
  free(program->module);
  free(program->function);
  free(program);
}
