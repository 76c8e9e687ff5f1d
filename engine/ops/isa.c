/* isa.c - which instruction set's kernels this machine gets. */
#include <pthread.h>
#include <string.h>

#include "kernels.h"

#define DECLARE(isa)                                                                               \
  extern const pvt_elementwise pvt_elementwise_##isa;                                              \
  extern const pvt_reductions pvt_reductions_##isa;                                                \
  extern const pvt_casts pvt_casts_##isa;                                                          \
  extern const pvt_movers pvt_movers_##isa;                                                        \
  extern const pvt_products pvt_products_##isa;                                                    \
  static const pvt_kernels isa##_kernels = {                                                       \
      #isa,                                                                                        \
      &pvt_elementwise_##isa,                                                                      \
      &pvt_reductions_##isa,                                                                       \
      &pvt_casts_##isa,                                                                            \
      &pvt_movers_##isa,                                                                           \
      &pvt_products_##isa,                                                                         \
  };

DECLARE(portable)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
#endif

static int has(const char *isa) {
#if defined(__x86_64__)
  if (strcmp(isa, "avx512") == 0)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd") && has("avx2");
  if (strcmp(isa, "avx2") == 0)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
#endif
  return strcmp(isa, "portable") == 0;
}

static const pvt_kernels *const all[] = {
#if defined(__x86_64__)
    &avx512_kernels, &avx2_kernels,
#endif
    &portable_kernels};

static const pvt_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
  for (size_t i = 0; chosen == NULL; i++)
    if (has(all[i]->isa)) chosen = all[i];
}

const pvt_kernels *pvt_kernels_get(void) {
  pthread_once(&once, choose);
  return chosen;
}

const char *pvt_isa(void) {
  return pvt_kernels_get()->isa;
}

int pvt_isa_use(const char *name) {
  pthread_once(&once, choose);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i]->isa, name) == 0 && has(name)) {
      chosen = all[i];
      return PVT_OK;
    }
  return pvt_fail(PVT_E_VALUE, "this machine has no kernels named \"%s\"", name);
}
