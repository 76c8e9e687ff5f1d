/* finishing.c - what follows a product, element by element, where no tile has done it. */
#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define ACTIVATE(name, kind)                                                                       \
  static void name(int64_t n, float *y, const float *residual, float alpha, float beta) {          \
    v_f32 a = splat_f32(alpha), b = splat_f32(beta);                                               \
    for (int64_t i = 0; i < n; i += LANES_f32) {                                                   \
      int64_t some = n - i;                                                                        \
      if (some >= LANES_f32) {                                                                     \
        v_f32 x = LOAD_f32(y + i);                                                                 \
        if (residual != NULL) x += LOAD_f32(residual + i);                                         \
        STORE_f32(y + i, activated_f32(kind, x, a, b));                                            \
      } else {                                                                                     \
        v_f32 x = LOAD_SOME_f32(y + i, some);                                                      \
        if (residual != NULL) x += LOAD_SOME_f32(residual + i, some);                              \
        x = activated_f32(kind, x, a, b);                                                          \
        STORE_SOME_f32(y + i, x, some);                                                            \
      }                                                                                            \
    }                                                                                              \
  }
ACTIVATE(none, PVB_NONE)
ACTIVATE(relu, PVB_RELU)
ACTIVATE(clip, PVB_CLIP)
ACTIVATE(leaky_relu, PVB_LEAKY_RELU)
ACTIVATE(sigmoid, PVB_SIGMOID)
ACTIVATE(tanh_, PVB_TANH)
ACTIVATE(gelu, PVB_GELU)
ACTIVATE(gelu_tanh, PVB_GELU_TANH)
ACTIVATE(silu, PVB_SILU)
ACTIVATE(hard_sigmoid, PVB_HARD_SIGMOID)
ACTIVATE(hard_swish, PVB_HARD_SWISH)

pvt_activate_kernel *const PVT_KERNEL(pvt_activate)[PVB_ACTIVATIONS] = {
    [PVB_NONE] = none,
    [PVB_RELU] = relu,
    [PVB_CLIP] = clip,
    [PVB_LEAKY_RELU] = leaky_relu,
    [PVB_SIGMOID] = sigmoid,
    [PVB_TANH] = tanh_,
    [PVB_GELU] = gelu,
    [PVB_GELU_TANH] = gelu_tanh,
    [PVB_SILU] = silu,
    [PVB_HARD_SIGMOID] = hard_sigmoid,
    [PVB_HARD_SWISH] = hard_swish,
};
