/* fourier.c - DFT and STFT. */
#include "fft.h"
#include "signal_operators.h"

/* Signals have a last dimension of 1 (real numbers) or 2 (real and imaginary parts). */

/* Where the axis is given: an input since version 20, an attribute before. -2 stands for the last
** dimension of the signal itself. PVG_UNKNOWN where it is no constant. */
static int64_t given_axis(const pvg_infer *infer) {
  const pvg_node *node = infer->node;
  int64_t axis[PVT_MAX_DIMS];
  if (node->version < 20) return pvg_int(node, "axis", 1);
  if (PVG_INPUT(infer, 2) == NULL) return -2;
  return pvg_known_ints(infer, 2, axis) == 1 ? axis[0] : PVG_UNKNOWN;
}

int pvg_dft_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_dft_state *state = memory;
  const pvg_node *node = prepare->node;
  state->inverse = pvg_int(node, "inverse", 0) != 0;
  state->one_sided = pvg_int(node, "onesided", 0) != 0;
  state->axis = node->version < 20 ? pvg_int(node, "axis", 1) : -2;
  return PVT_OK;
}

int pvg_dft_infer(pvg_infer *infer) {
  const pvg_node *node = infer->node;
  const pvg_info *x = infer->inputs[0];
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  int64_t at = given_axis(infer), lengths[PVT_MAX_DIMS];
  if (!x->ranked || at == PVG_UNKNOWN) return PVT_OK;
  int axis = pvg_axis(at, x->ndim);
  if (axis < 0) return axis;
  if (axis == x->ndim - 1)
    return pvt_fail(PVT_E_AXIS, "DFT: the last dimension holds real and imaginary parts");
  bool inverse = pvg_int(node, "inverse", 0) != 0, one = pvg_int(node, "onesided", 0) != 0;
  pvg_size size[PVT_MAX_DIMS], length = x->size[axis];
  for (int i = 0; i < x->ndim; i++) size[i] = x->size[i];
  bool open = PVG_IS_SYMBOL(length);
  if (PVG_INPUT(infer, 1) != NULL) {
    open = pvg_known_ints(infer, 1, lengths) != 1;
    length = open ? 0 : lengths[0];
  } else if (!open && inverse && one) {
    length = 2 * (length - 1);
  }
  if (open) size[axis] = pvg_symbol(infer);
  else size[axis] = one && !inverse ? length / 2 + 1 : length;
  if (!open && length < 1) return pvt_fail(PVT_E_VALUE, "DFT: the length should be 1 or more");
  size[x->ndim - 1] = inverse && one ? 1 : 2;
  pvg_infer_is(infer, 0, x->dtype, x->ndim, size);
  return PVT_OK;
}

static pvt_dtype complex_of(pvt_dtype real) {
  return real == PVT_FLOAT64 ? PVT_COMPLEX128 : PVT_COMPLEX64;
}

/* Transform along the axis; x is real or complex, without the last dimension. The result's elements
** lie in C order from `to` on: complex ones, or real for the inverse of half a spectrum. */
static int transform(pvg_call *call, const pvt_array *x, int axis, int64_t length, bool inverse,
                     bool one_sided, pvt_dtype real, void *to) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_dtype complex = complex_of(real);
  bool is_real = x->dtype == real;
  pvt_array out, wide;
  double scale = inverse ? 1 / (double)length : 1;
  if (inverse && one_sided) {
    const pvt_array *from = x;
    if (is_real) {
      int status = pvg_scratch_array(call, &wide, complex, ndim, shape);
      if (status == PVT_OK) status = pvt_copy(x, &wide);
      if (status != PVT_OK) return status;
      from = &wide;
    }
    shape[axis] = length;
    pvt_array_over(&out, to, real, ndim, shape);
    return pvt_irfft(from, axis, scale, &out);
  }
  if (one_sided && is_real) {
    shape[axis] = length / 2 + 1;
    pvt_array_over(&out, to, complex, ndim, shape);
    return pvt_rfft(x, axis, length, scale, &out);
  }
  shape[axis] = length;
  if (!one_sided) {
    pvt_array_over(&out, to, complex, ndim, shape);
    return pvt_fft(x, axis, !inverse, scale, &out);
  }
  int status = pvg_scratch_array(call, &wide, complex, ndim, shape);
  if (status == PVT_OK) status = pvt_fft(x, axis, true, scale, &wide);
  shape[axis] = length / 2 + 1;
  pvt_array_over(&out, to, complex, ndim, shape);
  if (status == PVT_OK) status = pvt_view_slice(&wide, axis, 0, shape[axis], 1);
  return status == PVT_OK ? pvt_copy(&wide, &out) : status;
}

/* A signal's elements as real or complex numbers. */
static int numbers(pvg_call *call, const pvt_array *x, pvt_dtype real, pvt_array *as) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  const char *type = call->node->type;
  if (ndim < 2 || (shape[ndim - 1] != 1 && shape[ndim - 1] != 2))
    return pvt_fail(PVT_E_SHAPE, "%s: the signal's last dimension should be 1 or 2", type);
  const void *data = pvg_dense(call, x, real);
  if (data == NULL) return pvt_error_status();
  pvt_array_over(as, (void *)data, shape[ndim - 1] == 1 ? real : complex_of(real), ndim - 1, shape);
  return PVT_OK;
}

/* Spectra are computed in float64: many of their elements are 0, which float32 would leave at its
** epsilon times the largest. Signals come back in their own type. */
int pvg_dft_run(pvg_call *call) {
  const pvg_dft_state *state = call->state;
  const pvt_array *x = call->inputs[0], *given = PVG_INPUT(call, 1);
  pvt_dtype real = state->inverse ? pvg_real(x) : PVT_FLOAT64;
  pvt_array from;
  int status = numbers(call, x, real, &from);
  if (status != PVT_OK) return status;
  int64_t at = state->axis, shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  if (call->node->version >= 20 && PVG_INPUT(call, 2) != NULL &&
      (status = pvg_one_int("DFT: axis", call->inputs[2], &at)) != PVT_OK)
    return status;
  int axis = pvg_axis(at, ndim);
  if (axis < 0) return axis;
  if (axis == ndim - 1)
    return pvt_fail(PVT_E_AXIS, "DFT: the last dimension holds real and imaginary parts");
  bool half = state->inverse && state->one_sided;
  int64_t length = half ? 2 * (shape[axis] - 1) : shape[axis];
  if (given != NULL && (status = pvg_one_int("DFT: dft_length", given, &length)) != PVT_OK)
    return status;
  if (length < 1 || length > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "DFT: the length should be 1 or more");
  shape[axis] = state->one_sided && !state->inverse ? length / 2 + 1 : length;
  shape[ndim - 1] = half ? 1 : 2;
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, real, ndim, shape);
  if (status != PVT_OK) return status;
  status = transform(call, &from, axis, length, state->inverse, state->one_sided, real, y.data);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

/* ---- Short-time transforms ---------------------------------------------------------- */

int pvg_stft_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_dft_state *state = memory;
  state->one_sided = pvg_int(prepare->node, "onesided", 1) != 0;
  return PVT_OK;
}

int pvg_stft_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *window = PVG_INPUT(infer, 2);
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  if (!x->ranked || x->ndim != 3) return PVT_OK;
  int64_t step[PVT_MAX_DIMS], given[PVT_MAX_DIMS];
  pvg_size length = x->size[1], size[4] = {x->size[0], 0, 0, 2};
  bool known = pvg_known_ints(infer, 1, step) == 1 && !PVG_IS_SYMBOL(x->size[1]) && step[0] > 0;
  if (PVG_INPUT(infer, 3) != NULL) {
    known = known && pvg_known_ints(infer, 3, given) == 1;
    length = known ? given[0] : 0;
  } else if (window != NULL) {
    known = known && window->ranked && window->ndim == 1 && !PVG_IS_SYMBOL(window->size[0]);
    length = known ? window->size[0] : 0;
  }
  known = known && length > 0 && length <= x->size[1];
  bool one_sided = pvg_int(infer->node, "onesided", 1) != 0;
  size[1] = known ? (x->size[1] - length) / step[0] + 1 : pvg_symbol(infer);
  size[2] = !known ? pvg_symbol(infer) : one_sided ? length / 2 + 1 : length;
  pvg_infer_is(infer, 0, x->dtype, 4, size);
  return PVT_OK;
}

/* signal [batch, length, 1 or 2], frame step, window, frame length. */
int pvg_stft_run(pvg_call *call) {
  const pvg_dft_state *state = call->state;
  const pvt_array *x = call->inputs[0], *window = PVG_INPUT(call, 2), *given = PVG_INPUT(call, 3);
  pvt_dtype real = pvg_real(x);
  pvt_array signal, frames, weighted, weights;
  int status = numbers(call, x, real, &signal);
  if (status != PVT_OK) return status;
  if (x->ndim != 3) return pvt_fail(PVT_E_SHAPE, "STFT: the signal should have 3 dimensions");
  int64_t step, all = x->dim[1].size, length = all;
  status = pvg_one_int("STFT: frame_step", call->inputs[1], &step);
  if (window != NULL && window->ndim == 1) length = window->dim[0].size;
  if (status == PVT_OK && given != NULL) status = pvg_one_int("STFT: frame_length", given, &length);
  if (status != PVT_OK) return status;
  if (step < 1 || step > INT32_MAX || length < 1 || length > all)
    return pvt_fail(PVT_E_VALUE, "STFT: frames of %lld, every %lld, in a signal of %lld",
                    (long long)length, (long long)step, (long long)all);
  if (window != NULL && (window->ndim != 1 || window->dim[0].size != length))
    return pvt_fail(PVT_E_SHAPE, "STFT: the window should have %lld elements", (long long)length);
  int64_t count = (all - length) / step + 1, shape[4] = {x->dim[0].size, count, length, 2};
  /* Frames are views, which overlap. */
  pvg_look(&frames, &signal);
  frames.ndim = 3;
  frames.dim[2] = (pvt_dim){length, signal.dim[1].stride};
  frames.dim[1] = (pvt_dim){count, signal.dim[1].stride * step};
  const pvt_array *from = &frames;
  if (window != NULL) {
    const void *data = pvg_dense(call, window, real);
    if (data == NULL) return pvt_error_status();
    pvt_array_over(&weights, (void *)data, real, 1, &length);
    status = pvg_scratch_array(call, &weighted, (pvt_dtype)signal.dtype, 3, shape);
    if (status == PVT_OK) status = pvt_binary(PVT_MULTIPLY, &frames, &weights, &weighted);
    if (status != PVT_OK) return status;
    from = &weighted;
  }
  if (state->one_sided) shape[2] = length / 2 + 1;
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, real, 4, shape);
  if (status != PVT_OK) return status;
  status = transform(call, from, 2, length, false, state->one_sided, real, y.data);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}
