/* stacked.c - products of stacks of matrices: cut into tiles, each one call of a library's sgemm. */
#include "stacked.h"

#include <string.h>

#include "portable.h"

/* Multiplications of one tile: 1 ms where a core does 50e9 in a second. */
#define TILE_PRODUCTS 50000000

typedef struct stacked {
  pvb_packed packed;
  pvb_sgemm *sgemm;
} stacked;

/* One operand: its elements, and what to tell the library of the last two dimensions. */
typedef struct operand {
  const pvt_array *array;
  pvt_array copy; /* where the library could not read the strides */
  bool transposed;
  int64_t ld;
} operand;

typedef struct product_run {
  const stacked *kernel;
  const pvb_run *run;
  operand a, b;
  int64_t rows, columns;           /* of a tile */
  int64_t row_tiles, column_tiles; /* of a matrix */
} product_run;

/* Rows or columns side by side, and the others apart as far as they are long. */
static bool readable(operand *operand) {
  const pvt_array *x = operand->array;
  const pvt_dim *row = &x->dim[x->ndim - 2], *column = &x->dim[x->ndim - 1];
  const int64_t item = sizeof(float);
  if (column->stride == item || column->size == 1) {
    operand->transposed = false;
    operand->ld = row->size == 1 ? column->size : row->stride / item;
    return row->size == 1 || (row->stride % item == 0 && operand->ld >= column->size);
  }
  if (row->stride == item || row->size == 1) {
    operand->transposed = true;
    operand->ld = column->stride / item;
    return column->stride % item == 0 && operand->ld >= row->size;
  }
  return false;
}

static int take(const pvt_array *x, operand *operand) {
  operand->array = x;
  operand->copy = (pvt_array){0};
  if (readable(operand)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = x->dim[d].size;
  int status = pvt_array_new(&operand->copy, PVT_FLOAT32, x->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(x, &operand->copy);
  operand->array = &operand->copy;
  if (status == PVT_OK) readable(operand);
  return status;
}

/* Where the operand has the matrix that goes into y's matrix `index`. */
static const char *matrix_of(const operand *operand, const pvt_array *y, int64_t index) {
  const pvt_array *x = operand->array;
  const char *at = x->data;
  for (int d = y->ndim - 3, e = x->ndim - 3; d >= 0; d--, e--) {
    int64_t place = index % y->dim[d].size;
    index /= y->dim[d].size;
    if (e >= 0 && x->dim[e].size > 1) at += place * x->dim[e].stride;
  }
  return at;
}

/* What the product is added to: bias and residual; false where there is neither. */
static bool lay_ground(const product_run *p, float *c, int64_t index, int64_t row, int64_t rows,
                       int64_t column, int64_t columns) {
  const pvt_array *y = p->run->y, *residual = p->run->residual;
  const float *bias = p->kernel->packed.bias;
  int64_t ld = y->dim[y->ndim - 1].size;
  if (residual == NULL && bias == NULL) return false;
  operand of = {.array = residual};
  const char *from = residual == NULL ? NULL : matrix_of(&of, y, index);
  for (int64_t i = 0; i < rows; i++) {
    float *to = c + i * ld;
    if (from == NULL) memcpy(to, bias + column, (size_t)columns * sizeof *to);
    else {
      const pvt_dim *dim = &residual->dim[residual->ndim - 2];
      const char *at = from + (row + i) * dim[0].stride + column * dim[1].stride;
      for (int64_t j = 0; j < columns; j++)
        to[j] = *(const float *)(const void *)(at + j * dim[1].stride);
      if (bias != NULL)
        for (int64_t j = 0; j < columns; j++) to[j] += bias[column + j];
    }
  }
  return true;
}

static int tile(void *arg, int number) {
  const product_run *p = arg;
  const pvb_work *work = &p->kernel->packed.work;
  const pvb_product *product = &work->product;
  int64_t tiles = p->row_tiles * p->column_tiles;
  int64_t index = number / tiles, row = number % tiles / p->column_tiles * p->rows;
  int64_t column = number % p->column_tiles * p->columns;
  int64_t rows = product->m - row < p->rows ? product->m - row : p->rows;
  int64_t columns = product->n - column < p->columns ? product->n - column : p->columns;
  int status = pvt_poll();
  if (status != PVT_OK) return status;
  const float *a = (const float *)(const void *)matrix_of(&p->a, p->run->y, index);
  const float *b = (const float *)(const void *)matrix_of(&p->b, p->run->y, index);
  float *c = (float *)(void *)p->run->y->data + (index * product->m + row) * product->n + column;
  bool ground = lay_ground(p, c, index, row, rows, column, columns);
  status = p->kernel->sgemm(p->a.transposed, p->b.transposed, rows, columns, product->k,
                            product->scale, a + row * (p->a.transposed ? 1 : p->a.ld), p->a.ld,
                            b + column * (p->b.transposed ? p->b.ld : 1), p->b.ld, ground, c,
                            product->n);
  if (status != PVT_OK || work->epilogue.activation == PVB_NONE) return status;
  pvt_activate_kernel *activate = pvt_kernels_get()->layers->activate[work->epilogue.activation];
  for (int64_t i = 0; i < rows; i++)
    activate(columns, c + i * product->n, NULL, work->epilogue.alpha, work->epilogue.beta);
  return PVT_OK;
}

/* Tiles small enough to be left soon, and as many as there are threads. */
static void cut(product_run *p) {
  const pvb_product *product = &p->kernel->packed.work.product;
  int64_t threads = p->run->team != NULL ? p->run->team->threads : 1;
  int64_t rows = TILE_PRODUCTS / (product->n * product->k + 1), columns = product->n;
  rows = rows < 1 ? 1 : rows > product->m ? product->m : rows;
  if (product->n * product->k > TILE_PRODUCTS) {
    columns = TILE_PRODUCTS / product->k;
    columns = columns < 16 ? 16 : columns > product->n ? product->n : columns;
    /* the library's own blocks of rows are read from the cache again and again */
    rows = product->m < 16 ? product->m : 16;
  }
  int64_t share = (product->batch * product->m + threads - 1) / threads;
  if (threads > 1 && rows > share && product->m * product->n * product->k > TILE_PRODUCTS / 50)
    rows = share;
  p->rows = rows, p->columns = columns;
  p->row_tiles = (product->m + rows - 1) / rows;
  p->column_tiles = (product->n + columns - 1) / columns;
}

static int run_stacked(const pvb_kernel *kernel, const pvb_run *run) {
  const stacked *self = (const stacked *)kernel;
  const pvb_product *product = &self->packed.work.product;
  pvt_array made;
  const pvt_array *b = run->b;
  if (product->constant) {
    pvt_array_over(&made, self->packed.weights, PVT_FLOAT32, 2,
                   (const int64_t[]){product->k, product->n});
    b = &made;
  }
  product_run p = {.kernel = self, .run = run};
  int status = take(run->x, &p.a);
  if (status == PVT_OK) status = take(b, &p.b);
  if (status == PVT_OK) {
    cut(&p);
    int64_t parts = product->batch * p.row_tiles * p.column_tiles;
    status = parts <= INT32_MAX ? pvb_spread(run->team, (int)parts, tile, &p)
                                : pvt_fail(PVT_E_SHAPE, "a product of %lld matrices is too large",
                                           (long long)product->batch);
  }
  pvt_array_release(&p.a.copy);
  pvt_array_release(&p.b.copy);
  return status;
}

int pvb_stacked_prepare(const pvb_work *work, pvb_sgemm *sgemm, pvb_kernel **kernel) {
  pvb_packed *packed;
  const pvb_product *product = &work->product;
  int64_t floats = product->constant ? product->k * product->n : 0;
  int status = pvb_packed_new(sizeof(stacked), work, floats, run_stacked, &packed);
  if (status != PVT_OK) return status;
  ((stacked *)packed)->sgemm = sgemm;
  if (product->constant) {
    pvt_array copy;
    pvt_array_over(&copy, packed->weights, PVT_FLOAT32, 2,
                   (const int64_t[]){product->k, product->n});
    status = pvt_copy(work->weights, &copy);
  }
  if (status != PVT_OK) pvb_release(&packed->kernel);
  else *kernel = &packed->kernel;
  return status;
}
