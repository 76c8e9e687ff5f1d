/* names.h - the folder of a store: whose it is, and what its streams' folders are called. */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "store.h"

#define STORE_SEALED_FOLDER "sealed"

/* The folder of plain or of sealed streams; NULL without memory. */
char *store_streams_folder(const char *folder, int sealed);
/* A stream's folder; NULL without memory. */
char *store_stream_path(const char *folder, const char *name, int sealed);
/* The stream whose folder is called so. 0, or -1: it is no stream's. */
int store_stream_named(const char *folder, char name[STORE_NAME_MAX + 1]);
/* Keep other processes from a folder, as long as *lock_file is open. make: it is made if it is not there.
** A status with a sentence in `err`. */
int store_folder_take(const char *folder, int make, int *lock_file, char *err);
/* The folder of sealed streams is there. A status, with errno. */
int store_sealed_folder_make(const char *folder);

#endif
