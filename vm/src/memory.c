/* memory.c - see memory.h. */
#include "memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "python.h"
#include "tensor.h"

/* Header of every RAW block. 32 bytes keep malloc's 16-byte alignment. */
struct pvm_block {
  pvm_block *next;
  pvm_block **link;  /* what points to this block */
  pvm_memory *owner; /* NULL: the process, for good */
  size_t size : 63;  /* without the header */
  size_t mapped : 1; /* by mmap, not malloc */
};

_Static_assert(sizeof(pvm_block) % 16 == 0, "blocks must keep malloc's alignment");

/* One word of thread-local storage: initial-exec TLS is scarce. */
static _Thread_local pvm_memory *current;

/* Arenas that retired VMs leave are handed on while still mapped: the kernel's zeroing
** of fresh pages is the largest single cost of creating a VM. Their number is capped,
** so what a burst of VMs took does go back. */
#define SPARE_ARENAS 16
static struct {
  pthread_mutex_t lock;
  pvm_arena arenas[SPARE_ARENAS];
  size_t count;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int wiping; /* see pvm_memory_wipe_freed */

void pvm_memory_wipe_freed(void) {
  atomic_store(&wiping, 1);
}

static int is_wiping(void) {
  return atomic_load_explicit(&wiping, memory_order_relaxed);
}

pvm_memory *pvm_memory_enter(pvm_memory *memory) {
  pvm_memory *before = current;
  current = memory;
  return before;
}

pvm_memory *pvm_memory_current(void) {
  return current;
}

/* The account to charge. CPython briefly switches a VM's thread to the main interpreter
** when it creates process-wide objects (argument parsers' keyword tuples); these must
** outlive the VM and are nobody's. */
static pvm_memory *payer(void) {
  pvm_memory *memory = current;
  if (memory != NULL) {
    PyThreadState *tstate = _PyThreadState_GET();
    if (tstate != NULL && tstate->interp == _PyInterpreterState_Main()) return NULL;
  }
  return memory;
}

static void pass_limit(pvm_memory *memory) {
  if (memory->over) return;
  memory->over = 1;
  memory->exceeded(memory);
}

/* Beyond the limit and some slack, large requests are refused before they are made. */
#define LARGE 65536
static int is_too_much(pvm_memory *memory, size_t size) {
  if (memory == NULL || memory->limit == 0 || size < LARGE) return 0;
  size_t now = pvm_memory_total(memory);
  size_t most = memory->limit + memory->limit / 8 + (1u << 20);
  if (now <= most && size <= most - now) return 0;
  pass_limit(memory);
  return 1;
}

size_t pvm_memory_total(const pvm_memory *memory) {
  size_t bytes = atomic_load_explicit((_Atomic size_t *)&memory->bytes, memory_order_relaxed);
  return memory->arrays != NULL ? bytes + pvt_account_bytes(memory->arrays) : bytes;
}

int pvm_memory_admit(void *account, size_t size) {
  pvm_memory *memory = account;
  size_t now = pvm_memory_total(memory);
  if (memory->limit != 0 && (now > memory->limit || size > memory->limit - now)) {
    pass_limit(memory);
    return 0;
  }
  if (now + size > atomic_load_explicit(&memory->peak, memory_order_relaxed))
    atomic_store_explicit(&memory->peak, now + size, memory_order_relaxed);
  return 1;
}

int pvm_memory_may_hold(size_t size) {
  return !is_too_much(current, size);
}

static void charge(pvm_memory *memory, size_t size) {
  size_t now = atomic_load_explicit(&memory->bytes, memory_order_relaxed) + size;
  atomic_store_explicit(&memory->bytes, now, memory_order_relaxed);
  if (now > atomic_load_explicit(&memory->peak, memory_order_relaxed))
    atomic_store_explicit(&memory->peak, now, memory_order_relaxed);
  if (memory->limit != 0 && pvm_memory_total(memory) > memory->limit) pass_limit(memory);
}

static void discharge(pvm_memory *memory, size_t size) {
  size_t now = atomic_load_explicit(&memory->bytes, memory_order_relaxed) - size;
  atomic_store_explicit(&memory->bytes, now, memory_order_relaxed);
}

/* ---- RAW domain --------------------------------------------------------- */

static void link_block(pvm_memory *memory, pvm_block *block) {
  block->owner = memory;
  block->next = memory->blocks;
  block->link = &memory->blocks;
  if (block->next != NULL) block->next->link = &block->next;
  memory->blocks = block;
  charge(memory, block->size);
}

static void unlink_block(pvm_block *block) {
  *block->link = block->next;
  if (block->next != NULL) block->next->link = block->link;
  discharge(block->owner, block->size);
}

static void *adopt(pvm_block *block, size_t size, int mapped) {
  pvm_memory *memory = payer();
  if (block == NULL) return NULL;
  block->size = size;
  block->mapped = mapped;
  block->owner = NULL;
  if (memory != NULL) link_block(memory, block);
  return block + 1;
}

static void free_block(pvm_block *block) {
  if (block->mapped) {
    munmap(block, sizeof *block + block->size);
    return;
  }
  if (is_wiping()) explicit_bzero(block + 1, block->size);
  free(block);
}

static void *raw_malloc(void *ctx, size_t size) {
  (void)ctx;
  if (size > PTRDIFF_MAX - sizeof(pvm_block) || is_too_much(payer(), size)) return NULL;
  return adopt(malloc(sizeof(pvm_block) + size), size, 0);
}

/* Large zeroed blocks are mapped: an interpreter's tables are sparse, and pages that are
** never touched cost nothing. malloc's recycled memory would have to be cleared. */
#define MAP_FROM 131072

static void *raw_calloc(void *ctx, size_t n, size_t each) {
  (void)ctx;
  if (each != 0 && n > (PTRDIFF_MAX - sizeof(pvm_block)) / each) return NULL;
  size_t size = n * each;
  if (is_too_much(payer(), size)) return NULL;
  if (size < MAP_FROM) return adopt(calloc(1, sizeof(pvm_block) + size), size, 0);
  void *block = mmap(NULL, sizeof(pvm_block) + size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return adopt(block == MAP_FAILED ? NULL : block, size, 1);
}

/* A block that another VM owns is not this thread's to unlink: it stays in its owner's
** list and goes back when that VM retires. */
static int foreign(const pvm_block *block) {
  return block->owner != NULL && block->owner != current;
}

static void raw_free(void *ctx, void *ptr) {
  (void)ctx;
  if (ptr == NULL) return;
  pvm_block *block = (pvm_block *)ptr - 1;
  if (foreign(block)) return;
  if (block->owner != NULL) unlink_block(block);
  free_block(block);
}

static void *raw_realloc(void *ctx, void *ptr, size_t size) {
  if (ptr == NULL) return raw_malloc(ctx, size);
  if (size > PTRDIFF_MAX - sizeof(pvm_block)) return NULL;
  pvm_block *block = (pvm_block *)ptr - 1;
  if (foreign(block)) {
    void *copy = raw_malloc(ctx, size);
    if (copy != NULL) memcpy(copy, ptr, size < block->size ? size : block->size);
    return copy;
  }
  pvm_memory *owner = block->owner;
  if (size > block->size && is_too_much(owner, size - block->size)) return NULL;
  if (owner != NULL) unlink_block(block);
  pvm_block *moved = block->mapped ? mremap(block, sizeof *block + block->size,
                                            sizeof *block + size, MREMAP_MAYMOVE)
                                   : realloc(block, sizeof *block + size);
  if (moved == MAP_FAILED) moved = NULL;
  if (moved == NULL) {
    if (owner != NULL) link_block(owner, block);
    return NULL;
  }
  moved->size = size;
  if (owner != NULL) link_block(owner, moved);
  return moved + 1;
}

/* ---- Arenas ------------------------------------------------------------- */

static void *map_arena(size_t size) {
  void *address = NULL;
  pthread_mutex_lock(&spare.lock);
  for (size_t i = spare.count; i-- > 0 && address == NULL;) {
    if (spare.arenas[i].size != size) continue;
    address = spare.arenas[i].address;
    spare.arenas[i] = spare.arenas[--spare.count];
  }
  pthread_mutex_unlock(&spare.lock);
  if (address != NULL) return address;
  address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

static void unmap_arena(pvm_arena arena) {
  if (arena.address == NULL) return;
  if (is_wiping()) explicit_bzero(arena.address, arena.size);
  pthread_mutex_lock(&spare.lock);
  int kept = spare.count < SPARE_ARENAS;
  if (kept) spare.arenas[spare.count++] = arena;
  pthread_mutex_unlock(&spare.lock);
  if (!kept) munmap(arena.address, arena.size);
}

static void *arena_alloc(void *ctx, size_t size) {
  (void)ctx;
  pvm_memory *memory = payer();
  if (memory == NULL) return map_arena(size);
  if (is_too_much(memory, size)) return NULL;
  if (memory->n_arenas == memory->cap_arenas) {
    size_t cap = memory->cap_arenas ? 2 * memory->cap_arenas : 16;
    pvm_arena *arenas = realloc(memory->arenas, cap * sizeof *arenas);
    if (arenas == NULL) return NULL;
    memory->arenas = arenas;
    memory->cap_arenas = cap;
  }
  pvm_arena arena = {NULL, size};
  if (memory->spare.size == size) {
    arena = memory->spare;
    memory->spare = (pvm_arena){NULL, 0};
  }
  if (arena.address == NULL) arena.address = map_arena(size);
  if (arena.address == NULL) return NULL;
  memory->arenas[memory->n_arenas++] = arena;
  charge(memory, size);
  return arena.address;
}

static void arena_free(void *ctx, void *address, size_t size) {
  (void)ctx;
  if (address == NULL) return; /* an ending interpreter frees its unused entries, too */
  pvm_arena arena = {address, size};
  pvm_memory *memory = payer();
  if (memory != NULL) {
    size_t i = memory->n_arenas;
    while (i-- > 0 && memory->arenas[i].address != address) continue;
    if (i < memory->n_arenas) {
      memory->arenas[i] = memory->arenas[--memory->n_arenas];
      discharge(memory, size);
      if (memory->spare.address == NULL) {
        memory->spare = arena;
        return;
      }
    }
  }
  unmap_arena(arena);
}

/* ---- Set-up and the end ------------------------------------------------- */

void pvm_memory_limit(pvm_memory *memory, size_t limit, void (*exceeded)(pvm_memory *)) {
  memory->limit = limit;
  memory->exceeded = exceeded;
  memory->over = 0;
}

void pvm_memory_install(void) {
  PyMemAllocatorEx raw = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
  PyObjectArenaAllocator arena = {NULL, arena_alloc, arena_free};
  PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw);
  PyObject_SetArenaAllocator(&arena);
}

/* malloc keeps what is freed; when VMs of this much have ended it is asked to give its
** free pages back. */
#define TRIM_AFTER (64u << 20)
static _Atomic size_t freed_since_trim;

static void trim_malloc(size_t freed) {
  if (atomic_fetch_add_explicit(&freed_since_trim, freed, memory_order_relaxed) < TRIM_AFTER)
    return;
  atomic_store_explicit(&freed_since_trim, 0, memory_order_relaxed);
  malloc_trim(0);
}

size_t pvm_memory_release(pvm_memory *memory) {
  size_t left = atomic_load_explicit(&memory->bytes, memory_order_relaxed);
  size_t peak = atomic_load_explicit(&memory->peak, memory_order_relaxed);
  for (pvm_block *block = memory->blocks, *next; block != NULL; block = next) {
    next = block->next;
    free_block(block);
  }
  for (size_t i = 0; i < memory->n_arenas; i++) unmap_arena(memory->arenas[i]);
  unmap_arena(memory->spare);
  free(memory->arenas);
  memory->blocks = NULL;
  memory->arenas = NULL;
  memory->spare = (pvm_arena){NULL, 0};
  memory->n_arenas = memory->cap_arenas = 0;
  memory->limit = 0;
  memory->over = 0;
  atomic_store_explicit(&memory->bytes, 0, memory_order_relaxed);
  atomic_store_explicit(&memory->peak, 0, memory_order_relaxed);
  trim_malloc(peak);
  return left;
}
