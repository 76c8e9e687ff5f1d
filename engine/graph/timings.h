/* timings.h - how long ways of doing works took, kept for a model and, if wanted, in a file.
**
** The file is <folder>/<model>-<machine>-<precision>.plan: a line for each measurement, and a hash of
** them all. It is replaced as a whole; one that is damaged or of another version is ignored. What it
** says only decides between ways that are all right.
*/
#ifndef PVG_TIMINGS_H
#define PVG_TIMINGS_H

#include "model.h"

/* model->timings, read from the cache if there is one. */
int pvg_timings_new(pvg_model *model);
void pvg_timings_release(struct pvg_timings *timings); /* NULL is fine */
/* Seconds that are known, or 0. `key` says the work and the way, without line ends. */
double pvg_timings_get(struct pvg_timings *timings, const char *key);
void pvg_timings_put(struct pvg_timings *timings, const char *key, double seconds);
/* Seconds that a plan may still take for measuring: of `budget`, less where the model's plans have
** taken much already (models of many shapes). Then what it took. */
double pvg_timings_left(struct pvg_timings *timings, double budget);
void pvg_timings_spend(struct pvg_timings *timings, double seconds);
/* Write the file, if something is new and a folder is given. Failing to is no error. */
void pvg_timings_save(const pvg_model *model);

#endif
