/* crash.h - what a thread that runs VMs leaves behind when it crashes.
**
** For SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT on such a thread: a mark in its entry of the
** journal, and a report in a file that was opened before: where, in which task, the Python and
** the C stack. Then the process ends by that signal as it would have without this: same exit
** status, and a core dump, where those are on, that shows the fault itself.
** On any other thread the signal's former action is put back and takes its course, such as that
** of Python's faulthandler; a host that wants that one enables it before this is installed.
*/
#ifndef PVM_CRASH_H
#define PVM_CRASH_H

#include "journal.h"

/* Writes the calling thread's Python stack; async-signal-safe. */
typedef void pvm_crash_dump(int fd);

/* Once a process, from a thread that is not confined. report: a file to make now; NULL: stderr.
** dump may be NULL. PVM_E_STATE if it is installed. */
int pvm_crash_install(const char *report, pvm_crash_dump *dump, char *err);
/* Put the former actions back; an empty report is removed. Not while threads may crash. */
void pvm_crash_uninstall(void);

/* The calling thread runs VMs from here on, or does not any more; with a signal stack of its own
** meanwhile, and the signals unblocked. doing: its entry of the journal. May be called on a
** confined thread. */
int pvm_crash_thread_enter(pvm_journal_thread *doing);
void pvm_crash_thread_leave(void);

#endif
