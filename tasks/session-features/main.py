"""Features of one shop session: funnel, dwell times, item page views, sequence statistics."""

from __future__ import annotations

from typing import Any

from features import funnel, items, sequence, times
from features.visit import Visit


def run(session: dict[str, Any]) -> dict[str, Any]:
    """Return the features of a ``session_end`` line.

    ``events`` holds [page, seconds since 1970] pairs in the order of time, at least one.
    """
    visits = Visit.sequence(session["events"])
    pages = [visit.page for visit in visits]
    return {
        "session_id": session["session_id"],
        "user_id": session["user_id"],
        "funnel": funnel.features(pages),
        "times": times.features(visits),
        "items": [item._asdict() for item in items.page_views(visits)],
        "sequence": sequence.features(pages),
    }
