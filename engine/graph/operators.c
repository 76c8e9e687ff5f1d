/* operators.c - finding operators by domain, type and version. */
#include <pthread.h>
#include <string.h>

#include "graph.h"
#include "operator.h"

static const pvg_operator *const families[] = {
    pvg_elementwise_operators, pvg_moving_operators,    pvg_creating_operators,
    pvg_reducing_operators,    pvg_choosing_operators,  pvg_product_operators,
    pvg_image_operators,       pvg_pooling_operators,   pvg_normalising_operators,
    pvg_recurrent_operators,   pvg_quantised_operators, pvg_control_operators,
    pvg_signal_operators,      pvg_attention_operators, pvg_scoring_operators,
    pvg_training_operators};

#define FAMILIES (int)(sizeof families / sizeof *families)

const pvg_operator *pvg_operator_at(int i) {
  for (int f = 0; f < FAMILIES && i >= 0; f++)
    for (const pvg_operator *operator = families[f]; operator->type != NULL; operator++)
      if (i-- == 0) return operator;
  return NULL;
}

/* Rows of one type are chained, so that a look-up compares few. Made once. */
#define BUCKETS 1024
static uint16_t first[BUCKETS]; /* row + 1 */
static const pvg_operator *rows[4096];
static uint16_t next[4096];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned bucket_of(const char *type) {
  unsigned hash = 5381;
  for (; *type != 0; type++) hash = 33 * hash + (unsigned char)*type;
  return hash % BUCKETS;
}

static void make_index(void) {
  int row = 0;
  for (int f = 0; f < FAMILIES; f++)
    for (const pvg_operator *operator = families[f]; operator->type != NULL && row < 4095;
         operator++, row++) {
      unsigned bucket = bucket_of(operator->type);
      rows[row] = operator;
      next[row] = first[bucket];
      first[bucket] = (uint16_t)(row + 1);
    }
}

const pvg_operator *pvg_operator_find(const char *domain, const char *type, int version) {
  pthread_once(&once, make_index);
  for (int row = first[bucket_of(type)]; row != 0; row = next[row - 1]) {
    const pvg_operator *operator = rows[row - 1];
    if (operator->since <= version && (operator->until == 0 || version <= operator->until) &&
        strcmp(operator->type, type) == 0 && strcmp(operator->domain, domain) == 0)
      return operator;
  }
  return NULL;
}

bool pvg_operator_name(int i, const char **type, const char **domain, int *since, int *until) {
  const pvg_operator *operator = pvg_operator_at(i);
  if (operator == NULL) return false;
  *type = operator->type;
  *domain = operator->domain;
  *since = operator->since;
  *until = operator->until;
  return true;
}
