/* queue.c - see queue.h. */
#include "queue.h"

#include <sched.h>

#include "../include/vm.h"

int pvm_queue_init(pvm_queue *queue, size_t capacity) {
  pthread_mutex_init(&queue->lock, NULL);
  queue->heap = NULL;
  queue->cap = 0;
  atomic_init(&queue->count, 0);
  return pvm_ring_init(&queue->plain, capacity);
}

void pvm_queue_free(pvm_queue *queue) {
  pvm_ring_free(&queue->plain);
  pthread_mutex_destroy(&queue->lock);
  free(queue->heap);
}

int64_t pvm_invocation_level(uint64_t accepted_ns, int priority) {
  return (int64_t)(accepted_ns / PVM_PRIORITY_STEP_NS) - priority;
}

int pvm_invocation_before(const pvm_invocation *a, const pvm_invocation *b) {
  int64_t level_a = pvm_invocation_level(a->accepted_ns, a->priority),
          level_b = pvm_invocation_level(b->accepted_ns, b->priority);
  if (level_a != level_b) return level_a < level_b;
  if (a->deadline_ns != b->deadline_ns) return a->deadline_ns < b->deadline_ns;
  return a->accepted_ns < b->accepted_ns;
}

/* Is it to run before what was accepted at that time and is nothing special? */
static int before_plain(const pvm_invocation *a, uint64_t accepted_ns) {
  int64_t level_a = pvm_invocation_level(a->accepted_ns, a->priority),
          level_b = pvm_invocation_level(accepted_ns, 0);
  if (level_a != level_b) return level_a < level_b;
  return a->deadline_ns != PVM_NEVER || a->accepted_ns < accepted_ns;
}

static int make_room(pvm_queue *queue, size_t count) {
  if (count < queue->cap) return 1;
  size_t cap = queue->cap ? 2 * queue->cap : 64;
  pvm_invocation **heap = realloc(queue->heap, cap * sizeof *heap);
  if (heap == NULL) return 0;
  queue->heap = heap;
  queue->cap = cap;
  return 1;
}

/* Locked: put it where it belongs, at or above that place. */
static void rise(pvm_queue *queue, size_t at, pvm_invocation *invocation) {
  while (at > 0 && pvm_invocation_before(invocation, queue->heap[(at - 1) / 2])) {
    queue->heap[at] = queue->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  queue->heap[at] = invocation;
}

static int push_ordered(pvm_queue *queue, pvm_invocation *invocation) {
  pthread_mutex_lock(&queue->lock);
  size_t at = atomic_load_explicit(&queue->count, memory_order_relaxed);
  int room = make_room(queue, at);
  if (room) {
    atomic_store(&queue->count, at + 1);
    rise(queue, at, invocation);
  }
  pthread_mutex_unlock(&queue->lock);
  return room;
}

/* Locked: take out what stands at that place, which there is. */
static pvm_invocation *pop_ordered(pvm_queue *queue, size_t at) {
  pvm_invocation *taken = queue->heap[at];
  size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed) - 1;
  pvm_invocation *last = queue->heap[count];
  for (size_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && pvm_invocation_before(queue->heap[child + 1], queue->heap[child]))
      child++;
    if (!pvm_invocation_before(queue->heap[child], last)) break;
    queue->heap[at] = queue->heap[child];
  }
  if (at < count) rise(queue, at, last);
  atomic_store(&queue->count, count);
  return taken;
}

/* The ring may be full of what was taken out of its middle. */
static int push_plain(pvm_queue *queue, pvm_invocation *invocation) {
  return pvm_ring_push(&queue->plain, invocation, invocation->accepted_ns,
                       invocation->completion.id);
}

void pvm_queue_push(pvm_queue *queue, pvm_invocation *invocation) {
  int plain = invocation->priority == 0 && invocation->deadline_ns == PVM_NEVER;
  if (plain && push_plain(queue, invocation)) return;
  while (!push_ordered(queue, invocation) && !push_plain(queue, invocation)) sched_yield();
}

pvm_invocation *pvm_queue_pop(pvm_queue *queue) {
  pvm_invocation *invocation = NULL;
  if (atomic_load(&queue->count) != 0) {
    pthread_mutex_lock(&queue->lock);
    if (atomic_load(&queue->count) != 0) {
      uint64_t oldest = pvm_ring_oldest(&queue->plain);
      if (oldest == UINT64_MAX || before_plain(queue->heap[0], oldest))
        invocation = pop_ordered(queue, 0);
    }
    pthread_mutex_unlock(&queue->lock);
    if (invocation != NULL) return invocation;
  }
  return pvm_ring_pop(&queue->plain);
}

pvm_invocation *pvm_queue_take(pvm_queue *queue, uint64_t id) {
  pvm_invocation *invocation = NULL;
  pthread_mutex_lock(&queue->lock);
  size_t count = atomic_load(&queue->count), at = 0;
  while (at < count && queue->heap[at]->completion.id != id) at++;
  if (at < count) invocation = pop_ordered(queue, at);
  pthread_mutex_unlock(&queue->lock);
  return invocation != NULL ? invocation : pvm_ring_take(&queue->plain, id);
}

size_t pvm_queue_count(pvm_queue *queue) {
  return pvm_ring_count(&queue->plain) + atomic_load(&queue->count);
}

uint64_t pvm_queue_oldest(pvm_queue *queue) {
  uint64_t oldest = pvm_ring_oldest(&queue->plain);
  if (atomic_load(&queue->count) == 0) return oldest;
  pthread_mutex_lock(&queue->lock);
  if (atomic_load(&queue->count) != 0 && queue->heap[0]->accepted_ns < oldest)
    oldest = queue->heap[0]->accepted_ns;
  pthread_mutex_unlock(&queue->lock);
  return oldest;
}
