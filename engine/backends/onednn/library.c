/* library.c - finding oneDNN, and keeping it on the calling thread. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dnnl.h"
#include "graph.h"

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int state; /* 0: not looked for, 1: it is there, 2: it is not */
static char path[4096];
static pvb_dnnl found;
static dnnl_engine *processor;
static char described[256] = "the package onednn-cpu-gomp is not there";
/* libgomp's: how many threads the calling thread's parallel regions get */
static int (*get_max_threads)(void);
static void (*set_num_threads)(int);

static int load_functions(void *library) {
  const struct {
    const char *name;
    void *into;
  } wanted[] = {
#define WANT(name) {"dnnl_" #name, &found.name}
      WANT(version),
      WANT(get_effective_cpu_isa),
      WANT(engine_create),
      WANT(stream_create),
      WANT(stream_destroy),
      WANT(stream_wait),
      WANT(memory_desc_create_with_tag),
      WANT(memory_desc_create_with_strides),
      WANT(memory_desc_clone),
      WANT(memory_desc_destroy),
      WANT(memory_desc_equal),
      WANT(memory_desc_get_size),
      WANT(memory_create),
      WANT(memory_destroy),
      WANT(memory_set_data_handle),
      WANT(primitive_attr_create),
      WANT(primitive_attr_destroy),
      WANT(primitive_attr_set_scratchpad_mode),
      WANT(primitive_attr_set_scales_mask),
      WANT(primitive_attr_set_post_ops),
      WANT(post_ops_create),
      WANT(post_ops_destroy),
      WANT(post_ops_append_sum),
      WANT(post_ops_append_eltwise),
      WANT(convolution_forward_primitive_desc_create),
      WANT(deconvolution_forward_primitive_desc_create),
      WANT(matmul_primitive_desc_create),
      WANT(reorder_primitive_desc_create),
      WANT(primitive_desc_destroy),
      WANT(primitive_desc_query),
      WANT(primitive_desc_query_md),
      WANT(primitive_create),
      WANT(primitive_execute),
      WANT(primitive_destroy),
      WANT(sgemm),
#undef WANT
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    void *at = dlsym(library, wanted[i].name);
    if (at == NULL) {
      snprintf(described, sizeof described, "%.180s has no function %s", path, wanted[i].name);
      return -1;
    }
    memcpy(wanted[i].into, &at, sizeof at);
  }
  return 0;
}

/* The library's own OpenMP, whose threads must not start: without it nothing is used. */
static int load_openmp(void *library) {
  void *get = dlsym(library, "omp_get_max_threads"), *set = dlsym(library, "omp_set_num_threads");
  if (get == NULL || set == NULL) {
    snprintf(described, sizeof described, "%.180s is not built with OpenMP", path);
    return -1;
  }
  memcpy(&get_max_threads, &get, sizeof get);
  memcpy(&set_num_threads, &set, sizeof set);
  return 0;
}

int pvb_dnnl_may_prepare(void) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    munmap(page, 4096);
    return PVT_OK;
  }
  return pvt_fail(PVT_E_UNSUPPORTED, "this thread may not make machine code, as oneDNN does");
}

/* It makes the kernels of its sgemm when they are first used: now, as threads that use it later may
** not. */
static void make_sgemm(void) {
  static float x[3][48 * 48];
  for (int i = 0; i < 16; i++)
    found.sgemm(i & 1 ? 'T' : 'N', i & 2 ? 'T' : 'N', i & 8 ? 1 : 48, 48, 48, 1, x[0], 48, x[1], 48,
                i & 4 ? 1 : 0, x[2], 48);
}

static int load(void) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(described, sizeof described, "it cannot be loaded: %.200s", dlerror());
    return -1;
  }
  if (load_functions(library) != 0 || load_openmp(library) != 0) {
    dlclose(library);
    return -1;
  }
  const dnnl_version *version = found.version();
  if (version->major != 3) {
    snprintf(described, sizeof described, "oneDNN %d is not version 3", version->major);
    return -1;
  }
  int before = pvb_dnnl_enter(), status = found.engine_create(&processor, DNNL_CPU, 0);
  int isa = found.get_effective_cpu_isa();
  make_sgemm();
  pvb_dnnl_leave(before);
  if (status != 0) {
    snprintf(described, sizeof described, "oneDNN does not know this processor");
    return -1;
  }
  snprintf(described, sizeof described, "oneDNN %d.%d.%d, %s", version->major, version->minor,
           version->patch,
           (isa & DNNL_ISA_AMX) != 0      ? "AMX"
           : (isa & DNNL_ISA_BF16) != 0   ? "AVX-512 with bfloat16"
           : (isa & DNNL_ISA_AVX512) != 0 ? "AVX-512"
                                          : "AVX2 or less");
  return 0;
}

int pvg_onednn_use(const char *library) {
  pthread_mutex_lock(&opening);
  int status = PVT_OK;
  if (strlen(library) >= sizeof path)
    status = pvt_fail(PVT_E_VALUE, "the path of oneDNN is too long");
  else if (atomic_load_explicit(&state, memory_order_relaxed) != 1) {
    strcpy(path, library);
    atomic_store_explicit(&state, 0, memory_order_relaxed);
  }
  pthread_mutex_unlock(&opening);
  return status;
}

const pvb_dnnl *pvb_dnnl_get(void) {
  int now = atomic_load_explicit(&state, memory_order_acquire);
  if (now == 0 && pvb_dnnl_may_prepare() == PVT_OK) {
    pthread_mutex_lock(&opening);
    now = atomic_load_explicit(&state, memory_order_relaxed);
    if (now == 0 && path[0] != 0) {
      now = load() == 0 ? 1 : 2;
      atomic_store_explicit(&state, now, memory_order_release);
    }
    pthread_mutex_unlock(&opening);
  }
  return now == 1 ? &found : NULL;
}

dnnl_engine *pvb_dnnl_engine(void) {
  return processor;
}

const char *pvb_dnnl_describe(void) {
  pvb_dnnl_get();
  return described;
}

int pvb_dnnl_enter(void) {
  int before = get_max_threads();
  if (before != 1) set_num_threads(1);
  return before;
}

void pvb_dnnl_leave(int before) {
  if (before != 1) set_num_threads(before);
}
