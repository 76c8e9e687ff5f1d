/* trigger_set.c - see trigger_set.h. */
#include "trigger_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "feature_store.h"
#include "flow.h"
#include "runtime.h"

static void taken(void *context, const stream_taken *event) {
  pvm_firing *f = context;
  pvm_flows_take(f->set->flows, event, f);
}

/* What events need while partial matches hold them. */
static void *hold_event(const void *event, size_t len) {
  return pvm_hold(event, len);
}

static void let_event_go(void *held) {
  pvm_held_free(held);
}

void pvm_trigger_config_init(pvm_trigger_config *config) {
  stream_config defaults;
  flow_config flows;
  stream_config_init(&defaults);
  flow_config_init(&flows);
  *config = (pvm_trigger_config){.type = defaults.type,
                                 .page = defaults.page,
                                 .id = defaults.id,
                                 .key = defaults.key,
                                 .time = defaults.time,
                                 .stream = defaults.stream,
                                 .time_unit_ns = defaults.time_unit_ns,
                                 .max_bytes = defaults.max_bytes,
                                 .ttl_ns = defaults.ttl_ns,
                                 .max_keys = defaults.max_keys,
                                 .max_pending = defaults.max_pending,
                                 .flow_bytes = flows.max_bytes};
}

/* With the executor's lock of grouping. */
static int make_set(pvm_executor *executor, const pvm_trigger_config *config, char *err) {
  struct pvm_trigger_set *set = calloc(1, sizeof *set);
  if (set == NULL) return PVM_E_NOMEM;
  char unheard[PVM_ERR_MAX];
  if (err == NULL) err = unheard;
  stream_config stream;
  stream_config_init(&stream);
  stream.type = config->type;
  stream.page = config->page;
  stream.id = config->id;
  stream.key = config->key;
  stream.time = config->time;
  stream.stream = config->stream;
  stream.store = (store *)config->store;
  stream.time_unit_ns = config->time_unit_ns;
  stream.max_bytes = config->max_bytes;
  stream.ttl_ns = config->ttl_ns;
  stream.max_keys = config->max_keys;
  stream.max_pending = config->max_pending;
  stream.fire = pvm_trigger_fire;
  stream.enough = pvm_trigger_enough;
  stream.settled = pvm_trigger_settled;
  stream.taken = taken;
  set->store = config->store;
  if (config->store == NULL && config->streams_len != 0) {
    snprintf(err, PVM_ERR_MAX, "streams are declared, and no store is given to keep them");
    free(set);
    return PVM_E_INVALID;
  }
  if (config->store != NULL) {
    set->intake = stream_intake_new(&stream, config->streams, config->streams_len, err);
    if (set->intake == NULL) {
      free(set);
      return PVM_E_INVALID;
    }
  }
  stream.intake = set->intake;
  stream.hold = hold_event;
  stream.let_go = let_event_go;
  stream.forget = pvm_trigger_forget;
  set->stream = stream_triggers_new(&stream, err);
  if (set->stream == NULL) {
    stream_intake_free(set->intake);
    free(set);
    return PVM_E_INVALID;
  }
  set->flows = pvm_flows_new(set, config);
  if (set->flows == NULL) {
    stream_triggers_free(set->stream);
    stream_intake_free(set->intake);
    free(set);
    return PVM_E_NOMEM;
  }
  pvm_trigger_table_init(&set->triggers);
  pvm_flows_set_tables(set->flows, pvm_executor_features(executor));
  atomic_store(&executor->triggers, set);
  return PVM_OK;
}

void pvm_trigger_set_free(struct pvm_trigger_set *set) {
  if (set == NULL) return;
  pvm_flows_free(set->flows);
  stream_triggers_free(set->stream); /* and the triggers, by forget */
  stream_intake_free(set->intake);
  pvm_trigger_table_free(&set->triggers);
  free(set);
}

int pvm_triggers_configure(pvm_executor *executor, const pvm_trigger_config *config, char *err) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || config == NULL) return PVM_E_INVALID;
  pthread_mutex_lock(&executor->grouping);
  status = atomic_load(&executor->triggers) == NULL ? make_set(executor, config, err) : PVM_E_STATE;
  pthread_mutex_unlock(&executor->grouping);
  return status;
}

int pvm_trigger_set_of(pvm_executor *executor, struct pvm_trigger_set **set, char *err) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  *set = pvm_trigger_set_made(executor);
  if (*set != NULL) return PVM_OK;
  pvm_trigger_config config;
  pvm_trigger_config_init(&config);
  status = pvm_triggers_configure(executor, &config, err);
  *set = pvm_trigger_set_made(executor);
  return *set != NULL ? PVM_OK : status;
}

struct pvm_trigger_set *pvm_trigger_set_made(pvm_executor *executor) {
  return atomic_load_explicit(&executor->triggers, memory_order_acquire);
}

pvm_store *pvm_trigger_store(pvm_executor *executor) {
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  return set != NULL ? set->store : NULL;
}

int pvm_triggers_stats_get(pvm_executor *executor, pvm_triggers_stats *stats) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  memset(stats, 0, sizeof *stats);
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  if (set == NULL) return PVM_OK;
  stream_stats seen;
  stream_triggers_stats(set->stream, &seen);
  *stats = (pvm_triggers_stats){.events = seen.events,
                                .matched = seen.matched,
                                .fired = seen.fired,
                                .dropped = seen.dropped,
                                .evicted = seen.evicted,
                                .pending = seen.pending,
                                .keys = seen.keys,
                                .bytes = seen.bytes,
                                .triggers = seen.conditions + seen.counters,
                                .nodes = seen.nodes};
  if (set->intake == NULL) return PVM_OK;
  stream_intake_stats intake;
  stream_intake_stats_get(set->intake, NULL, &intake);
  stats->duplicates = intake.duplicates;
  stats->dead = intake.dead;
  return PVM_OK;
}

int pvm_intake_stats_get(pvm_executor *executor, const char *stream, pvm_intake_stats *stats) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  stream_intake_stats seen;
  if (set == NULL || set->intake == NULL ||
      stream_intake_stats_get(set->intake, stream, &seen) != 0)
    return PVM_E_UNKNOWN;
  *stats = (pvm_intake_stats){.duplicates = seen.duplicates,
                              .dead = seen.dead,
                              .ids = seen.ids,
                              .forgotten = seen.forgotten,
                              .bytes = seen.bytes};
  return PVM_OK;
}
