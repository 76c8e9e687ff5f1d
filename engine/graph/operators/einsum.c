/* einsum.c - sums of products over labelled dimensions.
**
** Operands are combined from left to right: what two share and nobody needs any more is summed by a
** product of matrices, what they share and is needed later is a stack of those.
*/
#include <ctype.h>

#include "product_operators.h"

/* ---- The equation ------------------------------------------------------- */

#define ELLIPSIS 52 /* the first label of an ellipsis' dimensions; they end at PVG_LABELS */

static int label_of(char letter) {
  return islower((unsigned char)letter) ? letter - 'a' : letter - 'A' + 26;
}

static int bad(const char *equation) {
  return pvt_fail(PVT_E_VALUE, "\"%.60s\" is no equation for these inputs", equation);
}

/* One operand's labels. ndim: its dimensions; negative for an output, whose ellipsis stands for
** `covered` dimensions. *text is moved to the comma, arrow or end behind it. */
static int parse_term(const char *equation, const char **text, int ndim, int covered,
                      pvg_labels *labels) {
  const char *end = *text;
  int letters = 0, at = 0;
  bool ellipsis = false;
  for (; *end != 0 && *end != ',' && *end != '-'; end++)
    letters += isalpha((unsigned char)*end) != 0;
  if (ndim >= 0) covered = ndim - letters;
  if (covered < 0 || covered + letters > PVT_MAX_DIMS) return bad(equation);
  for (const char *p = *text; p < end; p++) {
    if (isalpha((unsigned char)*p)) labels->label[at++] = (uint8_t)label_of(*p);
    else if (*p == '.' && p[1] == '.' && p[2] == '.' && !ellipsis) {
      /* Counted from the last one, which they are broadcast by. */
      for (int i = covered; i > 0; i--) labels->label[at++] = (uint8_t)(PVG_LABELS - i);
      ellipsis = true;
      p += 2;
    } else if (*p != ' ') return bad(equation);
  }
  if (ndim >= 0 && at != ndim) return bad(equation);
  labels->ndim = at;
  *text = end;
  return PVT_OK;
}

/* The output's labels where the equation does not say: the ellipsis, then letters that come once,
** in the alphabet's order (capitals first). */
static void implied(const pvg_labels *operands, int count, int covered, pvg_labels *out) {
  int seen[PVG_LABELS] = {0};
  for (int i = 0; i < count; i++)
    for (int d = 0; d < operands[i].ndim; d++) seen[operands[i].label[d]]++;
  out->ndim = 0;
  for (int i = covered; i > 0; i--) out->label[out->ndim++] = (uint8_t)(PVG_LABELS - i);
  for (int i = 0; i < 52; i++) {
    int label = (i + 26) % 52;
    if (seen[label] == 1 && out->ndim < PVT_MAX_DIMS) out->label[out->ndim++] = (uint8_t)label;
  }
}

static int parse(const pvg_node *node, const int *ndims, int count, pvg_labels *operands,
                 pvg_labels *out) {
  const char *equation = pvg_string(node, "equation", ""), *text = equation;
  int covered = 0;
  for (int i = 0; i < count; i++) {
    int status = parse_term(equation, &text, ndims[i], 0, &operands[i]);
    if (status != PVT_OK) return status;
    if (i + 1 < count && *text++ != ',') return bad(equation);
    int own = 0;
    for (int d = 0; d < operands[i].ndim; d++) own += operands[i].label[d] >= ELLIPSIS;
    if (own > covered) covered = own;
  }
  if (*text == 0) {
    implied(operands, count, covered, out);
    return PVT_OK;
  }
  if (text[0] != '-' || text[1] != '>') return bad(equation);
  text += 2;
  int status = parse_term(equation, &text, -1, covered, out);
  if (status != PVT_OK || *text != 0) return status != PVT_OK ? status : bad(equation);
  bool known[PVG_LABELS] = {false};
  for (int i = 0; i < count; i++)
    for (int d = 0; d < operands[i].ndim; d++) known[operands[i].label[d]] = true;
  for (int d = 0; d < out->ndim; d++) {
    if (!known[out->label[d]]) return bad(equation);
    known[out->label[d]] = false; /* each once */
  }
  return PVT_OK;
}

/* Sizes of labels; symbols only where nothing better is known. */
static int measure(const pvg_node *node, const pvg_info *const *inputs, int count,
                   const pvg_labels *operands, pvg_size *sizes) {
  for (int i = 0; i < PVG_LABELS; i++) sizes[i] = 1;
  for (int i = 0; i < count; i++)
    for (int d = 0; d < operands[i].ndim; d++) {
      pvg_size *size = &sizes[operands[i].label[d]], own = inputs[i]->size[d];
      if (*size == 1 || (PVG_IS_SYMBOL(*size) && !PVG_IS_SYMBOL(own) && own != 1)) *size = own;
      else if (own != 1 && !PVG_IS_SYMBOL(own) && own != *size)
        return bad(pvg_string(node, "equation", ""));
    }
  return PVT_OK;
}

int pvg_einsum_infer(pvg_infer *infer) {
  enum { MOST = 32 };
  pvg_labels operands[MOST], out;
  int ndims[MOST], count = infer->input_count;
  pvg_size sizes[PVG_LABELS];
  if (count > MOST) return pvt_fail(PVT_E_VALUE, "an einsum has at most %d operands", MOST);
  for (int i = 0; i < count; i++) {
    if (!infer->inputs[i]->ranked) return pvg_infer_open(infer, -1);
    ndims[i] = infer->inputs[i]->ndim;
  }
  int status = parse(infer->node, ndims, count, operands, &out);
  if (status == PVT_OK) status = measure(infer->node, infer->inputs, count, operands, sizes);
  if (status != PVT_OK) return status;
  pvg_info *info = &infer->outputs[0];
  info->dtype = infer->inputs[0]->dtype;
  info->ranked = true;
  info->ndim = (uint8_t)out.ndim;
  for (int d = 0; d < out.ndim; d++) info->size[d] = sizes[out.label[d]];
  return PVT_OK;
}

int pvg_einsum_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_einsum *state = memory;
  int count = prepare->input_count, ndims[32];
  state->operands = pvg_prepare_memory(prepare, (size_t)count * sizeof *state->operands);
  if (state->operands == NULL) return pvt_error_status();
  for (int i = 0; i < count; i++) ndims[i] = prepare->inputs[i]->ndim;
  int status = parse(prepare->node, ndims, count, state->operands, &state->out);
  if (status != PVT_OK) return status;
  return measure(prepare->node, prepare->inputs, count, state->operands, state->size);
}

/* ---- Terms -------------------------------------------------------------- */

/* An array whose dimensions have labels, each once. */
typedef struct term {
  pvt_array array;
  uint8_t label[PVT_MAX_DIMS];
} term;

static bool has(const term *term, int label) {
  for (int d = 0; d < term->array.ndim; d++)
    if (term->label[d] == label) return true;
  return false;
}

/* A view of x: a label that comes twice is the diagonal, sizes of 1 are broadcast. */
static void see(const pvg_einsum *state, const pvg_labels *labels, const pvt_array *x, term *term) {
  memcpy(&term->array, x, offsetof(pvt_array, dim));
  int ndim = 0;
  for (int d = 0; d < x->ndim; d++) {
    int at = 0;
    while (at < ndim && term->label[at] != labels->label[d]) at++;
    int64_t size = state->size[labels->label[d]];
    int64_t stride = x->dim[d].size == 1 && size != 1 ? 0 : x->dim[d].stride;
    if (at < ndim) {
      term->array.dim[at].stride += stride;
    } else {
      term->label[ndim] = labels->label[d];
      term->array.dim[ndim++] = (pvt_dim){size, stride};
    }
  }
  term->array.ndim = (uint8_t)ndim;
}

/* Sum over all labels that are not kept. */
static int sum_out(pvg_call *call, term *x, const bool *keep) {
  uint32_t axes = 0;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = 0;
  for (int d = 0; d < x->array.ndim; d++) {
    shape[d] = x->array.dim[d].size;
    if (keep[x->label[d]]) continue;
    axes |= 1u << d;
    shape[d] = 1;
  }
  if (axes == 0) return PVT_OK;
  pvt_array sum;
  int status = pvg_scratch_array(call, &sum, (pvt_dtype)x->array.dtype, x->array.ndim, shape);
  if (status == PVT_OK) status = pvt_reduce(PVT_SUM, &x->array, axes, &sum);
  if (status != PVT_OK) return status;
  for (int d = 0; d < x->array.ndim; d++) {
    if (axes >> d & 1) continue;
    x->label[ndim] = x->label[d];
    sum.dim[ndim++] = sum.dim[d];
  }
  sum.ndim = (uint8_t)ndim;
  memcpy(&x->array, &sum, offsetof(pvt_array, dim) + (size_t)ndim * sizeof(pvt_dim));
  return PVT_OK;
}

/* View x's dimensions in this order; those that it lacks have size 1. */
static void order(const term *x, const uint8_t *labels, int count, pvt_array *view) {
  memcpy(view, &x->array, offsetof(pvt_array, dim));
  view->ndim = (uint8_t)count;
  for (int i = 0; i < count; i++) {
    view->dim[i] = (pvt_dim){1, 0};
    for (int d = 0; d < x->array.ndim; d++)
      if (x->label[d] == labels[i]) view->dim[i] = x->array.dim[d];
  }
}

/* x as [stack..., rows, columns]: three groups of labels, the last two merged, by a copy if need
** be. */
static int matrices(pvg_call *call, const term *x, const uint8_t *labels, int stack, int rows,
                    int columns, pvt_array *out) {
  int64_t shape[PVT_MAX_DIMS], merged[PVT_MAX_DIMS];
  order(x, labels, stack + rows + columns, out);
  pvg_shape_of(out, shape);
  for (int d = 0; d < stack; d++) merged[d] = shape[d];
  merged[stack] = merged[stack + 1] = 1;
  for (int d = 0; d < rows; d++) merged[stack] *= shape[stack + d];
  for (int d = 0; d < columns; d++) merged[stack + 1] *= shape[stack + rows + d];
  bool possible;
  int status = pvt_view_reshape(out, stack + 2, merged, &possible);
  if (status != PVT_OK || possible) return status;
  pvt_array copy;
  status = pvg_scratch_array(call, &copy, (pvt_dtype)out->dtype, out->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(out, &copy);
  if (status == PVT_OK) pvt_array_over(out, copy.data, (pvt_dtype)copy.dtype, stack + 2, merged);
  return status;
}

/* x becomes the product of both, its labels those of both that are kept. `target`: where it goes if
** its dimensions come out in the labels' order of `wanted`; NULL. */
static int combine(pvg_call *call, const pvg_einsum *state, term *x, term *y, const bool *keep,
                   const pvt_array *target) {
  bool keep_x[PVG_LABELS], keep_y[PVG_LABELS];
  for (int label = 0; label < PVG_LABELS; label++) {
    keep_x[label] = keep[label] || has(y, label);
    keep_y[label] = keep[label] || has(x, label);
  }
  int status = sum_out(call, x, keep_x);
  if (status == PVT_OK) status = sum_out(call, y, keep_y);
  if (status != PVT_OK) return status;
  /* Labels of the stack, of x alone, those that are summed, and of y alone. */
  uint8_t groups[4][PVT_MAX_DIMS];
  int count[4] = {0};
  for (int d = 0; d < x->array.ndim; d++) {
    int label = x->label[d], group = !has(y, label) ? 1 : keep[label] ? 0 : 2;
    groups[group][count[group]++] = (uint8_t)label;
  }
  for (int d = 0; d < y->array.ndim; d++)
    if (!has(x, y->label[d])) groups[3][count[3]++] = y->label[d];
  if (count[0] + count[1] + count[2] + count[3] > PVT_MAX_DIMS - 2)
    return pvt_fail(PVT_E_SHAPE, "an intermediate result has more than %d dimensions",
                    PVT_MAX_DIMS);
  uint8_t left[PVT_MAX_DIMS], right[PVT_MAX_DIMS], result[PVT_MAX_DIMS];
  int l = 0, r = 0, n = 0;
  static const int left_groups[] = {0, 1, 2}, right_groups[] = {0, 2, 3}, results[] = {0, 1, 3};
  for (int g = 0; g < 3; g++) {
    for (int i = 0; i < count[left_groups[g]]; i++) left[l++] = groups[left_groups[g]][i];
    for (int i = 0; i < count[right_groups[g]]; i++) right[r++] = groups[right_groups[g]][i];
    for (int i = 0; i < count[results[g]]; i++) result[n++] = groups[results[g]][i];
  }
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < n; d++) shape[d] = state->size[result[d]];
  pvt_array a, b, out, product;
  bool there = target != NULL && n == state->out.ndim && memcmp(result, state->out.label, n) == 0;
  pvt_dtype dtype = (pvt_dtype)x->array.dtype;
  if (there) pvt_array_over(&out, target->data, dtype, n, shape);
  else status = pvg_scratch_array(call, &out, dtype, n, shape);
  if (status != PVT_OK) return status;
  if (count[2] == 0) { /* nothing is summed: element by element */
    order(x, result, n, &a);
    order(y, result, n, &b);
    status = pvt_binary(PVT_MULTIPLY, &a, &b, &out);
  } else {
    status = matrices(call, x, left, count[0], count[1], count[2], &a);
    if (status == PVT_OK) status = matrices(call, y, right, count[0], count[2], count[3], &b);
    if (status != PVT_OK) return status;
    int64_t stack[PVT_MAX_DIMS];
    for (int d = 0; d < count[0]; d++) stack[d] = shape[d];
    stack[count[0]] = a.dim[count[0]].size;
    stack[count[0] + 1] = b.dim[count[0] + 1].size;
    pvt_array_over(&product, out.data, dtype, count[0] + 2, stack);
    status = pvt_matmul(&a, &b, &product);
  }
  memcpy(&x->array, &out, offsetof(pvt_array, dim) + (size_t)n * sizeof(pvt_dim));
  memcpy(x->label, result, (size_t)n);
  return status;
}

int pvg_einsum_run(pvg_call *call) {
  const pvg_einsum *state = call->state;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < state->out.ndim; d++) shape[d] = state->size[state->out.label[d]];
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)call->inputs[0]->dtype, state->out.ndim, shape);
  if (out == NULL) return pvt_error_status();
  term result, next;
  bool keep[PVG_LABELS];
  see(state, &state->operands[0], call->inputs[0], &result);
  for (int i = 1; i <= call->input_count; i++) {
    memset(keep, 0, sizeof keep);
    for (int d = 0; d < state->out.ndim; d++) keep[state->out.label[d]] = true;
    for (int j = i + 1; j < call->input_count; j++)
      for (int d = 0; d < state->operands[j].ndim; d++) keep[state->operands[j].label[d]] = true;
    if (i == call->input_count) break;
    see(state, &state->operands[i], call->inputs[i], &next);
    int status =
        combine(call, state, &result, &next, keep, i + 1 == call->input_count ? out : NULL);
    if (status != PVT_OK) return status;
  }
  if (result.array.data == out->data && call->input_count > 1) return PVT_OK;
  int status = sum_out(call, &result, keep);
  if (status != PVT_OK) return status;
  pvt_array view;
  order(&result, state->out.label, state->out.ndim, &view);
  return pvt_copy(&view, out);
}
