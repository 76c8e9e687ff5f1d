"""What a run measures with: peers, CPUs, how long."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.contender import Contender
from bench.peers import debian, models, ray, sdk, streams
from bench.peers.python import PeerError, Python, probe

MODERN = "3.14"
"""The series whose interpreters and pools stand for stock CPython's own answer."""


@dataclass
class Setup:
    """One run's settings. A peer that is missing is None, and `missing` says why."""

    quick: bool
    cpus: list[int]
    release: str
    library: str
    build: str
    stock: Python | None = None
    sdk: Python | None = None
    modern: Python | None = None
    host: Python | None = None
    ray: Python | None = None
    models: Python | None = None
    streams: Python | None = None
    missing: dict[str, str] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None

    def rounds(self, quick: int, full: int) -> int:
        return quick if self.quick else full

    @property
    def pools(self) -> "list[tuple[str, Python, str, int]]":
        """(name, interpreter, kind, chunk) of every pool that is measured against executors."""
        found: list[tuple[str, Python, str, int]] = []
        if self.stock is not None:
            short = ".".join(self.stock.release.split(".")[:2])
            found.append((f"threads {short}", self.stock, "threads", 1))
            found.append((f"processes {short}", self.stock, "processes", 1))
            found.append((f"processes {short}, chunks of 16", self.stock, "processes", 16))
        if self.modern is not None:
            found.append((f"interpreters {MODERN}", self.modern, "interpreters", 1))
            found.append((f"processes {MODERN}", self.modern, "processes", 1))
        return found


def prepare(
    *,
    quick: bool,
    cpus: list[int],
    stock: str | None,
    modern: str | None,
    ray_python: str | None,
    progress: Callable[[str], None],
) -> Setup:
    """Ask the library what it is, then find its peers.

    `stock`, `modern` and `ray_python` name executables, to be taken instead of what is found.
    """
    with Contender.vm("vm-hello") as contender:
        told = contender.ask("hello")
    setup = Setup(
        quick=quick,
        cpus=cpus,
        release=told["release"],
        library=told["library"],
        build=told["build"],
        progress=progress,
    )
    series = ".".join(setup.release.split(".")[:2])

    def found(name: str, obtain: Callable[[], Python]) -> Python | None:
        progress(f"looking for {name}")
        try:
            return obtain()
        except PeerError as error:
            setup.missing[name] = str(error)
            return None

    setup.stock = found(
        f"stock CPython {setup.release}",
        lambda: _named(stock) if stock else debian.obtain(series, setup.release),
    )
    setup.sdk = found("the SDK's own Python", lambda: sdk.find(setup.release, setup.build))
    setup.modern = found(
        f"stock CPython {MODERN}", lambda: _named(modern) if modern else debian.obtain(MODERN)
    )
    setup.host = found(
        "the host's Python",
        lambda: probe(Path(sys.executable), "which runs the benchmark and hosts the VMs"),
    )
    setup.ray = found("Ray", lambda: ray.named(Path(ray_python)) if ray_python else ray.obtain())
    setup.models = found("the models' peers", models.obtain)
    setup.streams = found("Bytewax and Pathway", streams.obtain)
    return setup


def _named(executable: str) -> Python:
    return probe(Path(executable), "named on the command line")
