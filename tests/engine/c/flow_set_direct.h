/* flow_set_direct.h - a set of flows whose output is gathered; see flow_set_direct.py. */
#ifndef FLOW_SET_DIRECT_H
#define FLOW_SET_DIRECT_H

#include "flow.h"

typedef struct direct direct;

/* As flow_append. */
int direct_take(direct *d, const flow_event *event);

#endif
