/* runtime.h - the process-wide part: CPython's main interpreter, and fork. */
#ifndef PVM_RUNTIME_H
#define PVM_RUNTIME_H

#include "../include/vm.h"

/* 1 in a process that fork() made after the runtime had started. */
int pvm_runtime_forked(void);
/* PVM_OK when VMs can be made here and now; otherwise what prevents it. */
int pvm_runtime_check(void);

/* A copy of the text in the buffer, which is freed first; empty without memory. */
void pvm_buffer_text(pvm_buffer *buffer, const char *text);

#endif
