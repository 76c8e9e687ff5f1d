"""A runner of processes, what is given to it, and how it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from polyvm.host.isolation import ProcessRunner
from polyvm.host.manifest import Permissions
from polyvm.host.sources import Sources
from polyvm.vm import Completion, Executor, Lane, Limits, Module, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.vm import SubmitOptions

PATIENCE = 60  # seconds after which a test gives up; nothing is measured by it
ECHO = "def run(payload):\n    return payload\n"


def sources(main: str, **assets: bytes) -> Sources:
    return Sources(
        "a",
        "1.0",
        "main:run",
        {"main": Module(main.encode())},
        {name.replace("__", "."): data for name, data in assets.items()},
    )


class Bench:
    """A runner, and the results of what was given to it, by tag."""

    def __init__(self, executor: Executor, runner: ProcessRunner) -> None:
        self.executor = executor
        self.runner = runner
        self.order: list[int] = []  # tags, as they ended
        self.ended: dict[int, Completion] = {}

    def add(self, main: str, lane: Lane = Lane.REGULAR, **limits: Any) -> int:
        return self.runner.add(sources(main), lane, Limits(**limits))

    def add_with(self, permissions: Permissions, main: str, **limits: Any) -> int:
        program = Sources(
            "a", "1", "main:run", {"main": Module(main.encode())}, {}, permissions=permissions
        )
        return self.runner.add(program, limits=Limits(**limits))

    def submit(self, task: int, payload: Any, tag: int, **options: Unpack[SubmitOptions]) -> int:
        return self.runner.submit(task, msgspec.msgpack.encode(payload), tag, **options)

    def wait(self, *tags: int) -> list[Completion]:
        end = time.monotonic() + PATIENCE
        while not set(tags) <= self.ended.keys():
            assert time.monotonic() < end, f"waited in vain for {set(tags) - self.ended.keys()}"
            for completion in self.executor.collect(timeout_ms=1000):
                assert completion.tag not in self.ended
                self.order.append(completion.tag)
                self.ended[completion.tag] = completion
        return [self.ended[tag] for tag in tags]

    def run(self, task: int, payload: Any = None) -> Completion:
        tag = 10**6 + len(self.ended)
        self.submit(task, payload, tag)
        return self.wait(tag)[0]

    def value(self, task: int, payload: Any = None) -> Any:
        completion = self.run(task, payload)
        assert completion.outcome is Outcome.DONE, completion.data.decode()
        return msgspec.msgpack.decode(completion.data)

    def failure(self, task: int, payload: Any = None) -> tuple[Outcome, str]:
        completion = self.run(task, payload)
        assert completion.outcome is not Outcome.DONE
        return completion.outcome, completion.data.decode()


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """Whether the process has ended, waited for by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


GATED = """
import os, time
def run(gate):
    while gate and not os.path.exists(gate):
        time.sleep(0.005)
    return gate
"""
