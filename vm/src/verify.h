/* verify.h - is this a module's code, whole, as CPython's compiler writes it?
**
** CPython trusts bytecode: a jump past the end, a constant that is not there or a stack too
** small for its code is read and written as it stands. This looks at every byte first and
** takes only what the compiler of the SDK's release can have written.
**
** What PVM_OK says of the code:
** - The marshal stream is whole and in its writer's only form: types that constants and code
**   objects can have, lengths within the data, text that is text, references to finished
**   objects only, nothing left over. Objects nest at most PVM_VERIFY_DEPTH deep, references
**   followed; followed everywhere, they are at most PVM_VERIFY_OBJECTS.
** - The object is a module's code: no parameters, no free variables, no generator.
** - In every code object the counts, flags, names and kinds of variables fit each other, the
**   prologue is the one that these ask for, every instruction is one that the compiler emits,
**   with an oparg in its range and empty caches, every jump and every handler goes to the
**   start of an instruction, the line table covers the code, and no path falls off the end.
** - On every path, exceptions included, the evaluation stack stays between 0 and stacksize, at
**   each instruction it always has the same depth, and it is empty when the frame returns. A
**   variable is read without a check only where it is bound; that is followed for the first 64
**   variables of a function, as the compiler does. Code that no path leads to, which the
**   compiler leaves in places, is looked at one instruction at a time only.
**
** What it does not say: that the values on the stack have the types that an instruction takes
** for granted, that a variable past the 64th is bound, or that the code is meant well or ends.
** Such code can still crash or hang an interpreter. This catches damage and mistakes of a
** packer; it is no defence against who makes bytecode on purpose: that is the signature's part.
*/
#ifndef PVM_VERIFY_H
#define PVM_VERIFY_H

#include <stddef.h>

#define PVM_VERIFY_DEPTH 500          /* objects in objects; the C stack needs 256 KiB */
#define PVM_VERIFY_OBJECTS (1u << 24) /* objects when references are followed */
#define PVM_VERIFY_BYTES (256u << 20) /* bytes of one module's code */

/* PVM_OK, PVM_E_BYTECODE, or PVM_E_NOMEM; `err` may be NULL. The sentence says what is wrong
** and at which byte or in which code object. Reads data[0..len) only, needs no interpreter
** and no lock. Takes time and memory in proportion to len: a few ms and at
** most 64 MiB for each MiB. */
int pvm_verify_code(const void *data, size_t len, char *err);

#endif
