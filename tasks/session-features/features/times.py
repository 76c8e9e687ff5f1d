"""How long the visitor stayed: on a page, in the session, and between stages."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.visit import Visit

IDLE = 300  # seconds after which a visitor most likely does something else


def features(visits: Sequence[Visit]) -> dict[str, Any]:
    """Return dwell statistics in seconds; those of a one-page session are 0."""
    dwells = [visit.dwell for visit in visits if visit.dwell is not None]
    by_page: defaultdict[str, list[int]] = defaultdict(list)
    for visit in visits:
        if visit.dwell is not None:
            by_page[visit.page].append(visit.dwell)
    active = sum(min(dwell, IDLE) for dwell in dwells)
    return {
        "duration": visits[-1].at - visits[0].at,
        "active": active,
        "median": float(median(dwells)) if dwells else 0.0,
        "mean_log": round(fmean(map(math.log1p, dwells)), 6) if dwells else 0.0,
        "longest": max(dwells, default=0),
        "idle_gaps": sum(dwell > IDLE for dwell in dwells),
        "by_page": {page: round(fmean(values), 3) for page, values in sorted(by_page.items())},
        "share": {
            page: round(sum(min(value, IDLE) for value in values) / active, 6) if active else 0.0
            for page, values in sorted(by_page.items())
        },
    }
