/* deform_conv.c - DeformConv: a convolution whose places move by offsets. Images of 2 dimensions. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "image_operators.h"

int pvg_deform_conv_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *w = infer->inputs[1], *offset = infer->inputs[2];
  bool known =
      x->ranked && w->ranked && offset->ranked && x->ndim == 4 && w->ndim == 4 && offset->ndim == 4;
  pvg_size size[4] = {0};
  if (known) {
    size[0] = x->size[0];
    size[1] = w->size[0];
    size[2] = offset->size[2];
    size[3] = offset->size[3];
  }
  pvg_infer_is(infer, 0, x->dtype, known ? 4 : -1, size);
  return PVT_OK;
}

int pvg_deform_conv_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_conv_state *state = memory;
  const pvg_info *x = prepare->inputs[0], *offset = prepare->inputs[2];
  const pvg_info *mask = PVG_INPUT(prepare, 4);
  if (x->ndim != 4)
    return pvt_fail(PVT_E_SHAPE, "DeformConv: only images of 2 dimensions are supported");
  int status = pvg_conv_prepare(prepare, memory);
  if (status != PVT_OK) return status;
  state->offset_groups = pvg_int(prepare->node, "offset_group", 1);
  int64_t kernel = pvg_fit_count(state->fit.kernel, 2), groups = state->offset_groups;
  bool fits = groups > 0 && x->size[1] % groups == 0 && offset->ndim == 4 &&
              offset->size[0] == x->size[0] && offset->size[1] == groups * kernel * 2 &&
              offset->size[2] == state->fit.out[0] && offset->size[3] == state->fit.out[1];
  if (fits && mask != NULL)
    fits = mask->ndim == 4 && mask->size[0] == x->size[0] && mask->size[1] == groups * kernel &&
           mask->size[2] == state->fit.out[0] && mask->size[3] == state->fit.out[1];
  if (!fits)
    return pvt_fail(PVT_E_SHAPE, "DeformConv: offset or mask are not of the result's shape");
  return PVT_OK;
}

/* columns [rows, columns] of one channel at one place of the kernel. offset: [2, out...]. */
#define SAMPLE(REAL, name)                                                                         \
  static REAL name##_one(const REAL *image, int64_t rows, int64_t columns, REAL y, REAL x) {       \
    if (!(y > -1 && y < (REAL)rows && x > -1 && x < (REAL)columns)) return 0;                      \
    REAL floor_y = (REAL)floor(y), floor_x = (REAL)floor(x), fy = y - floor_y, fx = x - floor_x;   \
    int64_t i = (int64_t)floor_y, j = (int64_t)floor_x;                                            \
    REAL a = i >= 0 && j >= 0 ? image[i * columns + j] : 0;                                        \
    REAL b = i >= 0 && j + 1 < columns ? image[i * columns + j + 1] : 0;                           \
    REAL c = i + 1 < rows && j >= 0 ? image[(i + 1) * columns + j] : 0;                            \
    REAL d = i + 1 < rows && j + 1 < columns ? image[(i + 1) * columns + j + 1] : 0;               \
    return (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy;                      \
  }                                                                                                \
  static void name(const pvg_fit *fit, const REAL *image, int64_t ky, int64_t kx,                  \
                   const REAL *offset, const REAL *mask, REAL *to) {                               \
    int64_t places = fit->out[0] * fit->out[1];                                                    \
    for (int64_t i = 0, at = 0; i < fit->out[0]; i++) {                                            \
      REAL y = (REAL)(i * fit->stride[0] - fit->before[0] + ky * fit->dilation[0]);                \
      for (int64_t j = 0; j < fit->out[1]; j++, at++) {                                            \
        REAL x = (REAL)(j * fit->stride[1] - fit->before[1] + kx * fit->dilation[1]);              \
        REAL value = name##_one(image, fit->size[0], fit->size[1], y + offset[at],                 \
                                x + offset[places + at]);                                          \
        to[at] = mask != NULL ? value * mask[at] : value;                                          \
      }                                                                                            \
    }                                                                                              \
  }
SAMPLE(float, sample_f32)
SAMPLE(double, sample_f64)

int pvg_deform_conv_run(pvg_call *call) {
  const pvg_conv_state *state = call->state;
  const pvg_fit *fit = &state->fit;
  const pvt_array *x = call->inputs[0], *w = call->inputs[1], *b = PVG_INPUT(call, 3);
  const pvt_array *given = PVG_INPUT(call, 4);
  int64_t n = x->dim[0].size, in = x->dim[1].size, out = w->dim[0].size, each = w->dim[1].size;
  int64_t kernel = pvg_fit_count(fit->kernel, 2), places = pvg_fit_count(fit->out, 2);
  int64_t image = pvg_fit_count(fit->size, 2), groups = state->groups;
  int64_t by_offset = in / state->offset_groups;
  pvt_dtype type = pvg_real(x);
  size_t size = pvt_itemsize(type);
  int64_t shape[4] = {n, out, fit->out[0], fit->out[1]};
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, 4, shape);
  if (status != PVT_OK) return status;
  const char *pixels = pvg_dense(call, x, type), *weights = pvg_dense(call, w, type);
  const char *offsets = pvg_dense(call, call->inputs[2], type);
  const char *masks = given != NULL ? pvg_dense(call, given, type) : NULL;
  pvt_array columns;
  status = pvg_scratch_array(call, &columns, type, 2, (const int64_t[]){each * kernel, places});
  if (pixels == NULL || weights == NULL || offsets == NULL || (given != NULL && masks == NULL) ||
      status != PVT_OK)
    return pvt_error_status();
  for (int64_t i = 0; i < n * groups && status == PVT_OK; i++) {
    int64_t batch = i / groups, group = i % groups;
    for (int64_t c = 0; c < each; c++) {
      int64_t channel = group * each + c, set = channel / by_offset;
      const char *from = pixels + (size_t)((batch * in + channel) * image) * size;
      for (int64_t k = 0; k < kernel; k++) {
        int64_t at = (batch * state->offset_groups + set) * kernel + k;
        const char *moved = offsets + (size_t)(at * 2 * places) * size;
        const char *mask = masks != NULL ? masks + (size_t)(at * places) * size : NULL;
        char *to = columns.data + (size_t)((c * kernel + k) * places) * size;
        int64_t ky = k / fit->kernel[1], kx = k % fit->kernel[1];
        if (type == PVT_FLOAT64)
          sample_f64(fit, (const double *)from, ky, kx, (const double *)moved, (const double *)mask,
                     (double *)to);
        else
          sample_f32(fit, (const float *)from, ky, kx, (const float *)moved, (const float *)mask,
                     (float *)to);
        if ((status = pvt_poll()) != PVT_OK) return status;
      }
    }
    pvt_array left, to;
    int64_t per = out / groups;
    pvt_array_over(&left, (void *)(weights + (size_t)(group * per * each * kernel) * size), type, 2,
                   (const int64_t[]){per, each * kernel});
    pvt_array_over(&to, (char *)y.data + (size_t)(i * per * places) * size, type, 2,
                   (const int64_t[]){per, places});
    status = pvt_matmul(&left, &columns, &to);
  }
  if (status == PVT_OK && b != NULL) {
    pvt_array whole, bias;
    pvg_look(&bias, b);
    pvt_array_over(&whole, y.data, type, 4, shape);
    status = pvt_view_insert(&bias, bias.ndim);
    if (status == PVT_OK) status = pvt_view_insert(&bias, bias.ndim);
    if (status == PVT_OK) status = pvt_binary(PVT_ADD, &whole, &bias, &whole);
  }
  return status == PVT_OK ? pvg_result_end(&y) : status;
}
