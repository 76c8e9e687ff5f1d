"""Click streams cut into sessions and summed up: datetime, groupby, statistics."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from random import Random
from statistics import fmean, median

N = 9000
CHECK = (60, [31, 1, 60])

GAP = timedelta(minutes=30)
Click = dict[str, str]


def clicks(count: int) -> list[Click]:
    rng = Random(41)
    when = datetime(2026, 11, 21, 8, tzinfo=UTC)
    made: list[Click] = []
    for _ in range(count):
        when += timedelta(seconds=rng.randrange(1, 400))
        made.append(
            {"user": f"u{rng.randrange(12)}", "at": when.isoformat(), "page": rng.choice("abcdef")}
        )
    return made


def run(n: int) -> list[int]:
    """[sessions, median clicks of one, clicks] for n clicks of twelve users."""
    sessions: list[list[tuple[datetime, str]]] = []
    ordered = sorted(clicks(n), key=itemgetter("user"))
    for _, group in groupby(ordered, key=itemgetter("user")):
        last: datetime | None = None
        for click in group:
            at = datetime.fromisoformat(click["at"])
            if last is None or at - last > GAP:
                sessions.append([])
            sessions[-1].append((at, click["page"]))
            last = at
    lengths = [len(session) for session in sessions]
    dwell = [(session[-1][0] - session[0][0]).total_seconds() for session in sessions]
    if fmean(dwell) < 0:
        raise ValueError("a session ended before it began")
    return [len(sessions), int(median(lengths)), sum(lengths)]
