"""Events against trigger conditions: in PolyVM's trie, and in a plain list walked in Python."""

import random
import time
from typing import Any

import msgspec

from bench.contenders.serve import pin, serve
from polyvm import vm

TYPES = ("page_enter", "click", "exposure", "scroll", "page_exit")
PAGES = 1_000_000  # so that few events fit: what fits costs its match besides
KEYS = 2_000
BATCH = 1_000
IN_A_ROW = 4  # events of one page before the next


def conditions(count: int) -> list[list[tuple[str, str]]]:
    """Sequences of two or three events on one page: somebody enters it, and does this and that."""
    chance = random.Random(1)
    made = []
    for _ in range(count):
        page = f"page-{chance.randrange(PAGES)}"
        more = [(chance.choice(TYPES[1:]), page) for _ in range(chance.randint(1, 2))]
        made.append([(TYPES[0], page), *more])
    return made


def events(count: int) -> list[dict[str, Any]]:
    """Sessions that enter pages and do things there, mixed."""
    chance = random.Random(2)
    pages = [f"page-{chance.randrange(PAGES)}" for _ in range(KEYS)]
    made = []
    for number in range(count):
        key = chance.randrange(KEYS)
        kind = chance.randrange(IN_A_ROW)
        if kind == 0:
            pages[key] = f"page-{chance.randrange(PAGES)}"
        made.append(
            {
                "event": TYPES[0] if kind == 0 else chance.choice(TYPES[1:]),
                "page": pages[key],
                "key": f"session-{key}",
                "time": 1_700_000_000 + number // 100,
                "price": chance.random(),
            }
        )
    return made


def trie(count: int, repeat: int) -> dict[str, Any]:
    """Nanoseconds for each event with `count` conditions, of `repeat` batches; matches; adding."""
    packed = [msgspec.msgpack.encode(event) for event in events(BATCH * repeat)]
    with vm.Executor(1) as executor:
        start = time.perf_counter_ns()
        for steps in conditions(count):
            condition = {"steps": [{"type": type_, "page": page} for type_, page in steps]}
            executor.triggers.add(
                0, "t", msgspec.msgpack.encode(condition), mode=vm.TriggerMode.HAND_OUT
            )
        added = time.perf_counter_ns() - start
        times, fired = [], 0
        for first in range(0, len(packed), BATCH):
            batch = packed[first : first + BATCH]
            start = time.perf_counter_ns()
            fired += len(executor.triggers.events(batch).fired)
            times.append((time.perf_counter_ns() - start) / BATCH)
        stats = executor.triggers.all_stats()
    return {
        "event_ns": times,
        "fired": fired,
        "add_ns": added / count,
        "pending": stats.pending,
        "nodes": stats.nodes,
    }


def plain(count: int, repeat: int) -> dict[str, Any]:
    """The same, each event held against each condition in turn."""
    wanted = conditions(count)
    waits: list[dict[str, int]] = [{} for _ in wanted]
    times, fired = [], 0
    every = events(BATCH * repeat)
    for first in range(0, len(every), BATCH):
        start = time.perf_counter_ns()
        for event in every[first : first + BATCH]:
            what, key = (event["event"], event["page"]), event["key"]
            for steps, come in zip(wanted, waits, strict=True):
                # From the last step to the first: one event takes a match on by one step.
                reached = come.get(key, 0)
                for index in range(len(steps) - 1, -1, -1):
                    if steps[index] != what or (index and not reached >> index & 1):
                        continue
                    reached &= ~(1 << index)
                    if index == len(steps) - 1:
                        fired += 1
                    else:
                        reached |= 1 << index + 1
                    come[key] = reached
        times.append((time.perf_counter_ns() - start) / BATCH)
    return {"event_ns": times, "fired": fired}


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "trie": trie, "plain": plain})
