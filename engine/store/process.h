/* process.h - which process is this: the one that opened a store, or one that was forked from it?
**
** A number in memory answers that, which a system call for each event need not.
*/
#ifndef STORE_PROCESS_H
#define STORE_PROCESS_H

#include <stdint.h>

/* Another one in a process that was forked from this one by fork(). Never 0. */
uint64_t store_process(void);

#endif
