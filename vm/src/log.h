/* log.h - what tasks print and log, on its way to the host. */
#ifndef PVM_LOG_H
#define PVM_LOG_H

#include "../include/vm.h"

#define PVM_LOG_TEXT_MAX 65536 /* bytes of one record; longer ones are cut */

int pvm_log_init(void);
/* Never blocks: without room, or without memory, the record is dropped and counted. */
void pvm_log_put(pvm_log_source source, int level, const char *task, const char *logger,
                 size_t logger_len, const char *text, size_t text_len);

#endif
