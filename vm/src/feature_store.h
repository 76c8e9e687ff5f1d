/* feature_store.h - tables of features, for the runtime's other files. */
#ifndef PVM_FEATURE_STORE_H
#define PVM_FEATURE_STORE_H

#include "../include/vm.h"
#include "feature.h"

/* What tasks of this executor read and write; NULL: it has no tables. */
feature_store *pvm_executor_features(pvm_executor *executor);
/* The pvm_status for a feature_status; a sentence in `err` if it is none of success. */
int pvm_feature_status(int status, int store_status, char *err);
/* Put a row whose values may have shared arrays, which are kept as their elements; `values` NULL: nothing is
** there from that time on. A pvm_status. */
int pvm_feature_put(feature_table *table, store_bytes key, int64_t time_ns, const void *values,
                    size_t len, int merge, char *err);

#endif
