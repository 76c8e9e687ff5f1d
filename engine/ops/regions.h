/* regions.h - lists of regions, for the engine's own files. */
#ifndef PVT_REGIONS_H
#define PVT_REGIONS_H

#include "move.h"

/* Append a copy. PVT_E_NOMEM, PVT_E_QUOTA, PVT_E_CANCELLED. */
int pvt_regions_add(pvt_regions *regions, const pvt_region *region);

#endif
