/* product.c - products of matrices and sums of products. */
#include "backend.h"
#include "linalg.h"
#include "product_operators.h"

/* ---- MatMul ------------------------------------------------------------- */

typedef struct product {
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
} product;

static bool same_size(pvg_size a, pvg_size b) {
  return PVG_IS_SYMBOL(a) || PVG_IS_SYMBOL(b) || a == b;
}

static int infer_matmul(pvg_infer *infer) {
  const pvg_info *a = infer->inputs[0], *b = infer->inputs[1];
  pvg_info *out = &infer->outputs[0];
  out->dtype = a->dtype;
  if (!a->ranked || !b->ranked) return PVT_OK;
  if (a->ndim == 0 || b->ndim == 0)
    return pvt_fail(PVT_E_SHAPE, "a product of matrices has an input without dimensions");
  pvg_size k = b->size[b->ndim > 1 ? b->ndim - 2 : 0];
  if (!same_size(a->size[a->ndim - 1], k))
    return pvt_fail(PVT_E_SHAPE, "rows of %lld elements are multiplied with columns of %lld",
                    (long long)a->size[a->ndim - 1], (long long)k);
  pvg_info stacks[2] = {*a, *b};
  for (int i = 0; i < 2; i++) {
    stacks[i].ndim = stacks[i].ndim > 2 ? (uint8_t)(stacks[i].ndim - 2) : 0;
    stacks[i].constant = NULL;
  }
  int status = pvg_infer_broadcast(infer, &stacks[0], &stacks[1], out);
  out->dtype = a->dtype;
  if (status != PVT_OK || !out->ranked) return status;
  if (out->ndim > PVT_MAX_DIMS - 2)
    return pvt_fail(PVT_E_SHAPE, "a product has more than %d dimensions", PVT_MAX_DIMS);
  if (a->ndim > 1) out->size[out->ndim++] = a->size[a->ndim - 2];
  if (b->ndim > 1) out->size[out->ndim++] = b->size[b->ndim - 1];
  return PVT_OK;
}

static int prepare_product(const pvg_prepare *prepare, void *memory) {
  product *state = memory;
  const pvg_info *out = &prepare->outputs[0];
  if (!pvg_info_is_known(out)) return PVG_LATER;
  state->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) state->shape[d] = out->size[d];
  return PVT_OK;
}

static int run_matmul(pvg_call *call) {
  const product *state = call->state;
  const pvt_array *a = call->inputs[0], *b = call->inputs[1];
  pvt_array *made = pvg_output(call, 0, (pvt_dtype)a->dtype, state->ndim, state->shape);
  if (made == NULL) return pvt_error_status();
  if (a->ndim > 1 && b->ndim > 1) return pvt_matmul(a, b, made);
  pvt_array left, right, out;
  pvg_look(&left, a);
  pvg_look(&right, b);
  pvg_look(&out, made);
  int status = PVT_OK;
  if (b->ndim == 1) {
    status = pvt_view_insert(&right, 1);
    if (status == PVT_OK) status = pvt_view_insert(&out, out.ndim);
  }
  if (a->ndim == 1 && status == PVT_OK) {
    status = pvt_view_insert(&left, 0);
    if (status == PVT_OK) status = pvt_view_insert(&out, out.ndim - 1);
  }
  return status == PVT_OK ? pvt_matmul(&left, &right, &out) : status;
}

/* A work of the backends: float32, both at least matrices; nothing of it empty. */
static bool is_work(const pvg_prepare *prepare) {
  const pvg_info *a = prepare->inputs[0], *b = prepare->inputs[1];
  if (a->dtype != PVT_FLOAT32 || b->dtype != PVT_FLOAT32 || a->ndim < 2 || b->ndim < 2)
    return false;
  for (int d = 0; d < a->ndim; d++)
    if (a->size[d] < 1) return false;
  for (int d = 0; d < b->ndim; d++)
    if (b->size[d] < 1) return false;
  return pvg_info_is_known(&prepare->outputs[0]);
}

static int work_of_matmul(const pvg_prepare *prepare, struct pvb_work *work) {
  const pvg_info *a = prepare->inputs[0], *b = prepare->inputs[1], *out = &prepare->outputs[0];
  if (!is_work(prepare)) return 0;
  pvb_product product = {.batch = 1, .scale = 1};
  for (int d = 0; d < out->ndim - 2; d++) product.batch *= out->size[d];
  product.m = out->size[out->ndim - 2];
  product.n = out->size[out->ndim - 1];
  product.k = a->size[a->ndim - 1];
  product.constant = b->constant != NULL && b->ndim == 2;
  *work = (pvb_work){.kind = PVB_PRODUCT,
                     .precision = PVB_EXACT,
                     .product = product,
                     .weights = product.constant ? b->constant : NULL,
                     .threads = 1};
  return 1;
}

/* ---- Gemm --------------------------------------------------------------- */

static int infer_gemm(pvg_infer *infer) {
  const pvg_info *a = infer->inputs[0], *b = infer->inputs[1];
  bool turn_a = pvg_int(infer->node, "transA", 0) != 0;
  bool turn_b = pvg_int(infer->node, "transB", 0) != 0;
  if ((a->ranked && a->ndim != 2) || (b->ranked && b->ndim != 2))
    return pvt_fail(PVT_E_SHAPE, "inputs of Gemm have 2 dimensions");
  pvg_size m = a->ranked ? a->size[turn_a] : pvg_symbol(infer);
  pvg_size n = b->ranked ? b->size[!turn_b] : pvg_symbol(infer);
  if (a->ranked && b->ranked && !same_size(a->size[!turn_a], b->size[turn_b]))
    return pvt_fail(PVT_E_SHAPE, "rows of %lld elements are multiplied with columns of %lld",
                    (long long)a->size[!turn_a], (long long)b->size[turn_b]);
  infer->outputs[0].dtype = a->dtype;
  pvg_info_sizes(&infer->outputs[0], 2, (pvg_size[]){m, n});
  return PVT_OK;
}

static void turn(pvt_array *matrix) {
  pvt_dim first = matrix->dim[0];
  matrix->dim[0] = matrix->dim[1];
  matrix->dim[1] = first;
}

static int scale(pvt_array *array, double by, pvt_array *out) {
  pvt_array factor;
  char memory[16];
  bool whole = pvt_dtype_kind((pvt_dtype)array->dtype) <= PVT_KIND_UINT;
  pvg_scalar(&factor, memory, whole ? PVT_FLOAT64 : (pvt_dtype)array->dtype, by);
  return pvt_binary(PVT_MULTIPLY, array, &factor, out);
}

static int run_gemm(pvg_call *call) {
  pvt_array a, b, scaled;
  const pvt_array *c = PVG_INPUT(call, 2);
  const pvg_node *node = call->node;
  float alpha = pvg_float(node, "alpha", 1), beta = pvg_float(node, "beta", 1);
  pvg_look(&a, call->inputs[0]);
  pvg_look(&b, call->inputs[1]);
  if (pvg_int(node, "transA", 0) != 0) turn(&a);
  if (pvg_int(node, "transB", 0) != 0) turn(&b);
  int64_t shape[PVT_MAX_DIMS] = {a.dim[0].size, b.dim[1].size};
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)a.dtype, 2, shape);
  if (out == NULL) return pvt_error_status();
  int status = pvt_matmul(&a, &b, out);
  if (status == PVT_OK && alpha != 1) status = scale(out, alpha, out);
  if (status != PVT_OK || c == NULL || beta == 0) return status;
  if (beta != 1) {
    pvg_shape_of(c, shape);
    status = pvg_scratch_array(call, &scaled, (pvt_dtype)c->dtype, c->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(c, &scaled);
    if (status == PVT_OK) status = scale(&scaled, beta, &scaled);
    c = &scaled;
  }
  return status == PVT_OK ? pvt_binary(PVT_ADD, out, c, out) : status;
}

/* With a as it is, weights that are constant, and a constant row added as it is, or nothing. */
static int work_of_gemm(const pvg_prepare *prepare, struct pvb_work *work) {
  const pvg_node *node = prepare->node;
  const pvg_info *a = prepare->inputs[0], *b = prepare->inputs[1], *c = PVG_INPUT(prepare, 2);
  bool turn_b = pvg_int(node, "transB", 0) != 0;
  if (!is_work(prepare) || pvg_int(node, "transA", 0) != 0 || b->constant == NULL) return 0;
  pvb_product product = {.batch = 1,
                         .m = a->size[0],
                         .n = b->size[!turn_b],
                         .k = a->size[1],
                         .scale = pvg_float(node, "alpha", 1),
                         .constant = true};
  if (c != NULL) {
    bool row = c->ndim == 1 || (c->ndim == 2 && c->size[0] == 1);
    if (pvg_float(node, "beta", 1) != 1 || c->constant == NULL || c->dtype != PVT_FLOAT32 || !row ||
        c->size[c->ndim - 1] != product.n)
      return 0;
  }
  pvt_array *parts = pvg_prepare_memory(prepare, 2 * sizeof *parts);
  if (parts == NULL) return pvt_error_status();
  pvg_look(&parts[0], b->constant);
  if (turn_b) turn(&parts[0]);
  if (c != NULL) {
    pvg_look(&parts[1], c->constant);
    if (c->ndim == 2) {
      parts[1].ndim = 1;
      parts[1].dim[0] = parts[1].dim[1];
    }
  }
  *work = (pvb_work){.kind = PVB_PRODUCT,
                     .precision = PVB_EXACT,
                     .product = product,
                     .weights = &parts[0],
                     .bias = c != NULL ? &parts[1] : NULL,
                     .threads = 1};
  return 1;
}

/* ---- Det ---------------------------------------------------------------- */

static int infer_det(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  if (x->ndim < 2 || !same_size(x->size[x->ndim - 2], x->size[x->ndim - 1]))
    return pvt_fail(PVT_E_SHAPE, "the last two dimensions are no square matrix");
  infer->outputs[0].dtype = x->dtype;
  pvg_info_sizes(&infer->outputs[0], x->ndim - 2, x->size);
  return PVT_OK;
}

static int run_det(pvg_call *call) {
  const product *state = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_dtype dtype = (pvt_dtype)x->dtype, wide = dtype == PVT_FLOAT64 ? dtype : PVT_FLOAT32;
  pvt_array *out = pvg_output(call, 0, dtype, state->ndim, state->shape), as, values;
  if (out == NULL) return pvt_error_status();
  int status = pvg_as(call, x, wide, &as);
  if (status != PVT_OK || dtype == wide) return status == PVT_OK ? pvt_det(&as, out) : status;
  status = pvg_scratch_array(call, &values, wide, state->ndim, state->shape);
  if (status == PVT_OK) status = pvt_det(&as, &values);
  return status == PVT_OK ? pvt_copy(&values, out) : status;
}

/* ---- The table ---------------------------------------------------------- */

const pvg_operator pvg_product_operators[] = {
    {"Det", "", 11, 0, 1, 1, 0, infer_det, sizeof(product), prepare_product, NULL, run_det, NULL},
    {"Einsum", "", 12, 0, 1, -1, 0, pvg_einsum_infer, sizeof(pvg_einsum), pvg_einsum_prepare, NULL,
     pvg_einsum_run, NULL},
    {"Gemm", "", 1, 0, 2, 3, 0, infer_gemm, 0, NULL, NULL, run_gemm, work_of_gemm},
    {"MatMul", "", 1, 0, 2, 2, 0, infer_matmul, sizeof(product), prepare_product, NULL, run_matmul,
     work_of_matmul},
    {0},
};
