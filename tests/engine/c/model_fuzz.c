/* model_fuzz.c - models that are damaged at random, loaded and run under small accounts and random
** stops: no crash, no undefined behaviour, and every byte given back.
**
**   model_fuzz ROUNDS SEED
*/
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "graph.h"
#include "model_writer.h"

static uint64_t state;

static uint64_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

static uint64_t below(uint64_t limit) {
  return next_random() % limit;
}

/* ---- Damage -------------------------------------------------------------- */

static message copy_of(const message *whole) {
  message copy = {0};
  put_bytes(&copy, whole->bytes, whole->size);
  return copy;
}

static void damage(message *model) {
  switch (below(6)) {
  case 0: model->size = below(model->size + 1); break;
  case 1:
    for (uint64_t i = 1 + below(8); i > 0; i--)
      model->bytes[below(model->size)] ^= (unsigned char)(1 << below(8));
    break;
  case 2:
    for (uint64_t i = 1 + below(4); i > 0; i--)
      model->bytes[below(model->size)] = (unsigned char)next_random();
    break;
  case 3: { /* a stretch again, somewhere else */
    size_t size = 1 + below(64), from = below(model->size), to = below(model->size);
    for (size_t i = 0; i < size && from + i < model->size && to + i < model->size; i++)
      model->bytes[to + i] = model->bytes[from + i];
    break;
  }
  case 4: { /* numbers as large as they can be */
    size_t at = below(model->size);
    for (size_t i = at; i < at + 1 + below(9) && i < model->size; i++) model->bytes[i] = 0xff;
    break;
  }
  default: break; /* whole, for refusals and stops */
  }
}

/* ---- Refusals and stops --------------------------------------------------- */

static size_t quota;
static _Atomic uint32_t attention;
static uint64_t stop_after;

static int admit(void *arg, size_t bytes) {
  pvt_account *const *account = arg;
  return pvt_account_bytes(*account) + bytes <= quota;
}

static int attend(void *arg) {
  (void)arg;
  atomic_store(&attention, 1);
  if (stop_after > 1) stop_after--;
  return stop_after == 1;
}

/* ---- Runs ----------------------------------------------------------------- */

#define MOST 8

static bool make_input(const pvg_model *model, int i, int64_t free_size, pvt_array *array) {
  pvg_port port;
  pvg_model_input(model, i, &port);
  int64_t shape[PVT_MAX_DIMS], count = 1;
  if (port.dtype < 0 || !port.ranked) port.ndim = 1;
  for (int d = 0; d < port.ndim; d++) {
    shape[d] = port.ranked && port.size[d] >= 0 ? port.size[d] : free_size;
    if (shape[d] > 4096 || (count *= shape[d] > 0 ? shape[d] : 1) > 100000) return false;
  }
  pvt_dtype dtype = port.dtype < 0 ? PVT_FLOAT32 : (pvt_dtype)port.dtype;
  return pvt_array_zeros(array, dtype, port.ndim, shape) == PVT_OK;
}

static void run_model(pvg_model *model) {
  pvt_array inputs[MOST] = {0}, outputs[MOST];
  const pvt_array *given[MOST];
  int count = pvg_model_inputs(model), results = pvg_model_outputs(model);
  pvg_session *session;
  if (count > MOST || results > MOST || pvg_session_new(model, &session) != PVT_OK) return;
  for (int round = 0; round < 2; round++) {
    bool there = true;
    for (int i = 0; i < count; i++) {
      given[i] = &inputs[i];
      there = there && make_input(model, i, 1 + (int64_t)below(3), &inputs[i]);
    }
    if (there && pvg_session_run(session, given, outputs) == PVT_OK)
      for (int i = 0; i < results; i++) pvt_array_release(&outputs[i]);
    for (int i = 0; i < count; i++) {
      pvt_array_release(&inputs[i]);
      inputs[i] = (pvt_array){0};
    }
  }
  pvg_session_release(session);
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 60;
  state = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15u;
  message models[] = {image_model(), token_model(), control_model()};
  long loaded = 0;
  pvg_options options = {.budget = -1};
  for (int i = 0; i < 3; i++) { /* whole, they are right */
    pvg_model *made;
    int status = pvg_model_load(models[i].bytes, models[i].size, &options, NULL, NULL, &made);
    if (status != PVT_OK) fprintf(stderr, "%s\n", pvt_error());
    assert(status == PVT_OK);
    run_model(made);
    pvg_model_release(made);
  }
  for (long round = 0; round < rounds * 50; round++) {
    message model = copy_of(&models[below(3)]);
    damage(&model);
    pvt_account *account;
    account = pvt_account_new(admit, &account);
    assert(account != NULL);
    quota = below(3) == 0 ? below((size_t)1 << 20) : (size_t)64 << 20;
    stop_after = 1 + below(below(3) == 0 ? 200 : 20000); /* damaged loops might not end */
    atomic_store(&attention, 1);
    pvt_context context = {account, &attention, attend, NULL};
    pvt_context_set(&context);
    pvg_model *made;
    int status = pvg_model_load(model.bytes, model.size, &options, NULL, NULL, &made);
    assert(status <= 0 && (status == 0 || pvt_error()[0] != 0));
    if (status == PVT_OK) {
      loaded++;
      run_model(made);
      pvg_model_release(made);
    }
    assert(pvt_account_bytes(account) == 0);
    pvt_context_set(NULL);
    pvt_account_close(account);
    free(model.bytes);
  }
  for (int i = 0; i < 3; i++) free(models[i].bytes);
  printf("%ld damaged models, %ld of them could be loaded\n", rounds * 50, loaded);
  return 0;
}
