/* confine.h - what a thread that runs VMs may ask of the kernel.
**
** A second line of defence, behind the signature of a bundle: it stops system calls, not
** what a task may do to the memory that it shares with the host. A confined thread stays so
** for good, as do threads it would start; other threads are not touched.
**
** - Landlock: no file is opened, made, renamed or removed but beneath the policy's paths;
**   no TCP socket is bound or connected. The time zone database and /dev/null are open to
**   all. What the kernel's Landlock does not know it cannot refuse.
** - seccomp: a list of allowed system calls. Sockets, processes, programs, executable memory,
**   tracing, descriptors' passing, changes of the process's limits and credentials are not
**   on it. What is refused fails with EPERM.
**
** A kernel without one of them leaves its part undone; pvm_runtime_info tells.
*/
#ifndef PVM_CONFINE_H
#define PVM_CONFINE_H

#include "policy.h"

/* A policy made ready for threads to enter, as often as need be; -1 stands for a kernel
** without Landlock. PVM_E_OS with `err` for a path that cannot be opened. */
int pvm_confine_prepare(const pvm_policy *policy, int *ruleset, char *err);
void pvm_confine_close(int ruleset);
/* Confine the calling thread. PVM_E_OS with `err` if the kernel refuses. */
int pvm_confine_enter(int ruleset, char *err);

/* Whether the kernel filters system calls. */
int pvm_has_seccomp(void);

#endif
