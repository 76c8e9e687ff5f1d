/* convert.h - what is left of a stream's sealing that was cut short. */
#ifndef STORE_CONVERT_H
#define STORE_CONVERT_H

#include "store.h"

/* In a folder whose lock is held, before its streams are opened: copies that were not finished go, and so
** does the plain folder of a stream whose sealed one is whole. A status with a sentence in `err`. */
int store_conversions_finish(const char *folder, char *err);

#endif
