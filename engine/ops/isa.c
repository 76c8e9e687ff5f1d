/* isa.c - which instruction set's kernels this machine gets. */
#include <stdatomic.h>
#include <string.h>

#include "kernels.h"

#define DECLARE(isa)                                                                               \
  extern const pvt_elementwise pvt_elementwise_##isa;                                              \
  extern const pvt_reductions pvt_reductions_##isa;                                                \
  extern const pvt_scans pvt_scans_##isa;                                                          \
  extern const pvt_choosers pvt_choosers_##isa;                                                    \
  extern const pvt_casts pvt_casts_##isa;                                                          \
  extern const pvt_movers pvt_movers_##isa;                                                        \
  extern const pvt_products pvt_products_##isa;                                                    \
  extern const pvt_passes pvt_passes_##isa;                                                        \
  extern const pvt_sorting pvt_sorting_##isa;                                                      \
  extern const pvt_factors pvt_factors_##isa[4];                                                   \
  extern const struct pvt_layers pvt_layers_##isa;                                                 \
  static const pvt_kernels isa##_kernels = {                                                       \
      #isa,                                                                                        \
      &pvt_elementwise_##isa,                                                                      \
      &pvt_reductions_##isa,                                                                       \
      &pvt_scans_##isa,                                                                            \
      &pvt_casts_##isa,                                                                            \
      &pvt_movers_##isa,                                                                           \
      &pvt_choosers_##isa,                                                                         \
      &pvt_products_##isa,                                                                         \
      &pvt_passes_##isa,                                                                           \
      &pvt_sorting_##isa,                                                                          \
      pvt_factors_##isa,                                                                           \
      &pvt_layers_##isa,                                                                           \
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

/* Whoever comes first chooses; two that come at once choose the same. */
static const pvt_kernels *_Atomic chosen;

static const pvt_kernels *choose(void) {
  size_t i = 0;
  while (!has(all[i]->isa)) i++;
  atomic_store_explicit(&chosen, all[i], memory_order_relaxed);
  return all[i];
}

const pvt_kernels *pvt_kernels_get(void) {
  const pvt_kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
  return kernels != NULL ? kernels : choose();
}

const char *pvt_isa(void) {
  return pvt_kernels_get()->isa;
}

int pvt_isa_use(const char *name) {
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i]->isa, name) == 0 && has(name)) {
      atomic_store_explicit(&chosen, all[i], memory_order_relaxed);
      return PVT_OK;
    }
  return pvt_fail(PVT_E_VALUE, "this machine has no kernels named \"%s\"", name);
}
