/* blocks.c - blocks of channels and of places, sequences reversed, triangles. */
#include "context.h"
#include "moving_operators.h"

/* ---- DepthToSpace, SpaceToDepth ----------------------------------------- */

static int read_block(const pvg_node *node, const pvg_info *x, int64_t *block) {
  *block = pvg_int(node, "blocksize", 0);
  if (*block < 1 || *block > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "the blocksize is %lld", (long long)*block);
  if (x->ranked && x->ndim != 4)
    return pvt_fail(PVT_E_SHAPE, "the input has %d dimensions, not 4", x->ndim);
  return PVT_OK;
}

static pvg_size divided(pvg_infer *infer, pvg_size size, int64_t by, int *status) {
  if (PVG_IS_SYMBOL(size)) return by == 1 ? size : pvg_symbol(infer);
  if (size % by != 0)
    *status =
        pvt_fail(PVT_E_SHAPE, "size %lld is no multiple of %lld", (long long)size, (long long)by);
  return size / by;
}

static pvg_size multiplied(pvg_infer *infer, pvg_size size, int64_t by, int *status) {
  if (PVG_IS_SYMBOL(size)) return by == 1 ? size : pvg_symbol(infer);
  if (__builtin_mul_overflow(size, by, &size))
    *status = pvt_fail(PVT_E_SHAPE, "the output is too large");
  return size;
}

int pvg_depth_to_space_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int64_t block;
  int status = read_block(infer->node, x, &block);
  if (status != PVT_OK || !x->ranked) return status != PVT_OK ? status : pvg_infer_open(infer, 4);
  pvg_infer_like(infer);
  pvg_size *size = infer->outputs[0].size;
  size[1] = divided(infer, x->size[1], block * block, &status);
  for (int d = 2; d < 4; d++) size[d] = multiplied(infer, x->size[d], block, &status);
  return status;
}

int pvg_space_to_depth_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int64_t block;
  int status = read_block(infer->node, x, &block);
  if (status != PVT_OK || !x->ranked) return status != PVT_OK ? status : pvg_infer_open(infer, 4);
  pvg_infer_like(infer);
  pvg_size *size = infer->outputs[0].size;
  size[1] = multiplied(infer, x->size[1], block * block, &status);
  for (int d = 2; d < 4; d++) size[d] = divided(infer, x->size[d], block, &status);
  return status;
}

int pvg_block_prepare(const pvg_prepare *prepare, void *state) {
  pvg_block *block = state;
  const char *mode = pvg_string(prepare->node, "mode", "DCR");
  block->channel_first = strcmp(mode, "CRD") == 0;
  if (!block->channel_first && strcmp(mode, "DCR") != 0)
    return pvt_fail(PVT_E_VALUE, "mode is \"%.20s\", not DCR or CRD", mode);
  return read_block(prepare->node, prepare->inputs[0], &block->size);
}

/* `deep` [n, c, h, w] and `wide` [n, c / block^2, h block, w block] as [n, channel, h, row of the
** block, w, column of it]. */
static void see_blocks(const pvg_block *block, pvt_array *deep, pvt_array *wide) {
  int64_t b = block->size, channels = wide->dim[1].size;
  pvt_dim d[4], w[4];
  memcpy(d, deep->dim, sizeof d);
  memcpy(w, wide->dim, sizeof w);
  int64_t channel = d[1].stride * (block->channel_first ? b * b : 1);
  int64_t place = d[1].stride * (block->channel_first ? 1 : channels);
  deep->ndim = wide->ndim = 6;
  deep->dim[1] = (pvt_dim){channels, channel};
  deep->dim[2] = d[2];
  deep->dim[3] = (pvt_dim){b, place * b};
  deep->dim[4] = d[3];
  deep->dim[5] = (pvt_dim){b, place};
  wide->dim[2] = (pvt_dim){d[2].size, w[2].stride * b};
  wide->dim[3] = (pvt_dim){b, w[2].stride};
  wide->dim[4] = (pvt_dim){d[3].size, w[3].stride * b};
  wide->dim[5] = (pvt_dim){b, w[3].stride};
}

int pvg_depth_to_space_run(pvg_call *call) {
  const pvg_block *block = call->state;
  pvt_array deep, wide;
  pvg_look(&deep, call->inputs[0]);
  int64_t b = block->size;
  int64_t shape[4] = {deep.dim[0].size, deep.dim[1].size / (b * b), deep.dim[2].size * b,
                      deep.dim[3].size * b};
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)deep.dtype, 4, shape);
  if (out == NULL) return pvt_error_status();
  pvg_look(&wide, out);
  see_blocks(block, &deep, &wide);
  return pvt_copy(&deep, &wide);
}

int pvg_space_to_depth_run(pvg_call *call) {
  const pvg_block *block = call->state;
  pvt_array deep, wide;
  pvg_look(&wide, call->inputs[0]);
  int64_t b = block->size;
  int64_t shape[4] = {wide.dim[0].size, wide.dim[1].size * b * b, wide.dim[2].size / b,
                      wide.dim[3].size / b};
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)wide.dtype, 4, shape);
  if (out == NULL) return pvt_error_status();
  pvg_look(&deep, out);
  see_blocks(block, &deep, &wide);
  return pvt_copy(&wide, &deep);
}

/* ---- ReverseSequence ---------------------------------------------------- */

int pvg_reverse_sequence_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0], *lengths = call->inputs[1];
  int64_t batch = pvg_int(call->node, "batch_axis", 1), time = pvg_int(call->node, "time_axis", 0);
  if (x->ndim < 2 || (batch != 0 && batch != 1) || time != 1 - batch)
    return pvt_fail(PVT_E_AXIS, "batch_axis and time_axis are 0 and 1 of at least 2 dimensions");
  if (lengths->ndim != 1 || lengths->dim[0].size != x->dim[batch].size)
    return pvt_fail(PVT_E_SHAPE, "there is not one length for each of %lld sequences",
                    (long long)x->dim[batch].size);
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape), from, to;
  if (out == NULL) return pvt_error_status();
  for (int64_t i = 0; i < x->dim[batch].size; i++) {
    int64_t length = pvg_int_at(lengths, i), size = x->dim[time].size;
    if (length < 0 || length > size)
      return pvt_fail(PVT_E_VALUE, "a sequence's length is %lld of %lld", (long long)length,
                      (long long)size);
    pvg_look_at(&from, x, (int)batch, i); /* time comes first now */
    pvg_look_at(&to, out, (int)batch, i);
    from.dim[0].size = to.dim[0].size = size - length;
    from.data += length * from.dim[0].stride;
    to.data += length * to.dim[0].stride;
    int status = size > length ? pvt_copy(&from, &to) : PVT_OK;
    if (status != PVT_OK) return status;
    if (length == 0) continue;
    from.data -= from.dim[0].stride;
    to.data -= length * to.dim[0].stride;
    from.dim[0].stride = -from.dim[0].stride;
    from.dim[0].size = to.dim[0].size = length;
    status = pvt_copy(&from, &to);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

/* ---- Trilu -------------------------------------------------------------- */

int pvg_trilu_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0], *given = PVG_INPUT(call, 1);
  if (x->ndim < 2) return pvt_fail(PVT_E_SHAPE, "a matrix has at least 2 dimensions");
  if (given != NULL && pvt_array_count(given) != 1)
    return pvt_fail(PVT_E_SHAPE, "the diagonal is one element");
  bool upper = pvg_int(call->node, "upper", 1) != 0;
  int64_t k = given != NULL ? pvg_int_at(given, 0) : 0, shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape);
  if (out == NULL) return pvt_error_status();
  int status = pvt_copy(x, out);
  int64_t rows = shape[x->ndim - 2], columns = shape[x->ndim - 1];
  int64_t count = columns > 0 ? pvt_array_count(out) / columns : 0;
  size_t item = pvt_itemsize((pvt_dtype)x->dtype);
  if (k < -rows) k = -rows;
  if (k > columns) k = columns;
  for (int64_t i = 0; i < count && status == PVT_OK; i++) {
    int64_t row = i % rows, first = upper ? row + k : row + k + 1; /* of the upper part */
    first = first < 0 ? 0 : first > columns ? columns : first;
    char *at = out->data + (size_t)(i * columns) * item;
    if (upper) memset(at, 0, (size_t)first * item);
    else memset(at + (size_t)first * item, 0, (size_t)(columns - first) * item);
    if (i % 256 == 255) status = pvt_poll();
  }
  return status;
}
