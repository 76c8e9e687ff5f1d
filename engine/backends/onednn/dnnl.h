/* dnnl.h - what the engine uses of oneDNN 3's C interface, found at run time.
**
** Names and numbers are oneDNN's own (dnnl.h, dnnl_types.h of version 3, which keep them for all of
** version 3). Functions return 0 or an error's number.
*/
#ifndef PVB_DNNL_H
#define PVB_DNNL_H

#include "backend.h"

typedef struct dnnl_engine dnnl_engine;
typedef struct dnnl_stream dnnl_stream;
typedef struct dnnl_memory_desc dnnl_desc;
typedef struct dnnl_memory dnnl_memory;
typedef struct dnnl_primitive_attr dnnl_attr;
typedef struct dnnl_post_ops dnnl_post_ops;
typedef struct dnnl_primitive_desc dnnl_primitive_desc;
typedef struct dnnl_primitive dnnl_primitive;

typedef struct dnnl_exec_arg {
  int arg;
  dnnl_memory *memory;
} dnnl_exec_arg;

typedef struct dnnl_version {
  int major, minor, patch;
  const char *hash;
  unsigned cpu_runtime, gpu_runtime;
} dnnl_version;

#define DNNL_MAX_DIMS 12
typedef int64_t dnnl_dims[DNNL_MAX_DIMS];

enum { DNNL_UNIMPLEMENTED = 3, DNNL_CPU = 1, DNNL_INFERENCE = 96 };
enum { DNNL_BF16 = 2, DNNL_F32 = 3, DNNL_S8 = 5 };
enum { DNNL_TAG_ANY = 1, DNNL_A = 2, DNNL_AB = 3, DNNL_ABC = 4, DNNL_ABCD = 5, DNNL_ABCDE = 6 };
enum { DNNL_ACB = 15, DNNL_ACDB = 22, DNNL_ACDEB = 33 };
enum { DNNL_ABC16B = 56, DNNL_ABCD16B = 78, DNNL_ABCDE16B = 121 }; /* aBc16b, ... */
enum { DNNL_CONVOLUTION_DIRECT = 1, DNNL_DECONVOLUTION_DIRECT = 10, DNNL_SCRATCHPAD_USER = 1 };
enum { DNNL_RELU = 32, DNNL_TANH = 33, DNNL_HARD_SIGMOID = 40, DNNL_LOGISTIC = 41 };
enum { DNNL_GELU_TANH = 43, DNNL_SWISH = 44, DNNL_CLIP = 47, DNNL_GELU = 49, DNNL_HARD_SWISH = 52 };
enum { DNNL_QUERY_IMPLEMENTATION = 8, DNNL_QUERY_SRC = 129, DNNL_QUERY_WEIGHTS = 131 };
enum { DNNL_QUERY_DST = 133, DNNL_QUERY_SCRATCHPAD = 136 };
enum { DNNL_SRC = 1, DNNL_DST = 17, DNNL_WEIGHTS = 33, DNNL_BIAS = 41, DNNL_SCRATCHPAD = 80 };
enum { DNNL_SCALES = 4096 };
/* Bits of the effective instruction set. */
enum { DNNL_ISA_AVX512 = 0x20, DNNL_ISA_VNNI = 0x40, DNNL_ISA_BF16 = 0x80, DNNL_ISA_AMX = 0xe00 };

typedef struct pvb_dnnl {
  const dnnl_version *(*version)(void);
  int (*get_effective_cpu_isa)(void);
  int (*engine_create)(dnnl_engine **engine, int kind, size_t index);
  int (*stream_create)(dnnl_stream **stream, dnnl_engine *engine, unsigned flags);
  int (*stream_destroy)(dnnl_stream *stream);
  int (*stream_wait)(dnnl_stream *stream);
  int (*memory_desc_create_with_tag)(dnnl_desc **desc, int ndim, const dnnl_dims dims, int dtype,
                                     int tag);
  int (*memory_desc_create_with_strides)(dnnl_desc **desc, int ndim, const dnnl_dims dims,
                                         int dtype, const dnnl_dims strides);
  int (*memory_desc_clone)(dnnl_desc **desc, const dnnl_desc *of);
  int (*memory_desc_destroy)(dnnl_desc *desc);
  int (*memory_desc_equal)(const dnnl_desc *a, const dnnl_desc *b);
  size_t (*memory_desc_get_size)(const dnnl_desc *desc);
  int (*memory_create)(dnnl_memory **memory, const dnnl_desc *desc, dnnl_engine *engine,
                       void *data);
  int (*memory_destroy)(dnnl_memory *memory);
  int (*memory_set_data_handle)(dnnl_memory *memory, void *data);
  int (*primitive_attr_create)(dnnl_attr **attr);
  int (*primitive_attr_destroy)(dnnl_attr *attr);
  int (*primitive_attr_set_scratchpad_mode)(dnnl_attr *attr, int mode);
  int (*primitive_attr_set_scales_mask)(dnnl_attr *attr, int arg, int mask);
  int (*primitive_attr_set_post_ops)(dnnl_attr *attr, const dnnl_post_ops *ops);
  int (*post_ops_create)(dnnl_post_ops **ops);
  int (*post_ops_destroy)(dnnl_post_ops *ops);
  int (*post_ops_append_sum)(dnnl_post_ops *ops, float scale, int32_t zero, int dtype);
  int (*post_ops_append_eltwise)(dnnl_post_ops *ops, int kind, float alpha, float beta);
  int (*convolution_forward_primitive_desc_create)(
      dnnl_primitive_desc **made, dnnl_engine *engine, int propagation, int algorithm,
      const dnnl_desc *src, const dnnl_desc *weights, const dnnl_desc *bias, const dnnl_desc *dst,
      const dnnl_dims strides, const dnnl_dims dilations, const dnnl_dims before,
      const dnnl_dims after, const dnnl_attr *attr);
  int (*deconvolution_forward_primitive_desc_create)(
      dnnl_primitive_desc **made, dnnl_engine *engine, int propagation, int algorithm,
      const dnnl_desc *src, const dnnl_desc *weights, const dnnl_desc *bias, const dnnl_desc *dst,
      const dnnl_dims strides, const dnnl_dims dilations, const dnnl_dims before,
      const dnnl_dims after, const dnnl_attr *attr);
  int (*matmul_primitive_desc_create)(dnnl_primitive_desc **made, dnnl_engine *engine,
                                      const dnnl_desc *src, const dnnl_desc *weights,
                                      const dnnl_desc *bias, const dnnl_desc *dst,
                                      const dnnl_attr *attr);
  int (*reorder_primitive_desc_create)(dnnl_primitive_desc **made, const dnnl_desc *src,
                                       dnnl_engine *src_engine, const dnnl_desc *dst,
                                       dnnl_engine *dst_engine, const dnnl_attr *attr);
  int (*primitive_desc_destroy)(dnnl_primitive_desc *desc);
  int (*primitive_desc_query)(const dnnl_primitive_desc *desc, int what, int index, void *result);
  const dnnl_desc *(*primitive_desc_query_md)(const dnnl_primitive_desc *desc, int what, int index);
  int (*primitive_create)(dnnl_primitive **primitive, const dnnl_primitive_desc *desc);
  int (*primitive_execute)(const dnnl_primitive *primitive, dnnl_stream *stream, int count,
                           const dnnl_exec_arg *args);
  int (*primitive_destroy)(dnnl_primitive *primitive);
  int (*sgemm)(char a_transposed, char b_transposed, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc);
} pvb_dnnl;

/* NULL where there is none. The library is loaded when this is first asked. */
const pvb_dnnl *pvb_dnnl_get(void);
/* The processor as the whole process sees it. */
dnnl_engine *pvb_dnnl_engine(void);
const char *pvb_dnnl_describe(void);

/* Whether the calling thread may make machine code, as preparing does. Threads of confined VMs may
** not: they run what others have prepared. Fails with PVT_E_UNSUPPORTED. */
int pvb_dnnl_may_prepare(void);

/* Between these the calling thread uses one thread only: enter's result is for leave. */
int pvb_dnnl_enter(void);
void pvb_dnnl_leave(int before);

#endif
