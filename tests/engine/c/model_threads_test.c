/* model_threads_test.c - eight threads run one model by more shapes than there are plans kept, while
** others load and release it: every result is what one thread alone computes.
**
**   model_threads_test ROUNDS SEED
*/
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#include "graph.h"
#include "model_writer.h"

#define THREADS 8
#define SHAPES 40 /* more than plans are kept */

static message model_bytes;
static pvg_model *model;
static float expected[SHAPES + 1][2]; /* the first and the last element of each result */
static long rounds;

static void run_shape(pvg_session *session, int64_t n, float result[2]) {
  int64_t shape[4] = {1 + n % 2, 1 + n / 2, 8};
  pvt_array x, y;
  assert(pvt_array_new(&x, PVT_FLOAT32, 3, shape) == PVT_OK);
  for (int64_t i = 0; i < shape[0] * shape[1] * 8; i++)
    ((float *)(void *)x.data)[i] = (float)(i % 13) / 13 - 0.5f;
  const pvt_array *inputs[] = {&x};
  int status = pvg_session_run(session, inputs, &y);
  if (status != PVT_OK) fprintf(stderr, "%s\n", pvt_error());
  assert(status == PVT_OK);
  const float *elements = (const float *)(const void *)y.data;
  result[0] = elements[0];
  result[1] = elements[pvt_array_count(&y) - 1];
  pvt_array_release(&x);
  pvt_array_release(&y);
}

static void *work(void *arg) {
  uint64_t random = (uint64_t)(uintptr_t)arg;
  pvg_options options = {.budget = -1};
  for (long round = 0; round < rounds; round++) {
    pvg_model *mine;
    int status = pvg_model_load(model_bytes.bytes, model_bytes.size, &options, NULL, NULL, &mine);
    assert(status == PVT_OK && mine == model);
    pvg_session *session;
    assert(pvg_session_new(mine, &session) == PVT_OK);
    pvg_model_release(mine);
    for (int i = 0; i < 10; i++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      int64_t n = (int64_t)(random >> 33) % SHAPES;
      float result[2];
      run_shape(session, n, result);
      assert(memcmp(result, expected[n], sizeof result) == 0);
    }
    pvg_session_release(session);
  }
  return NULL;
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? atol(argv[1]) / 6 + 1 : 10;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  model_bytes = token_model();
  message others[] = {image_model(), control_model()};
  pvg_options options = {.budget = -1};
  int status = pvg_model_load(model_bytes.bytes, model_bytes.size, &options, NULL, NULL, &model);
  if (status != PVT_OK) fprintf(stderr, "%s\n", pvt_error());
  assert(status == PVT_OK);
  pvg_session *session;
  assert(pvg_session_new(model, &session) == PVT_OK);
  for (int64_t n = 0; n < SHAPES; n++) run_shape(session, n, expected[n]);
  pvg_session_release(session);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(seed * 64 + (uint64_t)i)) ==
           0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  pvg_model_release(model);
  for (int i = 0; i < 2; i++) free(others[i].bytes);
  free(model_bytes.bytes);
  printf("%ld runs by %d threads\n", rounds * 10 * THREADS, THREADS);
  return 0;
}
