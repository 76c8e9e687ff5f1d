/* search.c - predicted times made better by measurements, within a budget.
**
** Works that are described alike are measured once. Those that matter most by prediction come
** first, and of each the ways that are not far behind the best: of all works those that are
** close to it, then, as far as the budget goes, the others, and those of works that take next to
** nothing. Inputs are zeros of the true shapes and strides; weights are the true ones, and what
** was packed for measuring is given back. Of a model with more weights than the near caches
** hold, other memory is read before each run: a way has to be good as it will be run, not as it
** is when repeated.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "heavy.h"
#include "team.h"
#include "timings.h"

#define CLOSE 1.3                 /* times the best prediction: ways that are measured first */
#define WORTH 2.5                 /* times the best prediction: ways beyond that are not measured */
#define PATIENT 60.0              /* seconds of budget, from which on every way is measured */
#define LEAST 2e-6                /* seconds: works below that come last */
#define ENOUGH 4e-3               /* seconds of runs of one way */
#define NEAR ((size_t)1 << 20)    /* bytes: weights of a larger model are not in the near caches */
#define BEYOND ((size_t)16 << 20) /* nor in the last one */

static double on(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double now(void) {
  return on(CLOCK_MONOTONIC);
}

/* ---- Keys ---------------------------------------------------------------- */

#define KEY 400

static void describe_work(const pvb_work *work, char text[KEY]) {
  const pvb_conv *c = &work->conv;
  const pvb_product *p = &work->product;
  int used;
  if (work->kind == PVB_PRODUCT)
    used = snprintf(text, KEY, "product %lldx%lldx%lldx%lld %d%d%d", (long long)p->batch,
                    (long long)p->m, (long long)p->n, (long long)p->k, p->constant, p->a_transposed,
                    p->b_transposed);
  else {
    used = snprintf(text, KEY, "%s %lld %lld>%lld/%lld", work->kind == PVB_CONV ? "conv" : "convt",
                    (long long)c->n, (long long)c->in, (long long)c->out, (long long)c->groups);
    for (int d = 0; d < c->spatial; d++)
      used += snprintf(text + used, (size_t)(KEY - used), " %lld>%lld:%lld,%lld,%lld,%lld,%lld",
                       (long long)c->size[d], (long long)c->out_size[d], (long long)c->kernel[d],
                       (long long)c->stride[d], (long long)c->dilation[d], (long long)c->before[d],
                       (long long)c->after[d]);
  }
  snprintf(text + used, (size_t)(KEY - used), " e%d%d%d p%d t%d", work->bias != NULL,
           work->epilogue.residual, (int)work->epilogue.activation, (int)work->precision,
           work->threads);
}

static void key_of(const char *work, const pvb_way *way, char key[KEY + 100]) {
  snprintf(key, KEY + 100, "%s %.30s/%.50s", work, way->backend->name, way->algorithm);
}

/* ---- One measurement ------------------------------------------------------ */

typedef struct trial {
  pvt_array x, b, residual, y;
  pvt_buffer *buffers[5];
  int buffer_count;
} trial;

static void *zeros(trial *trial, size_t bytes) {
  pvt_buffer *buffer = pvt_buffer_new(bytes);
  if (buffer == NULL) return NULL;
  trial->buffers[trial->buffer_count++] = buffer;
  return memset(pvt_buffer_data(buffer), 0, bytes);
}

static int imitate(trial *trial, const pvg_slot *slot, pvb_layout layout, pvt_array *array) {
  pvg_info info = slot->info;
  int64_t low = 0, high = 0;
  if (layout == PVB_BLOCKED) {
    pvg_blocked_info(&slot->info, &info);
    pvt_array_over(array, NULL, (pvt_dtype)info.dtype, info.ndim, info.size);
  } else memcpy(array, slot->array, offsetof(pvt_array, dim) + info.ndim * sizeof(pvt_dim));
  for (int d = 0; d < array->ndim; d++) {
    int64_t span = (array->dim[d].size - 1) * array->dim[d].stride;
    if (array->dim[d].size == 0) return PVT_E_SHAPE; /* nothing to measure */
    if (span < 0) low += span;
    else high += span;
  }
  char *data = zeros(trial, (size_t)(high - low) + pvt_itemsize((pvt_dtype)array->dtype));
  array->data = data != NULL ? data - low : NULL;
  array->buffer = NULL;
  array->writable = true;
  return data != NULL ? PVT_OK : pvt_error_status();
}

/* Put weights out of the near caches, but not what the work before would leave there. */
static void push_out(const pvt_buffer *others, trial *trial) {
  volatile const char *line = pvt_buffer_data(others);
  for (size_t i = 0; i < pvt_buffer_size(others); i += 64) (void)line[i];
  pvt_buffer *x = trial->buffers[0];
  memset(pvt_buffer_data(x), 0, pvt_buffer_size(x));
}

/* Seconds of a run, or a negative status. What one thread takes is its own time, without what others
** of a busy machine take from it. others: NULL, or what is read before each run. */
static double time_kernel(const pvb_kernel *kernel, pvb_run *run, int threads, trial *trial,
                          const pvt_buffer *others) {
  double least = 0, spent = 0;
  clockid_t clock = threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  pvb_crew crew;
  run->team = pvb_crew_join(&crew, threads);
  for (int round = 0; round < 6 && spent < ENOUGH; round++) {
    if (others != NULL) push_out(others, trial);
    double start = on(clock);
    int status = kernel->run(kernel, run);
    double took = on(clock) - start;
    if (status < 0) {
      least = status;
      break;
    }
    if (round > 0 || took > ENOUGH) {
      if (least == 0 || took < least) least = took;
      spent += took;
    }
  }
  if (run->team != NULL) pvb_crew_leave(&crew);
  return least;
}

/* What the weights of a plan's works take as float32. */
static size_t weights_of(const pvg_heavy *heavy) {
  size_t bytes = 0;
  for (int i = 0; i < heavy->item_count; i++) {
    const pvb_work *work = heavy->items[i].work;
    if (heavy->items[i].step != NULL && work != NULL && work->weights != NULL)
      bytes += (size_t)pvt_array_count(work->weights) * sizeof(float);
  }
  return bytes;
}

/* Where the works of a plan will find their weights. */
typedef struct surroundings {
  pvt_buffer *others; /* NULL: near */
  bool beyond;        /* in memory */
} surroundings;

static double time_option(pvg_heavy *heavy, const pvg_item *item, const pvg_option *option,
                          const surroundings *around) {
  const pvg_slot *slots = heavy->plan->slots;
  const pvg_step *step = item->step;
  trial trial = {.buffer_count = 0};
  pvb_kernel *kernel = NULL;
  pvb_run run = {.x = &trial.x, .y = &trial.y};
  int status = imitate(&trial, &slots[step->inputs[0]], option->reads, &trial.x);
  if (status == PVT_OK)
    status = imitate(&trial, &slots[step->outputs[0]], option->writes, &trial.y);
  if (status == PVT_OK && step->inputs[1] >= 0) {
    status = imitate(&trial, &slots[step->inputs[1]], PVB_PLAIN, &trial.b);
    run.b = &trial.b;
  }
  if (status == PVT_OK && step->inputs[2] >= 0) {
    status = imitate(&trial, &slots[step->inputs[2]], option->writes, &trial.residual);
    run.residual = &trial.residual;
  }
  if (status == PVT_OK) status = option->way.backend->prepare(item->work, &option->way, &kernel);
  if (status == PVT_OK && kernel->scratch > 0) {
    run.scratch = zeros(&trial, kernel->scratch);
    if (run.scratch == NULL) status = pvt_error_status();
  }
  double seconds = status;
  if (status == PVT_OK)
    seconds = time_kernel(kernel, &run, item->work->threads, &trial, around->others);
  if (seconds > 0 && around->beyond) seconds += pvb_fetching(kernel->packed);
  pvb_release(kernel);
  for (int i = 0; i < trial.buffer_count; i++) pvt_buffer_release(trial.buffers[i]);
  return seconds;
}

/* ---- All of a plan -------------------------------------------------------- */

typedef struct subject {
  pvg_item *item;
  double weight; /* predicted seconds of all works like it */
  char work[KEY];
} subject;

static int heaviest_first(const void *a, const void *b) {
  const subject *x = a, *y = b;
  return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : strcmp(x->work, y->work);
}

static double best_of(const pvg_item *item) {
  double best = item->options[0].seconds;
  for (int o = 1; o < item->option_count; o++)
    if (item->options[o].seconds < best) best = item->options[o].seconds;
  return best;
}

static void recall(pvg_heavy *heavy, pvg_item *item, const char *work) {
  char key[KEY + 100];
  for (int o = 0; o < item->option_count; o++) {
    key_of(work, &item->options[o].way, key);
    double known = pvg_timings_get(heavy->model->timings, key);
    if (known <= 0) continue;
    item->options[o].seconds = known;
    item->options[o].measured = true;
  }
}

/* The ways of a subject up to so many times its best. */
static int measure(pvg_heavy *heavy, subject *subject, const surroundings *around, double least,
                   double worth, double until) {
  pvg_item *item = subject->item;
  double best = best_of(item);
  bool patient = heavy->model->options.budget >= PATIENT;
  if (item->option_count < 2 || (best < least && !patient)) return PVT_OK;
  for (int o = 0; o < item->option_count; o++) {
    pvg_option *option = &item->options[o];
    if (option->measured || (option->seconds > worth * best && !patient)) continue;
    if (now() + 3 * option->seconds > until) continue;
    double seconds = time_option(heavy, item, option, around);
    if (seconds == PVT_E_CANCELLED) return PVT_E_CANCELLED;
    if (seconds <= 0) continue; /* no memory for it: what was predicted stands */
    char key[KEY + 100];
    key_of(subject->work, &option->way, key);
    pvg_timings_put(heavy->model->timings, key, seconds);
    option->seconds = seconds;
    option->measured = true;
  }
  return PVT_OK;
}

int pvg_heavy_measure(pvg_heavy *heavy) {
  subject *subjects =
      pvg_pool_array(heavy->scratch, (size_t)heavy->item_count + 1, sizeof *subjects);
  if (subjects == NULL) return pvt_error_status();
  pvg_names seen = {0};
  size_t count = 0;
  int status = PVT_OK;
  for (int i = 0; i < heavy->item_count; i++) {
    pvg_item *item = &heavy->items[i];
    if (item->step == NULL || item->work == NULL) continue;
    subject *made = &subjects[count];
    describe_work(item->work, made->work);
    recall(heavy, item, made->work);
    made->item = item;
    made->weight = best_of(item);
    int added = pvg_names_add(&seen, heavy->scratch, made->work, strlen(made->work), made);
    if (added < 0) return added;
    if (added == 1) count++;
    else {
      subject *known = pvg_names_get(&seen, made->work, strlen(made->work), NULL);
      known->weight += made->weight;
    }
  }
  double budget = heavy->model->options.budget;
  if (budget > 0) {
    double start = now(), until = start + pvg_timings_left(heavy->model->timings, budget);
    size_t weights = weights_of(heavy);
    surroundings around = {.beyond = weights > BEYOND};
    if (weights > NEAR) around.others = pvt_buffer_new(2 * NEAR); /* or near after all */
    if (around.others != NULL)
      memset(pvt_buffer_data(around.others), 1, pvt_buffer_size(around.others));
    qsort(subjects, count, sizeof *subjects, heaviest_first);
    static const struct {
      double least, worth;
    } rounds[] = {{LEAST, CLOSE}, {LEAST, WORTH}, {0, WORTH}};
    for (int round = 0; round < 3; round++)
      for (size_t i = 0; i < count && status >= 0 && now() < until; i++)
        status =
            measure(heavy, &subjects[i], &around, rounds[round].least, rounds[round].worth, until);
    pvt_buffer_release(around.others);
    pvg_timings_spend(heavy->model->timings, now() - start);
    if (status >= 0) pvg_timings_save(heavy->model);
  }
  for (int i = 0; i < heavy->item_count && status >= 0; i++) {
    pvg_item *item = &heavy->items[i];
    if (item->step == NULL || item->work == NULL) continue;
    char work[KEY];
    describe_work(item->work, work);
    recall(heavy, item, work);
  }
  return status;
}
