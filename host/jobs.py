"""Jobs as operators write them: `[[jobs]]` in the file of `polyvm run --flows`.

A job runs at times, like a timer of a task: a query whose rows become features, or a task.
"""

from __future__ import annotations

import re

import msgspec

from polyvm.host import durations, times
from polyvm.host.errors import ManifestError

MAX_JOBS = 1000
MAX_SQL_BYTES = 64 * 1024
MAX_TABLE_BYTES = 54  # as in engine/include/feature.h

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Into(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows of which feature table a query's rows become."""

    table: str
    key: str  # the column whose value is the key; the others are the features
    merge: bool = False  # features that a row does not have stay as they are
    remove: bool = False  # keys that are in the table and in no row have nothing from then on


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done, and when."""

    name: str
    every: str | None = None  # such as "1h"
    cron: str | None = None  # such as "0 3 * * *"
    timezone: str = "UTC"  # of cron
    at_start: bool = False  # also when the host starts
    jitter: str | None = None  # later by chance, up to so much
    missed: str = "once"  # or "skip": what comes of times while the host was down
    sql: str | None = None  # one SELECT over events and feature tables
    since: str | None = None  # it sees events of the last so long only
    into: Into | None = None
    task: str | None = None  # instead of sql: started with the job's name and times


def check(jobs: tuple[Job, ...], where: str) -> None:
    """Refuse, with a ManifestError, what the types allow and no host can do."""
    if len(jobs) > MAX_JOBS:
        raise ManifestError(f"{where}: {len(jobs)} jobs; the most is {MAX_JOBS}")
    names = set()
    for number, job in enumerate(jobs, 1):
        if not _NAME.fullmatch(job.name):
            raise ManifestError(
                f"{where}: name {job.name[:80]!r} of job {number} must be lower-case letters, "
                "digits and hyphens, up to 64"
            )
        if job.name in names:
            raise ManifestError(f"{where}: two jobs are called {job.name}")
        names.add(job.name)
        _check(job, f"{where}: job {job.name}")


def _check(job: Job, place: str) -> None:
    if (job.every is None) == (job.cron is None):
        raise ManifestError(f"{place}: it is run either every so often or as cron says; name one")
    if job.cron is None and job.timezone != "UTC":
        raise ManifestError(f"{place}: timezone is of cron, and there is none; take it out")
    times.check(job, place)
    if (job.sql is None) == (job.task is None):
        raise ManifestError(f"{place}: it has either sql or a task; name one")
    if job.task is not None:
        if job.into is not None or job.since is not None:
            raise ManifestError(
                f"{place}: into and since are of sql; a task puts features by itself; take them out"
            )
        return
    if job.into is None:
        raise ManifestError(
            f'{place}: into says what becomes of the rows, such as {{table = "totals", '
            'key = "user"}}'
        )
    if len((job.sql or "").encode()) > MAX_SQL_BYTES:
        raise ManifestError(f"{place}: sql is longer than {MAX_SQL_BYTES} bytes")
    if not 1 <= len(job.into.table.encode()) <= MAX_TABLE_BYTES or "\0" in job.into.table:
        raise ManifestError(f"{place}: the name of a table has 1 to {MAX_TABLE_BYTES} bytes")
    if job.since is not None and times.read(durations.parse, "since", job.since, place) == 0:
        raise ManifestError(f"{place}: since {job.since!r} leaves no events; leave it out for all")
