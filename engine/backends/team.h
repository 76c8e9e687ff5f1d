/* team.h - threads that help one run.
**
** The process has a set of helpers, as many as it has cores less one at most, started when they are
** first wanted and kept. A run that may use several threads joins as a *crew*. Before each work it
** is settled again how many helpers the crew holds: its share, with the other crews, of the cores
** that nobody uses. Threads that run other work are counted (pvg_thread_busy), so there are never
** more threads at work than cores on account of a crew; a crew may well have no helper at all.
**
** Helpers stop when the caller's context asks for it, and charge the caller's account; whether the
** account may hold so much is asked by the caller, after the work.
*/
#ifndef PVB_TEAM_H
#define PVB_TEAM_H

#include "backend.h"

#define PVB_HELPERS 63

typedef struct pvb_crew {
  pvb_team team;
  uint64_t held; /* a bit for each helper */
  bool counted;  /* the calling thread was not counted as busy before */
} pvb_crew;

/* The team of a run that may use so many threads; NULL for 1. Until pvb_crew_leave, by the same
** thread, the crew stays where it is. */
PVT_API pvb_team *pvb_crew_join(pvb_crew *crew, int threads);
PVT_API void pvb_crew_leave(pvb_crew *crew);

/* Helpers that there are, and those that crews hold now. */
PVT_API int pvb_helpers(int *held);

#endif
