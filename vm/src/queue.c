/* queue.c - see queue.h. */
#include "queue.h"

#include <sched.h>

#include "../include/vm.h"

/* A kind is span << 8 | priority + 128; spans that do not fit have none. */
#define NO_SPAN (UINT64_MAX >> 8) /* no deadline */
#define NO_KIND UINT64_MAX
#define PLAIN (NO_SPAN << 8 | 128)

int pvm_queue_init(pvm_queue *queue, size_t capacity) {
  pthread_mutex_init(&queue->lock, NULL);
  queue->heap = NULL;
  queue->cap = 0;
  atomic_init(&queue->count, 0);
  atomic_init(&queue->kind, PLAIN);
  return pvm_ring_init(&queue->ring, capacity);
}

void pvm_queue_free(pvm_queue *queue) {
  pvm_ring_free(&queue->ring);
  pthread_mutex_destroy(&queue->lock);
  free(queue->heap);
}

/* ---- Order -------------------------------------------------------------- */

int64_t pvm_invocation_level(uint64_t accepted_ns, int priority) {
  return (int64_t)(accepted_ns / PVM_PRIORITY_STEP_NS) - priority;
}

static pvm_queue_entry entry_of(pvm_invocation *invocation) {
  return (pvm_queue_entry){pvm_invocation_level(invocation->accepted_ns, invocation->priority),
                           invocation->deadline_ns, invocation->accepted_ns, invocation};
}

static int before(const pvm_queue_entry *a, const pvm_queue_entry *b) {
  if (a->level != b->level) return a->level < b->level;
  if (a->deadline_ns != b->deadline_ns) return a->deadline_ns < b->deadline_ns;
  return a->accepted_ns < b->accepted_ns;
}

int pvm_invocation_before(const pvm_invocation *a, const pvm_invocation *b) {
  pvm_queue_entry entry_a = entry_of((pvm_invocation *)a), entry_b = entry_of((pvm_invocation *)b);
  return before(&entry_a, &entry_b);
}

static uint64_t kind_of(const pvm_invocation *invocation) {
  uint64_t span = NO_SPAN;
  if (invocation->deadline_ns != PVM_NEVER) {
    span = invocation->deadline_ns - invocation->accepted_ns;
    if (span >= NO_SPAN) return NO_KIND;
  }
  return span << 8 | (uint64_t)(invocation->priority + 128);
}

/* The key of the ring's next, as far as others let one know. */
static pvm_queue_entry ring_next(uint64_t kind, uint64_t accepted_ns) {
  uint64_t span = kind >> 8;
  return (pvm_queue_entry){pvm_invocation_level(accepted_ns, (int)(kind & 0xff) - 128),
                           span == NO_SPAN ? PVM_NEVER : accepted_ns + span, accepted_ns, NULL};
}

/* ---- The heap ----------------------------------------------------------- */

static int make_room(pvm_queue *queue, size_t count) {
  if (count < queue->cap) return 1;
  size_t cap = queue->cap ? 2 * queue->cap : 64;
  pvm_queue_entry *heap = realloc(queue->heap, cap * sizeof *heap);
  if (heap == NULL) return 0;
  queue->heap = heap;
  queue->cap = cap;
  return 1;
}

/* Locked: put it where it belongs, at or above that place. */
static void rise(pvm_queue *queue, size_t at, const pvm_queue_entry *entry) {
  while (at > 0 && before(entry, &queue->heap[(at - 1) / 2])) {
    queue->heap[at] = queue->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  queue->heap[at] = *entry;
}

static int push_ordered(pvm_queue *queue, pvm_invocation *invocation) {
  pvm_queue_entry entry = entry_of(invocation);
  pthread_mutex_lock(&queue->lock);
  size_t at = atomic_load_explicit(&queue->count, memory_order_relaxed);
  int room = make_room(queue, at);
  if (room) {
    atomic_store(&queue->count, at + 1);
    rise(queue, at, &entry);
  }
  pthread_mutex_unlock(&queue->lock);
  return room;
}

/* Locked: take out what stands at that place, which there is. */
static pvm_invocation *pop_ordered(pvm_queue *queue, size_t at) {
  pvm_invocation *taken = queue->heap[at].invocation;
  size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed) - 1;
  pvm_queue_entry last = queue->heap[count];
  for (size_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && before(&queue->heap[child + 1], &queue->heap[child])) child++;
    if (!before(&queue->heap[child], &last)) break;
    queue->heap[at] = queue->heap[child];
  }
  if (at < count) rise(queue, at, &last);
  atomic_store(&queue->count, count);
  return taken;
}

/* ---- The ring ----------------------------------------------------------- */

/* May the ring take it? Who is slow between this and its push may find another kind there; then
** it is out of order with what came at the same moment. */
static int fits_ring(pvm_queue *queue, const pvm_invocation *invocation) {
  uint64_t kind = kind_of(invocation);
  uint64_t now = atomic_load_explicit(&queue->kind, memory_order_relaxed);
  if (kind == now) return 1;
  return kind != NO_KIND && pvm_ring_count(&queue->ring) == 0 &&
         atomic_compare_exchange_strong(&queue->kind, &now, kind);
}

/* The ring may be full of what was taken out of its middle. */
static int push_ring(pvm_queue *queue, pvm_invocation *invocation) {
  return pvm_ring_push(&queue->ring, invocation, invocation->accepted_ns,
                       invocation->completion.id);
}

/* ---- Both --------------------------------------------------------------- */

void pvm_queue_push(pvm_queue *queue, pvm_invocation *invocation) {
  if (fits_ring(queue, invocation) && push_ring(queue, invocation)) return;
  while (!push_ordered(queue, invocation) && !push_ring(queue, invocation)) sched_yield();
}

pvm_invocation *pvm_queue_pop(pvm_queue *queue) {
  pvm_invocation *invocation = NULL;
  if (atomic_load(&queue->count) != 0) {
    pthread_mutex_lock(&queue->lock);
    if (atomic_load(&queue->count) != 0) {
      uint64_t oldest = pvm_ring_oldest(&queue->ring);
      pvm_queue_entry next = ring_next(atomic_load(&queue->kind), oldest);
      if (oldest == UINT64_MAX || before(&queue->heap[0], &next))
        invocation = pop_ordered(queue, 0);
    }
    pthread_mutex_unlock(&queue->lock);
    if (invocation != NULL) return invocation;
  }
  return pvm_ring_pop(&queue->ring);
}

pvm_invocation *pvm_queue_take(pvm_queue *queue, uint64_t id) {
  pvm_invocation *invocation = NULL;
  pthread_mutex_lock(&queue->lock);
  size_t count = atomic_load(&queue->count), at = 0;
  while (at < count && queue->heap[at].invocation->completion.id != id) at++;
  if (at < count) invocation = pop_ordered(queue, at);
  pthread_mutex_unlock(&queue->lock);
  return invocation != NULL ? invocation : pvm_ring_take(&queue->ring, id);
}

size_t pvm_queue_count(pvm_queue *queue) {
  return pvm_ring_count(&queue->ring) + atomic_load(&queue->count);
}

uint64_t pvm_queue_oldest(pvm_queue *queue) {
  uint64_t oldest = pvm_ring_oldest(&queue->ring);
  if (atomic_load(&queue->count) == 0) return oldest;
  pthread_mutex_lock(&queue->lock);
  if (atomic_load(&queue->count) != 0 && queue->heap[0].accepted_ns < oldest)
    oldest = queue->heap[0].accepted_ns;
  pthread_mutex_unlock(&queue->lock);
  return oldest;
}
