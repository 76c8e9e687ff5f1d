/* memory.h - whose memory is it: every block CPython takes is tagged with its VM.
**
** CPython's allocators are process-wide, so the runtime hooks the two lowest ones
** (arenas and the RAW domain) once, before it starts CPython. Each hook charges the
** memory to the VM that the calling thread is in. When a VM retires, what CPython
** left behind - stock CPython leaks 1 to 4 MB for each interpreter - goes back at once.
*/
#ifndef PVM_MEMORY_H
#define PVM_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct pvm_block pvm_block;

/* A mapping that CPython asked for: an arena of objects, or a chunk of its frame stack. */
typedef struct pvm_arena {
  void *address; /* NULL: none */
  size_t size;
} pvm_arena;

/* One VM's account. Only the VM's thread changes it; other threads may read the
** two counters. */
typedef struct pvm_memory pvm_memory;
struct pvm_memory {
  pvm_block *blocks; /* live RAW blocks, doubly linked */
  pvm_arena *arenas; /* live arenas */
  size_t n_arenas;
  size_t cap_arenas;
  pvm_arena spare;      /* one arena kept between a free and the next request */
  _Atomic size_t bytes; /* live arenas and blocks */
  _Atomic size_t peak;
  size_t limit;               /* 0: none */
  struct pvt_account *arrays; /* what the tensor engine holds for the VM; NULL: nothing */
  int over;                   /* the limit was passed, or an allocation refused */
  void (*exceeded)(pvm_memory *memory);
};

/* Allow the account `limit` bytes (0: any number). When it passes the limit, `exceeded` is
** called, once, on the VM's thread, from within an allocation: it may only make a note.
** Small allocations still succeed, since CPython's own paths for failing ones are not sound;
** large ones are refused beyond some slack. Until pvm_memory_release. */
void pvm_memory_limit(pvm_memory *memory, size_t limit, void (*exceeded)(pvm_memory *));

/* May the current VM hold a block so large, which is not CPython's, on top of what it has? If
** not, it counts as over its limit. */
int pvm_memory_may_hold(size_t size);

/* For the engine: may the account (a pvm_memory) hold an array so large? A refusal counts as
** over the limit. */
int pvm_memory_admit(void *memory, size_t size);

/* All that counts towards the limit: CPython's memory and arrays. From any thread. */
size_t pvm_memory_total(const pvm_memory *memory);

/* Hook CPython's allocators. Once, before CPython's first allocation. */
void pvm_memory_install(void);

/* Charge what this thread allocates from now on to `memory` (NULL: to nobody).
** Returns the account charged before. */
pvm_memory *pvm_memory_enter(pvm_memory *memory);
pvm_memory *pvm_memory_current(void);

/* From now on nothing that VMs free can be read afterwards: freed blocks and arenas kept for
** the next VM are overwritten. For hosts that hold keys; the others save the time. */
void pvm_memory_wipe_freed(void);

/* Give back all that is still charged to the account and clear it. Nothing may point
** into that memory any more. Returns how many bytes CPython had left behind. */
size_t pvm_memory_release(pvm_memory *memory);

#endif
