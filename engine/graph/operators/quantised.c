/* quantised.c - integers that stand for floats. */
#include "quantised_operators.h"

#define MS "com.microsoft"
#define QUANTISE                                                                                   \
  pvg_quantise_infer, sizeof(pvg_quantise_state), pvg_quantise_prepare, NULL, pvg_quantise_run
#define DEQUANTISE                                                                                 \
  pvg_dequantise_infer, sizeof(pvg_quantise_state), pvg_quantise_prepare, NULL, pvg_dequantise_run
#define PRODUCT pvg_integer_product_infer, 0, NULL, NULL
#define CONV pvg_integer_conv_infer, sizeof(pvg_integer_conv_state), pvg_integer_conv_prepare, NULL
#define GEMM sizeof(pvg_integer_gemm_state), pvg_integer_gemm_prepare, NULL
#define LINEAR sizeof(pvg_qlinear_state), pvg_qlinear_prepare, NULL

const pvg_operator pvg_quantised_operators[] = {
    {"QuantizeLinear", "", 10, 0, 2, 3, PVG_PURE, QUANTISE},
    {"QuantizeLinear", MS, 1, 0, 2, 3, PVG_PURE, QUANTISE},
    {"DequantizeLinear", "", 10, 0, 2, 3, PVG_PURE, DEQUANTISE},
    {"DequantizeLinear", MS, 1, 0, 2, 3, PVG_PURE, DEQUANTISE},
    {"DynamicQuantizeLinear", "", 11, 0, 1, 1, PVG_PURE, pvg_dynamic_quantise_infer, 0, NULL, NULL,
     pvg_dynamic_quantise_run},
    {"MatMulInteger", "", 10, 0, 2, 4, PVG_PURE, PRODUCT, pvg_matmul_integer_run},
    {"QLinearMatMul", "", 10, 0, 8, 8, PVG_PURE, PRODUCT, pvg_qlinear_matmul_run},
    {"DynamicQuantizeMatMul", MS, 1, 0, 3, 5, PVG_PURE, PRODUCT, pvg_dynamic_matmul_run},
    {"MatMulIntegerToFloat", MS, 1, 0, 4, 7, PVG_PURE, PRODUCT, pvg_matmul_to_float_run},
    {"QGemm", MS, 1, 0, 6, 9, PVG_PURE, pvg_qgemm_infer, GEMM, pvg_qgemm_run},
    {"FusedMatMul", MS, 1, 0, 2, 2, PVG_PURE, pvg_fused_matmul_infer, GEMM, pvg_fused_matmul_run},
    {"MatMulNBits", MS, 1, 0, 3, 6, PVG_PURE, pvg_bits_infer, sizeof(pvg_bits_state),
     pvg_bits_prepare, NULL, pvg_bits_run},
    {"ConvInteger", "", 10, 0, 2, 4, PVG_PURE, CONV, pvg_conv_integer_run},
    {"QLinearConv", "", 10, 0, 8, 9, PVG_PURE, CONV, pvg_qlinear_conv_run},
    {"QLinearAdd", MS, 1, 0, 2, 8, PVG_PURE, pvg_qlinear_binary_infer, LINEAR,
     pvg_qlinear_binary_run},
    {"QLinearMul", MS, 1, 0, 2, 8, PVG_PURE, pvg_qlinear_binary_infer, LINEAR,
     pvg_qlinear_binary_run},
    {"QLinearSigmoid", MS, 1, 0, 2, 5, PVG_PURE, pvg_qlinear_unary_infer, LINEAR,
     pvg_qlinear_unary_run},
    {"QLinearLeakyRelu", MS, 1, 0, 2, 5, PVG_PURE, pvg_qlinear_unary_infer, LINEAR,
     pvg_qlinear_unary_run},
    {"QLinearSoftmax", MS, 1, 0, 2, 5, PVG_PURE, pvg_qlinear_unary_infer, LINEAR,
     pvg_qlinear_unary_run},
    {"QLinearConcat", MS, 1, 0, 0, -1, PVG_PURE, pvg_qlinear_concat_infer, LINEAR,
     pvg_qlinear_concat_run},
    {"QLinearGlobalAveragePool", MS, 1, 0, 2, 5, PVG_PURE, pvg_qlinear_pool_infer, LINEAR,
     pvg_qlinear_global_pool_run},
    {0}};
