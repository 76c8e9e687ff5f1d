/* attention.c - attention, embeddings, and onnxruntime's joined operators. */
#include "attention_operators.h"

#define MS "com.microsoft"
#define ONNX                                                                                       \
  pvg_attention_infer, sizeof(pvg_attention_state), pvg_attention_prepare, NULL, pvg_attention_run
#define ROTARY pvg_infer_like, sizeof(pvg_rotary_state), pvg_rotary_prepare, NULL, pvg_rotary_run
#define PACKED sizeof(pvg_packed_state), pvg_packed_prepare, NULL
#define SKIP sizeof(pvg_skip_state), pvg_skip_prepare, NULL
#define GELU pvg_gelu_infer, sizeof(pvg_fused_state), pvg_gelu_prepare, NULL, pvg_gelu_run
#define FUSED sizeof(pvg_fused_state), pvg_fused_prepare, NULL

const pvg_operator pvg_attention_operators[] = {
    {"Attention", "", 23, 0, 3, 7, PVG_PURE, ONNX},
    {"Attention", "polyvm", 1, 0, 3, 4, PVG_PURE, pvg_fused_attention_infer, 0, NULL, NULL,
     pvg_fused_attention_run},
    {"RotaryEmbedding", "", 23, 0, 3, 4, PVG_PURE, ROTARY},
    {"RotaryEmbedding", MS, 1, 0, 4, 4, PVG_PURE, ROTARY},
    {"Attention", MS, 1, 0, 2, 6, PVG_PURE, pvg_packed_infer, PACKED, pvg_packed_run},
    {"MultiHeadAttention", MS, 1, 0, 1, 8, PVG_PURE, pvg_multi_head_infer, PACKED,
     pvg_multi_head_run},
    {"SkipLayerNormalization", MS, 1, 0, 3, 5, PVG_PURE, pvg_skip_infer, SKIP, pvg_skip_run},
    {"SkipSimplifiedLayerNormalization", MS, 1, 0, 3, 4, PVG_PURE, pvg_skip_infer, SKIP,
     pvg_skip_run},
    {"EmbedLayerNormalization", MS, 1, 0, 1, 9, PVG_PURE, pvg_embed_infer, SKIP, pvg_embed_run},
    {"BiasGelu", MS, 1, 0, 2, 2, PVG_PURE, GELU},
    {"FastGelu", MS, 1, 0, 1, 2, PVG_PURE, GELU},
    {"Gelu", MS, 1, 0, 1, 1, PVG_PURE, GELU},
    {"QuickGelu", MS, 1, 0, 1, 1, PVG_PURE, GELU},
    {"FusedConv", MS, 1, 0, 2, 4, PVG_PURE, pvg_conv_infer, FUSED, pvg_fused_conv_run},
    {"FusedGemm", MS, 1, 0, 2, 3, PVG_PURE, pvg_fused_gemm_infer, FUSED, pvg_fused_gemm_run},
    {0}};
