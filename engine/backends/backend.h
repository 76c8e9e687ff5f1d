/* backend.h - the operators that cost, and who may compute them.
**
** A *work* describes one operator of a model with every size known: a convolution or a product of
** matrices, together with what follows it element by element (the epilogue). A *backend* offers
** *ways* of doing it: an algorithm, the layouts it reads and writes, what it would cost. The search
** picks a way; preparing it packs the weights and gives a *kernel*, which never changes: any number
** of threads run it at once, each with a scratch of its own.
**
** Backends: portable (our own kernels, for every machine), openblas, onednn. Each is a folder of
** engine/backends with a pvb_backend, listed in backends.c; others (a GPU, an NPU) come beside.
** Where a library computes, a run is left within some milliseconds, not within 100 us.
*/
#ifndef PVB_BACKEND_H
#define PVB_BACKEND_H

#include "tensor.h"

#define PVB_SPATIAL 3 /* dimensions of images, at most */
#define PVB_BLOCK 16  /* channels of a block */

/* How an image's elements lie. Blocked: [n, ceil(c / 16), sizes..., 16], as a pvt_array of one
** dimension more; channels from c up to the end of the last block are 0, and kernels keep them
** so. */
typedef enum pvb_layout { PVB_PLAIN, PVB_BLOCKED } pvb_layout;

/* Which mathematics is allowed. Inputs and outputs are float32 in the first two. */
typedef enum pvb_precision {
  PVB_EXACT, /* float32 products and sums, in any order */
  PVB_FAST,  /* products of bfloat16 or float16, sums of float32 */
  PVB_SMALL  /* weights of int8 (one scale for each output channel), inputs float32: turned to int8
                on the way or not, as the work says */
} pvb_precision;

typedef enum pvb_activation {
  PVB_NONE,
  PVB_RELU,
  PVB_CLIP,       /* from alpha to beta */
  PVB_LEAKY_RELU, /* alpha */
  PVB_SIGMOID,
  PVB_TANH,
  PVB_GELU, /* by erf */
  PVB_GELU_TANH,
  PVB_SILU,
  PVB_HARD_SIGMOID, /* max(0, min(1, alpha x + beta)) */
  PVB_HARD_SWISH,
  PVB_ACTIVATIONS
} pvb_activation;

/* y = activation(product + bias + residual). */
typedef struct pvb_epilogue {
  bool residual; /* an array of y's shape and layout, given to each run */
  pvb_activation activation;
  float alpha, beta;
} pvb_epilogue;

typedef enum pvb_kind { PVB_CONV, PVB_CONV_TRANSPOSED, PVB_PRODUCT, PVB_KINDS } pvb_kind;

/* ONNX's Conv and ConvTranspose, all paddings resolved: x [n, in, size...], weights [out, in /
** groups, kernel...] (transposed: [in, out / groups, kernel...]), y [n, out, out_size...]. */
typedef struct pvb_conv {
  int spatial; /* 1 to PVB_SPATIAL */
  int64_t n, in, out, groups;
  int64_t size[PVB_SPATIAL], out_size[PVB_SPATIAL], kernel[PVB_SPATIAL], stride[PVB_SPATIAL];
  int64_t dilation[PVB_SPATIAL], before[PVB_SPATIAL], after[PVB_SPATIAL]; /* may be negative */
} pvb_conv;

/* y [batch..., m, n] = a [batch..., m, k] times b [batch..., k, n], stacks broadcast. b is constant
** ([k, n] in any strides: `weights`) or given to each run. scale multiplies the product. */
typedef struct pvb_product {
  int64_t batch, m, n, k; /* batch: all leading dimensions of y together */
  float scale;
  bool constant;
  bool a_transposed, b_transposed; /* what strides to expect of inputs: columns side by side */
} pvb_product;

typedef struct pvb_work {
  pvb_kind kind;
  pvb_precision precision;
  union {
    pvb_conv conv;
    pvb_product product;
  };
  pvb_epilogue epilogue;
  const pvt_array *weights; /* float32; NULL where they are given to each run */
  const pvt_array *bias;    /* float32 [out] or [n]; NULL for none */
  const float *steps;       /* [n]: columns of weights are multiples of them (multiples.h); NULL */
  int threads;              /* that one run may use; 1 or more */
} pvb_work;

typedef struct pvb_kernel pvb_kernel;
typedef struct pvb_backend pvb_backend;

typedef struct pvb_way {
  const pvb_backend *backend;
  const char *algorithm; /* "direct", "winograd 4x4", ...; with the backend's name it is unique, and
                            means the same in every build: plans are cached by it */
  int variant;           /* the backend's own number for it */
  pvb_layout reads, writes;
  double seconds; /* a run's predicted time on one thread of this machine */
} pvb_way;

#define PVB_WAYS 16

struct pvb_backend {
  const char *name;
  /* Whether it can be used here: its library is there, the processor has what it takes. */
  bool (*available)(void);
  /* One line for `polyvm info`: versions, instruction sets; or why it cannot be used. */
  const char *(*describe)(void);
  /* The ways it has of doing a work in this thread, at most PVB_WAYS; 0 if it does not do such works.
  ** Never fails, allocates nothing, looks at sizes only (weights may be NULL even where they are
  ** constant), and at what the thread may do: confined ones may not make machine code. */
  int (*ways)(const pvb_work *work, pvb_way ways[PVB_WAYS]);
  /* Pack the weights and whatever else takes time. *kernel is released by pvb_release.
  ** PVT_E_UNSUPPORTED: this way is none after all for such sizes; others are to be tried. */
  int (*prepare)(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel);
};

/* Work on several threads: parts 0 .. count - 1 of `part`, in any order, each once; a failing part
** ends the rest and its status is returned. A NULL team is the calling thread alone. */
typedef struct pvb_team pvb_team;
struct pvb_team {
  int threads;
  int (*spread)(pvb_team *team, int count, int (*part)(void *arg, int index), void *arg);
};
PVT_API int pvb_spread(pvb_team *team, int count, int (*part)(void *arg, int index), void *arg);

typedef struct pvb_run {
  const pvt_array *x;        /* or a; in the layout that the way reads */
  const pvt_array *b;        /* of products whose b is not constant; weights not constant */
  const pvt_array *residual; /* NULL unless the epilogue has one; may be y itself */
  pvt_array *y;              /* contiguous in its layout; overlaps nothing else */
  void *scratch;             /* kernel->scratch bytes, aligned to 64 */
  pvb_team *team;            /* NULL */
} pvb_run;

struct pvb_kernel {
  /* PVT_OK, or a negative status and y half done. Polls. Strides of x, b and residual may be any in
  ** the plain layout. */
  int (*run)(const pvb_kernel *kernel, const pvb_run *run);
  void (*release)(pvb_kernel *kernel);
  size_t scratch; /* bytes for each run */
  size_t packed;  /* bytes of packed weights */
};

/* The backends, the best last resort (portable) first; NULL beyond the last. */
PVT_API const pvb_backend *pvb_backend_at(int i);
/* NULL for a name that is none. */
PVT_API const pvb_backend *pvb_backend_named(const char *name);
/* NULL is fine. */
PVT_API void pvb_release(pvb_kernel *kernel);
/* Seconds that a run within a large model takes longer than one that is repeated, because its packed
** weights are not in a cache any more. */
double pvb_fetching(size_t packed);

#endif
