/* window.c - kernels, strides, dilations, paddings: from attributes, to sizes. */
#include "window.h"

#include <string.h>

static int read_sizes(const pvg_node *node, const char *name, int64_t least, int64_t *values,
                      pvg_window *window) {
  int count;
  const int64_t *given = pvg_ints(node, name, &count);
  if (given == NULL) return 0;
  if (count > PVB_SPATIAL)
    return pvt_fail(PVT_E_SHAPE, "%s: images of more than %d dimensions are not supported",
                    node->type, PVB_SPATIAL);
  for (int i = 0; i < count; i++) {
    if (given[i] < least || given[i] > INT32_MAX)
      return pvt_fail(PVT_E_VALUE, "%s: %s is %lld, but should be %lld or more", node->type, name,
                      (long long)given[i], (long long)least);
    values[i] = given[i];
  }
  if (count != 0 && window->dims != 0 && window->dims != count)
    return pvt_fail(PVT_E_SHAPE, "%s: %s is for %d dimensions, other attributes for %d", node->type,
                    name, count, window->dims);
  if (count != 0) window->dims = count;
  return count;
}

int pvg_window_read(const pvg_node *node, pvg_window *window) {
  memset(window, 0, sizeof *window);
  for (int i = 0; i < PVB_SPATIAL; i++)
    window->kernel[i] = window->stride[i] = window->dilation[i] = 1;
  int status = read_sizes(node, "kernel_shape", 1, window->kernel, window);
  window->has_kernel = status > 0;
  if (status >= 0) status = read_sizes(node, "strides", 1, window->stride, window);
  if (status >= 0) status = read_sizes(node, "dilations", 1, window->dilation, window);
  if (status < 0) return status;
  window->ceil = pvg_int(node, "ceil_mode", 0) != 0;
  const char *auto_pad = pvg_string(node, "auto_pad", "NOTSET");
  if (strcmp(auto_pad, "SAME_UPPER") == 0) window->auto_pad = PVG_PAD_UPPER;
  else if (strcmp(auto_pad, "SAME_LOWER") == 0) window->auto_pad = PVG_PAD_LOWER;
  else if (strcmp(auto_pad, "VALID") == 0) window->auto_pad = PVG_PAD_VALID;
  else if (strcmp(auto_pad, "NOTSET") != 0 && auto_pad[0] != 0)
    return pvt_fail(PVT_E_VALUE,
                    "%s: auto_pad is %s, which is none of NOTSET, SAME_UPPER, "
                    "SAME_LOWER, VALID",
                    node->type, auto_pad);
  int count;
  const int64_t *pads = pvg_ints(node, "pads", &count);
  if (pads == NULL || count == 0 || window->auto_pad != PVG_PAD_GIVEN) return PVT_OK;
  if (count % 2 != 0 || count > 2 * PVB_SPATIAL || (window->dims != 0 && window->dims != count / 2))
    return pvt_fail(PVT_E_SHAPE, "%s: %d pads do not go with %d dimensions", node->type, count,
                    window->dims);
  window->dims = count / 2;
  for (int i = 0; i < window->dims; i++) {
    window->before[i] = pads[i];
    window->after[i] = pads[i + window->dims];
    if (pads[i] > INT32_MAX || pads[i] < -INT32_MAX || pads[i + window->dims] > INT32_MAX ||
        pads[i + window->dims] < -INT32_MAX)
      return pvt_fail(PVT_E_VALUE, "%s: pads are out of range", node->type);
  }
  return PVT_OK;
}

/* How many windows of `reach` elements, every `stride`, there are in `room` elements. */
static int64_t windows(int64_t room, int64_t reach, int64_t stride, bool ceil) {
  if (room < reach) return ceil && room + stride - 1 >= reach && room > 0 ? 1 : 0;
  return (room - reach + (ceil ? stride - 1 : 0)) / stride + 1;
}

/* One dimension: how many there are, and the paddings. */
static int64_t fit_one(const pvg_window *window, int i, int64_t kernel, int64_t size,
                       int64_t *before, int64_t *after) {
  int64_t stride = window->stride[i], reach = (kernel - 1) * window->dilation[i] + 1, out;
  *before = window->before[i];
  *after = window->after[i];
  switch (window->auto_pad) {
  case PVG_PAD_UPPER:
  case PVG_PAD_LOWER:
    out = (size + stride - 1) / stride;
    int64_t all = (out - 1) * stride + reach - size;
    if (all < 0) all = 0;
    *before = window->auto_pad == PVG_PAD_UPPER ? all / 2 : all - all / 2;
    *after = all - *before;
    return out;
  case PVG_PAD_VALID: *before = *after = 0; return windows(size, reach, stride, window->ceil);
  default:
    out = windows(size + *before + *after, reach, stride, window->ceil);
    /* A window that begins behind the image and its padding before it is none. */
    if (window->ceil && out > 1 && (out - 1) * stride >= size + *before) out--;
    return out;
  }
}

static int check_dims(const pvg_window *window, const char *type, int spatial, bool has_kernel) {
  if (spatial < 1 || spatial > PVB_SPATIAL)
    return pvt_fail(PVT_E_SHAPE, "%s: x should have 3 to %d dimensions, not %d", type,
                    PVB_SPATIAL + 2, spatial + 2);
  if (window->dims != 0 && window->dims != spatial)
    return pvt_fail(PVT_E_SHAPE, "%s: x is an image of %d dimensions, attributes are for %d", type,
                    spatial, window->dims);
  if (!has_kernel && !window->has_kernel)
    return pvt_fail(PVT_E_VALUE, "%s: kernel_shape is missing", type);
  return PVT_OK;
}

int pvg_window_fit(const pvg_window *window, const char *type, int spatial, const int64_t *kernel,
                   const int64_t *size, pvg_fit *fit) {
  int status = check_dims(window, type, spatial, kernel != NULL);
  if (status != PVT_OK) return status;
  fit->spatial = spatial;
  for (int i = 0; i < spatial; i++) {
    fit->kernel[i] = kernel != NULL ? kernel[i] : window->kernel[i];
    if (window->has_kernel && window->kernel[i] != fit->kernel[i])
      return pvt_fail(PVT_E_SHAPE, "%s: kernel_shape differs from the weights", type);
    if (fit->kernel[i] < 1) return pvt_fail(PVT_E_SHAPE, "%s: the kernel is empty", type);
    fit->stride[i] = window->stride[i];
    fit->dilation[i] = window->dilation[i];
    fit->size[i] = size[i];
    fit->out[i] = fit_one(window, i, fit->kernel[i], size[i], &fit->before[i], &fit->after[i]);
    if (fit->out[i] < 1 && size[i] != 0)
      return pvt_fail(PVT_E_SHAPE, "%s: the window is larger than the padded image", type);
  }
  return PVT_OK;
}

int pvg_window_infer(pvg_infer *infer, const pvg_window *window, int spatial,
                     const pvg_size *kernel, const pvg_size *size, pvg_size *out) {
  int status = check_dims(window, infer->node->type, spatial, kernel != NULL);
  if (status != PVT_OK) return status;
  for (int i = 0; i < spatial; i++) {
    pvg_size k = kernel != NULL && !window->has_kernel ? kernel[i] : window->kernel[i];
    int64_t before, after;
    if (!PVG_IS_SYMBOL(k) && !PVG_IS_SYMBOL(size[i])) {
      out[i] = fit_one(window, i, k, size[i], &before, &after);
      if (out[i] < 1 && size[i] != 0)
        return pvt_fail(PVT_E_SHAPE, "%s: the window is larger than the padded image",
                        infer->node->type);
      continue;
    }
    bool same = window->auto_pad == PVG_PAD_UPPER || window->auto_pad == PVG_PAD_LOWER;
    if (!PVG_IS_SYMBOL(k) && window->auto_pad == PVG_PAD_GIVEN)
      same = window->before[i] + window->after[i] == (k - 1) * window->dilation[i];
    out[i] = same && window->stride[i] == 1 ? size[i] : pvg_symbol(infer);
  }
  return PVT_OK;
}

int64_t pvg_fit_count(const int64_t *sizes, int spatial) {
  int64_t count = 1;
  for (int i = 0; i < spatial; i++) count *= sizes[i];
  return count;
}

void pvg_fit_window(const pvg_fit *fit, pvt_window *window) {
  for (int i = 0; i < fit->spatial; i++) {
    window->size[i] = fit->kernel[i];
    window->stride[i] = fit->stride[i];
    window->dilation[i] = fit->dilation[i];
    window->before[i] = fit->before[i];
    window->after[i] = fit->after[i];
  }
}
