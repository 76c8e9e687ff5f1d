"""A served API over a runner under the test's control."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.api.access import Access
from polyvm.host.api.backend import Backend
from polyvm.host.api.server import Server
from polyvm.host.events import Events
from polyvm.host.features import FeatureTables
from polyvm.host.job_runner import JobRunner
from polyvm.host.metrics import Metrics
from polyvm.vm import ThreadStats
from tests.host.test_invocations import Site
from tests.host.test_jobs import HOURLY
from tests.host.test_jobs import Stage as JobStage

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60  # seconds after which a test gives up; nothing is measured by it


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any  # decoded, if it is JSON
    headers: dict[str, str]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("anything", timeout=PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    """One request over a connection of its own."""
    try:
        connection.request(
            method, target, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        response = connection.getresponse()
        raw = response.read()
        json_too = response.headers["Content-Type"] == "application/json"
        return Answer(
            response.status, json.loads(raw) if json_too else raw.decode(), dict(response.headers)
        )
    finally:
        connection.close()


class Waiter(threading.Thread):
    """A request whose answer the test does not wait for yet."""

    def __init__(self, served: Served, target: str, body: bytes) -> None:
        super().__init__(daemon=True)
        self._ask = lambda: served.ask("POST", target, body)
        self._answer: Answer | None = None
        self.start()

    def run(self) -> None:
        self._answer = self._ask()

    def answer(self) -> Answer:
        self.join(PATIENCE)
        assert self._answer is not None, "no answer came"
        return self._answer


@dataclass
class Served:
    site: Site
    server: Server
    socket: Path
    unready: list[str] = field(default_factory=list)
    features: FeatureTables = field(default_factory=FeatureTables)
    jobs: JobRunner = field(default_factory=lambda: JobStage(HOURLY).runner)

    def tcp(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        return ask(self.tcp(), method, target, body, **headers)

    def ask_unix(
        self, method: str, target: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        return ask(UnixConnection(self.socket), method, target, body, **headers)

    def wait_for_pending(self, count: int) -> None:
        end = threading.Event()
        for _ in range(PATIENCE * 1000):
            if len(self.site.runner.pending) >= count:
                return
            end.wait(0.001)
        pytest.fail(f"{count} invocations did not come")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    site = Site()
    path = tmp_path / "socket"
    server = Server(Access(address=("127.0.0.1", 0), socket=path))
    made = Served(site, server, path)
    threads = ThreadStats(threads=4, stuck=1, unserved=0, pauses=7)
    backend = Backend(
        registry=site.registry,
        invocations=site.invocations,
        events=Events(site.registry, lambda: False),
        event_store=None,
        features=made.features,
        jobs=made.jobs,
        switches=site.switches,
        metrics=Metrics(
            site.registry,
            site.invocations,
            threads=lambda: threads,
            refused=lambda: 0,
            lost_records=lambda: 0,
        ),
        threads=lambda: threads,
        unready=lambda: made.unready[-1] if made.unready else None,
        refused=lambda: [("bad.bundle", "it is bad")],
    )
    thread = threading.Thread(target=server.run, args=(backend,))
    thread.start()
    yield made
    server.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not path.exists()
