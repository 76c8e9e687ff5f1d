/* breaker.c - see breaker.h.
**
** Atomics are relaxed throughout: none publishes other data, and every decision that changes the
** state is taken again under the lock.
*/
#include "breaker.h"

#include <stdio.h>
#include <string.h>

#define FOREVER UINT64_MAX

static uint64_t load(_Atomic uint64_t *word) {
  return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value) {
  atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint32_t load32(_Atomic uint32_t *word) {
  return atomic_load_explicit(word, memory_order_relaxed);
}

static void store32(_Atomic uint32_t *word, uint32_t value) {
  atomic_store_explicit(word, value, memory_order_relaxed);
}

static pvm_breaker_state state_of(uint64_t gate) {
  return (pvm_breaker_state)(gate & 3);
}

static uint64_t token_of(uint64_t gate) {
  return gate >> 2;
}

static uint64_t later(uint64_t now, uint64_t ns) {
  return now > FOREVER - ns ? FOREVER : now + ns;
}

/* Right also for a moment before the clock's zero, as that of a restored crash may be. */
static uint64_t elapsed(uint64_t now, uint64_t since) {
  int64_t ns = (int64_t)(now - since);
  return ns > 0 ? (uint64_t)ns : 0;
}

static int is_failure(pvm_outcome outcome) {
  return outcome == PVM_FAILED || outcome == PVM_TIMED_OUT || outcome == PVM_OVER_QUOTA ||
         outcome == PVM_CRASHED;
}

/* ---- The sliding window -------------------------------------------------- */

static void tally(_Atomic uint64_t *window, uint32_t bucket) {
  _Atomic uint64_t *word = &window[bucket % PVM_BREAKER_BUCKETS];
  uint64_t old = load(word), new;
  do {
    uint32_t number = (uint32_t)(old >> 32), count = (uint32_t)old;
    /* The bucket's next turn has begun: this time stamp is older than the window. */
    if (number == bucket + PVM_BREAKER_BUCKETS) return;
    if (number != bucket) count = 0;
    if (count == UINT32_MAX) return;
    new = (uint64_t)bucket << 32 | (count + 1);
  } while (!atomic_compare_exchange_weak_explicit(word, &old, new, memory_order_relaxed,
                                                  memory_order_relaxed));
}

static uint64_t tallied(_Atomic uint64_t *window, uint32_t bucket) {
  uint64_t sum = 0;
  for (int i = 0; i < PVM_BREAKER_BUCKETS; i++) {
    uint64_t word = load(&window[i]);
    if (bucket - (uint32_t)(word >> 32) < PVM_BREAKER_BUCKETS) sum += (uint32_t)word;
  }
  return sum;
}

static void clear_window(pvm_breaker *breaker) {
  for (int i = 0; i < PVM_BREAKER_BUCKETS; i++) {
    store(&breaker->succeeded[i], 0);
    store(&breaker->failed[i], 0);
  }
}

/* ---- Changes of state; with the lock ------------------------------------- */

static void note_change(pvm_breaker *breaker) {
  atomic_fetch_add_explicit(&breaker->changes, 1, memory_order_relaxed);
}

/* One store of the gate for each change: whoever reads it without the lock sees no state between.
 */
static void enter(pvm_breaker *breaker, pvm_breaker_state state, uint64_t now, uint64_t until) {
  uint64_t generation = (load(&breaker->gate) >> 2) + 1;
  uint32_t trials = breaker->policy.trials != 0 ? breaker->policy.trials : 1;
  breaker->since = now;
  breaker->trials = 0;
  store32(&breaker->vacant, state == PVM_BREAKER_HALF_OPEN ? trials : 0);
  store(&breaker->until, until);
  store(&breaker->gate, generation << 2 | state);
  note_change(breaker);
}

static void forget_failures(pvm_breaker *breaker) {
  breaker->reason = PVM_BREAKER_NONE;
  breaker->openings = 0;
  store32(&breaker->failures, 0);
  store32(&breaker->timeouts, 0);
  clear_window(breaker);
}

static void enter_closed(pvm_breaker *breaker, uint64_t now) {
  forget_failures(breaker);
  enter(breaker, PVM_BREAKER_CLOSED, now, 0);
}

static void enter_open(pvm_breaker *breaker, uint64_t now) {
  uint64_t ns = breaker->policy.open_ns, max = breaker->policy.max_open_ns;
  for (uint32_t i = 0; i < breaker->openings && ns < max; i++) ns = ns > max / 2 ? max : ns * 2;
  if (breaker->openings < UINT32_MAX) breaker->openings++;
  breaker->opened++;
  enter(breaker, PVM_BREAKER_OPEN, now, later(now, ns));
}

static void enter_half_open(pvm_breaker *breaker, uint64_t now) {
  enter(breaker, PVM_BREAKER_HALF_OPEN, now, FOREVER);
}

static void hold_open(pvm_breaker *breaker, uint64_t now) {
  breaker->reason = PVM_BREAKER_OPERATOR;
  enter(breaker, PVM_BREAKER_OPEN, now, FOREVER);
}

/* ---- What ended ---------------------------------------------------------- */

static void remember_crash(pvm_breaker *breaker, uint64_t now) {
  if (breaker->crashes == PVM_BREAKER_CRASHES_MAX)
    memmove(breaker->crash_at, breaker->crash_at + 1,
            --breaker->crashes * sizeof *breaker->crash_at);
  breaker->crash_at[breaker->crashes++] = now;
  note_change(breaker);
}

static uint32_t recent_crashes(pvm_breaker *breaker, uint64_t now) {
  uint64_t window = breaker->policy.crash_window_ns;
  uint32_t count = 0;
  for (uint32_t i = 0; i < breaker->crashes; i++)
    count += window == 0 || elapsed(now, breaker->crash_at[i]) <= window;
  return count;
}

static void count_success(pvm_breaker *breaker, uint64_t now) {
  /* Looked at before it is written, so that successes leave the line shared. */
  if (load32(&breaker->failures) != 0) store32(&breaker->failures, 0);
  if (load32(&breaker->timeouts) != 0) store32(&breaker->timeouts, 0);
  uint64_t bucket_ns = load(&breaker->bucket_ns);
  if (bucket_ns != 0) tally(breaker->succeeded, (uint32_t)(now / bucket_ns));
}

/* Count it, and say which rule it breaks. */
static pvm_breaker_reason count_failure(pvm_breaker *breaker, uint64_t now, pvm_outcome outcome) {
  const pvm_breaker_policy *policy = &breaker->policy;
  uint32_t failures = atomic_fetch_add_explicit(&breaker->failures, 1, memory_order_relaxed) + 1;
  uint32_t timeouts = 0;
  if (outcome == PVM_TIMED_OUT)
    timeouts = atomic_fetch_add_explicit(&breaker->timeouts, 1, memory_order_relaxed) + 1;
  else store32(&breaker->timeouts, 0);
  uint64_t bucket_ns = load(&breaker->bucket_ns), calls = 0, failed = 0;
  if (bucket_ns != 0) {
    uint32_t bucket = (uint32_t)(now / bucket_ns);
    tally(breaker->failed, bucket);
    failed = tallied(breaker->failed, bucket);
    calls = failed + tallied(breaker->succeeded, bucket);
  }
  if (outcome == PVM_CRASHED && policy->crashes != 0 &&
      recent_crashes(breaker, now) >= policy->crashes)
    return PVM_BREAKER_CRASHES;
  if (policy->timeouts != 0 && timeouts >= policy->timeouts) return PVM_BREAKER_TIMEOUTS;
  if (policy->consecutive != 0 && failures >= policy->consecutive) return PVM_BREAKER_CONSECUTIVE;
  if (bucket_ns != 0 && calls >= policy->min_calls && failed * 100 >= calls * policy->rate_percent)
    return PVM_BREAKER_RATE;
  return PVM_BREAKER_NONE;
}

static void note_closed(pvm_breaker *breaker, uint64_t now, pvm_outcome outcome) {
  if (outcome == PVM_DONE) count_success(breaker, now);
  if (!is_failure(outcome)) return;
  pvm_breaker_reason reason = count_failure(breaker, now, outcome);
  if (reason == PVM_BREAKER_NONE || breaker->hold == PVM_BREAKER_HOLD_CLOSED) return;
  breaker->reason = reason;
  enter_open(breaker, now);
}

static void give_back(pvm_breaker *breaker) {
  breaker->trials--;
  store32(&breaker->vacant, load32(&breaker->vacant) + 1);
}

/* The reason stays the one for which it opened first. */
static void note_half_open(pvm_breaker *breaker, uint64_t now, uint64_t token,
                           pvm_outcome outcome) {
  if (is_failure(outcome)) enter_open(breaker, now);
  else if (token == PVM_BREAKER_NO_TOKEN) return;
  else if (outcome == PVM_DONE) enter_closed(breaker, now);
  else give_back(breaker);
}

static void note_locked(pvm_breaker *breaker, uint64_t now, uint64_t token, pvm_outcome outcome) {
  uint64_t gate = load(&breaker->gate);
  if (token != PVM_BREAKER_NO_TOKEN && token != token_of(gate)) return;
  if (outcome == PVM_CRASHED) remember_crash(breaker, now);
  switch (state_of(gate)) {
  case PVM_BREAKER_CLOSED: note_closed(breaker, now, outcome); break;
  case PVM_BREAKER_HALF_OPEN: note_half_open(breaker, now, token, outcome); break;
  case PVM_BREAKER_OPEN:
    if (now >= load(&breaker->until) && is_failure(outcome)) enter_open(breaker, now);
    break;
  }
}

/* ---- Public -------------------------------------------------------------- */

void pvm_breaker_init(pvm_breaker *breaker, uint64_t now) {
  memset(breaker, 0, sizeof *breaker);
  pthread_mutex_init(&breaker->lock, NULL);
  breaker->since = now;
  store(&breaker->gate, (uint64_t)1 << 2 | PVM_BREAKER_CLOSED); /* 0 is no token */
}

void pvm_breaker_free(pvm_breaker *breaker) {
  pthread_mutex_destroy(&breaker->lock);
}

int pvm_breaker_is_valid(const pvm_breaker_policy *policy) {
  int rated = policy->rate_percent != 0;
  int any = rated || policy->consecutive != 0 || policy->timeouts != 0 || policy->crashes != 0;
  if (policy->rate_percent > 100 || policy->crashes > PVM_BREAKER_CRASHES_MAX) return 0;
  if (rated && policy->window_ns < PVM_BREAKER_WINDOW_MIN) return 0;
  if (any && (policy->open_ns == 0 || policy->trials == 0)) return 0;
  return policy->max_open_ns >= policy->open_ns;
}

int pvm_breaker_set_policy(pvm_breaker *breaker, const pvm_breaker_policy *policy) {
  if (!pvm_breaker_is_valid(policy)) return PVM_E_INVALID;
  int rated = policy->rate_percent != 0;
  pthread_mutex_lock(&breaker->lock);
  uint64_t bucket_ns = rated ? policy->window_ns / PVM_BREAKER_BUCKETS : 0;
  if (bucket_ns != load(&breaker->bucket_ns)) clear_window(breaker);
  store(&breaker->bucket_ns, bucket_ns);
  breaker->policy = *policy;
  pthread_mutex_unlock(&breaker->lock);
  return PVM_OK;
}

/* Under the lock; the cool-down may have ended since, or another thread may have been first. */
static uint64_t admit_locked(pvm_breaker *breaker, uint64_t now) {
  pvm_breaker_state state = state_of(load(&breaker->gate));
  int over = now >= load(&breaker->until);
  if (state == PVM_BREAKER_OPEN && over) enter_half_open(breaker, now);
  /* In a new generation, so that trials given up cannot come back to it. */
  if (state == PVM_BREAKER_HALF_OPEN && over && load32(&breaker->vacant) == 0)
    enter_half_open(breaker, now);
  uint64_t gate = load(&breaker->gate);
  if (state_of(gate) == PVM_BREAKER_CLOSED) return token_of(gate);
  uint32_t vacant = load32(&breaker->vacant);
  if (vacant == 0) return PVM_BREAKER_NO_TOKEN;
  uint64_t wait = breaker->policy.trial_wait_ns;
  breaker->trials++;
  store32(&breaker->vacant, vacant - 1);
  store(&breaker->until, wait == 0 ? FOREVER : later(now, wait));
  return token_of(gate);
}

uint64_t pvm_breaker_admit(pvm_breaker *breaker, uint64_t now) {
  uint64_t gate = load(&breaker->gate);
  if (state_of(gate) == PVM_BREAKER_CLOSED) return token_of(gate);
  uint64_t token = PVM_BREAKER_NO_TOKEN;
  /* A caller who goes on submitting to an open breaker shall not keep others from the lock. */
  if (load32(&breaker->vacant) != 0 || now >= load(&breaker->until)) {
    pthread_mutex_lock(&breaker->lock);
    token = admit_locked(breaker, now);
    pthread_mutex_unlock(&breaker->lock);
  }
  if (token == PVM_BREAKER_NO_TOKEN)
    atomic_fetch_add_explicit(&breaker->refused, 1, memory_order_relaxed);
  return token;
}

int pvm_breaker_may_start(pvm_breaker *breaker, uint64_t token) {
  uint64_t gate = load(&breaker->gate);
  return state_of(gate) == PVM_BREAKER_CLOSED || token == token_of(gate);
}

int pvm_breaker_note(pvm_breaker *breaker, uint64_t now, uint64_t token, pvm_outcome outcome) {
  uint64_t gate = load(&breaker->gate);
  if (token != PVM_BREAKER_NO_TOKEN && token != token_of(gate)) return 0;
  if (state_of(gate) == PVM_BREAKER_CLOSED && !is_failure(outcome)) {
    if (outcome == PVM_DONE) count_success(breaker, now);
    return 0;
  }
  pthread_mutex_lock(&breaker->lock);
  uint64_t before = load(&breaker->gate);
  note_locked(breaker, now, token, outcome);
  int changed = load(&breaker->gate) != before;
  pthread_mutex_unlock(&breaker->lock);
  return changed;
}

void pvm_breaker_force(pvm_breaker *breaker, uint64_t now, pvm_breaker_hold hold) {
  pthread_mutex_lock(&breaker->lock);
  int rested = hold == PVM_BREAKER_AUTO && state_of(load(&breaker->gate)) != PVM_BREAKER_CLOSED;
  if (hold != breaker->hold || rested) {
    breaker->hold = hold;
    if (hold == PVM_BREAKER_HOLD_OPEN) hold_open(breaker, now);
    else enter_closed(breaker, now);
  }
  pthread_mutex_unlock(&breaker->lock);
}

void pvm_breaker_reset(pvm_breaker *breaker, uint64_t now) {
  pthread_mutex_lock(&breaker->lock);
  breaker->crashes = 0;
  forget_failures(breaker);
  if (breaker->hold == PVM_BREAKER_HOLD_OPEN) hold_open(breaker, now);
  else enter(breaker, PVM_BREAKER_CLOSED, now, 0);
  pthread_mutex_unlock(&breaker->lock);
}

uint32_t pvm_breaker_changes(pvm_breaker *breaker) {
  return load32(&breaker->changes);
}

void pvm_breaker_read(pvm_breaker *breaker, uint64_t now, pvm_breaker_snapshot *snapshot) {
  memset(snapshot, 0, sizeof *snapshot);
  pthread_mutex_lock(&breaker->lock);
  pvm_breaker_state state = state_of(load(&breaker->gate));
  uint64_t until = load(&breaker->until), bucket_ns = load(&breaker->bucket_ns);
  snapshot->state = state;
  snapshot->hold = breaker->hold;
  snapshot->reason = breaker->reason;
  snapshot->changes = load32(&breaker->changes);
  snapshot->failures = load32(&breaker->failures);
  snapshot->timeouts = load32(&breaker->timeouts);
  snapshot->trials = breaker->trials;
  snapshot->openings = breaker->openings;
  snapshot->opened = breaker->opened;
  snapshot->refused = load(&breaker->refused);
  snapshot->age_ns = elapsed(now, breaker->since);
  if (state == PVM_BREAKER_OPEN && breaker->hold == PVM_BREAKER_AUTO && until > now)
    snapshot->remaining_ns = until - now;
  if (bucket_ns != 0) {
    uint32_t bucket = (uint32_t)(now / bucket_ns);
    snapshot->window_failures = tallied(breaker->failed, bucket);
    snapshot->window_calls = snapshot->window_failures + tallied(breaker->succeeded, bucket);
  }
  snapshot->crashes = breaker->crashes;
  for (uint32_t i = 0; i < breaker->crashes; i++)
    snapshot->crash_age_ns[i] = elapsed(now, breaker->crash_at[i]);
  pthread_mutex_unlock(&breaker->lock);
}

static int is_sound(const pvm_breaker_snapshot *snapshot) {
  if (snapshot->state > PVM_BREAKER_HALF_OPEN || snapshot->hold > PVM_BREAKER_HOLD_CLOSED ||
      snapshot->reason > PVM_BREAKER_OPERATOR || snapshot->crashes > PVM_BREAKER_CRASHES_MAX ||
      snapshot->age_ns > INT64_MAX)
    return 0;
  for (uint32_t i = 0; i < snapshot->crashes; i++)
    if (snapshot->crash_age_ns[i] > INT64_MAX) return 0;
  int held = snapshot->hold == PVM_BREAKER_HOLD_OPEN,
      closed = snapshot->state == PVM_BREAKER_CLOSED;
  if (held && snapshot->state != PVM_BREAKER_OPEN) return 0;
  if (snapshot->hold == PVM_BREAKER_HOLD_CLOSED && !closed) return 0;
  return closed == (snapshot->reason == PVM_BREAKER_NONE) &&
         held == (snapshot->reason == PVM_BREAKER_OPERATOR);
}

int pvm_breaker_restore(pvm_breaker *breaker, uint64_t now, const pvm_breaker_snapshot *snapshot) {
  if (!is_sound(snapshot)) return PVM_E_INVALID;
  pthread_mutex_lock(&breaker->lock);
  forget_failures(breaker);
  breaker->hold = (pvm_breaker_hold)snapshot->hold;
  breaker->reason = (pvm_breaker_reason)snapshot->reason;
  if (breaker->hold == PVM_BREAKER_HOLD_OPEN) {
    hold_open(breaker, now);
  } else if (snapshot->state == PVM_BREAKER_CLOSED) {
    enter(breaker, PVM_BREAKER_CLOSED, now, 0);
  } else {
    uint64_t rest = snapshot->state == PVM_BREAKER_OPEN ? snapshot->remaining_ns : 0;
    uint64_t most = breaker->policy.max_open_ns; /* which may be shorter than it was then */
    enter(breaker, PVM_BREAKER_OPEN, now, later(now, rest < most ? rest : most));
  }
  store32(&breaker->failures, snapshot->failures);
  store32(&breaker->timeouts, snapshot->timeouts);
  breaker->openings = snapshot->openings;
  breaker->opened = snapshot->opened;
  breaker->since = now - snapshot->age_ns;
  breaker->crashes = snapshot->crashes;
  for (uint32_t i = 0; i < snapshot->crashes; i++)
    breaker->crash_at[i] = now - snapshot->crash_age_ns[i];
  pthread_mutex_unlock(&breaker->lock);
  return PVM_OK;
}

void pvm_breaker_explain(pvm_breaker *breaker, uint64_t now, char *text, size_t size) {
  static const char *const WHY[] = {
      [PVM_BREAKER_NONE] = "nothing",
      [PVM_BREAKER_CONSECUTIVE] = "too many failures in a row",
      [PVM_BREAKER_RATE] = "too high a rate of failures",
      [PVM_BREAKER_TIMEOUTS] = "too many time-outs in a row",
      [PVM_BREAKER_CRASHES] = "too many crashes",
      [PVM_BREAKER_OPERATOR] = "an operator's order",
  };
  pvm_breaker_snapshot seen;
  pvm_breaker_read(breaker, now, &seen);
  if (seen.hold == PVM_BREAKER_HOLD_OPEN)
    snprintf(text, size, "the task's circuit breaker is held open by the operator");
  else if (seen.state == PVM_BREAKER_OPEN)
    snprintf(text, size, "the task's circuit breaker is open after %s; try again in %.1f s",
             WHY[seen.reason], (double)seen.remaining_ns / 1e9);
  else if (seen.state == PVM_BREAKER_HALF_OPEN)
    snprintf(text, size, "the task's circuit breaker is half-open after %s; a trial is running",
             WHY[seen.reason]);
  else snprintf(text, size, "the task's circuit breaker was open; try again");
}
