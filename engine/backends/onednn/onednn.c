/* onednn.c - the backend of oneDNN: which ways it has, and what they should cost.
**
** A call of the library is not left before its end: works are cut into parts of some milliseconds.
** Its primitives keep nothing of a run, so any number of threads run one at once.
*/
#include "onednn.h"
#include "stacked.h"

extern const pvb_backend pvb_onednn;

/* The order is that of the ways' numbers; the first is for products whose matrices are given. */
static const pvb_recipe recipes[] = {
    {"sgemm", PVB_EXACT, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_PLAIN, PVB_ORDER_PLAIN, DNNL_F32, false},
    {"product", PVB_EXACT, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_PLAIN, PVB_ORDER_PLAIN, DNNL_F32, false},
    {"product bf16", PVB_FAST, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_PLAIN, PVB_ORDER_PLAIN, DNNL_BF16,
     false},
    {"product int8", PVB_SMALL, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_PLAIN, PVB_ORDER_PLAIN, DNNL_S8,
     false},
    {"blocked", PVB_EXACT, PVB_BLOCKED, PVB_BLOCKED, PVB_ORDER_BLOCKED, PVB_ORDER_BLOCKED, DNNL_F32,
     true},
    {"first", PVB_EXACT, PVB_PLAIN, PVB_BLOCKED, PVB_ORDER_PLAIN, PVB_ORDER_BLOCKED, DNNL_F32,
     false},
    {"channels last", PVB_EXACT, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_LAST, PVB_ORDER_LAST, DNNL_F32,
     true},
    {"blocked bf16", PVB_FAST, PVB_BLOCKED, PVB_BLOCKED, PVB_ORDER_BLOCKED, PVB_ORDER_BLOCKED,
     DNNL_BF16, false},
    {"first bf16", PVB_FAST, PVB_PLAIN, PVB_BLOCKED, PVB_ORDER_LAST, PVB_ORDER_LAST, DNNL_BF16,
     false},
    {"channels last bf16", PVB_FAST, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_LAST, PVB_ORDER_LAST,
     DNNL_BF16, true},
    {"channels last bf16 from blocks", PVB_FAST, PVB_BLOCKED, PVB_BLOCKED, PVB_ORDER_LAST,
     PVB_ORDER_LAST, DNNL_BF16, true},
    {"channels last int8", PVB_SMALL, PVB_PLAIN, PVB_PLAIN, PVB_ORDER_LAST, PVB_ORDER_LAST, DNNL_S8,
     false},
    {"channels last int8 from blocks", PVB_SMALL, PVB_BLOCKED, PVB_BLOCKED, PVB_ORDER_LAST,
     PVB_ORDER_LAST, DNNL_S8, false},
};
enum {
  SGEMM,
  PRODUCT,
  PRODUCT_INT8 = 3,
  BLOCKED,
  FIRST,
  RECIPES = sizeof recipes / sizeof *recipes
};

static int multiply(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k,
                    float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                    float beta, float *c, int64_t ldc) {
  int before = pvb_dnnl_enter();
  int status = pvb_dnnl_get()->sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', m, n, k,
                                     alpha, a, lda, b, ldb, beta, c, ldc);
  pvb_dnnl_leave(before);
  return status == 0 ? PVT_OK : pvt_fail(PVT_E_NOMEM, "oneDNN failed (status %d)", status);
}

/* How much faster than the engine's own float32 products on one thread. */
static double speed_of(int dtype) {
  int isa = pvb_dnnl_get()->get_effective_cpu_isa();
  bool amx = (isa & DNNL_ISA_AMX) != 0;
  if (dtype == DNNL_BF16) return amx ? 5 : 1.8;
  if (dtype == DNNL_S8) return amx ? 10 : (isa & DNNL_ISA_VNNI) != 0 ? 3 : 1.2;
  return 1;
}

static bool has(const pvb_recipe *recipe) {
  int isa = pvb_dnnl_get()->get_effective_cpu_isa();
  if (recipe->dtype == DNNL_BF16) return (isa & DNNL_ISA_BF16) != 0;
  return recipe->dtype != DNNL_S8 || (isa & DNNL_ISA_AVX512) != 0;
}

static bool product_suits(const pvb_work *work, int number) {
  const pvb_product *p = &work->product;
  if (p->batch <= 0 || p->m <= 0 || p->n <= 0 || p->k <= 0) return false;
  if (p->batch * p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX) return false;
  if (number > PRODUCT_INT8) return false;
  return (number == SGEMM) == !p->constant;
}

static bool conv_suits(const pvb_work *work, int number) {
  const pvb_conv *c = &work->conv;
  const pvb_recipe *recipe = &recipes[number];
  bool deep = c->in / c->groups >= 8 && c->out / c->groups >= 8;
  bool depthwise = c->groups == c->in && c->groups == c->out;
  if (number <= PRODUCT_INT8 || c->n <= 0 || c->in <= 0 || c->out <= 0) return false;
  if (work->kind == PVB_CONV_TRANSPOSED && !recipe->transposed) return false;
  for (int d = 0; d < c->spatial; d++) {
    if (c->size[d] <= 0 || c->out_size[d] <= 0 || c->before[d] < 0 || c->after[d] < 0) return false;
    if (c->size[d] > INT32_MAX || c->out_size[d] > INT32_MAX) return false;
  }
  if (c->in * pvb_pixels(c) > INT32_MAX || c->out * pvb_out_pixels(c) > INT32_MAX) return false;
  if (recipe->src == PVB_ORDER_PLAIN ||
      (recipe->reads == PVB_PLAIN && recipe->writes == PVB_BLOCKED))
    return c->in <= 4 && c->groups == 1 && c->spatial == 2;
  return deep || depthwise || (c->groups == 1 && recipe->reads == PVB_PLAIN);
}

static double cost(const pvb_work *work, const pvb_recipe *recipe) {
  const pvb_speed *speed = pvb_speed_get();
  double products = pvb_work_products(work) / speed_of(recipe->dtype), moved = 0;
  double seconds = 3e-6;
  if (work->kind == PVB_PRODUCT) {
    const pvb_product *p = &work->product;
    double item = recipe->dtype == DNNL_F32 ? 4 : recipe->dtype == DNNL_BF16 ? 2 : 1;
    seconds += item * (double)p->n * (double)p->k / speed->memory / 4;
    if (recipe->dtype != DNNL_F32) moved = 6.0 * (double)p->batch * (double)p->m * (double)p->k;
    if (!p->constant) seconds += 1e-6 * (double)p->batch;
  } else {
    const pvb_conv *c = &work->conv;
    double in = 4.0 * (double)c->n * (double)c->in * (double)pvb_pixels(c);
    double out = 4.0 * (double)c->n * (double)c->out * (double)pvb_out_pixels(c);
    if (c->groups == c->in && c->groups > 1) products *= 4; /* one product for each element read */
    if (recipe->dtype != DNNL_F32 || recipe->src == PVB_ORDER_LAST) moved += 2 * in;
    if (recipe->dst == PVB_ORDER_LAST) moved += 2 * out;
    seconds += (in + out) / speed->cached / 4;
  }
  return seconds + products / speed->products + moved / speed->cached;
}

static int ways(const pvb_work *work, pvb_way found[PVB_WAYS]) {
  int count = 0;
  if (pvb_dnnl_get() == NULL) return 0;
  bool may_prepare = pvb_dnnl_may_prepare() == PVT_OK;
  for (int i = 0; i < RECIPES && count < PVB_WAYS; i++) {
    const pvb_recipe *recipe = &recipes[i];
    if (i != SGEMM && !may_prepare) continue; /* whatever others have measured of them */
    /* matrices that are given are no weights to be made smaller */
    bool small =
        work->precision == PVB_SMALL && (work->kind != PVB_PRODUCT || work->product.constant);
    if (recipe->precision > work->precision || (small && recipe->precision != PVB_SMALL)) continue;
    if (!has(recipe)) continue;
    if (!(work->kind == PVB_PRODUCT ? product_suits : conv_suits)(work, i)) continue;
    found[count++] = (pvb_way){.backend = &pvb_onednn,
                               .algorithm = recipe->name,
                               .variant = i,
                               .reads = recipe->reads,
                               .writes = recipe->writes,
                               .seconds = cost(work, recipe)};
  }
  return count;
}

static int prepare(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  const pvb_recipe *recipe = &recipes[way->variant];
  if (way->variant == SGEMM) return pvb_stacked_prepare(work, multiply, kernel);
  if (work->weights == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "oneDNN packs weights: they have to be constant");
  int status = pvb_dnnl_may_prepare();
  if (status != PVT_OK) return status;
  double seconds = cost(work, recipe);
  return (work->kind == PVB_PRODUCT ? pvb_onednn_product_prepare
                                    : pvb_onednn_conv_prepare)(work, recipe, seconds, kernel);
}

static bool available(void) {
  return pvb_dnnl_get() != NULL;
}

const pvb_backend pvb_onednn = {
    .name = "onednn",
    .available = available,
    .describe = pvb_dnnl_describe,
    .ways = ways,
    .prepare = prepare,
};
