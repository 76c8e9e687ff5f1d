/* park.h - threads sleep here until there may be something to do.
**
** An event count: a sleeper takes a ticket, looks for work once more, and sleeps only
** if nobody rang since the ticket was taken, so no wake-up is lost. Ringing costs one
** fence and one load while nobody sleeps.
**
**   ticket = pvm_park_ticket(p);
**   if (work) pvm_park_leave(p); else pvm_park_sleep(p, ticket, timeout);
*/
#ifndef PVM_PARK_H
#define PVM_PARK_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct pvm_park {
  _Atomic uint32_t rings;
  _Atomic uint32_t sleepers;
} pvm_park;

#define PVM_FOREVER INT64_MAX

uint32_t pvm_park_ticket(pvm_park *park);
void pvm_park_leave(pvm_park *park);
/* May return early without a reason. timeout in nanoseconds. */
void pvm_park_sleep(pvm_park *park, uint32_t ticket, int64_t timeout);
/* Wake at least one sleeper, if there is one / all of them. */
void pvm_park_ring(pvm_park *park);
void pvm_park_ring_all(pvm_park *park);
/* Is anybody asleep, or about to be? */
int pvm_park_asleep(pvm_park *park);

/* Nanoseconds of the monotonic clock. */
uint64_t pvm_now(void);
/* One turn of a busy wait: tells the processor that nothing happens here. */
static inline void pvm_spin(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif
