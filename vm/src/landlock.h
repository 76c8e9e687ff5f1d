/* landlock.h - rulesets of Landlock, which say what files may be opened and what for. */
#ifndef PVM_LANDLOCK_H
#define PVM_LANDLOCK_H

#include "../include/vm.h"

#define PVM_FS_EXECUTE 1ull
#define PVM_FS_READ 0xcull                     /* files and folders */
#define PVM_FS_WRITE (PVM_FS_READ | 0x61b2ull) /* make, remove, rename, truncate as well */
#define PVM_FS_SPECIAL 0x1600ull               /* making sockets, pipes and links */
#define PVM_FS_DEVICES 0x8000ull               /* ioctl of devices */

typedef enum pvm_landlock_scope {
  PVM_LANDLOCK_FILES = 0,
  PVM_LANDLOCK_TCP = 1,   /* no bind, no connect */
  PVM_LANDLOCK_OTHERS = 2 /* no signals to processes outside, no abstract sockets of theirs */
} pvm_landlock_scope;

/* Landlock's ABI, 0 if the kernel has none. */
int pvm_landlock_abi(void);
/* A ruleset that allows nothing of what the kernel knows to refuse; scopes: of the above. -1
** stands for a kernel without Landlock. PVM_E_OS with `err`. */
int pvm_landlock_new(int scopes, int *ruleset, char *err);
/* Allow what lies beneath a path, as far as the kernel knows the rights. 0, or -1 with errno. */
int pvm_landlock_allow(int ruleset, const char *path, uint64_t rights);
/* Hold the calling thread, and those that it will start, to the ruleset. 0, or -1 with errno. */
int pvm_landlock_restrict(int ruleset);

#endif
