"""How soon events are worth something: to a trigger's task, to a feature, to one of page views."""

import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration, size
from bench.settings import Setup

TITLE = "From events to features"
KINDS = {"trigger": "a task that it triggers has begun", "feature": "its feature can be read"}
SHARES = (0.1, 0.5, 0.9)
FEATURE_GOAL_NS = 1_000_000
READ_GOAL_NS = 20_000
DEVICE_NS, CLOUD_NS = 44_160_000, 33_730_000_000
REDUCTION_GOAL = 0.1
"""What the paper on Walle says of its own: on devices, and in the cloud that did it before."""


def measure(setup: Setup) -> dict[str, Any]:
    """Each kind in a process of its own: the greatest rate, then shares of it, round by round."""
    seconds = 0.5 if setup.quick else 2.0
    found: dict[str, Any] = {}
    for kind in KINDS:
        with _contender(setup, kind) as contender:
            setup.progress(f"{kind}: the greatest rate")
            most = contender.ask("most", kind=kind, folder=_folder(), seconds=seconds)
            most = most["per_second"]
            shares: dict[str, list[Any]] = {str(share): [] for share in SHARES}
            for turn in range(setup.rounds(1, 5)):
                for share in SHARES:
                    setup.progress(f"{kind} at {share:.0%}: round {turn + 1}")
                    told = contender.ask("arrive", kind=kind, rate=most * share, seconds=seconds)
                    shares[str(share)].append(told)
            contender.ask("close")
        found[kind] = {"per_second": most, "shares": shares}
    return {
        "kinds": found,
        "reads": _reads(setup),
        "ipv": _ipv(setup),
    }


def _folder() -> str:
    """Where stores are made, on the disk of the repository."""
    place = Path("build") / "bench"
    place.mkdir(parents=True, exist_ok=True)
    return str(place)


def _contender(setup: Setup, name: str) -> Contender:
    return Contender(name, [sys.executable], "bench.contenders.freshness", setup.cpus)


def _reads(setup: Setup) -> dict[str, list[Any]]:
    """Percentiles of reading a feature in a VM: nobody writes, and a thread does all the time."""
    reads: dict[str, list[Any]] = {"nobody": [], "a flow": []}
    for turn in range(setup.rounds(1, 5)):
        for writer, told in reads.items():
            setup.progress(f"reading features, {writer} writes: round {turn + 1}")
            with _contender(setup, "reads") as contender:
                count = setup.rounds(20_000, 200_000)
                writing = writer != "nobody"
                told.append(contender.ask("reads", folder=_folder(), writing=writing, count=count))
    return reads


def _ipv(setup: Setup) -> dict[str, Any]:
    with _contender(setup, "ipv") as contender:
        contender.ask("open_views", sessions=setup.rounds(100, 600))
        told = []
        for turn in range(setup.rounds(1, 5)):
            setup.progress(f"item page views: round {turn + 1}")
            told.append(contender.ask("views", folder=_folder(), rate=5_000))
    return {"rounds": told}


def rows(data: dict[str, Any]) -> list[Row]:
    half = median([told["p99"] for told in data["kinds"]["feature"]["shares"]["0.5"]])
    read = median([told["p99"] for told in data["reads"]["a flow"]])
    views = data["ipv"]["rounds"]
    late = median([told["p50"] for told in views])
    left = median([told["bytes_out"] / told["bytes_in"] for told in views])
    return [
        at_most(
            "from an event to its feature at half load, p99",
            "",
            f"<= {duration(FEATURE_GOAL_NS)}",
            FEATURE_GOAL_NS,
            value=half,
            reached=duration(half),
        ),
        at_most(
            "reading a feature in a VM while a flow writes, p99",
            "",
            f"<= {duration(READ_GOAL_NS)}",
            READ_GOAL_NS,
            value=read,
            reached=duration(read),
        ),
        at_most(
            "from leaving an item's page to its features with their encoding, p50",
            f"Walle on devices: {duration(DEVICE_NS)}; in the cloud: {duration(CLOUD_NS)}",
            f"<= {duration(DEVICE_NS)}",
            DEVICE_NS,
            value=late,
            reached=f"{duration(late)} = 1/{DEVICE_NS / late:.0f}",
        ),
        at_most(
            "bytes of features and encodings to bytes of raw behaviour",
            "",
            f"< {REDUCTION_GOAL:.0%}",
            REDUCTION_GOAL,
            value=left,
            reached=f"{left:.1%}",
        ),
    ]


def _percentiles(rounds: list[Any]) -> list[str]:
    return [duration(median([told[name] for told in rounds])) for name in ("p50", "p99", "p999")]


def tables(data: dict[str, Any]) -> list[Table]:
    lines = [
        [
            f"{what}, {float(share):.0%} of {kind['per_second']:,.0f}/s",
            f"{median([told['per_second'] for told in rounds]):,.0f}",
            *_percentiles(rounds),
        ]
        for name, what in KINDS.items()
        for kind in (data["kinds"][name],)
        for share, rounds in kind["shares"].items()
    ]
    views = data["ipv"]["rounds"]
    taken, made = (median([told[name] for told in views]) for name in ("bytes_in", "bytes_out"))
    many, count = (median([told[name] for told in views]) for name in ("events", "features"))
    return [
        Table(
            "From an event until …",
            ["what", "events/s", "p50", "p99", "p99.9"],
            lines,
            "Events and features are kept, so that they outlive the process. Events arrive by the "
            "clock, whatever has become of those before; the time counts from "
            "when an event was due. Medians of rounds. The rates are shares of the greatest one, "
            "with the next batch of 1,000 handed in when the last is through.",
        ),
        Table(
            "Reading a feature in a VM",
            ["who writes", "p50", "p99", "p99.9"],
            [[writer, *_percentiles(rounds)] for writer, rounds in data["reads"].items()],
            "One task, rows of 2,000 keys, decoded to a dict; the clock's own time counts.",
        ),
        Table(
            "Item page views",
            ["reports/s", "from leaving the page to the feature, p50", "p99", "p99.9"],
            [[f"{median([told['per_second'] for told in views]):,.0f}", *_percentiles(views)]],
            f"{many:,.0f} reports ({size(taken)}, {taken / many:.0f} bytes each) of product pages "
            f"became {count:,.0f} features with an encoding ({size(made)}, "
            f"{made / count:.0f} bytes each): {1 - made / taken:.1%} less. Flow, task in a VM, "
            "table.",
        ),
    ]
