/* breaker_test.c - a breaker does what a plain model does, and lets in no trial too many.
**
** usage: breaker_test [steps] [seed]
*/
#include <sched.h>
#include <string.h>

#include "breaker.h"
#include "check.h"

#define SECOND 1000000000u
#define THREADS 4

static uint64_t chance(uint64_t *seed, uint64_t below) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return (*seed >> 11) % below;
}

/* ---- The model: lists of what happened, and the rules read off them ------- */

#define EVENTS 4096
#define TOKENS 64

typedef struct event {
  uint64_t at;
  pvm_outcome outcome;
} event;

typedef struct model {
  pvm_breaker_policy policy;
  uint32_t state, hold, reason, trials, vacant;
  uint32_t failures, timeouts; /* of rows that began before the events */
  uint32_t openings, events, crashes;
  uint64_t opened, refused, since, until, generation;
  uint64_t rated_from; /* the window was cleared after so many events */
  event event[EVENTS];
  uint64_t crash_at[PVM_BREAKER_CRASHES_MAX];
} model;

static int failing(pvm_outcome outcome) {
  return outcome >= PVM_FAILED && outcome <= PVM_CRASHED;
}

static uint32_t failures_in_row(const model *m) {
  uint32_t count = 0;
  for (uint32_t i = m->events; i-- > 0; count++)
    if (!failing(m->event[i].outcome)) return count;
  return count + m->failures;
}

static uint32_t timeouts_in_row(const model *m) {
  uint32_t count = 0;
  for (uint32_t i = m->events; i-- > 0; count++)
    if (m->event[i].outcome != PVM_TIMED_OUT) return count;
  return count + m->timeouts;
}

static uint64_t in_window(const model *m, uint64_t now, int failures_only) {
  uint64_t bucket = m->policy.window_ns / PVM_BREAKER_BUCKETS, count = 0;
  if (m->policy.rate_percent == 0) return 0;
  for (uint64_t i = m->rated_from; i < m->events; i++)
    if (now / bucket - m->event[i].at / bucket < PVM_BREAKER_BUCKETS)
      count += !failures_only || failing(m->event[i].outcome);
  return count;
}

static uint32_t crashes_in_window(const model *m, uint64_t now) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < m->crashes; i++)
    count += m->policy.crash_window_ns == 0 || now - m->crash_at[i] <= m->policy.crash_window_ns;
  return count;
}

static void move(model *m, uint32_t state, uint64_t now) {
  m->state = state;
  m->since = now;
  m->generation++;
  m->trials = m->vacant = 0;
}

static void close_model(model *m, uint64_t now) {
  m->reason = PVM_BREAKER_NONE;
  m->openings = m->events = m->failures = m->timeouts = 0;
  m->rated_from = 0;
  move(m, PVM_BREAKER_CLOSED, now);
}

static void open_model(model *m, uint64_t now) {
  double ns = (double)m->policy.open_ns;
  for (uint32_t i = 0; i < m->openings; i++) ns *= 2;
  if (ns > (double)m->policy.max_open_ns) ns = (double)m->policy.max_open_ns;
  m->openings++;
  m->opened++;
  move(m, PVM_BREAKER_OPEN, now);
  m->until = now + (uint64_t)ns;
}

static uint64_t admit_model(model *m, uint64_t now) {
  int lost = m->state == PVM_BREAKER_HALF_OPEN && m->vacant == 0 && now >= m->until;
  int rested = m->state == PVM_BREAKER_OPEN && m->hold == PVM_BREAKER_AUTO && now >= m->until;
  if (lost || rested) {
    move(m, PVM_BREAKER_HALF_OPEN, now);
    m->vacant = m->policy.trials != 0 ? m->policy.trials : 1;
  }
  if (m->state == PVM_BREAKER_CLOSED) return m->generation;
  if (m->vacant == 0) {
    m->refused++;
    return PVM_BREAKER_NO_TOKEN;
  }
  m->vacant--;
  m->trials++;
  m->until = m->policy.trial_wait_ns == 0 ? UINT64_MAX : now + m->policy.trial_wait_ns;
  return m->generation;
}

static uint32_t broken_rule(const model *m, uint64_t now, pvm_outcome outcome) {
  const pvm_breaker_policy *p = &m->policy;
  if (outcome == PVM_CRASHED && p->crashes != 0 && crashes_in_window(m, now) >= p->crashes)
    return PVM_BREAKER_CRASHES;
  if (p->timeouts != 0 && timeouts_in_row(m) >= p->timeouts) return PVM_BREAKER_TIMEOUTS;
  if (p->consecutive != 0 && failures_in_row(m) >= p->consecutive) return PVM_BREAKER_CONSECUTIVE;
  uint64_t calls = in_window(m, now, 0), failed = in_window(m, now, 1);
  if (p->rate_percent != 0 && calls >= p->min_calls && failed * 100 >= calls * p->rate_percent)
    return PVM_BREAKER_RATE;
  return PVM_BREAKER_NONE;
}

static void note_model(model *m, uint64_t now, uint64_t token, pvm_outcome outcome) {
  if (token != PVM_BREAKER_NO_TOKEN && token != m->generation) return;
  if (outcome == PVM_CRASHED) {
    if (m->crashes == PVM_BREAKER_CRASHES_MAX)
      memmove(m->crash_at, m->crash_at + 1, --m->crashes * sizeof *m->crash_at);
    m->crash_at[m->crashes++] = now;
  }
  if (m->state == PVM_BREAKER_CLOSED) {
    if (outcome != PVM_DONE && !failing(outcome)) return;
    CHECK(m->events < EVENTS);
    m->event[m->events++] = (event){now, outcome};
    uint32_t reason = failing(outcome) ? broken_rule(m, now, outcome) : PVM_BREAKER_NONE;
    if (reason == PVM_BREAKER_NONE || m->hold == PVM_BREAKER_HOLD_CLOSED) return;
    m->reason = reason;
    open_model(m, now);
  } else if (m->state == PVM_BREAKER_HALF_OPEN) {
    if (failing(outcome)) {
      open_model(m, now);
    } else if (token != PVM_BREAKER_NO_TOKEN && outcome == PVM_DONE) {
      close_model(m, now);
    } else if (token != PVM_BREAKER_NO_TOKEN) {
      m->vacant++;
      m->trials--;
    }
  } else if (failing(outcome) && m->hold == PVM_BREAKER_AUTO && now >= m->until) {
    open_model(m, now);
  }
}

static void hold_model(model *m, uint64_t now) {
  m->reason = PVM_BREAKER_OPERATOR;
  move(m, PVM_BREAKER_OPEN, now);
}

static void force_model(model *m, uint64_t now, uint32_t hold) {
  int rested = hold == PVM_BREAKER_AUTO && m->state != PVM_BREAKER_CLOSED;
  if (hold == m->hold && !rested) return;
  m->hold = hold;
  if (hold == PVM_BREAKER_HOLD_OPEN) hold_model(m, now);
  else close_model(m, now);
}

/* ---- Both, step by step -------------------------------------------------- */

static void compare(pvm_breaker *breaker, const model *m, uint64_t now) {
  pvm_breaker_snapshot seen;
  pvm_breaker_read(breaker, now, &seen);
  CHECK(seen.state == m->state && seen.hold == m->hold && seen.reason == m->reason);
  CHECK(seen.failures == failures_in_row(m) && seen.timeouts == timeouts_in_row(m));
  CHECK(seen.trials == m->trials && seen.openings == m->openings && seen.opened == m->opened);
  CHECK(seen.refused == m->refused && seen.age_ns == now - m->since);
  int cooling = m->state == PVM_BREAKER_OPEN && m->hold == PVM_BREAKER_AUTO && m->until > now;
  CHECK(seen.remaining_ns == (cooling ? m->until - now : 0));
  CHECK(seen.window_calls == in_window(m, now, 0));
  CHECK(seen.window_failures == in_window(m, now, 1));
  CHECK(seen.crashes == m->crashes);
  for (uint32_t i = 0; i < m->crashes; i++) CHECK(seen.crash_age_ns[i] == now - m->crash_at[i]);
}

static pvm_breaker_policy any_policy(uint64_t *seed) {
  pvm_breaker_policy policy = {
      .consecutive = (uint32_t)chance(seed, 6),
      .rate_percent = chance(seed, 2) ? (uint32_t)chance(seed, 100) + 1 : 0,
      .min_calls = (uint32_t)chance(seed, 20),
      .timeouts = (uint32_t)chance(seed, 4),
      .crashes = (uint32_t)chance(seed, 4),
      .trials = (uint32_t)chance(seed, 3) + 1,
      .window_ns = PVM_BREAKER_WINDOW_MIN + chance(seed, SECOND),
      .crash_window_ns = chance(seed, 2) ? 0 : chance(seed, 4ull * SECOND),
      .open_ns = chance(seed, SECOND) + 1,
      .trial_wait_ns = chance(seed, 2) ? 0 : chance(seed, SECOND) + 1,
  };
  policy.max_open_ns = policy.open_ns + chance(seed, 8ull * SECOND);
  return policy;
}

static void set_policy(pvm_breaker *breaker, model *m, const pvm_breaker_policy *policy) {
  uint64_t old = m->policy.rate_percent ? m->policy.window_ns / PVM_BREAKER_BUCKETS : 0;
  uint64_t new = policy->rate_percent ? policy->window_ns / PVM_BREAKER_BUCKETS : 0;
  CHECK(pvm_breaker_set_policy(breaker, policy) == PVM_OK);
  if (old != new) m->rated_from = m->events;
  m->policy = *policy;
}

/* As over a restart: another breaker, another clock, the tokens lost. */
static uint64_t restart(pvm_breaker *breaker, model *m, uint64_t now, uint64_t new_now) {
  pvm_breaker_snapshot kept;
  pvm_breaker_read(breaker, now, &kept);
  pvm_breaker_free(breaker);
  pvm_breaker_init(breaker, new_now);
  CHECK(pvm_breaker_set_policy(breaker, &m->policy) == PVM_OK);
  CHECK(pvm_breaker_restore(breaker, new_now, &kept) == PVM_OK);
  m->failures = failures_in_row(m);
  m->timeouts = timeouts_in_row(m);
  m->events = 0;
  m->rated_from = 0;
  m->generation = 2; /* of the new breaker; no token of the old one is noted any more */
  m->refused = m->trials = m->vacant = 0;
  if (m->state == PVM_BREAKER_HALF_OPEN || (m->state == PVM_BREAKER_OPEN && m->until < now))
    m->until = now;
  if (m->state == PVM_BREAKER_HALF_OPEN) m->state = PVM_BREAKER_OPEN;
  if (m->until > now + m->policy.max_open_ns) m->until = now + m->policy.max_open_ns;
  m->until += new_now - now;
  m->since += new_now - now;
  for (uint32_t i = 0; i < m->crashes; i++) m->crash_at[i] += new_now - now;
  return new_now;
}

static void as_the_model(long steps, uint64_t seed) {
  static model m;
  static const uint64_t STEPS[] = {1, 10000, SECOND / 100, SECOND / 3, 3ull * SECOND};
  uint64_t tokens[TOKENS], now = 1000, entered[3] = {0};
  uint32_t count = 0;
  pvm_breaker breaker;
  pvm_breaker_init(&breaker, now);
  m = (model){.since = now, .generation = 1};
  for (long step = 0; step < steps; step++) {
    uint64_t what = chance(&seed, 1000);
    uint32_t changes = pvm_breaker_changes(&breaker), state = m.state;
    now += chance(&seed, STEPS[chance(&seed, 5)]);
    if (what < 450) {
      uint64_t token = pvm_breaker_admit(&breaker, now);
      CHECK(token == admit_model(&m, now));
      if (token != PVM_BREAKER_NO_TOKEN) {
        CHECK(pvm_breaker_may_start(&breaker, token));
        if (count == TOKENS) count--; /* it never comes back */
        tokens[count++] = token;
      }
    } else if (what < 960 && count > 0) {
      uint32_t at = (uint32_t)chance(&seed, count);
      uint64_t token = tokens[at];
      int started = m.state == PVM_BREAKER_CLOSED || token == m.generation;
      pvm_outcome outcome =
          chance(&seed, 3) ? (pvm_outcome)chance(&seed, PVM_REJECTED + 1) : PVM_DONE;
      tokens[at] = tokens[--count];
      CHECK(pvm_breaker_may_start(&breaker, token) == started);
      uint64_t generation = m.generation;
      note_model(&m, now, token, outcome);
      CHECK(pvm_breaker_note(&breaker, now, token, outcome) == (generation != m.generation));
    } else if (what < 970) {
      pvm_outcome outcome = (pvm_outcome)chance(&seed, PVM_REJECTED + 1);
      uint64_t generation = m.generation;
      note_model(&m, now, PVM_BREAKER_NO_TOKEN, outcome);
      CHECK(pvm_breaker_note(&breaker, now, PVM_BREAKER_NO_TOKEN, outcome) ==
            (generation != m.generation));
    } else if (what < 975) {
      uint32_t hold = chance(&seed, 2) ? PVM_BREAKER_AUTO : (uint32_t)chance(&seed, 3);
      pvm_breaker_force(&breaker, now, (pvm_breaker_hold)hold);
      force_model(&m, now, hold);
    } else if (what < 980) {
      pvm_breaker_reset(&breaker, now);
      m.crashes = 0;
      uint64_t generation = m.generation;
      close_model(&m, now);
      if (m.hold == PVM_BREAKER_HOLD_OPEN) hold_model(&m, now);
      m.generation = generation + 1;
    } else if (what < 990) {
      pvm_breaker_policy policy = any_policy(&seed);
      if (chance(&seed, 10) == 0) policy = (pvm_breaker_policy){0};
      set_policy(&breaker, &m, &policy);
    } else if (what < 995) {
      now = restart(&breaker, &m, now, 1 + chance(&seed, 1ull << 40));
      count = 0;
    }
    CHECK(m.state == state || what >= 990 || pvm_breaker_changes(&breaker) != changes);
    compare(&breaker, &m, now);
    entered[m.state]++;
    if (m.events > EVENTS / 2) { /* a new version, before the list is full */
      pvm_breaker_reset(&breaker, now);
      m.crashes = 0;
      close_model(&m, now);
    }
  }
  if (steps > 10000) CHECK(entered[0] && entered[1] && entered[2]);
  pvm_breaker_free(&breaker);
}

/* ---- Many threads -------------------------------------------------------- */

static pvm_breaker shared;
static pthread_barrier_t barrier;
static _Atomic uint64_t now_shared;
static long rounds;
static _Atomic long let_in, over;

static void together(void *(*run)(void *)) {
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* In each round all threads meet a breaker whose cool-down has just ended. */
static void *rush(void *argument) {
  uintptr_t me = (uintptr_t)argument;
  for (long round = 0; round < rounds; round++) {
    pthread_barrier_wait(&barrier);
    uint64_t now = atomic_load(&now_shared), token = PVM_BREAKER_NO_TOKEN;
    /* One each, for trials in many hands; or many each, of which most are refused. */
    for (long i = 0; i < 1 + round % 2 * 3; i++) {
      uint64_t got = pvm_breaker_admit(&shared, now);
      if (got == PVM_BREAKER_NO_TOKEN) continue;
      atomic_fetch_add(&let_in, 1);
      CHECK(pvm_breaker_may_start(&shared, got));
      token = got;
    }
    pthread_barrier_wait(&barrier);
    if (me == 0) {
      CHECK(atomic_load(&let_in) == shared.policy.trials);
      atomic_store(&let_in, 0);
      atomic_store(&now_shared, now + shared.policy.max_open_ns);
    }
    pthread_barrier_wait(&barrier);
    /* Some succeed and some fail, at the same time: only the first changes anything. */
    pvm_outcome outcome = (round + (long)me) % 3 == 0 ? PVM_DONE : PVM_FAILED;
    if (token != PVM_BREAKER_NO_TOKEN && pvm_breaker_note(&shared, now, token, outcome))
      atomic_fetch_add(&over, 1);
    pthread_barrier_wait(&barrier);
    if (me != 0) continue;
    CHECK(atomic_exchange(&over, 0) == 1);
    token = pvm_breaker_admit(&shared, now);
    if (token != PVM_BREAKER_NO_TOKEN) /* it closed */
      CHECK(pvm_breaker_note(&shared, now, token, PVM_FAILED) == 1);
  }
  return NULL;
}

static void exactly_the_trials(void) {
  pvm_breaker_policy policy = {.consecutive = 1, .trials = 3, .open_ns = 10, .max_open_ns = 1000};
  pvm_breaker_init(&shared, 0);
  CHECK(pvm_breaker_set_policy(&shared, &policy) == PVM_OK);
  CHECK(pvm_breaker_note(&shared, 1, pvm_breaker_admit(&shared, 1), PVM_CRASHED) == 1);
  CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
  atomic_store(&now_shared, 5000);
  together(rush);
  pthread_barrier_destroy(&barrier);
  pvm_breaker_free(&shared);
}

static void *succeed(void *argument) {
  (void)argument;
  for (long i = 0; i < rounds; i++)
    CHECK(pvm_breaker_note(&shared, SECOND, pvm_breaker_admit(&shared, SECOND), PVM_DONE) == 0);
  return NULL;
}

static void *fail(void *argument) {
  (void)argument;
  for (long i = 0; i < rounds; i++) {
    uint64_t token = pvm_breaker_admit(&shared, SECOND);
    if (token == PVM_BREAKER_NO_TOKEN) continue;
    atomic_fetch_add(&let_in, 1);
    if (pvm_breaker_note(&shared, SECOND, token, PVM_FAILED)) atomic_fetch_add(&over, 1);
  }
  return NULL;
}

/* No success and no failure is lost, though successes take no lock. */
static void exact_counts(void) {
  pvm_breaker_snapshot seen;
  pvm_breaker_policy policy = {.rate_percent = 100, .window_ns = SECOND, .trials = 1};
  policy.open_ns = policy.max_open_ns = SECOND;
  pvm_breaker_init(&shared, 0);
  CHECK(pvm_breaker_set_policy(&shared, &policy) == PVM_OK);
  together(succeed);
  pvm_breaker_read(&shared, SECOND, &seen);
  CHECK(seen.window_calls == (uint64_t)rounds * THREADS && seen.window_failures == 0);
  policy.consecutive = (uint32_t)rounds;
  CHECK(pvm_breaker_set_policy(&shared, &policy) == PVM_OK);
  together(fail);
  pvm_breaker_read(&shared, SECOND, &seen);
  CHECK(seen.state == PVM_BREAKER_OPEN && seen.reason == PVM_BREAKER_CONSECUTIVE);
  CHECK(seen.failures == policy.consecutive && seen.opened == 1 && atomic_load(&over) == 1);
  CHECK(seen.window_failures == policy.consecutive);
  CHECK(atomic_load(&let_in) + (long)seen.refused == rounds * THREADS);
  atomic_store(&let_in, 0);
  pvm_breaker_free(&shared);
}

static void *anything(void *argument) {
  uintptr_t me = (uintptr_t)argument;
  uint64_t seed = atomic_load(&now_shared) + me * 7919 + 1;
  char text[128];
  for (long i = 0; i < rounds; i++) {
    /* Clocks that are read early are used late. */
    uint64_t now = atomic_fetch_add(&now_shared, 1 + chance(&seed, 200000));
    uint64_t what = chance(&seed, 100);
    if (what < 95 || me != 0) {
      uint64_t token = pvm_breaker_admit(&shared, now);
      if (token == PVM_BREAKER_NO_TOKEN) continue;
      pvm_outcome outcome = (pvm_outcome)chance(&seed, PVM_REJECTED + 1);
      if (!pvm_breaker_may_start(&shared, token)) outcome = PVM_CANCELLED;
      if (chance(&seed, 16) == 0) sched_yield();
      pvm_breaker_note(&shared, now, token, chance(&seed, 2) ? PVM_DONE : outcome);
    } else if (what < 96) {
      pvm_breaker_force(&shared, now, (pvm_breaker_hold)chance(&seed, 3));
    } else if (what < 97) {
      pvm_breaker_reset(&shared, now);
    } else if (what < 98) {
      pvm_breaker_policy policy = any_policy(&seed);
      policy.trials = 2; /* as the next check has it */
      policy.trial_wait_ns = 0;
      CHECK(pvm_breaker_set_policy(&shared, &policy) == PVM_OK);
    } else {
      pvm_breaker_snapshot seen;
      pvm_breaker_read(&shared, now, &seen);
      CHECK(seen.trials <= 2 && seen.window_failures <= seen.window_calls);
      pvm_breaker_explain(&shared, now, text, sizeof text);
    }
  }
  return NULL;
}

/* Whatever happened: once all is noted, a trial gets in and its success closes the breaker. */
static void never_wedged(uint64_t seed) {
  pvm_breaker_policy policy = any_policy(&seed);
  policy.trials = 2;
  policy.trial_wait_ns = 0;
  pvm_breaker_init(&shared, 0);
  CHECK(pvm_breaker_set_policy(&shared, &policy) == PVM_OK);
  atomic_store(&now_shared, 1 + chance(&seed, SECOND));
  together(anything);
  pvm_breaker_force(&shared, atomic_load(&now_shared), PVM_BREAKER_AUTO);
  uint64_t now = atomic_load(&now_shared) + 60ull * SECOND;
  uint64_t token = pvm_breaker_admit(&shared, now);
  CHECK(token != PVM_BREAKER_NO_TOKEN);
  pvm_breaker_note(&shared, now, token, PVM_DONE);
  pvm_breaker_snapshot seen;
  pvm_breaker_read(&shared, now, &seen);
  CHECK(seen.state == PVM_BREAKER_CLOSED && seen.trials == 0);
  pvm_breaker_free(&shared);
}

/* ---- Cases --------------------------------------------------------------- */

static void refused_policies(void) {
  pvm_breaker breaker;
  const pvm_breaker_policy good = {.consecutive = 1,
                                   .rate_percent = 50,
                                   .crashes = PVM_BREAKER_CRASHES_MAX,
                                   .window_ns = PVM_BREAKER_WINDOW_MIN,
                                   .open_ns = 1,
                                   .max_open_ns = 1,
                                   .trials = 1};
  pvm_breaker_policy bad[6] = {good, good, good, good, good, good};
  bad[0].rate_percent = 101;
  bad[1].crashes = PVM_BREAKER_CRASHES_MAX + 1;
  bad[2].window_ns = PVM_BREAKER_WINDOW_MIN - 1;
  bad[3].open_ns = 0;
  bad[4].max_open_ns = 0;
  bad[5].trials = 0;
  pvm_breaker_init(&breaker, 0);
  CHECK(pvm_breaker_set_policy(&breaker, &good) == PVM_OK);
  for (int i = 0; i < 6; i++) CHECK(pvm_breaker_set_policy(&breaker, &bad[i]) == PVM_E_INVALID);
  CHECK(memcmp(&breaker.policy, &good, sizeof good) == 0);
  pvm_breaker_free(&breaker);
}

static void refused_snapshots(void) {
  pvm_breaker breaker;
  pvm_breaker_snapshot closed, bad[10], seen;
  pvm_breaker_init(&breaker, 5);
  pvm_breaker_read(&breaker, 5, &closed);
  for (int i = 0; i < 10; i++) bad[i] = closed;
  bad[0].state = 3;
  bad[1].hold = 3;
  bad[2].reason = 6;
  bad[3].crashes = PVM_BREAKER_CRASHES_MAX + 1;
  bad[4].age_ns = UINT64_MAX;
  bad[5].crashes = 1;
  bad[5].crash_age_ns[0] = UINT64_MAX;
  bad[6].state = PVM_BREAKER_OPEN; /* without a reason */
  bad[7].hold = PVM_BREAKER_HOLD_OPEN;
  bad[8] = bad[6];
  bad[8].reason = PVM_BREAKER_OPERATOR; /* who holds it not */
  bad[9] = bad[6];
  bad[9].reason = PVM_BREAKER_RATE;
  bad[9].hold = PVM_BREAKER_HOLD_CLOSED;
  for (int i = 0; i < 10; i++) CHECK(pvm_breaker_restore(&breaker, 5, &bad[i]) == PVM_E_INVALID);
  pvm_breaker_read(&breaker, 5, &seen);
  CHECK(memcmp(&seen, &closed, sizeof seen) == 0);
  pvm_breaker_free(&breaker);
}

/* A crash that came before this clock's zero still counts, for as long as the window is. */
static void crashes_over_restarts(void) {
  pvm_breaker breaker;
  pvm_breaker_snapshot kept;
  pvm_breaker_policy policy = {.crashes = 2, .trials = 1, .open_ns = 1, .max_open_ns = 1};
  policy.crash_window_ns = 100ull * SECOND;
  for (uint64_t age = 99; age <= 101; age++) {
    pvm_breaker_init(&breaker, 7ull * SECOND);
    CHECK(pvm_breaker_set_policy(&breaker, &policy) == PVM_OK);
    CHECK(!pvm_breaker_note(&breaker, 7ull * SECOND, PVM_BREAKER_NO_TOKEN, PVM_CRASHED));
    pvm_breaker_read(&breaker, 7ull * SECOND, &kept);
    CHECK(kept.changes == 1 && kept.crashes == 1);
    kept.crash_age_ns[0] = age * SECOND;
    CHECK(pvm_breaker_restore(&breaker, 3, &kept) == PVM_OK);
    CHECK(pvm_breaker_note(&breaker, 3, PVM_BREAKER_NO_TOKEN, PVM_CRASHED) == (age <= 100));
    pvm_breaker_free(&breaker);
  }
}

/* A time stamp from before the window does not clear a bucket of it. */
static void late_time_stamp(void) {
  pvm_breaker breaker;
  pvm_breaker_snapshot seen;
  const uint64_t bucket = SECOND;
  pvm_breaker_policy policy = {.rate_percent = 100, .trials = 1, .open_ns = 1, .max_open_ns = 1};
  policy.window_ns = PVM_BREAKER_BUCKETS * bucket;
  pvm_breaker_init(&breaker, 0);
  CHECK(pvm_breaker_set_policy(&breaker, &policy) == PVM_OK);
  uint64_t token = pvm_breaker_admit(&breaker, 0);
  pvm_breaker_note(&breaker, 20 * bucket, token, PVM_DONE);
  pvm_breaker_note(&breaker, (20 - PVM_BREAKER_BUCKETS) * bucket, token, PVM_DONE);
  pvm_breaker_read(&breaker, 20 * bucket, &seen);
  CHECK(seen.window_calls == 1);
  pvm_breaker_free(&breaker);
}

static void says(pvm_breaker *breaker, uint64_t now, const char *sentence) {
  char text[128];
  pvm_breaker_explain(breaker, now, text, sizeof text);
  CHECK(strcmp(text, sentence) == 0);
}

static void explained(void) {
  pvm_breaker breaker;
  pvm_breaker_policy policy = {.timeouts = 1, .trials = 1};
  policy.open_ns = policy.max_open_ns = 2ull * SECOND;
  pvm_breaker_init(&breaker, 0);
  CHECK(pvm_breaker_set_policy(&breaker, &policy) == PVM_OK);
  says(&breaker, 0, "the task's circuit breaker was open; try again");
  CHECK(pvm_breaker_note(&breaker, 0, pvm_breaker_admit(&breaker, 0), PVM_TIMED_OUT));
  says(&breaker, SECOND / 2,
       "the task's circuit breaker is open after too many time-outs in a row; try again in 1.5 s");
  CHECK(pvm_breaker_admit(&breaker, 2ull * SECOND));
  says(&breaker, 2ull * SECOND,
       "the task's circuit breaker is half-open after too many time-outs in a row; "
       "a trial is running");
  pvm_breaker_force(&breaker, 0, PVM_BREAKER_HOLD_OPEN);
  says(&breaker, 0, "the task's circuit breaker is held open by the operator");
  pvm_breaker_free(&breaker);
}

int main(int argc, char **argv) {
  long steps = number(argc, argv, 1, 200000);
  struct timespec clock;
  clock_gettime(CLOCK_REALTIME, &clock);
  uint64_t seed = (uint64_t)number(argc, argv, 2, clock.tv_nsec + 1);
  fprintf(stderr, "breaker_test %ld %llu\n", steps, (unsigned long long)seed);
  refused_policies();
  refused_snapshots();
  crashes_over_restarts();
  late_time_stamp();
  explained();
  as_the_model(steps, seed);
  rounds = steps / 10 + 1;
  exactly_the_trials();
  exact_counts();
  never_wedged(seed);
  puts("breaker_test: ok");
  return 0;
}
