/* files.h - a thread of the store's own that makes, renames and removes files.
**
** Whoever appends may be a thread that is allowed to touch no files (the runtime confines those that
** run tasks). Mapped memory can be written by any thread, and the few calls that take a path, when a
** stream or a segment is begun, are made here.
*/
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <errno.h>

#include "store.h"

/* What a call on a file failed of, by errno: STORE_E_FULL, STORE_E_NOMEM or STORE_E_IO. */
static inline int store_file_status(void) {
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return STORE_E_FULL;
  return errno == ENOMEM ? STORE_E_NOMEM : STORE_E_IO;
}

typedef struct store_files store_files;

/* With the permissions of the calling thread. NULL without memory, or if there is no thread to be had. */
store_files *store_files_start(void);
/* When nobody uses it any more; what was asked for is done first. NULL is fine. */
void store_files_stop(store_files *files);

/* Have work(arg) done there and wait; errno is what it was there. Locks that the caller holds are as good
** as the work's own. files NULL: it is done here. */
void store_files_do(store_files *files, void (*work)(void *arg), void *arg);
/* Have work(arg) done there without waiting for it: after what was asked for before, and before what
** anybody has done from now on. It may take no lock that is held around store_files_do. Without memory, or
** files NULL, it is done here. */
void store_files_ask(store_files *files, void (*work)(void *arg), void *arg);

#endif
