"""Make the demo's input: e-commerce click events as JSON lines.

    python tasks/prepare_data.py build/data/ecom.jsonl

The events are `datasets/ecom.csv.gz` of the package retentioneering 5.2.4 (Apache-2.0): 31,106
events of 600 users in 3,605 sessions. Its authors say that the data is synthetic: six months of a
consumer electronics shop with five built-in stories, such as a payment incident. The package is
downloaded once, by pip, into the user's cache. If it cannot be had, the sample that is kept
beside this file is used, and the command says so.

Lines come in the order of time. Beside each event there is, when a session has ended, one
`session_end` line with all of it, and after every 20 sessions a `window_end` line with the pages
of the last 60. `event` is what kind of line it is, `ts` the time in seconds since 1970 (UTC).
"""

from __future__ import annotations

import argparse
import calendar
import csv
import gzip
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheels import RETENTIONEERING, UnobtainableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEMBER = "retentioneering/datasets/ecom.csv.gz"
SAMPLE = Path(__file__).parent / "data" / "ecom-sample.jsonl.gz"
SAMPLE_START = "2024-05-17 00:00:00"  # two days before the payment incident
SAMPLE_EVENTS = 2000

WINDOW = 60  # sessions in a window_end line
STRIDE = 20  # sessions from one to the next
PROFILE = ("user_id", "platform", "acquisition_channel", "user_cohort", "user_lifecycle")


def download() -> list[dict[str, str]]:
    """Return the rows of the event file, from the user's cache or by pip."""
    content = RETENTIONEERING.member(MEMBER)
    return list(csv.DictReader(gzip.decompress(content).decode("utf-8").splitlines()))


def sample_rows(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return whole sessions from SAMPLE_START on, until there are SAMPLE_EVENTS events."""
    sessions: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        sessions.setdefault(row["session_id"], []).append(row)
    chosen: list[dict[str, str]] = []
    for events in sorted(sessions.values(), key=lambda events: events[0]["timestamp"]):
        if events[0]["timestamp"] >= SAMPLE_START and len(chosen) < SAMPLE_EVENTS:
            chosen += events
    return chosen


def feed(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Turn rows into the lines of the feed."""
    # sorted() is stable: the file's own order breaks ties, and it has each session in sequence.
    ordered = sorted(rows, key=lambda row: row["timestamp"])
    last = {row["session_id"]: index for index, row in enumerate(ordered)}
    open_sessions: dict[str, list[list[Any]]] = {}
    ended: deque[list[str]] = deque(maxlen=WINDOW)
    count = 0
    for index, row in enumerate(ordered):
        ts = calendar.timegm(time.strptime(row["timestamp"], "%Y-%m-%d %H:%M:%S"))
        session = row["session_id"]
        profile = {name: row[name] for name in PROFILE}
        yield {"event": row["event"], "ts": ts, "session_id": session, **profile}
        open_sessions.setdefault(session, []).append([row["event"], ts])
        if last[session] != index:
            continue
        events = open_sessions.pop(session)
        yield {"event": "session_end", "session_id": session, **profile, "events": events}
        ended.append([name for name, _ in events])
        count += 1
        if count % STRIDE == 0 and count >= WINDOW:
            yield {"event": "window_end", "window": count // STRIDE, "sessions": list(ended)}


def lines() -> list[dict[str, Any]]:
    """Return the lines of the feed; of the sample, with a word to stderr, if there is no more."""
    try:
        return list(feed(download()))
    except (UnobtainableError, OSError) as error:
        print(
            f"{Path(sys.argv[0]).stem}: {error}; the sample {SAMPLE.name} is used", file=sys.stderr
        )
        return [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]


def write(lines: Iterable[dict[str, Any]], output: Path) -> int:
    """Write JSON lines, gzipped if the name says so; the same lines give the same bytes."""
    text = [json.dumps(line, separators=(",", ":")) + "\n" for line in lines]
    content = "".join(text).encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(gzip.compress(content, mtime=0) if output.suffix == ".gz" else content)
    return len(text)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the demo's input file.")
    parser.add_argument("output", type=Path, help="JSON-lines file to write; .gz packs it")
    parser.add_argument("--sample", action="store_true", help="make the small sample anew")
    options = parser.parse_args()
    try:
        prepared = list(feed(sample_rows(download()))) if options.sample else lines()
    except (UnobtainableError, OSError) as error:
        print(f"prepare_data: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {write(prepared, options.output):,} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
