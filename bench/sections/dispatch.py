"""What the way to a worker and back costs: tasks that do nothing."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.contender import Contender, all_closed
from bench.peers.python import Python
from bench.rows import Row, Table, at_least, at_most, duration
from bench.settings import MODERN, Setup

TITLE = "No-op invocations"
CHUNK = 64
"""Tasks that a process pool is given at a time where it may be given several."""


@dataclass(frozen=True)
class Peer:
    """One way to run tasks: what makes it, how many no-ops it is given, and how it is set up."""

    name: str
    kind: str
    python: Python | None
    count: int
    settings: str
    chunk: int = 1
    trips: int = 3_000

    def start(self, cpus: list[int]) -> Contender:
        title = f"noop {self.name}"
        if self.python is None:
            return Contender.vm(title, cpus)
        if self.kind == "ray":
            return Contender.ray(title, self.python, cpus)
        return Contender.stock(title, self.python, cpus)


def peers_of(setup: Setup) -> list[Peer]:
    """Ours, and whichever of the others this machine has."""
    found = [
        Peer(
            "vm",
            "vm",
            None,
            200_000,
            "Executor.submit_array, arrays of 1,024; each element queued and ended by itself",
        )
    ]
    hosts = [(setup.modern, MODERN)]
    if setup.host is not None:
        hosts.append((setup.host, ".".join(setup.host.release.split(".")[:2])))
    for python, short in hosts:
        if python is None:
            continue
        if python is setup.modern:
            found.append(
                Peer(
                    f"interpreters {short}",
                    "interpreters",
                    python,
                    8_000,
                    "InterpreterPoolExecutor.map, which takes no chunks",
                )
            )
        found.append(
            Peer(f"threads {short}", "threads", python, 20_000, "ThreadPoolExecutor.map, one GIL")
        )
        start = "forkserver" if python is setup.modern else "fork"
        found += [
            Peer(
                f"processes {short}{label}",
                "processes",
                python,
                count,
                f"ProcessPoolExecutor.map by {start}, chunksize {chunk}",
                chunk,
            )
            for label, chunk, count in (("", 1, 8_000), (f", chunks of {CHUNK}", CHUNK, 100_000))
        ]
    if setup.ray is not None:
        text = f"{setup.ray.origin}, local, no dashboard; an actor for each worker, called in turn"
        found.append(Peer("Ray", "ray", setup.ray, 4_000, text, trips=1_000))
    return found


def measure(setup: Setup) -> dict[str, Any]:
    """Invocations a second in one batch, and round trips one at a time, round by round."""
    workers = min(2, len(setup.cpus))
    rounds = setup.rounds(3, 7)
    found: dict[str, dict[str, list[float]]] = {}
    peers = peers_of(setup)
    with all_closed([]) as contenders:
        for peer in peers:
            setup.progress(f"starting {peer.name}")
            contenders.append(peer.start(setup.cpus))
            contenders[-1].ask(
                "open_pool", kind=peer.kind, workers=workers, classes=["noop"], chunk=peer.chunk
            )
        for turn in range(rounds):
            for peer, contender in zip(peers, contenders, strict=True):
                setup.progress(f"round {turn + 1} of {rounds}: {peer.name}")
                mine = found.setdefault(peer.name, {})
                count = setup.rounds(1, 2) * peer.count
                told = contender.ask("batch", kind="noop", count=count)
                mine.setdefault("per_second", []).append(told["count"] / told["ns"] * 1e9)
                if peer.kind == "vm":
                    told = contender.ask("one_by_one", kind="noop", count=count // 4)
                    rate = told["count"] / told["ns"] * 1e9
                    mine.setdefault("one_by_one_per_second", []).append(rate)
                if peer.chunk == 1:
                    told = contender.ask("latency", kind="noop", count=peer.trips)
                    for key in ("p50", "p99", "p999"):
                        mine.setdefault(key, []).append(told[key])
    missing = {
        name: reason
        for name, reason in setup.missing.items()
        if name in {f"stock CPython {MODERN}", "the host's Python", "Ray"}
    }
    settings = {peer.name: peer.settings for peer in peers}
    return {"workers": workers, "found": found, "settings": settings, "missing": missing}


def rows(data: dict[str, Any]) -> list[Row]:
    ours = data["found"]["vm"]
    theirs = data["found"].get(f"interpreters {MODERN}")
    if theirs is None:
        return []
    rate, reference = median(ours["per_second"]), median(theirs["per_second"])
    trip, reference_trip = median(ours["p50"]), median(theirs["p50"])
    return [
        at_least(
            f"no-op invocations per second, {data['workers']} VMs",
            f"{MODERN} InterpreterPoolExecutor, {reference:,.0f}/s",
            40,
            rate / reference,
            reached=f"{rate:,.0f}/s = {rate / reference:.1f}x",
        ),
        at_most(
            "submit-to-result round trip, p50",
            f"{MODERN} InterpreterPoolExecutor, {duration(reference_trip)}",
            "<= 1/10",
            0.1,
            value=trip / reference_trip,
            reached=f"{duration(trip)} = 1/{reference_trip / trip:.1f}",
        ),
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    settings = data.get("settings", {})
    lines = []
    for name, found in data["found"].items():
        trips = [
            duration(median(found[key])) if key in found else "" for key in ("p50", "p99", "p999")
        ]
        lines.append([name, f"{median(found['per_second']):,.0f}", *trips, settings.get(name, "")])
        single = found.get("one_by_one_per_second")
        if single:
            one_by_one = "Executor.submit for each, collected in batches"
            lines.append([f"{name}, one by one", f"{median(single):,.0f}", "", "", "", one_by_one])
    lines += [
        [name, "not measured", "", "", "", reason]
        for name, reason in data.get("missing", {}).items()
    ]
    return [
        Table(
            f"{TITLE}, {data['workers']} workers",
            ["contender", "per second", "round trip p50", "p99", "p99.9", "set up as"],
            lines,
            "Everybody has all inputs before the clock starts. A chunk is one task for its pool: "
            "it fails as one, and is waited for as one.",
        )
    ]
