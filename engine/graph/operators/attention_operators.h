/* attention_operators.h - attention, embeddings and what lies between them: what the family shares. */
#ifndef PVG_ATTENTION_OPERATORS_H
#define PVG_ATTENTION_OPERATORS_H

#include "image_operators.h"

typedef enum pvg_keep {
  PVG_KEEP_NONE,
  PVG_KEEP_PRODUCT,
  PVG_KEEP_CAPPED,
  PVG_KEEP_BIASED,
  PVG_KEEP_WEIGHTS
} pvg_keep;

/* softmax(q k^T scale + bias) v for each head of each of a batch. A row of which nothing is visible
** gives 0. */
typedef struct pvg_attend {
  pvt_dtype type; /* float32 or float64, of all arrays but valid */
  /* [batch, heads, rows, size], [batch, key heads, columns, size], [batch, key heads, columns, value
  ** size], [batch, heads, rows, value size]; any strides. Heads share key heads in turn, so many
  ** side by side each. */
  pvt_array q, k, v, y;
  double scale;
  double cap;                  /* scores become cap tanh(score / cap); 0: they stay */
  const pvt_array *bias;       /* broadcasts to [batch, heads, rows, columns], -inf hides; NULL */
  bool causal;                 /* row i sees columns up to i + offset */
  int64_t offset, left, right; /* and those from i + offset - left to i + offset + right; -1: all */
  const int64_t
      *valid; /* [batch]: columns that there are, and offset is this less the rows; NULL */
  pvg_keep keep;
  void *kept; /* [batch, heads, rows, columns] */
} pvg_attend;
/* PVT_OK or a negative status. */
int pvg_attend_run(pvg_call *call, const pvg_attend *attend);

/* [batch, rows, heads * size] seen as [batch, heads, rows, size]. */
int pvg_split_heads(pvt_array *x, int64_t heads);
/* Behind `past` [batch, heads, columns, size], which may be NULL, comes `x`: in output i, of `dtype`
** with `type` in between, if it is wanted, otherwise in scratch memory. `all` is both, of `type`. */
int pvg_grow(pvg_call *call, int i, pvt_dtype dtype, const pvt_array *past, const pvt_array *x,
             pvt_array *all, pvg_result *result);

/* onnx_attention.c */
typedef struct pvg_attention_state {
  int64_t heads, key_heads, left, right;
  double scale, cap; /* scale 0: 1 / sqrt(size) */
  bool causal;
  int mode;
} pvg_attention_state;
int pvg_attention_infer(pvg_infer *infer);
int pvg_attention_prepare(const pvg_prepare *prepare, void *state);
int pvg_attention_run(pvg_call *call);

/* packed_attention.c */
typedef struct pvg_packed_state {
  int64_t heads;
  double scale, hidden; /* hidden: what is added to hidden scores */
  bool causal;
  int64_t sizes[3]; /* of q, k and v together for all heads; 0: as the weights say */
} pvg_packed_state;
int pvg_packed_prepare(const pvg_prepare *prepare, void *state);
int pvg_packed_infer(pvg_infer *infer);
int pvg_packed_run(pvg_call *call);
int pvg_multi_head_infer(pvg_infer *infer);
int pvg_multi_head_run(pvg_call *call);

/* rotary.c */
typedef struct pvg_rotary_state {
  int64_t heads, size;               /* 0: not given */
  bool interleaved, positions_first; /* positions_first: onnxruntime's order of inputs */
  double scale;
} pvg_rotary_state;
int pvg_rotary_prepare(const pvg_prepare *prepare, void *state);
int pvg_rotary_run(pvg_call *call);

/* embeddings.c */
typedef struct pvg_skip_state {
  double epsilon;
  bool rms;
} pvg_skip_state;
int pvg_skip_prepare(const pvg_prepare *prepare, void *state);
int pvg_skip_infer(pvg_infer *infer);
int pvg_skip_run(pvg_call *call);
int pvg_embed_infer(pvg_infer *infer);
int pvg_embed_run(pvg_call *call);

/* fused.c */
typedef struct pvg_fused_state {
  int activation; /* pvt_activation_op, or one of fused.c's */
  double alpha, beta;
  double gemm_alpha, gemm_beta;
  bool a_transposed, b_transposed;
  pvg_conv_state conv;
} pvg_fused_state;
int pvg_gelu_prepare(const pvg_prepare *prepare, void *state);
int pvg_gelu_infer(pvg_infer *infer);
int pvg_gelu_run(pvg_call *call);
int pvg_fused_prepare(const pvg_prepare *prepare, void *state);
int pvg_fused_conv_run(pvg_call *call);
int pvg_fused_gemm_infer(pvg_infer *infer);
int pvg_fused_gemm_run(pvg_call *call);

/* fused_attention.c */
int pvg_fused_attention_infer(pvg_infer *infer);
int pvg_fused_attention_run(pvg_call *call);

#endif
